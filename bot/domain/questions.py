"""Whose turn it is with a question, and for how long.

    waiting for the desk to open, for the asker to choose ──▶ wave 1: one expert
      ──time──▶ a friendly reminder ──time──▶ wave 2: two more
      ──time──▶ coordinator ──▶ desk ──▶ admins
      └── an answer ──▶ "did this help?" ──▶ closed

Until somebody answers, exactly one party has the turn, and every turn but the last has an end. The
last is the admins': a question without an answer stays open and somebody has been told. Who passes
is replaced at once, without a reminder, while there are experts who have not been asked. Turns run
in the desk's working hours, those of people who were named in their own; the silences after an
answer run on the calendar.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from bot.domain.hours import Calendar

FIRST_WAVE = 1
SECOND_WAVE = 2


class Status(StrEnum):
    """``MERGED`` questions share the answers of another."""

    OPEN = "open"
    ANSWERED = "answered"
    MERGED = "merged"
    CLOSED = "closed"
    WITHDRAWN = "withdrawn"


class Step(StrEnum):
    """Who has the turn. ``CHOOSING``: the asker, between two desks; ``NAMING``: the asker of a
    private question, who may read it; ``OPENING``: nobody before the desk, or who was
    named, begins to work."""

    NONE = "none"
    CHOOSING = "choosing"
    NAMING = "naming"
    OPENING = "opening"
    OFFER = "offer"
    REMINDED = "reminded"
    CLAIMED = "claimed"
    COORDINATOR = "coordinator"
    DESK = "desk"
    ADMINS = "admins"
    ANSWERED = "answered"
    HELPED = "helped"


ASKING = (Step.NONE, Step.CHOOSING, Step.NAMING, Step.OPENING, Step.OFFER, Step.REMINDED)
"""The steps at which experts are still asked one wave after the other."""


class OfferState(StrEnum):
    """``PLANNED``: somebody was named out of their hours, and is asked when these begin. ``MOVED``:
    taken back because the question went to another desk or joined another question; when it
    returns, they may be asked."""

    PLANNED = "planned"
    OPEN = "open"
    CLAIMED = "claimed"
    PASSED = "passed"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    MOVED = "moved"


TAKEN_BACK = (OfferState.WITHDRAWN, OfferState.MOVED)


class Because(StrEnum):
    """Why somebody passed a question on."""

    FIELD = "field"
    TIME = "time"
    REFERRAL = "referral"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long each turn lasts, in working time but for ``ask_help`` and ``close``.

    ``offer`` is before the reminder, ``reminder`` after it, ``wave`` that of the second wave, to
    which ``second_wave`` experts belong. ``max_offers`` counts everybody asked before the
    coordinator, also those who passed.
    """

    offer: timedelta
    reminder: timedelta
    wave: timedelta
    claim: timedelta
    coordinator: timedelta
    ask_help: timedelta
    close: timedelta
    second_wave: int
    max_offers: int


@dataclass(frozen=True, slots=True)
class State:
    """How far a question has come: ``asked`` experts in ``wave`` waves, of whom ``waiting`` have
    neither answered nor passed."""

    step: Step
    wave: int = 0
    asked: int = 0
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class WaitForOpening:
    """The turn stays where it is."""

    until: datetime


@dataclass(frozen=True, slots=True)
class OfferTo:
    """``size`` experts may be asked, from those who are left."""

    size: int
    wave: int
    until: datetime


@dataclass(frozen=True, slots=True)
class Remind:
    until: datetime


@dataclass(frozen=True, slots=True)
class AskCoordinators:
    coordinators: tuple[str, ...]
    until: datetime


@dataclass(frozen=True, slots=True)
class AskDesk:
    experts: tuple[str, ...]
    until: datetime


@dataclass(frozen=True, slots=True)
class TellAdmins:
    pass


Turn = WaitForOpening | OfferTo | Remind | AskCoordinators | AskDesk | TellAdmins


def next_turn(
    state: State,
    left: int,
    coordinators: Sequence[str],
    experts: Sequence[str],
    patience: Patience,
    calendar: Calendar,
    now: datetime,
    *,
    quiet_hours: bool = True,
) -> Turn:
    """The turn that follows, because the present one is over or its last expert has passed.

    ``left`` experts may still be asked; ``coordinators`` and ``experts`` are those of the desk,
    without the asker. With ``quiet_hours`` nobody is called before the desk opens.
    """
    opening = calendar.next_opening(now)
    if quiet_hours and opening > now:
        return WaitForOpening(opening)
    if state.step in ASKING and (turn := _next_offer(state, left, patience, calendar, now)):
        return turn
    if state.step in (*ASKING, Step.CLAIMED) and coordinators:
        return AskCoordinators(tuple(coordinators), calendar.after(now, patience.coordinator))
    if state.step in (*ASKING, Step.CLAIMED, Step.COORDINATOR) and experts:
        return AskDesk(tuple(experts), calendar.after(now, patience.coordinator))
    return TellAdmins()


def _next_offer(
    state: State, left: int, patience: Patience, calendar: Calendar, now: datetime
) -> OfferTo | Remind | None:
    if state.step is Step.OFFER and state.wave == FIRST_WAVE and state.waiting:
        return Remind(calendar.after(now, patience.reminder))
    may = min(left, patience.max_offers - state.asked)
    if may <= 0:
        return None
    if state.wave < FIRST_WAVE or (state.wave == FIRST_WAVE and not state.waiting):
        return OfferTo(1, FIRST_WAVE, calendar.after(now, patience.offer))
    if state.wave == FIRST_WAVE:
        size = min(may, patience.second_wave)
        return OfferTo(size, SECOND_WAVE, calendar.after(now, patience.wave))
    if not state.waiting:
        return OfferTo(1, SECOND_WAVE, calendar.after(now, patience.wave))
    return None


def replacement(
    state: State,
    left: int,
    patience: Patience,
    calendar: Calendar,
    now: datetime,
    *,
    quiet_hours: bool = True,
) -> OfferTo | None:
    """Somebody of a wave has passed while others of it are still waited for: who is asked in their
    place, if anybody. Out of hours the wave goes on without them."""
    if quiet_hours and not calendar.is_open(now):
        return None
    if state.step not in ASKING or state.wave != SECOND_WAVE or not state.waiting:
        return None
    if min(left, patience.max_offers - state.asked) <= 0:
        return None
    return OfferTo(1, SECOND_WAVE, calendar.after(now, patience.wave))


class Quiet(StrEnum):
    """What to do when an answered question has been silent for long enough."""

    ASK_HELPED = "ask"
    CLOSE = "close"
    REMIND = "remind"


def after_silence(step: Step, last_answer_at: datetime, last_activity_at: datetime) -> Quiet:
    """The asker's own last word waits for the expert: such a question is not closed."""
    if last_activity_at > last_answer_at:
        return Quiet.REMIND
    return Quiet.CLOSE if step is Step.HELPED else Quiet.ASK_HELPED


def may_reopen(closed_at: datetime, now: datetime, within: timedelta) -> bool:
    return now - closed_at <= within
