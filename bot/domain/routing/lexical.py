"""BM25 over documents that come and go: which of them share rare words with a query.

A score is given as a share of what a document of mean length that has all words of the query once
would get, so that it is 0 to 1 and means the same for long and longer queries. A query of two words
may share all it has with what is about something else: each is taken to have a few rare words more
that went unsaid. Postings are packed numbers in arrays: ten thousand questions must not cost a
small machine its memory.
"""

from array import array
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from itertools import accumulate
from math import fsum, log
from typing import TypeAlias

Packed: TypeAlias = "array[int]"

K1 = 1.2
B = 0.75
"""The customary values (Robertson and Zaragoza 2009)."""
UNSAID = 3
"""Rare words that every query is taken to have besides its own."""
MOST_POSTINGS = 3_000
"""Of a query's words, from the rarest on, that are looked up: the frequent ones say little, are in
many documents, and would make long queries slow."""

_COUNT_BITS = 8
_MOST_TIMES = (1 << _COUNT_BITS) - 1


class Bm25:
    """Documents are known by numbers of the caller's, 0 or more."""

    def __init__(self) -> None:
        self._terms: dict[str, int] = {}
        self._postings: list[Packed] = []
        """By term: documents that have it, and how often, in one number."""
        self._terms_of: dict[int, Packed] = {}
        self._lengths: dict[int, int] = {}
        self._total = 0

    def __len__(self) -> int:
        return len(self._lengths)

    def __contains__(self, document: int) -> bool:
        return document in self._lengths

    def add(self, document: int, tokens: Iterable[str]) -> None:
        """Replaces what it was before."""
        self.remove(document)
        counts = Counter(tokens)
        self._terms_of[document] = array("I", (self._term(token) for token in counts))
        self._lengths[document] = counts.total()
        self._total += counts.total()
        for term, count in zip(self._terms_of[document], counts.values(), strict=True):
            self._postings[term].append(document << _COUNT_BITS | min(count, _MOST_TIMES))

    def remove(self, document: int) -> None:
        """Does nothing for one that is not there."""
        for term in self._terms_of.pop(document, ()):
            kept = (each for each in self._postings[term] if each >> _COUNT_BITS != document)
            self._postings[term] = array("Q", kept)
        self._total -= self._lengths.pop(document, 0)

    def scores(self, tokens: Iterable[str]) -> dict[int, float]:
        """Of the documents that share a word with the query, each above 0 and at most 1."""
        weights = self._weights(frozenset(tokens))
        if not weights or not self._total:
            return {}
        count = len(self._lengths)
        best = fsum(weights.values()) + UNSAID * _rarity(0, count)
        mean = self._total / count
        short, long = K1 * (1 - B), K1 * B / mean
        lengths, found = self._lengths, defaultdict[int, float](float)
        for token, weight in weights.items():
            for posting in self._postings_of(token):
                document = posting >> _COUNT_BITS
                times = posting & _MOST_TIMES
                room = short + long * lengths[document]
                found[document] += weight * times / (times + room)
        return {document: min(gain * (K1 + 1) / best, 1.0) for document, gain in found.items()}

    def _term(self, token: str) -> int:
        term = self._terms.setdefault(token, len(self._postings))
        if term == len(self._postings):
            self._postings.append(array("Q"))
        return term

    def _postings_of(self, token: str) -> Packed:
        term = self._terms.get(token)
        return _NOWHERE if term is None else self._postings[term]

    def _weights(self, tokens: Collection[str]) -> dict[str, float]:
        """The inverse document frequencies of those that are looked up."""
        frequencies = {token: len(self._postings_of(token)) for token in tokens}
        rarest = sorted(frequencies, key=lambda token: (frequencies[token], token))
        visited = accumulate(frequencies[token] for token in rarest)
        count = len(self._lengths)
        return {
            token: _rarity(frequencies[token], count)
            for token, so_far in zip(rarest, visited, strict=True)
            if so_far <= MOST_POSTINGS or token == rarest[0]
        }


def _rarity(frequency: int, documents: int) -> float:
    """The inverse document frequency, in the form that is never negative."""
    return log(1 + (documents - frequency + 0.5) / (frequency + 0.5))


_NOWHERE: Packed = array("Q")
