from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.routing.ranking import Candidate, QuestionFacts
from bot.services.encoding import unit
from bot.services.routing.replay import (
    LEAST_ANSWERS,
    PastAnswer,
    PastQuestion,
    moments,
    replay,
    samples,
)

START = datetime(2026, 1, 5, 9, tzinfo=UTC)
DAY = timedelta(days=1)
VECTORS = unit(np.random.default_rng(0).standard_normal((40, 8)).astype(np.float32))
TOPICS = ("flax fibre spinning", "cargo bikes in town")


def asked(number: int, *experts: str, topic: int = 0, after: float = 0.1) -> PastQuestion:
    at = START + number * DAY
    given = (PastAnswer(name, at + after * DAY, TOPICS[topic], None) for name in experts)
    facts = QuestionFacts(number, f"asker{number}", "expertise", None, "en")
    return PastQuestion(facts, TOPICS[topic], at, None, tuple(given))


def test_only_who_answered_enough_by_then_is_a_candidate() -> None:
    history = [asked(number, "ann") for number in range(6)]
    met = list(moments(history, tested=1.0))
    assert [each.question.facts.number for each in met] == [3, 4, 5]
    assert [len(each.candidates[0].votes) for each in met] == [LEAST_ANSWERS, 4, 5]


def test_the_asker_is_no_candidate() -> None:
    history = [asked(number, "ann", "bob") for number in range(6)]
    own = replace(history[-1].facts, asker="ann")
    history[-1] = replace(history[-1], facts=own)
    (met,) = moments(history, tested=1 / 6)
    assert {each.user_id for each in met.candidates} == {"bob"}
    assert met.answered_by == {"bob"}


def test_questions_that_no_candidate_answered_are_left_out() -> None:
    history = [*(asked(number, "ann") for number in range(6)), asked(6), asked(7, "new")]
    assert [each.question.facts.number for each in moments(history, tested=0.5)] == [4, 5]


def test_an_answer_counts_from_when_it_was_given() -> None:
    history = [asked(number, "ann", after=2.5) for number in range(8)]
    met = list(moments(history, tested=1.0))
    assert [len(each.candidates[0].votes) for each in met] == [3, 4, 5]
    assert min(vote.age for vote in met[0].candidates[0].votes) == 0.5 * DAY


def test_votes_know_what_was_answered() -> None:
    history = [asked(number, ("ann", "bob")[number % 2], topic=number % 2) for number in range(12)]
    *_, last = replay(list(moments(history, tested=1.0)))
    assert last.ranked[0].user_id == "bob"
    assert last.place == 1


def test_people_who_are_given_are_candidates_without_a_past() -> None:
    people = {"ann": Candidate("ann"), "new": Candidate("new", languages=frozenset({"en"}))}
    met = list(moments([asked(0, "new"), asked(1, "ann")], people, tested=1.0))
    assert [len(each.candidates) for each in met] == [2, 2]
    assert met[0].candidates[1].languages == {"en"}


def test_balancing_passes_over_who_would_have_been_asked_all_the_time() -> None:
    history = [
        asked(number, *["ann"] * 3, *("bob", "cem", "dee", "eva")[number % 4 :])
        for number in range(40)
    ]
    met = list(moments(history))
    plain, balanced = replay(met), replay(met, balanced=True)
    assert all("ann" in {r.user_id for r in each.ranked[:3]} for each in plain)
    assert not all("ann" in {r.user_id for r in each.ranked[:3]} for each in balanced)


def test_samples_are_what_the_formula_saw() -> None:
    history = [asked(number, "ann", *["bob"] * (number % 2)) for number in range(12)]
    outcomes = replay(list(moments(history)))
    for outcome, learned in zip(outcomes, samples(outcomes), strict=True):
        assert learned.parts == tuple(each.parts for each in outcome.ranked)
        assert min(learned.answered) == outcome.place - 1


ANSWERS = st.lists(
    st.tuples(st.sampled_from("abcd"), st.floats(0.01, 5), st.integers(0, 39)), max_size=3
)


def past(answers: Sequence[Sequence[tuple[str, float, int]]]) -> list[PastQuestion]:
    history = []
    for number, given_ in enumerate(answers):
        at = START + number * DAY
        facts = QuestionFacts(number, "asker", "expertise", None, "en")
        those = (PastAnswer(who, at + d * DAY, TOPICS[v % 2], VECTORS[v]) for who, d, v in given_)
        history.append(PastQuestion(facts, TOPICS[0], at, VECTORS[number % 40], tuple(those)))
    return history


@given(st.lists(ANSWERS, min_size=4, max_size=10), st.data())
def test_what_happens_later_changes_nothing_earlier(
    answers: list[list[tuple[str, float, int]]], data: st.DataObject
) -> None:
    changed = data.draw(st.integers(0, len(answers) - 1))
    other = [*answers[:changed], data.draw(ANSWERS), *answers[changed + 1 :]]
    before, after = (
        {
            m.question.facts.number: m.candidates
            for m in moments(past(a), tested=1.0, least_answers=1)
        }
        for a in (answers, other)
    )
    for number in before.keys() & after.keys():
        if number <= changed:
            assert before[number] == after[number]
