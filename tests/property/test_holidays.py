"""On a holiday no working time passes, and everything else stays as it was without holidays."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from bot.domain.hours import (
    WorkingHours,
    add_working_time,
    instant,
    is_open,
    next_opening,
    working_time_between,
)

BRUSSELS = ZoneInfo("Europe/Brussels")
CHANGES = (datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC))

minutes = st.integers(0, 24 * 60 - 1).map(lambda count: time(count // 60, count % 60))
weeks = st.frozensets(st.integers(1, 7), min_size=1)
openings = st.lists(minutes, min_size=2, max_size=2, unique=True).map(sorted)
schedules = st.builds(lambda days, span: WorkingHours(days, *span), weeks, openings)
instants = st.builds(
    lambda change, seconds: change + timedelta(seconds=seconds),
    st.sampled_from(CHANGES),
    st.integers(-4 * 86_400, 4 * 86_400),
)
spans = st.integers(0, 30 * 3_600).map(lambda seconds: timedelta(seconds=seconds))
days_off = st.frozensets(
    st.builds(
        lambda change, days: change.date() + timedelta(days),
        st.sampled_from(CHANGES),
        st.integers(-8, 12),
    ),
    max_size=8,
)


@given(schedules, instants, days_off)
def test_open_is_what_was_open_and_is_no_holiday(
    hours: WorkingHours, moment: datetime, holidays: frozenset[date]
) -> None:
    off = moment.astimezone(BRUSSELS).date() in holidays
    opened = is_open(hours, BRUSSELS, moment)
    assert is_open(hours, BRUSSELS, moment, holidays) is (opened and not off)


@given(schedules, days_off)
def test_no_working_time_passes_on_a_holiday(
    hours: WorkingHours, holidays: frozenset[date]
) -> None:
    for day in holidays:
        begin, end = (instant(each, time(), BRUSSELS) for each in (day, day + timedelta(1)))
        assert working_time_between(hours, BRUSSELS, begin, end, holidays) == timedelta()
        assert next_opening(hours, BRUSSELS, begin, holidays) >= end


@given(schedules, instants, instants, days_off)
def test_holidays_take_away_what_would_have_been_worked_on_them(
    hours: WorkingHours, a: datetime, b: datetime, holidays: frozenset[date]
) -> None:
    begin, end = sorted((a, b))
    lost = timedelta()
    for day in holidays:
        midnight, next_midnight = (
            instant(each, time(), BRUSSELS) for each in (day, day + timedelta(1))
        )
        since, until = max(begin, midnight), min(end, next_midnight)
        lost += working_time_between(hours, BRUSSELS, since, until)
    worked = working_time_between(hours, BRUSSELS, begin, end)
    assert working_time_between(hours, BRUSSELS, begin, end, holidays) == worked - lost


@given(schedules, instants, spans, days_off)
def test_the_time_added_is_the_time_found_between(
    hours: WorkingHours, start: datetime, span: timedelta, holidays: frozenset[date]
) -> None:
    end = add_working_time(hours, BRUSSELS, start, span, holidays)
    assert working_time_between(hours, BRUSSELS, start, end, holidays) == span


@given(schedules, instants, instants, spans, spans, days_off)
def test_later_or_longer_never_ends_earlier(
    hours: WorkingHours,
    a: datetime,
    b: datetime,
    x: timedelta,
    y: timedelta,
    holidays: frozenset[date],
) -> None:
    early, late = sorted((a, b))
    short, long = sorted((x, y))
    end = add_working_time(hours, BRUSSELS, early, short, holidays)
    assert end <= add_working_time(hours, BRUSSELS, late, short, holidays)
    assert end <= add_working_time(hours, BRUSSELS, early, long, holidays)


@given(schedules, instants, spans, days_off, days_off)
def test_more_holidays_never_make_it_earlier(
    hours: WorkingHours,
    start: datetime,
    span: timedelta,
    some: frozenset[date],
    more: frozenset[date],
) -> None:
    end = add_working_time(hours, BRUSSELS, start, span, some)
    assert end <= add_working_time(hours, BRUSSELS, start, span, some | more)


@given(schedules, instants, spans)
def test_without_holidays_nothing_has_changed(
    hours: WorkingHours, start: datetime, span: timedelta
) -> None:
    elsewhere = {date(1999, 12, 31)}
    assert add_working_time(hours, BRUSSELS, start, span, elsewhere) == add_working_time(
        hours, BRUSSELS, start, span
    )
    assert next_opening(hours, BRUSSELS, start, elsewhere) == next_opening(hours, BRUSSELS, start)


class EveryDay:
    def __contains__(self, _: object) -> bool:
        return True


@given(schedules, instants)
def test_holidays_without_an_end_are_passed_over(hours: WorkingHours, start: datetime) -> None:
    opening = next_opening(hours, BRUSSELS, start, EveryDay())
    first, last = (each.astimezone(BRUSSELS).date() for each in (start, opening))
    assert timedelta(366) < last - first <= timedelta(380)
