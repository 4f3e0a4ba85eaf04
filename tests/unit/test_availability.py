"""Two experts of one desk: in Lille and in Kortrijk."""

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest

from bot.domain.availability import Own, is_available, next_available
from bot.domain.hours import Calendar, WorkingHours
from bot.services.holidays import public_holidays

BRUSSELS = ZoneInfo("Europe/Brussels")
DESK = Calendar(WorkingHours(frozenset(range(1, 6)), time(9), time(17)), BRUSSELS)
LILLE = Own(holidays=public_holidays("FR"))
KORTRIJK = Own(holidays=public_holidays("BE"))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BRUSSELS).astimezone(UTC)


@pytest.mark.parametrize(
    ("own", "now", "expected"),
    [
        (LILLE, "2027-07-13 16:59", "2027-07-13 16:59"),
        (LILLE, "2027-07-13 17:00", "2027-07-15 09:00"),
        (KORTRIJK, "2027-07-14 10:00", "2027-07-14 10:00"),
        (KORTRIJK, "2027-07-20 18:00", "2027-07-22 09:00"),
        (Own(), "2027-07-14 10:00", "2027-07-14 10:00"),
        (
            Own(is_away=True, away_until=at("2027-07-24 12:00")),
            "2027-07-14 10:00",
            "2027-07-26 09:00",
        ),
        (
            Own(is_away=True, away_until=at("2027-07-01 12:00")),
            "2027-07-14 10:00",
            "2027-07-14 10:00",
        ),
        (
            Own(is_away=False, away_until=at("2027-08-01 12:00")),
            "2027-07-14 10:00",
            "2027-07-14 10:00",
        ),
    ],
)
def test_each_in_their_own_hours(own: Own, now: str, expected: str) -> None:
    assert next_available(own, DESK, [], at(now)) == at(expected)
    assert is_available(own, DESK, [], at(now)) is (now == expected)


@pytest.mark.parametrize("own", [Own(is_away=True), Own(ceiling=0)])
def test_nobody_knows_when_some_are_available(own: Own) -> None:
    assert next_available(own, DESK, [], at("2027-07-14 10:00")) is None
    assert not is_available(own, DESK, [], at("2027-07-14 10:00"))


def test_who_was_asked_often_enough_rests_until_the_first_ask_is_a_week_old() -> None:
    asked = [at(f"2027-07-{day} 11:00") for day in (13, 14, 15)]
    now = at("2027-07-15 12:00")
    assert is_available(Own(ceiling=4), DESK, asked, now)
    assert next_available(Own(ceiling=3), DESK, asked, now) == at("2027-07-20 11:00")
    assert next_available(Own(ceiling=2), DESK, asked, now) == at("2027-07-21 11:00")
    assert is_available(Own(ceiling=3), DESK, asked, at("2027-07-20 11:00"))
