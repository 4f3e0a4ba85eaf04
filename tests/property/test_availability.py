"""An expert is never asked while away, on holiday, at night or once too often."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from bot.domain.availability import WEEK, Own, is_available, next_available
from bot.domain.hours import Calendar, WorkingHours

MONDAY = datetime(2026, 10, 19, 12, tzinfo=UTC)  # the clocks change on Sunday

minutes = st.integers(0, 24 * 60 - 1).map(lambda count: time(count // 60, count % 60))
weeks = st.frozensets(st.integers(1, 7), min_size=1)
openings = st.lists(minutes, min_size=2, max_size=2, unique=True).map(sorted)
schedules = st.builds(lambda days, span: WorkingHours(days, *span), weeks, openings)
zones = st.sampled_from(["Europe/Brussels", "Europe/London", "America/Montreal"]).map(ZoneInfo)
instants = st.integers(-10 * 86_400, 10 * 86_400).map(lambda s: MONDAY + timedelta(seconds=s))
days_off = st.frozensets(st.integers(-9, 15).map(lambda days: MONDAY.date() + timedelta(days)))
asks = st.lists(instants, max_size=8)
desks = st.builds(Calendar, schedules, zones, days_off)
owns = st.builds(
    Own,
    hours=st.none() | schedules,
    holidays=st.none() | days_off,
    ceiling=st.none() | st.integers(0, 4),
    is_away=st.booleans(),
    away_until=st.none() | instants,
)


def asked_within_a_week(asked: list[datetime], moment: datetime) -> int:
    return sum(moment - WEEK < each <= moment for each in asked)


@given(owns, desks, asks, instants)
def test_when_they_are_available_they_may_be_asked(
    own: Own, desk: Calendar, asked: list[datetime], now: datetime
) -> None:
    asked = [each for each in asked if each <= now]
    moment = next_available(own, desk, asked, now)
    if moment is None:
        assert own.ceiling == 0 or (own.is_away and own.away_until is None)
        return
    local = moment.astimezone(desk.zone)
    hours = own.hours or desk.hours
    assert local.date() not in (desk.holidays if own.holidays is None else own.holidays)
    assert local.isoweekday() in hours.days
    # Between two and three of that night, the clock on the wall tells little.
    assert hours.start <= local.time() < hours.end or local.time() < time(3)
    assert not own.is_away or (own.away_until is not None and own.away_until <= moment)
    assert own.ceiling is None or asked_within_a_week(asked, moment) < own.ceiling


@given(owns, desks, asks, instants)
def test_the_next_time_is_the_first_at_which_they_are_available(
    own: Own, desk: Calendar, asked: list[datetime], now: datetime
) -> None:
    asked = [each for each in asked if each <= now]
    found = next_available(own, desk, asked, now)
    if found is None:
        assert not is_available(own, desk, asked, now)
        return
    assert found >= now
    assert is_available(own, desk, asked, found)
    for step in range(24):
        earlier = now + (found - now) * step / 24
        assert earlier == found or not is_available(own, desk, asked, earlier)


@given(owns, desks, asks, instants, instants)
def test_another_ask_never_makes_them_available_sooner(
    own: Own, desk: Calendar, asked: list[datetime], more: datetime, now: datetime
) -> None:
    before = next_available(own, desk, asked, now)
    after = next_available(own, desk, [*asked, more], now)
    assert (before is None) == (after is None)
    assert before is None or after is None or before <= after


@given(desks, instants)
def test_who_said_nothing_works_as_the_desk_does(desk: Calendar, now: datetime) -> None:
    assert next_available(Own(), desk, [], now) == desk.next_opening(now)
