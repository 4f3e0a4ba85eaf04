from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from bot.domain.hours import (
    WorkingHours,
    add_working_time,
    instant,
    is_open,
    next_opening,
    working_time_between,
)

BRUSSELS = ZoneInfo("Europe/Brussels")
OFFICE = WorkingHours(frozenset({1, 2, 3, 4, 5}), time(9), time(17))
NIGHT = WorkingHours(frozenset(range(1, 8)), time(1), time(5))
SPRING, AUTUMN = date(2026, 3, 29), date(2026, 10, 25)
"""Sundays on which the clocks of Brussels change, at 01:00 UTC."""


def brussels(day: str, at: str) -> datetime:
    return instant(date.fromisoformat(day), time.fromisoformat(at), BRUSSELS)


def hours(count: float) -> timedelta:
    return timedelta(hours=count)


@pytest.mark.parametrize(
    ("day", "at", "expected"),
    [
        ("2026-11-20", "08:59:59", False),
        ("2026-11-20", "09:00", True),
        ("2026-11-20", "16:59:59", True),
        ("2026-11-20", "17:00", False),
        ("2026-11-21", "10:00", False),
    ],
)
def test_open_from_the_start_until_just_before_the_end(day: str, at: str, expected: bool) -> None:
    assert is_open(OFFICE, BRUSSELS, brussels(day, at)) is expected


def test_open_by_the_clock_of_the_zone_whatever_zone_the_instant_comes_in() -> None:
    moment = datetime(2026, 7, 1, 8, 30, tzinfo=ZoneInfo("Europe/London"))
    assert is_open(OFFICE, BRUSSELS, moment)
    assert not is_open(OFFICE, ZoneInfo("Europe/London"), moment)


@pytest.mark.parametrize(
    ("day", "at", "span", "expected"),
    [
        ("2026-11-19", "10:00", 2, ("2026-11-19", "12:00")),
        ("2026-11-19", "16:00", 2, ("2026-11-20", "10:00")),
        ("2026-11-19", "06:00", 2, ("2026-11-19", "11:00")),
        ("2026-11-20", "16:30", 1, ("2026-11-23", "09:30")),
        ("2026-11-21", "12:00", 8, ("2026-11-23", "17:00")),
        ("2026-11-19", "09:00", 8, ("2026-11-19", "17:00")),
        ("2026-11-19", "09:00", 40, ("2026-11-25", "17:00")),
        ("2026-11-21", "12:00", 0, ("2026-11-21", "12:00")),
    ],
)
def test_working_time_passes_only_in_working_hours(
    day: str, at: str, span: float, expected: tuple[str, str]
) -> None:
    end = add_working_time(OFFICE, BRUSSELS, brussels(day, at), hours(span))
    assert end == brussels(*expected)
    assert end.tzinfo is UTC


def test_a_weekend_of_changing_clocks_moves_the_opening_in_utc_only() -> None:
    friday = brussels("2026-03-27", "16:00")
    assert add_working_time(OFFICE, BRUSSELS, friday, hours(2)) == datetime(
        2026, 3, 30, 8, tzinfo=UTC
    )


@pytest.mark.parametrize(("day", "open_for"), [(SPRING, 3), (AUTUMN, 5), (date(2026, 6, 1), 4)])
def test_a_night_shift_works_the_hours_the_night_has(day: date, open_for: int) -> None:
    midnight = instant(day, time(0), BRUSSELS)
    assert working_time_between(NIGHT, BRUSSELS, midnight, midnight + hours(12)) == hours(open_for)
    closing = instant(day, time(5), BRUSSELS)
    assert add_working_time(NIGHT, BRUSSELS, midnight, hours(open_for)) == closing


def test_a_skipped_local_time_is_counted_from_before_the_change() -> None:
    assert instant(SPRING, time(2, 30), BRUSSELS) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)


def test_a_repeated_local_time_is_its_first() -> None:
    assert instant(AUTUMN, time(2, 30), BRUSSELS) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert instant(AUTUMN, time(2, 30, fold=1), BRUSSELS) == instant(AUTUMN, time(2, 30), BRUSSELS)


def test_hours_that_the_change_of_clocks_swallows_do_not_open_that_day() -> None:
    short = WorkingHours(frozenset({7}), time(2, 30), time(3, 15))
    opening = next_opening(short, BRUSSELS, instant(SPRING, time(0), BRUSSELS))
    assert opening == brussels("2026-04-05", "02:30")


def test_the_next_opening_is_now_while_it_is_open() -> None:
    noon = brussels("2026-11-20", "12:00")
    assert next_opening(OFFICE, BRUSSELS, noon) == noon
    assert next_opening(OFFICE, BRUSSELS, noon + hours(5)) == brussels("2026-11-23", "09:00")


def test_no_working_time_lies_before_its_beginning() -> None:
    noon = brussels("2026-11-20", "12:00")
    assert working_time_between(OFFICE, BRUSSELS, noon, noon - hours(1)) == timedelta()


def test_working_time_never_runs_backwards() -> None:
    with pytest.raises(ValueError, match="forward"):
        add_working_time(OFFICE, BRUSSELS, brussels("2026-11-20", "12:00"), hours(-1))


@pytest.mark.parametrize("days", [(), (0,), (1, 8)])
def test_days_are_iso_weekdays(days: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="1 to 7"):
        WorkingHours(frozenset(days), time(9), time(17))


@pytest.mark.parametrize("end", [time(9), time(8)])
def test_hours_that_never_open_are_refused(end: time) -> None:
    with pytest.raises(ValueError, match="never open"):
        WorkingHours(frozenset({1}), time(9), end)
