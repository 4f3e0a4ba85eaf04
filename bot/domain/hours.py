"""Working hours, and time that only passes while they last.

A desk keeps its hours by the clock on its wall, so a working day is a span between two instants
that moves with summer time. All arithmetic is done between instants, in UTC: what Python computes
between two local times of one zone ignores the change of clocks.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class WorkingHours:
    """``days`` are ISO weekdays: 1 is Monday, 7 Sunday. Opening at ``start`` is included, ``end``
    is not, and both are on the same day."""

    days: frozenset[int]
    start: time
    end: time

    def __post_init__(self) -> None:
        if not self.days or not self.days <= set(range(1, 8)):
            raise ValueError(f"working days must be some of 1 to 7, not {sorted(self.days)}")
        if self.start >= self.end:
            raise ValueError(f"hours from {self.start} to {self.end} never open")


def instant(day: date, at: time, zone: ZoneInfo) -> datetime:
    """The UTC instant of a local time: the first of the two when clocks go back.

    A time that clocks skip is counted from before they changed (RFC 5545 §3.3.5): where two o'clock
    becomes three, half past two is half past three.
    """
    return datetime.combine(day, at.replace(fold=0), zone).astimezone(UTC)


def is_open(hours: WorkingHours, zone: ZoneInfo, moment: datetime) -> bool:
    return next_opening(hours, zone, moment) == moment


def next_opening(hours: WorkingHours, zone: ZoneInfo, moment: datetime) -> datetime:
    """The first instant of working time from this one on: itself, while it is open."""
    return next(_openings(hours, zone, moment))[0]


def add_working_time(
    hours: WorkingHours, zone: ZoneInfo, start: datetime, span: timedelta
) -> datetime:
    """The first instant by which ``span`` of working time has passed since ``start``."""
    if span < timedelta():
        raise ValueError(f"working time only runs forward, not by {span}")
    if not span:
        return start.astimezone(UTC)
    left = span
    openings = _openings(hours, zone, start)
    opened, closed = next(openings)
    while closed - opened < left:
        left -= closed - opened
        opened, closed = next(openings)
    return opened + left


def working_time_between(
    hours: WorkingHours, zone: ZoneInfo, begin: datetime, end: datetime
) -> timedelta:
    """Zero when ``end`` is before ``begin``."""
    openings = takewhile(lambda opening: opening[0] < end, _openings(hours, zone, begin))
    return sum((min(closed, end) - opened for opened, closed in openings), timedelta())


def _openings(
    hours: WorkingHours, zone: ZoneInfo, since: datetime
) -> Iterator[tuple[datetime, datetime]]:
    """What is left of each working day from ``since`` on, as instants in UTC."""
    since = since.astimezone(UTC)
    day = since.astimezone(zone).date()
    while True:
        opened = max(instant(day, hours.start, zone), since)
        closed = instant(day, hours.end, zone)
        # A change of clocks may leave nothing of hours that are short and at night.
        if day.isoweekday() in hours.days and opened < closed:
            yield opened, closed
        day += _DAY
