"""Working hours, and time that only passes while they last.

A desk keeps its hours by the clock on its wall, so a working day is a span between two instants
that moves with summer time. All arithmetic is done between instants, in UTC: what Python computes
between two local times of one zone ignores the change of clocks.

``holidays`` are local dates on which nothing opens: a set, or anything that knows which dates are
in it, since nobody can list those of every year to come.
"""

from collections.abc import Container, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import takewhile
from typing import TypeAlias
from zoneinfo import ZoneInfo

Holidays: TypeAlias = Container[date]
NO_HOLIDAYS: Holidays = frozenset()

_DAY = timedelta(days=1)
_LONGEST_CLOSURE = 366
"""Days. Holidays that leave nothing open for longer are a mistake (Sundays, in the calendar of one
who works on Sundays), and are passed over: time always goes on."""


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


@dataclass(frozen=True, slots=True)
class Calendar:
    """The working time of a desk or a person: hours, the zone they are meant in, days off."""

    hours: WorkingHours
    zone: ZoneInfo
    holidays: Holidays = NO_HOLIDAYS

    def after(self, now: datetime, span: timedelta) -> datetime:
        """When ``span`` of this working time has passed."""
        return add_working_time(self.hours, self.zone, now, span, self.holidays)

    def is_open(self, moment: datetime) -> bool:
        return is_open(self.hours, self.zone, moment, self.holidays)

    def next_opening(self, moment: datetime) -> datetime:
        """The first instant of working time from this one on."""
        return next_opening(self.hours, self.zone, moment, self.holidays)


def instant(day: date, at: time, zone: ZoneInfo) -> datetime:
    """The UTC instant of a local time: the first of the two when clocks go back.

    A time that clocks skip is counted from before they changed (RFC 5545 §3.3.5): where two o'clock
    becomes three, half past two is half past three.
    """
    return datetime.combine(day, at.replace(fold=0), zone).astimezone(UTC)


def is_open(
    hours: WorkingHours, zone: ZoneInfo, moment: datetime, holidays: Holidays = NO_HOLIDAYS
) -> bool:
    return next_opening(hours, zone, moment, holidays) == moment


def next_opening(
    hours: WorkingHours, zone: ZoneInfo, moment: datetime, holidays: Holidays = NO_HOLIDAYS
) -> datetime:
    """The first instant of working time from this one on: itself, while it is open."""
    return next(_openings(hours, zone, moment, holidays))[0]


def add_working_time(
    hours: WorkingHours,
    zone: ZoneInfo,
    start: datetime,
    span: timedelta,
    holidays: Holidays = NO_HOLIDAYS,
) -> datetime:
    """The first instant by which ``span`` of working time has passed since ``start``."""
    if span < timedelta():
        raise ValueError(f"working time only runs forward, not by {span}")
    if not span:
        return start.astimezone(UTC)
    left = span
    openings = _openings(hours, zone, start, holidays)
    opened, closed = next(openings)
    while closed - opened < left:
        left -= closed - opened
        opened, closed = next(openings)
    return opened + left


def working_time_between(
    hours: WorkingHours,
    zone: ZoneInfo,
    begin: datetime,
    end: datetime,
    holidays: Holidays = NO_HOLIDAYS,
) -> timedelta:
    """Zero when ``end`` is before ``begin``."""
    openings = takewhile(lambda opening: opening[0] < end, _openings(hours, zone, begin, holidays))
    return sum((min(closed, end) - opened for opened, closed in openings), timedelta())


def _openings(
    hours: WorkingHours, zone: ZoneInfo, since: datetime, holidays: Holidays
) -> Iterator[tuple[datetime, datetime]]:
    """What is left of each working day from ``since`` on, as instants in UTC."""
    since = since.astimezone(UTC)
    day = last = since.astimezone(zone).date()
    while True:
        opened = max(instant(day, hours.start, zone), since)
        closed = instant(day, hours.end, zone)
        works = day.isoweekday() in hours.days and (
            day not in holidays or (day - last).days > _LONGEST_CLOSURE
        )
        # A change of clocks may leave nothing of hours that are short and at night.
        if works and opened < closed:
            yield opened, closed
            last = day
        day += _DAY
