from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from bot.domain.routing.ranking import (
    USUAL,
    Candidate,
    QuestionFacts,
    Vote,
    parts,
    pick,
    rank,
)

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
DAYS = st.floats(0, 2000).map(lambda days: timedelta(days=days))
SHARES = st.floats(0, 1)
LANGUAGES = st.frozensets(st.sampled_from(["fr", "nl", "en"]))
VOTES = st.builds(Vote, SHARES, DAYS, st.sampled_from([None, True, False]))
CANDIDATES = st.builds(
    Candidate,
    st.text("abcdef", min_size=1, max_size=3),
    st.lists(VOTES, max_size=6).map(tuple),
    profile=st.floats(-1, 1),
    clusters=st.frozensets(st.sampled_from(["logistics", "materials"])),
    languages=LANGUAGES,
    open_load=st.integers(0, 5),
    recent_asks=st.integers(0, 20),
    asks=st.integers(0, 50),
    not_my_field=SHARES,
    last_offer_at=st.none() | DAYS.map(lambda age: NOW - age),
)
POOLS = st.lists(CANDIDATES, max_size=12, unique_by=lambda each: each.user_id)
QUESTIONS = st.builds(
    QuestionFacts,
    st.integers(1, 10_000),
    st.just("@asker:example.org"),
    st.just("expertise"),
    st.sampled_from([None, "materials"]),
    st.sampled_from(["", "fr", "nl", "en"]),
)


@given(QUESTIONS, POOLS, st.randoms())
def test_everybody_is_ranked_once_whatever_the_order_they_come_in(
    question: QuestionFacts, pool: list[Candidate], random: object
) -> None:
    ranked = rank(question, pool, NOW)
    assert sorted(each.user_id for each in ranked) == sorted(each.user_id for each in pool)
    assert [each.score for each in ranked] == sorted((e.score for e in ranked), reverse=True)
    shuffled = [replace(each, votes=each.votes[::-1]) for each in reversed(pool)]
    assert rank(question, shuffled, NOW) == ranked


@given(QUESTIONS, CANDIDATES, DAYS, st.booleans())
def test_one_more_helpful_answer_to_the_like_never_hurts(
    question: QuestionFacts, candidate: Candidate, age: timedelta, thanked: bool
) -> None:
    alike = max([vote.likeness for vote in candidate.votes] + [candidate.profile, 0.5])
    more = replace(candidate, votes=(*candidate.votes, Vote(alike, age, True)))
    before, after = (parts(question, each, USUAL) for each in (candidate, more))
    assert after["active"] >= before["active"]
    assert sum(after.values()) >= sum(before.values()) - 1e-9


@given(QUESTIONS, CANDIDATES, st.integers(0, 5), st.integers(0, 10), st.integers(0, 10))
def test_the_loaded_do_not_come_before_their_unloaded_twins(
    question: QuestionFacts, candidate: Candidate, load: int, recent: int, asks: int
) -> None:
    twin = replace(
        candidate,
        user_id=candidate.user_id + "x",
        open_load=candidate.open_load + load,
        recent_asks=candidate.recent_asks + recent,
        asks=candidate.asks + asks,
    )
    scores = {each.user_id: each.score for each in rank(question, [twin, candidate], NOW)}
    assert scores[candidate.user_id] >= scores[twin.user_id]


@given(QUESTIONS, POOLS, st.integers(0, 5), SHARES)
def test_a_wave_holds_nobody_twice_and_is_as_large_as_it_can_be(
    question: QuestionFacts, pool: list[Candidate], size: int, explore: float
) -> None:
    ranked = rank(question, pool, NOW)
    wave = [each.user_id for each in pick(ranked, pool, size, question.number, explore)]
    assert len(wave) == len(set(wave)) == min(size, len(pool))
    assert set(wave) <= {each.user_id for each in pool}
    assert wave[:-1] == [each.user_id for each in ranked[: size - 1]][: len(wave[:-1])]
