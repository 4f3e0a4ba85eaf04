"""When the network speaks up by itself, and how it measures its pulse.

Two things come uninvited, so both are rare. The digest of a room appears once a week and only when
there is something in it. A nudge offers help to somebody whose question nobody seems to answer: in
working hours, after a while, and never late enough to be a surprise.

A *loose* question is a question-like message that nobody has put to a desk:

    waiting ──nudge──▶ nudged ──✅──▶ taken
       └── answered, put to a desk, taken back, too old ──▶ dropped
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import Enum, StrEnum
from statistics import median
from zoneinfo import ZoneInfo

from bot.domain.hours import Calendar, instant

DIGEST_GRACE = timedelta(hours=24)
"""A digest later than this is old news."""
STALE_AFTER = timedelta(days=3)
"""How long after its time a nudge may still come."""
LISTED = 7
"""Items of a digest."""


class Loose(StrEnum):
    """The states of a loose question."""

    WAITING = "waiting"
    NUDGED = "nudged"
    TAKEN = "taken"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Edition:
    """One week's digest: its name ("2026-W48"), and the stretch of time it tells about."""

    slot: str
    since: datetime
    until: datetime


def edition_due(now: datetime, zone: ZoneInfo, weekday: int, at: time) -> Edition | None:
    """The digest to send now, if its time was lately. ``weekday`` 0 is Monday.

    Weeks are those of the wall clock: over a change of clocks one is an hour shorter or longer.
    """
    edition = _latest_edition(now, zone, weekday, at)
    return edition if now - edition.until <= DIGEST_GRACE else None


def _latest_edition(now: datetime, zone: ZoneInfo, weekday: int, at: time) -> Edition:
    day = today(now, zone)
    day -= timedelta(days=(day.weekday() - weekday) % 7)
    if instant(day, at, zone) > now:
        day -= timedelta(weeks=1)
    year, week, _ = day.isocalendar()
    return Edition(
        slot=f"{year}-W{week:02}",
        since=instant(day - timedelta(weeks=1), at, zone),
        until=instant(day, at, zone),
    )


def shares(sizes: Sequence[int], places: int = LISTED) -> list[int]:
    """How many of each list are shown: they take turns, so that none crowds out another."""
    taken = [0] * len(sizes)
    for _ in range(min(places, sum(sizes))):
        left = [position for position, size in enumerate(sizes) if taken[position] < size]
        taken[min(left, key=lambda position: taken[position])] += 1
    return taken


class Fate(Enum):
    """What becomes of a loose question that is waiting."""

    WAIT = "wait"
    NUDGE = "nudge"
    DROP = "drop"


def fate(asked_at: datetime, nudge_after: timedelta, office: Calendar, now: datetime) -> Fate:
    """``nudge_after`` is working time. Nobody is nudged at night, even when it was due by day."""
    due = office.after(asked_at, nudge_after)
    if now > due + STALE_AFTER:
        return Fate.DROP
    return Fate.NUDGE if now >= due and office.is_open(now) else Fate.WAIT


def today(now: datetime, zone: ZoneInfo) -> date:
    return now.astimezone(zone).date()


def first_day(now: datetime, zone: ZoneInfo, days: int) -> date:
    """The first of the last ``days`` days, of which today is the last."""
    return today(now, zone) - timedelta(days=days - 1)


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """When ``day`` begins, in UTC."""
    return instant(day, time(0), zone)


def median_time(spans: Iterable[timedelta]) -> timedelta | None:
    """Half of the spans are no longer than this; None of none."""
    seconds = [span.total_seconds() for span in spans]
    return timedelta(seconds=median(seconds)) if seconds else None
