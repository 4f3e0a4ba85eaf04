"""Calendar events: when they are, who comes, and when to remind of them.

An event is at a local time in a zone: that is what people agreed on, and what stays true when a
country changes its clocks. The instant follows from it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from bot.domain.hours import instant


class Status(StrEnum):
    DRAFT = "draft"
    PUBLISHED = "published"
    CANCELLED = "cancelled"


class Answer(StrEnum):
    YES = "yes"
    MAYBE = "maybe"
    NO = "no"


SIGNS = {Answer.YES: "✅", Answer.MAYBE: "🤔", Answer.NO: "❌"}

PUNCTUAL = timedelta(minutes=2)
"""A reminder sent within this time of its moment is not late: clocks tick once a minute."""
LATEST = timedelta(hours=6)
"""A reminder later than this says little more than the event's announcement."""
USEFUL = timedelta(minutes=10)
"""A late reminder so shortly before the start helps nobody to come."""


class NonexistentTime(ValueError):
    """Clocks go forward over this local time: nobody will ever see it on the wall."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """``starts_local`` is naive, on the wall in ``zone``. No ``clusters`` means the whole network.
    ``sequence`` rises with every change people are told of, the last of them at ``changed_at``."""

    number: int
    title: str
    starts_local: datetime
    zone: str
    duration: timedelta
    changed_at: datetime
    place: str = ""
    clusters: tuple[str, ...] = ()
    description: str = ""
    sequence: int = 0
    status: Status = Status.PUBLISHED

    @property
    def starts_at(self) -> datetime:
        """The UTC instant, also when a zone's rules have changed under a time once chosen."""
        return instant(self.starts_local.date(), self.starts_local.time(), ZoneInfo(self.zone))

    @property
    def ends_at(self) -> datetime:
        return self.starts_at + self.duration


def starts_at(local: datetime, zone: ZoneInfo) -> datetime:
    """The UTC instant of a local time, the first of the two when clocks go back.

    Raises ``NonexistentTime``.
    """
    moment = instant(local.date(), local.time(), zone)
    if moment.astimezone(zone).replace(tzinfo=None) != local:
        raise NonexistentTime(local.isoformat())
    return moment


def answer_of(key: str) -> Answer | None:
    """What a reaction says, by its emoji without variation selectors."""
    return next((answer for answer, sign in SIGNS.items() if sign == key), None)


@dataclass(frozen=True, slots=True)
class Said:
    """One thing somebody said about coming; ``withdrawn`` when they took it back."""

    user_id: str
    answer: Answer
    withdrawn: bool = False


@dataclass(frozen=True, slots=True)
class Tally:
    """The people behind each answer, in the order in which they came to it."""

    yes: tuple[str, ...] = ()
    maybe: tuple[str, ...] = ()
    no: tuple[str, ...] = ()

    @property
    def counts(self) -> tuple[int, int, int]:
        return len(self.yes), len(self.maybe), len(self.no)

    @property
    def concerned(self) -> tuple[str, ...]:
        """Who wants to know when something changes."""
        return self.yes + self.maybe

    def answer(self, user_id: str) -> Answer | None:
        people = {Answer.YES: self.yes, Answer.MAYBE: self.maybe, Answer.NO: self.no}
        return next((each for each in Answer if user_id in people[each]), None)


def tally(said: Iterable[Said], besides: Collection[str] = ()) -> Tally:
    """Who comes, from all that was said, oldest first; ``besides`` never count.

    The last thing somebody said counts. What was taken back was never said: whoever removes their
    ❌ while their ✅ still stands is counted as the room shows them, as coming.
    """
    last: dict[str, Answer] = {}
    for each in said:
        if not each.withdrawn and each.user_id not in besides:
            last.pop(each.user_id, None)
            last[each.user_id] = each.answer
    return Tally(*(tuple(u for u, answer in last.items() if answer is each) for each in Answer))


def callings(
    people: Iterable[str], present: Mapping[str, Collection[str]]
) -> dict[str, tuple[str, ...]]:
    """In which room to call whom, so that nobody is called twice: each person in the first room
    where they are present, else in the first one. Raises ``ValueError`` without rooms."""
    if not present:
        raise ValueError("there is no room to call anybody in")
    called: dict[str, list[str]] = {room: [] for room in present}
    for person in dict.fromkeys(people):
        fallback = next(iter(present))
        called[next((room for room in present if person in present[room]), fallback)].append(person)
    return {room: tuple(names) for room, names in called.items()}


def count_at(counted_at: datetime | None, now: datetime, every: timedelta) -> datetime:
    """When a new count may be shown, if the last one was, or will be, at ``counted_at``.

    A count that still waits there will hold the new one as well.
    """
    if counted_at is None:
        return now
    return counted_at if counted_at > now else max(now, counted_at + every)


@dataclass(frozen=True, slots=True)
class Reminder:
    event: Event
    offset: timedelta

    @property
    def slot(self) -> str:
        """Names this reminder for good. An event that is moved gets its reminders anew."""
        seconds = int(self.offset.total_seconds())
        return f"{self.event.number}:{self.event.starts_at.isoformat()}:{seconds}"


def due_reminders(
    events: Iterable[Event], offsets: Sequence[timedelta], now: datetime
) -> list[Reminder]:
    """For each event at most one reminder, that of the smallest offset whose moment has come.

    Whether it has been sent is not known here. No reminder is due for what was announced, or
    moved, after the reminder's moment: people have just been told.
    """
    found = ((each, _due_offset(each, offsets, now)) for each in events)
    return [Reminder(event, offset) for event, offset in found if offset is not None]


def _due_offset(event: Event, offsets: Sequence[timedelta], now: datetime) -> timedelta | None:
    left = event.starts_at - now
    passed = [offset for offset in offsets if left <= offset]
    if event.status is not Status.PUBLISHED or left <= timedelta() or not passed:
        return None
    offset = min(passed)
    late = offset - left
    known_since = now - event.changed_at
    if known_since <= late or (late > PUNCTUAL and not _is_useful(late, left)):
        return None
    return offset


def _is_useful(late: timedelta, left: timedelta) -> bool:
    return late <= LATEST and left >= USEFUL
