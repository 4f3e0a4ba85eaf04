"""What was asked before, in memory, and how alike each of it is to a new question.

Two views of likeness are put together. The meaning (cosine of the encoder's vectors) works across
languages; the words (BM25 on stems) know names and numbers the encoder does not. Meaning is
measured from the middle of what the network asks in each language: what all questions have in
common says nothing about any two of them. Without vectors, or for those without, words do alone.

Vectors are kept in bytes, one for each dimension: the cosine loses less than a hundredth by it, and
ten thousand questions take 9 MB instead of 36.
"""

import gc
from collections.abc import Container
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from bot.domain.routing import known
from bot.domain.routing.known import Known, together
from bot.domain.routing.lexical import Bm25
from bot.services.routing.words import tokens

Vector: TypeAlias = NDArray[np.float32]

WORDS_ACROSS = 0.1
"""What common words count for between languages: names are shared, and so are false friends."""
TELLING = 20
"""Words of an answer that says by itself what it is about."""
MIDDLE_FROM = 10
"""Questions of a language from which on its middle is believed at least by half."""

_BLOCK = 1024
_STEPS = 127


def evidence(question: str, answer: str) -> str:
    """The text that shows what somebody knows: their answer, and where that is so short that it
    says nothing by itself (“yes, until March”), the question with it."""
    return answer if len(answer.split()) >= TELLING else f"{answer}\n{question}"


def settle() -> None:
    """To be called once what is known has been loaded. The garbage collector need not look through
    it again: it would, every few questions, and take as long as routing one."""
    gc.collect()
    gc.freeze()


class Knowledge:
    """Questions are known by their numbers. All vectors must come from one encoder."""

    def __init__(self) -> None:
        self._words: dict[str | None, Bm25] = {}
        self._vectors = _Vectors()
        self._languages: dict[int, str | None] = {}

    def __len__(self) -> int:
        return len(self._languages)

    def put(self, number: int, text: str, language: str | None, vector: Vector | None) -> None:
        """Adds it or replaces it. Raises ``ValueError`` for a vector of another dimension."""
        if vector is not None and self._vectors.refuses(vector):
            raise ValueError(f"a vector of shape {vector.shape} among others")
        self.drop(number)
        if vector is not None:
            self._vectors.put(number, language, vector)
        self._words.setdefault(language, Bm25()).add(number, tokens(text, language))
        self._languages[number] = language

    def drop(self, number: int) -> None:
        """Does nothing for one that is not there."""
        if number in self._languages:
            self._words[self._languages.pop(number)].remove(number)
            self._vectors.drop(number)

    def likeness(self, text: str, language: str | None, vector: Vector | None) -> dict[int, float]:
        """From 0 to 1, of those that are like it at all."""
        found = self._meaning(language, vector)
        for number, share in self._shared_words(text, language, vector is None).items():
            found[number] = together(found.get(number, 0.0), share)
        return found

    def closest(
        self,
        text: str,
        language: str | None,
        vector: Vector | None,
        answered: Container[int],
        most: int = known.MOST,
        *,
        only_sure: bool = True,
    ) -> list[Known]:
        """Of the ``answered``, those that may be shown to whoever asks this."""
        meaning = self._meaning(language, vector)
        words = self._shared_words(text, language, vector is None)
        across = {number for number in meaning if not self._is_in(language, number)}
        return known.closest(meaning, words, answered, across, most, only_sure=only_sure)

    def _is_in(self, language: str | None, number: int) -> bool:
        return None in (language, self._languages[number]) or self._languages[number] == language

    def _meaning(self, language: str | None, vector: Vector | None) -> dict[int, float]:
        return {} if vector is None else self._vectors.cosines(language, vector)

    def _shared_words(self, text: str, language: str | None, across: bool) -> dict[int, float]:
        """``across`` languages too, which is only worth the time where there is nothing else."""
        found: dict[int, float] = {}
        for spoken, index in self._words.items():
            same = spoken == language or None in (spoken, language)
            if same or across:
                weight = 1.0 if same else WORDS_ACROSS
                for number, share in index.scores(tokens(text, spoken)).items():
                    found[number] = weight * share
        return found


