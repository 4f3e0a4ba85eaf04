"""Likeness by letters: TF-IDF of runs of 3 to 5 letters within words.

Weak beside an encoder, but it sees what encoders blur: names, codes, rare terms, and the many
technical words that French, Dutch and English share but for an ending.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

SHORTEST, LONGEST = 3, 5
CHARACTERS = 4_000
"""What is read of a text."""


class LetterIndex:
    """Texts to compare others with; a gram's weight is its inverse frequency among them."""

    def __init__(self, texts: Sequence[str]) -> None:
        counted = [Counter(grams(text)) for text in texts]
        spread = Counter(gram for each in counted for gram in each)
        self._columns = {gram: column for column, gram in enumerate(spread)}
        seen = np.array([spread[gram] for gram in self._columns], dtype=np.float32)
        self._idf = np.log((1 + len(texts)) / (1 + seen)).astype(np.float32) + 1
        self._rows = [self._weighted(each) for each in counted]

    def likeness(self, text: str) -> NDArray[np.float32]:
        """Cosines with each text of the index, 0 to 1."""
        asked = np.zeros(len(self._columns), dtype=np.float32)
        columns, weights = self._weighted(Counter(grams(text)))
        asked[columns] = weights
        return np.array(
            [asked[columns] @ weights for columns, weights in self._rows], dtype=np.float32
        )

    def _weighted(self, counts: Counter[str]) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """Grams that no text of the index has are left out: they change no order."""
        known = {self._columns[gram]: n for gram, n in counts.items() if gram in self._columns}
        columns = np.fromiter(known, dtype=np.intp, count=len(known))
        damped = 1 + np.log(np.array(list(known.values()), dtype=np.float32))
        weights = (damped * self._idf[columns]).astype(np.float32)
        length = float(np.linalg.norm(weights))
        return columns, weights / np.float32(length or 1.0)


def grams(text: str) -> Iterator[str]:
    """Words are padded with blanks, so that a beginning differs from a middle; accents are off."""
    for word in _plain(text[:CHARACTERS]).split():
        padded = f" {word} "
        for length in range(SHORTEST, LONGEST + 1):
            for start in range(len(padded) - length + 1):
                yield padded[start : start + length]


def _plain(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    letters = (each if each.isalnum() else " " for each in decomposed if not _is_accent(each))
    return "".join(letters)


def _is_accent(letter: str) -> bool:
    return bool(unicodedata.combining(letter))
