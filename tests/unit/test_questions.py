"""Whose turn it is: each branch of the decision, and that time always ends in a human."""

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
    Step,
    TellAdmins,
    Turn,
    after_silence,
    may_reopen,
    next_turn,
)

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
BRUSSELS = ZoneInfo("Europe/Brussels")
CALENDAR = Calendar(WorkingHours(frozenset(range(1, 6)), time(9), time(17)), BRUSSELS)
PATIENCE = Patience(
    offer=timedelta(hours=2),
    claim=timedelta(hours=8),
    coordinator=timedelta(hours=4),
    ask_help=timedelta(days=2),
    close=timedelta(days=3),
    max_offers=3,
)
PEOPLE = ("@a:x", "@b:x", "@c:x", "@d:x", "@e:x")
STEP_OF = {OfferTo: Step.OFFER, AskCoordinators: Step.COORDINATOR, AskDesk: Step.DESK}


def turn(
    step: Step,
    made: int,
    ranked: tuple[str, ...] = (),
    coordinators: tuple[str, ...] = (),
    experts: tuple[str, ...] = (),
    now: datetime = NOW,
) -> Turn:
    return next_turn(step, made, ranked, coordinators, experts, PATIENCE, CALENDAR, now)


def test_the_best_expert_is_asked_first_until_the_offer_runs_out() -> None:
    assert turn(Step.NONE, 0, PEOPLE) == OfferTo("@a:x", NOW + timedelta(hours=2))


@pytest.mark.parametrize(
    ("step", "made", "ranked"),
    [(Step.OFFER, 3, PEOPLE), (Step.OFFER, 1, ()), (Step.NONE, 0, ()), (Step.CLAIMED, 1, PEOPLE)],
    ids=["offers used up", "nobody left", "nobody at all", "claimed and silent"],
)
def test_then_the_coordinator(step: Step, made: int, ranked: tuple[str, ...]) -> None:
    asked = turn(step, made, ranked, coordinators=("@c:x",), experts=PEOPLE)
    assert asked == AskCoordinators(("@c:x",), NOW + timedelta(hours=4))


def test_then_the_desk_and_last_the_admins() -> None:
    desk = turn(Step.COORDINATOR, 3, PEOPLE, coordinators=("@c:x",), experts=PEOPLE)
    assert desk == AskDesk(PEOPLE, NOW + timedelta(hours=4))
    assert turn(Step.DESK, 3, PEOPLE, ("@c:x",), PEOPLE) == TellAdmins()
    assert turn(Step.NONE, 0) == TellAdmins()


@given(
    ranked=st.lists(st.sampled_from(PEOPLE), unique=True).map(tuple),
    coordinators=st.lists(st.sampled_from(PEOPLE), unique=True).map(tuple),
    experts=st.lists(st.sampled_from(PEOPLE), unique=True).map(tuple),
    hours=st.integers(0, 24 * 14),
)
def test_time_always_ends_in_a_human(
    ranked: tuple[str, ...], coordinators: tuple[str, ...], experts: tuple[str, ...], hours: int
) -> None:
    """With nobody ever answering: no expert is asked twice, each turn ends later than it began and
    in working hours, and after at most six turns the admins know."""
    step, now = Step.NONE, NOW + timedelta(hours=hours)
    asked: list[str] = []
    for _ in range(6):
        left = tuple(each for each in ranked if each not in asked)
        found = turn(step, len(asked), left, coordinators, experts, now)
        if isinstance(found, TellAdmins):
            break
        if isinstance(found, OfferTo):
            asked.append(found.expert)
        assert found.until > now
        assert is_open(CALENDAR.hours, BRUSSELS, found.until - timedelta(seconds=1))
        step, now = STEP_OF[type(found)], found.until
    else:
        pytest.fail("six turns, and nobody who must act knows")
    assert len(asked) == len(set(asked)) <= PATIENCE.max_offers


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
