from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from bot.domain.activity import (
    Edition,
    Fate,
    edition_due,
    fate,
    first_day,
    median_time,
    midnight,
    shares,
)
from bot.domain.errors import UserError
from bot.domain.hours import Calendar, WorkingHours
from bot.domain.roles import Role
from commands.parameters import ParseEnvironment
from commands.parsing import parse
from commands.pulse import pulse
from commands.vocabulary import vocabulary
from config import locales
from config.network import load_network

BRUSSELS = ZoneInfo("Europe/Brussels")
TUESDAY, AT = 1, time(8, 30)
OFFICE = WorkingHours(frozenset({1, 2, 3, 4, 5}), time(9), time(17))
A_DAY = timedelta(hours=8)


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BRUSSELS).astimezone(UTC)


def due(text: str) -> Edition | None:
    return edition_due(local(text), BRUSSELS, TUESDAY, AT)


def test_a_digest_is_due_from_its_time_on_for_a_day() -> None:
    assert due("2026-11-24T08:29") is None
    edition = due("2026-11-24T08:30")
    assert edition == Edition("2026-W48", local("2026-11-17T08:30"), local("2026-11-24T08:30"))
    assert due("2026-11-25T08:30") == edition
    assert due("2026-11-25T08:31") is None


def test_a_week_is_named_after_its_iso_year() -> None:
    edition = due("2027-01-01T09:00")
    assert edition is None
    edition = edition_due(local("2027-01-01T09:00"), BRUSSELS, 4, AT)
    assert edition is not None
    assert edition.slot == "2026-W53"


@pytest.mark.parametrize(
    ("moment", "length"),
    [
        ("2026-10-27T08:30", timedelta(days=7, hours=1)),
        ("2026-03-31T08:30", timedelta(days=7, hours=-1)),
        ("2026-06-02T08:30", timedelta(days=7)),
    ],
)
def test_weeks_follow_the_clock_on_the_wall(moment: str, length: timedelta) -> None:
    edition = due(moment)
    assert edition is not None
    assert edition.until - edition.since == length


def test_each_week_begins_where_the_last_one_ended() -> None:
    editions = [due(f"2026-{day}T12:00") for day in ("10-20", "10-27", "11-03")]
    found = [each for each in editions if each is not None]
    assert len(found) == 3
    assert all(earlier.until == later.since for earlier, later in pairwise(found))


@pytest.mark.parametrize(
    ("sizes", "shown"),
    [
        ([0, 0, 0], [0, 0, 0]),
        ([2, 1, 3], [2, 1, 3]),
        ([9, 9, 9], [3, 2, 2]),
        ([9, 0, 1], [6, 0, 1]),
        ([20, 0, 0], [7, 0, 0]),
    ],
)
def test_no_list_crowds_out_another(sizes: list[int], shown: list[int]) -> None:
    assert shares(sizes) == shown


@pytest.mark.parametrize(
    ("asked", "now", "expected"),
    [
        # Monday at ten: a working day later is Tuesday at ten.
        ("2026-11-23T10:00", "2026-11-24T09:59", Fate.WAIT),
        ("2026-11-23T10:00", "2026-11-24T10:00", Fate.NUDGE),
        # Asked before work: due when work ends, said when it begins again.
        ("2026-11-23T07:00", "2026-11-23T17:00", Fate.WAIT),
        ("2026-11-23T07:00", "2026-11-24T03:00", Fate.WAIT),
        ("2026-11-23T07:00", "2026-11-24T09:00", Fate.NUDGE),
        # The weekend is no time to wait for an answer.
        ("2026-11-20T16:00", "2026-11-22T16:00", Fate.WAIT),
        ("2026-11-20T16:00", "2026-11-23T15:59", Fate.WAIT),
        ("2026-11-20T16:00", "2026-11-23T16:00", Fate.NUDGE),
        ("2026-11-21T12:00", "2026-11-23T12:00", Fate.WAIT),
        # The clocks change on Sunday 25 October.
        ("2026-10-23T16:00", "2026-10-26T15:59", Fate.WAIT),
        ("2026-10-23T16:00", "2026-10-26T16:00", Fate.NUDGE),
        # Three days late is too late.
        ("2026-11-23T10:00", "2026-11-27T10:00", Fate.NUDGE),
        ("2026-11-23T10:00", "2026-11-27T10:01", Fate.DROP),
        ("2026-11-23T10:00", "2026-11-29T03:00", Fate.DROP),
    ],
)
def test_a_nudge_comes_in_working_hours_or_not_at_all(asked: str, now: str, expected: Fate) -> None:
    assert fate(local(asked), A_DAY, Calendar(OFFICE, BRUSSELS), local(now)) is expected


def test_the_last_days_end_with_today_where_the_network_is() -> None:
    late = datetime(2026, 11, 24, 23, 30, tzinfo=UTC)  # half past midnight in Brussels
    assert first_day(late, BRUSSELS, 1) == date(2026, 11, 25)
    assert first_day(late, BRUSSELS, 30) == date(2026, 10, 27)
    assert midnight(date(2026, 11, 25), BRUSSELS) == datetime(2026, 11, 24, 23, 0, tzinfo=UTC)


def test_half_of_the_answers_took_no_longer() -> None:
    hour = timedelta(hours=1)
    assert median_time([]) is None
    assert median_time([9 * hour, hour, 2 * hour]) == 2 * hour
    assert median_time([hour, 2 * hour]) == 1.5 * hour


@pytest.fixture(scope="module")
def environment() -> ParseEnvironment:
    network = load_network("innov-eurometropolis")
    return ParseEnvironment(
        vocabulary(network), date(2026, 11, 24), locales.load(network.languages)["en"]
    )


@pytest.mark.parametrize(("typed", "days"), [("7", 7), ("30d", 30), ("30 J", 30), ("365", 365)])
def test_days_are_typed_as_people_say_them(
    environment: ParseEnvironment, typed: str, days: int
) -> None:
    assert parse(pulse, typed, environment) == {"days": days}


@pytest.mark.parametrize("typed", ["0", "366", "a week", "-3", "7w", "²"])
def test_what_is_no_number_of_days_is_refused(environment: ParseEnvironment, typed: str) -> None:
    with pytest.raises(UserError, match="days-unknown"):
        parse(pulse, typed, environment)


def test_the_pulse_is_for_admins() -> None:
    assert pulse.role is Role.ADMIN
