"""Whose turn it is with a question, and for how long.

    offer ──claimed/passed/expired──▶ offer … ──▶ coordinator ──▶ desk ──▶ admins
      └── an answer ──▶ "did this help?" ──▶ closed

Until somebody answers, exactly one party has the turn, and every turn but the last has an end. The
last is the admins': a question without an answer stays open and somebody has been told. Offer and
coordinator times run in the desk's working hours; the silences after an answer run on the calendar.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from bot.domain.hours import Calendar


class Status(StrEnum):
    OPEN = "open"
    ANSWERED = "answered"
    CLOSED = "closed"
    WITHDRAWN = "withdrawn"


class Step(StrEnum):
    """Who has the turn."""

    NONE = "none"
    OFFER = "offer"
    CLAIMED = "claimed"
    COORDINATOR = "coordinator"
    DESK = "desk"
    ADMINS = "admins"
    ANSWERED = "answered"
    HELPED = "helped"


class OfferState(StrEnum):
    OPEN = "open"
    CLAIMED = "claimed"
    PASSED = "passed"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long each turn lasts. ``offer``, ``claim`` and ``coordinator`` are working time."""

    offer: timedelta
    claim: timedelta
    coordinator: timedelta
    ask_help: timedelta
    close: timedelta
    max_offers: int


@dataclass(frozen=True, slots=True)
class OfferTo:
    """``until`` is None when the offer has no end."""

    expert: str
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


Turn = OfferTo | AskCoordinators | AskDesk | TellAdmins


def next_turn(
    step: Step,
    offers_made: int,
    ranked: Sequence[str],
    coordinators: Sequence[str],
    experts: Sequence[str],
    patience: Patience,
    calendar: Calendar,
    now: datetime,
) -> Turn:
    """The turn that follows ``step``.

    ``ranked`` are the experts who may still be offered the question, best first;
    ``coordinators`` and ``experts`` those of the desk, without the asker.
    """
    if step in (Step.NONE, Step.OFFER) and ranked and offers_made < patience.max_offers:
        return OfferTo(ranked[0], calendar.after(now, patience.offer))
    if step in (Step.NONE, Step.OFFER, Step.CLAIMED) and coordinators:
        return AskCoordinators(tuple(coordinators), calendar.after(now, patience.coordinator))
    if step in (Step.NONE, Step.OFFER, Step.CLAIMED, Step.COORDINATOR) and experts:
        return AskDesk(tuple(experts), calendar.after(now, patience.coordinator))
    return TellAdmins()


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
