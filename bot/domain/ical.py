"""Events for calendar programs: text/calendar as RFC 5545 has it.

The time zone is written out from Python's own rules, for the years that the events are in. Where
clocks change by a rule, as in Europe, that makes the short form that every program knows; where
they do not, each change stands for itself.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from bot.domain.calendar import Event, Status

MAX_OCTETS = 75
"""Of a line, without its break (§3.1)."""

_DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_STATUS = {Status.PUBLISHED: "CONFIRMED", Status.CANCELLED: "CANCELLED"}
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f]")
_SECOND = timedelta(seconds=1)


def feed(events: Iterable[Event], *, name: str, network: str, zone: str) -> str:
    """A calendar to subscribe to. ``network`` is the key that makes the UIDs the network's own;
    ``zone`` is told even when there are no events."""
    listed = [event for event in events if event.status in _STATUS]
    zones = dict.fromkeys([zone, *(event.zone for event in listed)])
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//clusterdesk//clusterdesk//EN",
        "CALSCALE:GREGORIAN",
        f"NAME:{_text(name)}",
        f"X-WR-CALNAME:{_text(name)}",
        f"X-WR-TIMEZONE:{zone}",
        "REFRESH-INTERVAL;VALUE=DURATION:PT1H",
        "X-PUBLISHED-TTL:PT1H",
    ]
    for each in zones:
        lines += _timezone(each, [event for event in listed if event.zone == each])
    for event in listed:
        lines += _event(event, network)
    return "".join(f"{_folded(line)}\r\n" for line in [*lines, "END:VCALENDAR"])


def _event(event: Event, network: str) -> Iterator[str]:
    """Without METHOD, DTSTAMP is when the event last changed (§3.8.7.2): the text stays the same
    until then."""
    changed = _utc(event.changed_at)
    yield "BEGIN:VEVENT"
    yield f"UID:event-{event.number}@{network}.clusterdesk"
    yield f"DTSTAMP:{changed}"
    yield f"LAST-MODIFIED:{changed}"
    yield f"SEQUENCE:{event.sequence}"
    yield f"STATUS:{_STATUS[event.status]}"
    yield _moment("DTSTART", event.starts_at, event.zone)
    yield _moment("DTEND", event.ends_at, event.zone)
    yield f"SUMMARY:{_text(event.title)}"
    if event.place:
        yield f"LOCATION:{_text(event.place)}"
    if event.description:
        yield f"DESCRIPTION:{_text(event.description)}"
    yield "END:VEVENT"


def _moment(name: str, moment: datetime, zone: str) -> str:
    """In the zone's time; the second pass of an hour that comes twice, which cannot be told apart
    there (§3.3.5), in UTC."""
    local = moment.astimezone(ZoneInfo(zone))
    if local.fold:
        return f"{name}:{_utc(moment)}"
    return f"{name};TZID={zone}:{_local(local)}"


@dataclass(frozen=True, slots=True)
class _Observance:
    """What clocks show: their offset from UTC, and what that is called."""

    offset: timedelta
    name: str
    is_daylight: bool


@dataclass(frozen=True, slots=True)
class _Change:
    """``onset`` is what clocks show when they are changed, before they are (§3.6.5)."""

    onset: datetime
    before: timedelta
    after: _Observance


def _timezone(zone: str, events: Sequence[Event]) -> Iterator[str]:
    instants = [event.starts_at for event in events] + [event.ends_at for event in events]
    years = [moment.year for moment in instants] or [2000]
    first, last = min(years) - 1, max(years) + 1
    changes = _changes(ZoneInfo(zone), first, last)
    yield "BEGIN:VTIMEZONE"
    yield f"TZID:{zone}"
    if not changes or changes[0].onset.year > first:
        yield from _component(_standing(ZoneInfo(zone), first))
    for alike in _grouped(changes):
        rule = _rule(alike, range(first, last + 1))
        for change in alike[:1] if rule else alike:
            yield from _component(change, rule)
    yield "END:VTIMEZONE"


def _standing(zone: ZoneInfo, year: int) -> _Change:
    """What holds before the first change."""
    begin = datetime(year, 1, 1, tzinfo=UTC)
    observed = _observed(zone, begin)
    return _Change(_wall(begin, observed.offset), observed.offset, observed)


def _component(change: _Change, rule: str | None = None) -> Iterator[str]:
    kind = "DAYLIGHT" if change.after.is_daylight else "STANDARD"
    yield f"BEGIN:{kind}"
    yield f"DTSTART:{_local(change.onset)}"
    if rule is not None:
        yield f"RRULE:{rule}"
    yield f"TZNAME:{_text(change.after.name)}"
    yield f"TZOFFSETFROM:{_offset(change.before)}"
    yield f"TZOFFSETTO:{_offset(change.after.offset)}"
    yield f"END:{kind}"


def _changes(zone: ZoneInfo, first: int, last: int) -> list[_Change]:
    """All changes of clocks from the first year to the end of the last one."""
    begin, end = datetime(first, 1, 1, tzinfo=UTC), datetime(last + 1, 1, 1, tzinfo=UTC)
    days = [begin + timedelta(days=count) for count in range((end - begin).days + 1)]
    found = []
    for yesterday, today in pairwise(days):
        before, after = _observed(zone, yesterday), _observed(zone, today)
        if before != after:
            moment = _first_of(zone, yesterday, today)
            found.append(_Change(_wall(moment, before.offset), before.offset, after))
    return found


def _first_of(zone: ZoneInfo, early: datetime, late: datetime) -> datetime:
    """The instant between the two, to the second, from which the later one's clocks hold."""
    after = _observed(zone, late)
    while late - early > _SECOND:
        middle = early + (late - early) // (2 * _SECOND) * _SECOND
        if _observed(zone, middle) == after:
            late = middle
        else:
            early = middle
    return late


