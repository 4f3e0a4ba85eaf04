"""Whoever there is and whatever is asked: nobody is asked who must not be, and always fairly."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from bot.domain.routing.lean import Candidate, QuestionFacts, Topic, choose_desk, rank, words

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
WORDS = ["vlas", "lin", "test", "export", "testen", "lins", "projet", "l'", "à"]
PEOPLE = [f"@{name}:example.org" for name in "abcdefgh"]

texts = st.one_of(
    st.text(max_size=80),
    st.lists(st.sampled_from(WORDS)).map(" ".join),
)
keys = st.frozensets(st.sampled_from(["funding", "project"]))
clusters = st.frozensets(st.sampled_from(["logistics", "materials"]))
languages = st.frozensets(st.sampled_from(["fr", "nl", "en"]))
past = st.integers(0, 60 * 24).map(lambda hours: NOW - timedelta(hours=hours))
people = st.lists(
    st.builds(
        Candidate,
        user_id=st.sampled_from(PEOPLE),
        desks=keys,
        clusters=clusters,
        languages=languages,
        topics=st.frozensets(texts, max_size=2),
        is_away=st.booleans(),
        open_load=st.integers(0, 5),
        last_offer_at=st.none() | past,
    ),
    unique_by=lambda each: each.user_id,
)
questions = st.builds(
    QuestionFacts,
    number=st.integers(1, 99),
    asker=st.sampled_from(PEOPLE),
    desk=st.sampled_from(["funding", "project"]),
    cluster=st.none() | st.sampled_from(["logistics", "materials"]),
    language=st.sampled_from(["fr", "nl", "en"]),
    text=texts,
)
asked_before = st.frozensets(st.sampled_from(PEOPLE), max_size=3)


@given(questions, people, asked_before)
def test_exactly_those_who_may_be_asked_are_ranked_once(
    question: QuestionFacts, candidates: list[Candidate], already_asked: frozenset[str]
) -> None:
    ranked = [each.user_id for each in rank(question, candidates, NOW, already_asked)]
    may = {each.user_id for each in candidates if question.desk in each.desks and not each.is_away}
    assert len(ranked) == len(set(ranked))
    assert set(ranked) == may - already_asked - {question.asker}


@given(questions, people, st.randoms())
def test_the_order_of_candidates_does_not_matter(
    question: QuestionFacts, candidates: list[Candidate], random: Random
) -> None:
    shuffled = random.sample(candidates, len(candidates))
    assert rank(question, shuffled, NOW, ()) == rank(question, candidates, NOW, ())


@given(questions, people, st.data())
def test_more_questions_never_lead_to_an_earlier_place(
    question: QuestionFacts, candidates: list[Candidate], data: st.DataObject
) -> None:
    before = [each.user_id for each in rank(question, candidates, NOW, ())]
    if not before:
        return
    busy = data.draw(st.sampled_from(before))
    more = [replace(e, open_load=e.open_load + (e.user_id == busy)) for e in candidates]
    after = [each.user_id for each in rank(question, more, NOW, ())]
    assert after.index(busy) >= before.index(busy)
    assert [each for each in after if each != busy] == [each for each in before if each != busy]


@given(questions, people)
def test_who_is_left_keeps_the_order_when_somebody_passes(
    question: QuestionFacts, candidates: list[Candidate]
) -> None:
    ranked = rank(question, candidates, NOW, ())
    passed = {each.user_id for each in ranked[:1]}
    assert rank(question, candidates, NOW, passed) == ranked[1:]


@given(texts)
def test_a_stem_is_its_own_stem(text: str) -> None:
    stems = words(text)
    assert words(" ".join(stems)) == stems


@given(texts, st.lists(texts, min_size=1, max_size=4), st.none() | st.just("1"))
def test_a_question_always_finds_a_desk(
    text: str, described: list[str], explicit: str | None
) -> None:
    desks = [Topic(str(n), frozenset({each})) for n, each in enumerate(described)]
    choice = choose_desk(text, desks, explicit, default="0")
    assert choice.desk in {"0", "1", *(desk.key for desk in desks)}
    assert choice.runner_up != choice.desk
    assert choice == choose_desk(text, desks, explicit, default="0")