class _Vectors:
    """Rows of bytes, in blocks: growing never copies what is there.

    A row is the vector times ``_STEPS`` by its largest number, rounded; ``scale`` leads back. What
    each row has in common with the middle of its language is kept beside it, and worked out again
    once one row in ``_STALE`` has changed: until then the middles have hardly moved.
    """

    def __init__(self) -> None:
        self._blocks: list[NDArray[np.int8]] = []
        self._rows: dict[int, int] = {}
        self._free: list[int] = []
        self._about = np.zeros(0, _ABOUT)
        self._spoken: dict[str | None, int] = {}
        self._sums = np.zeros((0, 0), np.float32)
        """Of the vectors of each language."""
        self._counts = np.zeros(0, np.float32)
        self._middles = np.zeros((0, 0), np.float32)
        self._changes = 0

    def put(self, number: int, language: str | None, vector: Vector) -> None:
        """Of a number that is not there yet. A vector of zeros is like nothing and is not kept."""
        scale = float(np.abs(vector).max()) / _STEPS
        if not scale:
            return
        row, spoken = self._row(vector.size), self._language(language, vector.size)
        kept = np.rint(vector / scale).astype(np.int8)
        again = kept * np.float32(scale)
        self._blocks[row // _BLOCK][row % _BLOCK] = kept
        self._rows[number] = row
        self._sums[spoken] += again
        self._counts[spoken] += 1
        self._changes += 1
        middle = self._middles[spoken] if spoken < len(self._middles) else np.zeros_like(again)
        apart = float(np.linalg.norm(again - middle))
        self._about[row] = (number, spoken, scale, float(again @ again), apart)

    def refuses(self, vector: Vector) -> bool:
        return bool(self._blocks) and vector.shape != self._blocks[0][0].shape

    def drop(self, number: int) -> None:
        row = self._rows.pop(number, None)
        if row is None:
            return
        spoken, scale = self._about[row]["spoken"], self._about[row]["scale"]
        self._sums[spoken] -= self._blocks[row // _BLOCK][row % _BLOCK] * scale
        self._counts[spoken] -= 1
        self._about[row] = _NOBODY
        self._free.append(row)
        self._changes += 1

    def cosines(self, language: str | None, vector: Vector) -> dict[int, float]:
        """Between what is left of the vectors without the middles of their languages."""
        if not self._rows or not vector.any():
            return {}
        if self._changes * _STALE > len(self._rows):
            self._find_middles()
        spoken = self._spoken.get(language, len(self._middles))
        aside = vector - self._middles[spoken] if spoken < len(self._middles) else vector
        aside = aside / (float(np.linalg.norm(aside)) or 1.0)
        used = self._about[: self._used()]
        along_middles = np.append(self._middles @ aside, np.zeros(len(self._spoken)))
        cosines = self._products(aside) * used["scale"] - along_middles[used["spoken"]]
        cosines /= np.maximum(used["apart"], _TINY)
        alike = (cosines > 0) & (used["number"] >= 0)
        numbers = used["number"][alike].tolist()
        return dict(zip(numbers, np.minimum(cosines[alike], 1.0).tolist(), strict=True))

    def _find_middles(self) -> None:
        self._middles = self._sums / (self._counts[:, None] + MIDDLE_FROM)
        used = self._about[: self._used()]
        for spoken, middle in enumerate(self._middles):
            theirs = used["spoken"] == spoken
            along = self._products(middle)[theirs] * used["scale"][theirs]
            squares = used["square"][theirs] - 2 * along + middle @ middle
            used["apart"][theirs] = np.sqrt(np.maximum(squares, 0.0))
        self._changes = 0

    def _products(self, vector: Vector) -> NDArray[np.float32]:
        """Of all rows, unscaled. By ``einsum``: the threads of a BLAS cost more than they bring
        for so little, ten times as much where others want the processor too."""
        used = self._used()
        parts = [
            np.einsum("ij,j->i", block[: used - start].astype(np.float32), vector)
            for start, block in zip(range(0, used, _BLOCK), self._blocks, strict=False)
        ]
        return np.concatenate(parts)

    def _used(self) -> int:
        return len(self._rows) + len(self._free)

    def _row(self, dimension: int) -> int:
        if self._free:
            return self._free.pop()
        row = len(self._rows)
        if row == len(self._about):
            self._blocks.append(np.zeros((_BLOCK, dimension), np.int8))
            self._about = np.concatenate([self._about, np.zeros(_BLOCK, _ABOUT)])
        return row

    def _language(self, language: str | None, dimension: int) -> int:
        if language not in self._spoken:
            self._spoken[language] = len(self._spoken)
            sums = np.zeros((len(self._spoken), dimension), np.float32)
            sums[: len(self._sums)] = self._sums.reshape(-1, dimension)
            self._sums = sums
            self._counts = np.append(self._counts, np.float32(0))
        return self._spoken[language]


_ABOUT = np.dtype(
    [("number", "i8"), ("spoken", "i2"), ("scale", "f4"), ("square", "f4"), ("apart", "f4")]
)
"""``square`` of the vector's length; ``apart``: how far it is from the middle of its language."""
_NOBODY = (-1, 0, 0.0, 1.0, 1.0)
_STALE = 50
_TINY = 1e-3