def _observed(zone: ZoneInfo, moment: datetime) -> _Observance:
    local = moment.astimezone(zone)
    return _Observance(local.utcoffset() or timedelta(), local.tzname() or "", bool(local.dst()))


def _grouped(changes: Iterable[_Change]) -> list[list[_Change]]:
    groups: dict[tuple[timedelta, _Observance], list[_Change]] = {}
    for change in changes:
        groups.setdefault((change.before, change.after), []).append(change)
    return list(groups.values())


def _rule(changes: Sequence[_Change], years: range) -> str | None:
    """The yearly rule that makes exactly these changes, if one does."""
    onsets = [change.onset for change in changes]
    alike = {(onset.month, onset.weekday(), onset.time()) for onset in onsets}
    if [onset.year for onset in onsets] != list(years) or len(alike) > 1:
        return None
    week = _week_of(onsets)
    if week is None:
        return None
    month, weekday, _ = alike.pop()
    return f"FREQ=YEARLY;BYMONTH={month};BYDAY={week}{_DAYS[weekday]}"


def _week_of(onsets: Sequence[datetime]) -> int | None:
    """Which of its weekdays in the month: -1 is the last."""
    if all((onset + timedelta(days=7)).month != onset.month for onset in onsets):
        return -1
    counted = {(onset.day - 1) // 7 + 1 for onset in onsets}
    return counted.pop() if len(counted) == 1 else None


def _wall(moment: datetime, offset: timedelta) -> datetime:
    return moment.replace(tzinfo=None) + offset


def _local(local: datetime) -> str:
    return f"{local:%Y%m%dT%H%M%S}"


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def _offset(offset: timedelta) -> str:
    """+0100, with seconds only where there are any (§3.3.14)."""
    minutes, seconds = divmod(abs(int(offset.total_seconds())), 60)
    sign = "-" if offset < timedelta() else "+"
    return f"{sign}{minutes // 60:02}{minutes % 60:02}" + (f"{seconds:02}" if seconds else "")


def _text(value: str) -> str:
    """§3.3.11: escaped, and without the control characters that no escape allows."""
    clean = _CONTROL.sub("", re.sub("\r\n?|[\x85\u2028\u2029]", "\n", value))
    return re.sub(r"([\\;,])", r"\\\1", clean).replace("\n", "\\n")


def _folded(line: str) -> str:
    """Long lines go on after a break and a space; no character is torn apart."""
    parts, room = [""], MAX_OCTETS
    for letter in line:
        octets = len(letter.encode())
        if octets > room:
            parts.append("")
            room = MAX_OCTETS - 1
        parts[-1] += letter
        room -= octets
    return "\r\n ".join(parts)
