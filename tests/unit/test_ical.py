"""The feed, read by somebody else's program."""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import icalendar
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.calendar import Event, Status
from bot.domain.ical import MAX_OCTETS, feed

BRUSSELS = "Europe/Brussels"
CHANGED = datetime(2026, 11, 1, 9, 30, tzinfo=UTC)
CHANGES = [datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)]
"""When clocks change in the European Union."""


def event(
    day: date,
    at: time,
    *,
    number: int = 7,
    zone: str = BRUSSELS,
    lasts: timedelta = timedelta(hours=1),
    title: str = "Flax day",
    place: str = "",
    description: str = "",
    sequence: int = 0,
    status: Status = Status.PUBLISHED,
) -> Event:
    return Event(
        number=number,
        title=title,
        starts_local=datetime.combine(day, at),
        zone=zone,
        duration=lasts,
        changed_at=CHANGED,
        place=place,
        description=description,
        sequence=sequence,
        status=status,
    )


def text_of(*events: Event, zone: str = BRUSSELS) -> str:
    return feed(events, name="Réseau; test", network="innov", zone=zone)


def read(text: str) -> icalendar.Calendar:
    calendar = icalendar.Calendar.from_ical(text)
    assert isinstance(calendar, icalendar.Calendar)
    assert [component.errors for component in calendar.walk() if component.errors] == []
    return calendar


def read_event(text: str) -> icalendar.Event:
    [found] = read(text).events
    return found


def starts_and_ends(found: icalendar.Event) -> tuple[datetime, datetime]:
    assert isinstance(found.start, datetime)
    assert isinstance(found.end, datetime)
    return found.start.astimezone(UTC), found.end.astimezone(UTC)


def clocks_in(text: str, zone: str) -> Callable[[datetime], timedelta]:
    """The offsets from UTC as the feed itself describes them, not as this machine knows them."""
    [described] = [each for each in read(text).timezones if each["TZID"] == zone]
    onsets, observed = described.get_transitions()

    def offset_at(moment: datetime) -> timedelta:
        return observed[bisect_right(onsets, moment.replace(tzinfo=None)) - 1][0]

    return offset_at


def around_changes(zone: ZoneInfo, year: int) -> Iterator[datetime]:
    """Each half hour of the days on which clocks change, and noon of all others."""
    begin = datetime(year, 1, 1, tzinfo=UTC)
    days = [begin + timedelta(days=count) for count in range(366)]
    for day, next_day in pairwise(days):
        if day.astimezone(zone).utcoffset() == next_day.astimezone(zone).utcoffset():
            yield day + timedelta(hours=12)
        else:
            yield from (day + timedelta(minutes=30 * count) for count in range(48))


def test_an_event_says_what_calendar_programs_need() -> None:
    found = read_event(
        text_of(
            event(
                date(2026, 12, 3),
                time(14),
                lasts=timedelta(minutes=90),
                place="Kortrijk Xpo",
                description="Line one\nline two",
                sequence=2,
            )
        )
    )
    assert found["UID"] == "event-7@innov.clusterdesk"
    assert found["SUMMARY"] == "Flax day"
    assert found["LOCATION"] == "Kortrijk Xpo"
    assert found["DESCRIPTION"] == "Line one\nline two"
    assert (found["SEQUENCE"], found["STATUS"]) == (2, "CONFIRMED")
    start = datetime(2026, 12, 3, 13, tzinfo=UTC)
    assert starts_and_ends(found) == (start, start + timedelta(minutes=90))
    assert found["DTSTART"].params["TZID"] == BRUSSELS
    assert found.DTSTAMP == found.LAST_MODIFIED == CHANGED


def test_what_is_not_known_is_left_out() -> None:
    found = read_event(text_of(event(date(2026, 12, 3), time(14))))
    assert "LOCATION" not in found
    assert "DESCRIPTION" not in found


def test_the_calendar_has_a_name_and_its_zone_even_when_empty() -> None:
    text = text_of()
    calendar = read(text)
    assert "\r\nNAME:Réseau\\; test\r\nX-WR-CALNAME:Réseau\\; test\r\n" in text
    assert [zone["TZID"] for zone in calendar.timezones] == [BRUSSELS]
    assert calendar.events == []


def test_drafts_are_nobody_s_business_and_cancelled_events_are() -> None:
    day = date(2026, 12, 3)
    draft = event(day, time(9), number=1, status=Status.DRAFT)
    cancelled = event(day, time(9), number=2, status=Status.CANCELLED)
    found = read_event(text_of(draft, cancelled))
    assert (found["UID"], found["STATUS"]) == ("event-2@innov.clusterdesk", "CANCELLED")


