"""Whose turn it is: each branch of the decision, and that time always ends in a human."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.hours import Calendar, WorkingHours, is_open
from bot.domain.questions import (
    AskCoordinators,
    AskDesk,
    OfferTo,
    Patience,
    Quiet,
    Remind,
    State,
    Step,
    TellAdmins,
    Turn,
    WaitForOpening,
    after_silence,
    may_reopen,
    next_turn,
)

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
NIGHT = datetime(2026, 11, 24, 20, 0, tzinfo=UTC)
BRUSSELS = ZoneInfo("Europe/Brussels")
CALENDAR = Calendar(WorkingHours(frozenset(range(1, 6)), time(9), time(17)), BRUSSELS)
PATIENCE = Patience(
    offer=timedelta(hours=2),
    reminder=timedelta(hours=1),
    wave=timedelta(hours=3),
    claim=timedelta(hours=8),
    coordinator=timedelta(hours=4),
    ask_help=timedelta(days=2),
    close=timedelta(days=3),
    second_wave=2,
    max_offers=5,
)
PEOPLE = ("@a:x", "@b:x", "@c:x", "@d:x", "@e:x")


def turn(
    state: State,
    left: int = 0,
    coordinators: Sequence[str] = (),
    experts: Sequence[str] = (),
    now: datetime = NOW,
    *,
    quiet_hours: bool = True,
) -> Turn:
    return next_turn(
        state, left, coordinators, experts, PATIENCE, CALENDAR, now, quiet_hours=quiet_hours
    )


def after(hours: int) -> datetime:
    return NOW + timedelta(hours=hours)


def test_one_expert_is_asked_first() -> None:
    assert turn(State(Step.NONE), left=5) == OfferTo(1, 1, after(2))


def test_then_reminded_once() -> None:
    asked = State(Step.OFFER, wave=1, asked=1, waiting=1)
    assert turn(asked, left=4) == Remind(after(1))
    assert turn(asked, left=0) == Remind(after(1))


def test_then_two_more_are_asked() -> None:
    reminded = State(Step.REMINDED, wave=1, asked=1, waiting=1)
    assert turn(reminded, left=4) == OfferTo(2, 2, after(3))
    assert turn(reminded, left=1) == OfferTo(1, 2, after(3))


@pytest.mark.parametrize("step", [Step.OFFER, Step.REMINDED])
@pytest.mark.parametrize("wave", [1, 2])
def test_who_passes_is_replaced_by_one_other(step: Step, wave: int) -> None:
    passed = State(step, wave=wave, asked=2, waiting=0)
    turned = turn(passed, left=3)
    assert isinstance(turned, OfferTo)
    assert (turned.size, turned.wave) == (1, wave)


@pytest.mark.parametrize(
    ("state", "left"),
    [
        (State(Step.OFFER, wave=2, asked=3, waiting=2), 3),
        (State(Step.REMINDED, wave=1, asked=1, waiting=1), 0),
        (State(Step.OFFER, wave=1, asked=5, waiting=0), 3),
        (State(Step.NONE), 0),
        (State(Step.NAMING), 0),
        (State(Step.CLAIMED, wave=1, asked=1), 3),
    ],
    ids=[
        "the second wave is over",
        "nobody else",
        "enough were asked",
        "nobody at all",
        "nobody was named",
        "claimed and silent",
    ],
)
def test_then_the_coordinator(state: State, left: int) -> None:
    asked = turn(state, left, coordinators=("@c:x",), experts=PEOPLE)
    assert asked == AskCoordinators(("@c:x",), after(4))


def test_then_the_desk_and_last_the_admins() -> None:
    with_coordinator = State(Step.COORDINATOR, wave=2, asked=3)
    desk = turn(with_coordinator, 3, coordinators=("@c:x",), experts=PEOPLE)
    assert desk == AskDesk(PEOPLE, after(4))
    assert turn(State(Step.DESK, wave=2), 3, ("@c:x",), PEOPLE) == TellAdmins()
    assert turn(State(Step.NONE)) == TellAdmins()


@pytest.mark.parametrize("step", list(Step))
def test_nobody_is_called_at_night_unless_the_network_wants_it(step: Step) -> None:
    state = State(step, wave=1, asked=1, waiting=1)
    opening = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
    assert turn(state, 2, ("@c:x",), PEOPLE, NIGHT) == WaitForOpening(opening)
    called = turn(state, 2, ("@c:x",), PEOPLE, NIGHT, quiet_hours=False)
    assert not isinstance(called, WaitForOpening)


@given(
    left=st.integers(0, 8),
    coordinators=st.lists(st.sampled_from(PEOPLE), unique=True),
    experts=st.lists(st.sampled_from(PEOPLE), unique=True),
    hours=st.integers(0, 24 * 14),
    passes=st.lists(st.booleans(), min_size=20, max_size=20),
    quiet_hours=st.booleans(),
)
def test_time_always_ends_in_a_human(
    left: int,
    coordinators: list[str],
    experts: list[str],
    hours: int,
    passes: list[bool],
    quiet_hours: bool,
) -> None:
    """Whoever is asked passes or says nothing: each turn ends later than it began and in working
    hours, nobody is reminded twice in a row, no more are asked than may be, and after some turns
    the admins know."""
    state, now = State(Step.NONE), NOW + timedelta(hours=hours)
    for passing in passes:
        found = turn(state, left, coordinators, experts, now, quiet_hours=quiet_hours)
        match found:
            case TellAdmins():
                break
            case WaitForOpening(until):
                now = until
                continue
            case OfferTo(size, wave, until):
                assert size <= left
                left -= size
                state = State(Step.OFFER, wave, state.asked + size, size)
            case Remind(until):
                assert state.step is Step.OFFER
                state = replace(state, step=Step.REMINDED)
            case AskCoordinators(_, until):
                assert state.step is not Step.COORDINATOR
                state = replace(state, step=Step.COORDINATOR, waiting=0)
            case AskDesk(_, until):
                state = replace(state, step=Step.DESK, waiting=0)
        assert until > now
        if quiet_hours:
            assert is_open(CALENDAR.hours, BRUSSELS, until - timedelta(seconds=1))
        if passing and state.waiting:
            state = replace(state, waiting=0)
        else:
            now = until
    else:
        pytest.fail("twenty turns, and nobody who must act knows")
    assert state.asked <= PATIENCE.max_offers


@pytest.mark.parametrize(
    ("step", "askers_word_is_last", "expected"),
    [
        (Step.ANSWERED, False, Quiet.ASK_HELPED),
        (Step.HELPED, False, Quiet.CLOSE),
        (Step.ANSWERED, True, Quiet.REMIND),
        (Step.HELPED, True, Quiet.REMIND),
    ],
)
def test_silence_after_an_answer(step: Step, askers_word_is_last: bool, expected: Quiet) -> None:
    last_word = NOW + timedelta(hours=1) if askers_word_is_last else NOW
    assert after_silence(step, NOW, last_word) is expected


def test_a_closed_question_can_be_opened_for_a_while() -> None:
    month = timedelta(days=30)
    assert may_reopen(NOW, NOW + month, month)
    assert not may_reopen(NOW, NOW + month + timedelta(seconds=1), month)
