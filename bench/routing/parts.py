"""The parts of the benchmark, each a module with ``run(*paths) -> dict``: a line of JSON.

A part says which files it takes, where they are in the data folder, and which of its figures are
held against which aim. ``run`` may be a coroutine; it may not be there, where a build leaves a part
out.
"""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench.report import Aim, Result

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Target:
    """``figure`` and ``baseline`` are places in the part's JSON: keys with dots between.

    ``accept`` and ``aim`` are added to the baseline where they are ``relative``.
    """

    what: str
    figure: str
    baseline: str | None
    accept: float
    aim: float
    unit: str = ""
    at_most: bool = False
    relative: bool = False

    def limits(self, baseline: float | None) -> tuple[Aim, Aim]:
        base = (baseline or 0.0) if self.relative else 0.0
        accept, aim = round(base + self.accept, 3), round(base + self.aim, 3)
        if self.at_most:
            return Aim(at_most=accept), Aim(at_most=aim)
        return Aim(at_least=accept), Aim(at_least=aim)


@dataclass(frozen=True, slots=True)
class Part:
    """``files``: in the data folder, or whole paths. ``many``: as many as one likes."""

    name: str
    arguments: tuple[str, ...]
    files: tuple[str | Path, ...]
    targets: tuple[Target, ...]
    many: bool = False

    @property
    def is_there(self) -> bool:
        return find_spec(f"bench.routing.{self.name}") is not None

    def paths(self, data: Path) -> list[Path]:
        return [data / file for file in self.files]

    async def run(self, paths: Sequence[Path]) -> dict[str, Any]:
        found = import_module(f"bench.routing.{self.name}").run(*paths)
        if inspect.isawaitable(found):
            found = await found
        return found or {"part": self.name}


PARTS: Sequence[Part] = (
    Part(
        "replay",
        ("FILE.jsonl.gz",),
        ("se_quantum.jsonl.gz", "se_beer.jsonl.gz"),
        (
            Target("who answered, MRR", "mrr", "baselines.recency.mrr", 0.0, 0.02, relative=True),
            Target(
                "who answered, hit@3", "hit3", "baselines.recency.hit3", 0.0, 0.02, relative=True
            ),
            Target("as active lately, AUC", "auc", "baselines.recency.auc", 0.66, 0.70),
        ),
        many=True,
    ),
    Part(
        "known",
        ("FILE.jsonl.gz", "LINKS.xml"),
        ("se_quantum.jsonl.gz", "se_quantum_PostLinks.xml"),
        (Target("linked question in the first five", "hit5", "baselines.bm25.hit5", 0.60, 0.63),),
    ),
    Part(
        "desks",
        ("FILE.tsv",),
        (HERE / "desks.tsv",),
        (
            Target("desk, accuracy", "accuracy", "baselines.letters.accuracy", 0.88, 0.93),
            Target(
                "desk, precision at 80 %",
                "precision_at_80",
                "baselines.letters.precision_at_80",
                0.98,
                0.99,
            ),
        ),
    ),
    Part(
        "crosslingual",
        ("DIR",),
        (".",),
        (
            Target(
                "across languages, P@1",
                "cross_p_at_1",
                "baselines.letters.cross_p_at_1",
                0.70,
                0.74,
            ),
            Target(
                "across languages, hit@3",
                "cross_hit_at_3",
                "baselines.letters.cross_hit_at_3",
                0.89,
                0.92,
            ),
            Target(
                "across to same language, P@1",
                "cross_to_same",
                "baselines.letters.cross_to_same",
                0.88,
                0.93,
            ),
        ),
    ),
    Part(
        "latency",
        (),
        (),
        (
            Target(
                "route one question, p95",
                "p95_ms",
                "baselines.encoding_alone.p95_ms",
                100,
                30,
                "ms",
                at_most=True,
            ),
            Target(
                "memory", "rss_mb", "baselines.encoding_alone.rss_mb", 300, 220, "MB", at_most=True
            ),
        ),
    ),
    Part(
        "simulate",
        (),
        (),
        (
            Target(
                "busiest expert's share",
                "busiest",
                "baselines.unbalanced.busiest",
                0.40,
                0.25,
                at_most=True,
            ),
            Target("cost of balancing, hit@3", "cost_hit3", None, 0.05, 0.05, at_most=True),
        ),
    ),
    Part("language", ("DIR",), (".",), ()),
)
"""In the order they are run; those whose module is not there are left out."""


def table(part: Part, line: Mapping[str, Any]) -> Result:
    result = Result(f"Routing: {part.name}", "baseline")
    for target in part.targets:
        value, baseline = _at(line, target.figure), _at(line, target.baseline)
        if value is None:
            result.notes.append(f"{target.what}: not among the figures")
            continue
        accept, aim = target.limits(baseline)
        result.add(target.what, value, target.unit, baseline, accept)
        result.notes.append(f"{target.what}: aim {aim}{' ✓' if aim.met(value) else ''}")
    if note := line.get("note"):
        result.notes.append(str(note))
    return result


def _at(line: Mapping[str, Any], place: str | None) -> float | None:
    found: Any = line
    for key in (place or "?").split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return float(found) if isinstance(found, int | float) else None
