"""What is printed while the demo plays: who saw what, where, in their own words."""

from datetime import datetime
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "red")


class Transcript:
    """Lines of a play: acts as headings, then time, room, speaker and what was said."""

    def __init__(self, console: Console, zone: ZoneInfo) -> None:
        self.console = console
        self._zone = zone
        self._colours: dict[str, str] = {}

    def act(self, title: str) -> None:
        self.console.print()
        self.console.rule(f"[bold]{escape(title)}[/bold]", align="left")

    def said(self, at: datetime, room: str, speaker: str, text: str) -> None:
        colour = self._colours.setdefault(speaker, COLOURS[len(self._colours) % len(COLOURS)])
        when = at.astimezone(self._zone).strftime("%H:%M")
        head = f"[dim]{when} {escape(room)}[/dim] [bold {colour}]{escape(speaker)}[/bold {colour}]"
        first, *rest = text.splitlines() or [""]
        self.console.print(f"{head} {escape(first)}", highlight=False)
        for line in rest:
            self.console.print(f"      {escape(line)}", highlight=False)

    def note(self, text: str) -> None:
        self.console.print(f"[italic dim]{escape(text)}[/italic dim]", highlight=False)

    def seen(self, text: str) -> None:
        self.console.print(f"[bold green]✓[/bold green] {escape(text)}", highlight=False)

    def missing(self, text: str) -> None:
        self.console.print(f"[bold red]✗ {escape(text)}[/bold red]", highlight=False)


def progress_bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )
