"""Working time behaves like time, also around the changes of clocks."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import assume, given
from hypothesis import strategies as st

from bot.domain.hours import (
    WorkingHours,
    add_working_time,
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


@given(schedules, instants, spans)
def test_the_time_added_is_the_time_found_between(
    hours: WorkingHours, start: datetime, span: timedelta
) -> None:
    end = add_working_time(hours, BRUSSELS, start, span)
    assert working_time_between(hours, BRUSSELS, start, end) == span


@given(schedules, instants, instants)
def test_adding_the_time_between_leads_to_the_last_moment_worked(
    hours: WorkingHours, a: datetime, b: datetime
) -> None:
    begin, end = sorted((a, b))
    worked = working_time_between(hours, BRUSSELS, begin, end)
    reached = add_working_time(hours, BRUSSELS, begin, worked)
    assert reached <= end
    assert working_time_between(hours, BRUSSELS, reached, end) == timedelta()


@given(schedules, instants, spans, spans)
def test_two_steps_lead_as_far_as_one(
    hours: WorkingHours, start: datetime, first: timedelta, second: timedelta
) -> None:
    halfway = add_working_time(hours, BRUSSELS, start, first)
    there = add_working_time(hours, BRUSSELS, halfway, second)
    assert there == add_working_time(hours, BRUSSELS, start, first + second)


@given(schedules, instants, instants, instants)
def test_time_between_adds_up(hours: WorkingHours, a: datetime, b: datetime, c: datetime) -> None:
    a, b, c = sorted((a, b, c))
    parts = working_time_between(hours, BRUSSELS, a, b) + working_time_between(
        hours, BRUSSELS, b, c
    )
    assert parts == working_time_between(hours, BRUSSELS, a, c)
    assert timedelta() <= parts <= c - a


@given(schedules, instants, instants, spans, spans)
def test_later_or_longer_never_ends_earlier(
    hours: WorkingHours, a: datetime, b: datetime, x: timedelta, y: timedelta
) -> None:
    early, late = sorted((a, b))
    short, long = sorted((x, y))
    end = add_working_time(hours, BRUSSELS, early, short)
    assert end <= add_working_time(hours, BRUSSELS, late, short)
    assert end <= add_working_time(hours, BRUSSELS, early, long)


@given(schedules, instants)
def test_nothing_is_worked_before_the_next_opening(hours: WorkingHours, start: datetime) -> None:
    opening = next_opening(hours, BRUSSELS, start)
    assert opening >= start
    assert is_open(hours, BRUSSELS, opening)
    assert working_time_between(hours, BRUSSELS, start, opening) == timedelta()


@given(schedules, instants)
def test_open_by_the_clock_on_the_wall(hours: WorkingHours, moment: datetime) -> None:
    assume(all(abs(moment - change) > timedelta(hours=3) for change in CHANGES))
    local = moment.astimezone(BRUSSELS)
    on_the_wall = local.isoweekday() in hours.days and hours.start <= local.time() < hours.end
    assert is_open(hours, BRUSSELS, moment) is on_the_wall
