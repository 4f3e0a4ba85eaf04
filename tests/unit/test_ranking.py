from datetime import UTC, datetime, timedelta

import pytest

from bot.domain.routing.ranking import (
    EXPLORE,
    Candidate,
    QuestionFacts,
    Reason,
    Vote,
    Why,
    lot,
    pace,
    pick,
    rank,
)

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
DAY = timedelta(days=1)
QUESTION = QuestionFacts(12, "@asker:example.org", "expertise", "materials", "nl")
EXPLORED = next(number for number in range(100) if lot(number, "explore") < EXPLORE)
PLAIN = next(number for number in range(100) if lot(number, "explore") >= EXPLORE)


def order(*candidates: Candidate, question: QuestionFacts = QUESTION) -> list[str]:
    return [each.user_id for each in rank(question, candidates, NOW)]


def reasons(candidate: Candidate) -> tuple[Reason, ...]:
    return rank(QUESTION, [candidate], NOW)[0].reasons


def answers(likeness: float, *days: float, helped: bool | None = None) -> tuple[Vote, ...]:
    return tuple(Vote(likeness, day * DAY, helped) for day in days)


def test_who_answered_the_like_comes_before_who_answered_the_unlike() -> None:
    fitting = Candidate("a", answers(0.7, 3, 4), asks=2)
    other = Candidate("b", answers(0.05, 3, 4), asks=2)
    assert order(other, fitting) == ["a", "b"]


def test_who_answers_these_days_comes_before_who_did_long_ago() -> None:
    present = Candidate("a", answers(0.5, 1, 2, 3), asks=3)
    gone = Candidate("b", answers(0.5, 400, 401, 402), asks=3)
    assert order(gone, present) == ["a", "b"]


def test_an_answer_that_helped_weighs_more_than_one_that_did_not() -> None:
    thanked = Candidate("a", answers(0.5, 3, helped=True))
    silent = Candidate("b", answers(0.5, 3))
    useless = Candidate("c", answers(0.5, 3, helped=False))
    assert order(useless, silent, thanked) == ["a", "b", "c"]


def test_a_newcomer_with_a_fitting_profile_comes_before_who_answers_other_things() -> None:
    newcomer = Candidate("a", profile=0.6)
    busy = Candidate("b", answers(0.1, 1, 2, 3, 4, 5), asks=5)
    assert order(busy, newcomer) == ["a", "b"]


def test_the_profile_fades_as_answers_come() -> None:
    """Two claim the same; one has shown otherwise since."""
    claims = Candidate("a", answers(0.1, 3, 4), profile=0.6, asks=2)
    shown = Candidate("b", answers(0.1, *[3, 4] * 20), profile=0.6, asks=2)
    fits = {each.user_id: each.parts["fits"] for each in rank(QUESTION, [claims, shown], NOW)}
    assert fits["a"] > fits["b"]


@pytest.mark.parametrize(
    "worse",
    [
        Candidate("b", answers(0.5, 3), open_load=1),
        Candidate("b", answers(0.5, 3), recent_asks=2),
        Candidate("b", answers(0.5, 3), languages=frozenset({"fr"})),
        Candidate("b", answers(0.5, 3), not_my_field=0.5),
        Candidate("b", answers(0.5, 3), asks=5),
    ],
)
def test_what_speaks_against_somebody_puts_them_behind(worse: Candidate) -> None:
    assert order(worse, Candidate("a", answers(0.5, 3))) == ["a", "b"]


@pytest.mark.parametrize(
    "better",
    [
        Candidate("a", answers(0.5, 3), clusters=frozenset({"materials"})),
        Candidate("a", answers(0.5, 3), profile=0.5),
    ],
)
def test_what_speaks_for_somebody_puts_them_ahead(better: Candidate) -> None:
    assert order(Candidate("b", answers(0.5, 3)), better) == ["a", "b"]


def test_equals_are_asked_in_the_order_of_their_last_offers() -> None:
    earlier = Candidate("z", last_offer_at=NOW - 3 * DAY)
    later = Candidate("a", last_offer_at=NOW - 2 * DAY)
    assert order(later, Candidate("m"), earlier) == ["m", "z", "a"]


