"""What was measured, as a table for people or as JSON for programs."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Aim:
    """``at_least`` or ``at_most``; the other one is None."""

    at_least: float | None = None
    at_most: float | None = None

    def met(self, value: float) -> bool:
        enough = self.at_least is None or value >= self.at_least
        return enough and (self.at_most is None or value <= self.at_most)

    def __str__(self) -> str:
        return f"≥ {self.at_least:g}" if self.at_most is None else f"≤ {self.at_most:g}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One line. ``baseline`` is the same quantity, measured in the same run without the bot's
    work; None where it has no meaning."""

    what: str
    value: float
    unit: str
    baseline: float | None = None
    aim: Aim | None = None

    def as_json(self) -> dict[str, Any]:
        aim = {"aim": str(self.aim), "met": self.aim.met(self.value)} if self.aim else {}
        return {
            "what": self.what,
            "value": self.value,
            "unit": self.unit,
            "baseline": self.baseline,
        } | aim


@dataclass(slots=True)
class Result:
    """``load`` is the machine's load average before and after: read the figures by it."""

    title: str
    baseline: str
    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    load: tuple[float, float] = (0.0, 0.0)

    def add(
        self,
        what: str,
        value: float,
        unit: str,
        baseline: float | None = None,
        aim: Aim | None = None,
    ) -> None:
        self.figures.append(Figure(what, value, unit, baseline, aim))

    def as_json(self) -> dict[str, Any]:
        return {
            "title": self.title,
            "baseline": self.baseline,
            "load": self.load,
            "figures": [each.as_json() for each in self.figures],
            "notes": self.notes,
        }


def load_average() -> float:
    return os.getloadavg()[0]


def show(console: Console, result: Result) -> None:
    before, after = result.load
    table = Table(title=result.title, title_justify="left", title_style="bold")
    table.add_column("")
    table.add_column("clusterdesk", justify="right")
    table.add_column(result.baseline, justify="right")
    table.add_column("aim", justify="right")
    for figure in result.figures:
        table.add_row(
            f"{figure.what}, {figure.unit}",
            _number(figure.value),
            "" if figure.baseline is None else _number(figure.baseline),
            _verdict(figure),
        )
    console.print(table)
    for note in [*result.notes, f"Load average {before:.1f} before, {after:.1f} after."]:
        console.print(f"  {note}", style="dim", highlight=False)
    console.print()


def aims_met(results: Mapping[str, Result]) -> bool:
    figures = (each for result in results.values() for each in result.figures)
    return all(each.aim.met(each.value) for each in figures if each.aim)


def _number(value: float) -> str:
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _verdict(figure: Figure) -> str:
    if figure.aim is None:
        return ""
    return f"{figure.aim} {'✓' if figure.aim.met(figure.value) else '✗'}"