@pytest.mark.parametrize("hours", [-25, -3, -2, -1, 0, 1, 2, 25])
@pytest.mark.parametrize("change", CHANGES)
def test_events_around_a_change_of_clocks_are_at_their_instant(
    change: datetime, hours: int
) -> None:
    local = (change + timedelta(hours=hours)).astimezone(ZoneInfo(BRUSSELS))
    text = text_of(event(local.date(), local.time(), lasts=timedelta(hours=2)))
    first = local.replace(fold=0).astimezone(UTC)
    assert starts_and_ends(read_event(text)) == (first, first + timedelta(hours=2))


@pytest.mark.parametrize(
    "zone",
    [
        "Europe/Brussels",
        "Europe/London",
        "Europe/Dublin",
        "America/New_York",
        "Africa/Casablanca",
        "Australia/Lord_Howe",
        "Asia/Kathmandu",
        "UTC",
    ],
)
@pytest.mark.parametrize("year", [2026, 2027])
def test_the_feed_describes_the_clocks_of_its_zones(zone: str, year: int) -> None:
    first = event(date(2026, 1, 5), time(9), number=1, zone=zone)
    last = event(date(2027, 12, 20), time(9), number=2, zone=zone)
    offset_at = clocks_in(text_of(first, last, zone=zone), zone)
    for moment in around_changes(ZoneInfo(zone), year):
        assert offset_at(moment) == moment.astimezone(ZoneInfo(zone)).utcoffset()


def test_the_clocks_of_brussels_are_told_by_rules() -> None:
    text = text_of(event(date(2026, 12, 3), time(14)))
    assert text[text.index("BEGIN:VTIMEZONE") : text.index("BEGIN:VEVENT")].split("\r\n") == [
        "BEGIN:VTIMEZONE",
        "TZID:Europe/Brussels",
        "BEGIN:DAYLIGHT",
        "DTSTART:20250330T020000",
        "RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU",
        "TZNAME:CEST",
        "TZOFFSETFROM:+0100",
        "TZOFFSETTO:+0200",
        "END:DAYLIGHT",
        "BEGIN:STANDARD",
        "DTSTART:20251026T030000",
        "RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU",
        "TZNAME:CET",
        "TZOFFSETFROM:+0200",
        "TZOFFSETTO:+0100",
        "END:STANDARD",
        "END:VTIMEZONE",
        "",
    ]


def test_events_of_several_zones_have_theirs_described() -> None:
    day = date(2026, 7, 1)
    london = event(day, time(9), number=2, zone="Europe/London")
    calendar = read(text_of(event(day, time(9), number=1), london))
    assert [zone["TZID"] for zone in calendar.timezones] == [BRUSSELS, "Europe/London"]
    starts = [starts_and_ends(each)[0].hour for each in calendar.events]
    assert starts == [7, 8]


def test_an_end_in_the_repeated_hour_is_not_its_first_pass() -> None:
    nightly = event(date(2026, 10, 25), time(1, 30), lasts=timedelta(hours=2))
    assert "\r\nDTEND:20261025T013000Z\r\n" in text_of(nightly)


def test_a_feed_of_the_same_events_is_the_same_text() -> None:
    events = [event(date(2026, 12, day), time(9), number=day) for day in range(1, 9)]
    assert text_of(*events) == text_of(*events)


nasty = st.text(
    st.sampled_from("aé€😀👩‍🔬;,\\:\"'\n nN\t") | st.characters(exclude_categories=["Cs", "Cc"]),
    min_size=1,
    max_size=300,
)


@given(nasty, nasty)
def test_whatever_people_write_comes_back_as_they_wrote_it(title: str, description: str) -> None:
    text = text_of(event(date(2026, 12, 3), time(14), title=title, description=description))
    found = read_event(text)
    written = [
        each.replace("\u2028", "\n").replace("\u2029", "\n") for each in (title, description)
    ]
    assert [str(found["SUMMARY"]), str(found["DESCRIPTION"])] == written


@given(nasty)
def test_lines_are_short_and_whole_characters(title: str) -> None:
    text = text_of(event(date(2026, 12, 3), time(14), title=title, place=title * 3))
    lines = text.encode().split(b"\r\n")
    assert lines[-2:] == [b"END:VCALENDAR", b""]
    assert all(len(line) <= MAX_OCTETS for line in lines)
    assert all(line.decode() for line in lines[:-1])
    assert not any(b"\n" in line or b"\r" in line for line in lines)


@pytest.mark.parametrize("sign", ["\x00", "\x07", "\x1b", "\x7f"])
def test_control_characters_do_not_reach_the_feed(sign: str) -> None:
    found = read_event(text_of(event(date(2026, 12, 3), time(14), title=f"a{sign}b")))
    assert found["SUMMARY"] == "ab"


@pytest.mark.parametrize("written", ["a\r\nb", "a\rb", "a\nb", "a\u2028b"])
def test_no_line_break_starts_a_property_of_its_own(written: str) -> None:
    forged = event(date(2026, 12, 3), time(14), title=written.replace("b", "STATUS:CANCELLED"))
    found = read_event(text_of(forged))
    assert found["STATUS"] == "CONFIRMED"
    assert found["SUMMARY"] == "a\nSTATUS:CANCELLED"