def test_the_lot_differs_from_question_to_question() -> None:
    names = [Candidate(name) for name in "abcdefgh"]
    drawn = {
        tuple(order(*names, question=QuestionFacts(number, "", "expertise", None, "")))
        for number in range(10)
    }
    assert len(drawn) > 5


def test_reasons_say_what_was_answered_and_when_the_last() -> None:
    found = reasons(Candidate("a", answers(0.8, 12, 40) + answers(0.1, 1)))
    assert Reason(Why.ANSWERED, "2") in found
    assert Reason(Why.LAST_ANSWER, "12") in found
    assert Why.ACTIVE not in {each.why for each in found}


def test_reasons_are_given_only_when_true() -> None:
    assert reasons(Candidate("a", answers(0.1, 300), asks=1)) == ()
    assert reasons(Candidate("a")) == (Reason(Why.NEWCOMER),)


def test_all_that_speaks_for_somebody_is_said() -> None:
    found = reasons(
        Candidate(
            "a",
            answers(0.1, 3),
            profile=0.61,
            clusters=frozenset({"materials"}),
            languages=frozenset({"nl"}),
            open_load=2,
            recent_asks=7,
            asks=9,
            not_my_field=0.5,
            last_offer_at=NOW - 20 * DAY,
        )
    )
    assert found == (
        Reason(Why.ACTIVE, "1"),
        Reason(Why.PROFILE, "61"),
        Reason(Why.LANGUAGE, "nl"),
        Reason(Why.CLUSTER, "materials"),
        Reason(Why.LOAD, "2"),
        Reason(Why.OFTEN_ASKED, "7"),
        Reason(Why.RESTED, "20"),
        Reason(Why.NOT_MY_FIELD, "50"),
    )


@pytest.mark.parametrize(
    ("ages", "days"),
    [
        ([], 14),
        ([DAY], 14),
        ([30 * DAY], 30),
        ([n * DAY for n in range(60)], 20),
        ([n * DAY / 50 for n in range(60)], 5),
        ([n * 30 * DAY for n in range(60)], 90),
    ],
)
def test_the_half_life_is_the_time_of_the_last_twenty_answers_within_bounds(
    ages: list[timedelta], days: int
) -> None:
    assert pace(ages) == days * DAY


def wave(size: int, number: int, *candidates: Candidate) -> list[str]:
    ranked = rank(QUESTION, candidates, NOW)
    return [each.user_id for each in pick(ranked, candidates, size, number)]


OLD_HANDS = [Candidate(name, answers(0.7, 2), asks=5) for name in "abcd"]


def test_a_wave_is_of_the_best() -> None:
    people = [*OLD_HANDS, Candidate("new")]
    ranked = [each.user_id for each in rank(QUESTION, people, NOW)]
    assert wave(3, PLAIN, *people) == ranked[:3]


def test_now_and_then_the_last_of_a_wave_is_a_newcomer_and_it_is_said() -> None:
    people = [*OLD_HANDS, Candidate("new")]
    picked = pick(rank(QUESTION, people, NOW), people, 3, EXPLORED)
    assert picked[-1].user_id == "new"
    assert picked[-1].reasons[-1] == Reason(Why.EXPLORED)
    assert all(Reason(Why.EXPLORED) not in each.reasons for each in picked[:-1])


def test_without_newcomers_the_least_asked_of_the_first_ten_is_explored() -> None:
    people = [*OLD_HANDS, Candidate("rare", answers(0.3, 2), asks=1)]
    assert wave(3, EXPLORED, *people)[-1] == "rare"


def test_nobody_is_explored_with_what_they_cannot_read() -> None:
    people = [*OLD_HANDS, Candidate("new", languages=frozenset({"fr"}))]
    assert "new" not in wave(3, EXPLORED, *people)


def test_a_wave_of_one_explores_only_among_the_nearly_best() -> None:
    assert wave(1, EXPLORED, OLD_HANDS[0], Candidate("new"))[0] == "a"
    near = Candidate("near", answers(0.65, 2), asks=4)
    assert wave(1, EXPLORED, OLD_HANDS[0], near) == ["near"]
