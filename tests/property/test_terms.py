"""Whatever is written: stems are stems, and a question always finds a desk."""

from hypothesis import given
from hypothesis import strategies as st

from bot.domain.routing.desks import choose_desk
from bot.domain.routing.terms import Topic, words
from bot.services.routing.desks import Described, DeskMatcher

WORDS = ["vlas", "lin", "test", "export", "testen", "lins", "projet", "l'", "à"]
texts = st.one_of(
    st.text(max_size=80),
    st.lists(st.sampled_from(WORDS)).map(" ".join),
)


@given(texts)
def test_a_stem_is_its_own_stem(text: str) -> None:
    stems = words(text)
    assert words(" ".join(stems)) == stems


@given(texts, st.lists(texts, min_size=1, max_size=4), st.none() | st.just("1"))
def test_a_question_always_finds_a_desk(
    text: str, described: list[str], explicit: str | None
) -> None:
    desks = [
        Described(str(n), Topic(str(n), frozenset({each})), ()) for n, each in enumerate(described)
    ]
    evidence = DeskMatcher(desks).evidence(text, None)
    choice = choose_desk(evidence, explicit, default="0")
    assert choice.desk in {"0", "1", *(desk.key for desk in desks)}
    assert choice.runner_up != choice.desk
    assert choice == choose_desk(evidence, explicit, default="0")
