"""When an expert may be asked: in their own hours, not on holiday, not away, not too often.

Experts of one desk live in different countries and work on different days. What they said about
themselves wins over the desk's hours; what they have not said is the desk's.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.domain.hours import Calendar, Holidays, WorkingHours

WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Own:
    """What an expert said about themselves; None for what they did not.

    ``ceiling`` is how often they may be asked within any seven days. ``away_until`` is the first
    instant at which they are back; without it, ``is_away`` lasts until they say otherwise.
    """

    hours: WorkingHours | None = None
    holidays: Holidays | None = None
    ceiling: int | None = None
    is_away: bool = False
    away_until: datetime | None = None

    def calendar(self, desk: Calendar) -> Calendar:
        """The desk's, where the expert has none of their own."""
        return Calendar(
            self.hours or desk.hours,
            desk.zone,
            desk.holidays if self.holidays is None else self.holidays,
        )


def is_available(own: Own, desk: Calendar, asked: Collection[datetime], now: datetime) -> bool:
    """``asked`` holds the moments the expert was asked at, at least those of the last week."""
    return next_available(own, desk, asked, now) == now


def next_available(
    own: Own, desk: Calendar, asked: Collection[datetime], now: datetime
) -> datetime | None:
    """The first moment from now on at which the expert may be asked, if they are not asked before.

    None when nobody can say: they are away without an end, or want no questions at all.
    """
    if own.ceiling is not None and own.ceiling <= 0:
        return None
    if own.is_away and own.away_until is None:
        return None
    rested = _rested(asked, own.ceiling, now)
    back = own.away_until if own.is_away and own.away_until is not None else now
    return own.calendar(desk).next_opening(max(now, rested, back))


def _rested(asked: Collection[datetime], ceiling: int | None, now: datetime) -> datetime:
    """When fewer than ``ceiling`` of the moments are less than a week ago."""
    lately = sorted(moment for moment in asked if now - WEEK < moment <= now)
    if ceiling is None or len(lately) < ceiling:
        return now
    return lately[-ceiling] + WEEK
