from collections import Counter
from math import isclose, log

from hypothesis import given
from hypothesis import strategies as st

from bot.domain.routing.lexical import K1, UNSAID, B, Bm25

WORDS = st.lists(st.sampled_from(["flax", "fibre", "mill", "dye", "loom", "yarn"]), max_size=8)
CHANGES = st.lists(st.tuples(st.integers(0, 6), st.none() | WORDS), max_size=30)
"""A document's new words, or None where it is taken away."""


def from_scratch(documents: dict[int, list[str]], query: list[str]) -> dict[int, float]:
    """BM25 as it is written down."""
    if not any(documents.values()):
        return {}
    mean = sum(map(len, documents.values())) / len(documents)
    frequency = Counter(word for words in documents.values() for word in set(words))

    def rarity(word: str) -> float:
        return log(1 + (len(documents) - frequency[word] + 0.5) / (frequency[word] + 0.5))

    best = sum(map(rarity, set(query))) + UNSAID * rarity("never said")
    found = {}
    for number, words in documents.items():
        times = Counter(words)
        room = K1 * (1 - B + B * len(words) / mean)
        gains = (
            rarity(word) * times[word] * (K1 + 1) / (times[word] + room) for word in set(query)
        )
        if score := sum(gains):
            found[number] = min(score / best, 1.0)
    return found


@given(CHANGES, WORDS)
def test_after_any_changes_scores_are_those_of_an_index_made_anew(
    changes: list[tuple[int, list[str] | None]], query: list[str]
) -> None:
    index, documents = Bm25(), dict[int, list[str]]()
    for number, words in changes:
        if words is None:
            index.remove(number)
            documents.pop(number, None)
        else:
            index.add(number, words)
            documents[number] = words
    expected, found = from_scratch(documents, query), index.scores(query)
    assert len(index) == len(documents)
    assert found.keys() == expected.keys()
    assert all(isclose(found[number], score) for number, score in expected.items())


@given(st.lists(WORDS, min_size=1, max_size=6), WORDS)
def test_scores_are_shares(documents: list[list[str]], query: list[str]) -> None:
    index = Bm25()
    for number, words in enumerate(documents):
        index.add(number, words)
    assert all(0 < score <= 1 for score in index.scores(query).values())
