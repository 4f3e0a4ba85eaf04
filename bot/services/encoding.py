"""What routing needs of a text encoder: texts in, unit vectors out, and a name for what made them.

An encoder is slow (milliseconds to seconds) and may fail: it is never called within a transaction.
Dot products of two vectors of the same encoder say how alike the texts are, in any language.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Vectors: TypeAlias = NDArray[np.float32]
"""Shape (texts, dimension), each row of length 1, or 0 for a text without a word in it."""


@dataclass(frozen=True, slots=True)
class Text:
    """``language`` is that of the text, None where it does not show."""

    words: str
    language: str | None = None


class EncoderFault(Exception):
    """The encoder is missing, broken, too slow, or answers in another form than before."""


class Encoder(Protocol):
    @property
    def name(self) -> str:
        """Of the model and of all that is done to its vectors: equal names, comparable vectors."""

    @property
    def dimension(self) -> int: ...

    async def encode(self, texts: Sequence[Text]) -> Vectors:
        """Raises ``EncoderFault``."""
        ...


def unit(vectors: NDArray[np.float32]) -> Vectors:
    """Each row brought to length 1; a row of zeros stays one."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: Vectors = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 1e-12)
    return scaled
