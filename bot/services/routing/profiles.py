"""How like a question is to what experts say of themselves, whatever the languages.

The meaning comes from the encoder, the names and terms from letters. Letters count for more when
question and profile are in one language; across languages they only see what the languages share
(at full weight they do harm there).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bot.services.encoding import Vectors, unit
from bot.services.routing.ngrams import LetterIndex

SAME_LANGUAGE, OTHER_LANGUAGE = 0.5, 0.25
"""Weight of the letters, beside 1 for the meaning. Their cosines spread half as wide between
profiles (a third, across languages): after standardisation this is 0.25 and 0.1."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What one person declared: topics, clusters, free text, each in one language or another.

    ``vectors`` has a row for each of ``texts``, all of one encoder; None without one. ``languages``
    are those the texts are written in, as far as known.
    """

    texts: tuple[str, ...]
    vectors: Vectors | None = None
    languages: frozenset[str] = frozenset()


class ProfileMatcher:
    """Profiles of the experts to choose from; built again when one of them changes."""

    def __init__(self, profiles: Sequence[Profile]) -> None:
        self._languages = [each.languages for each in profiles]
        self._letters = LetterIndex(["\n".join(each.texts) for each in profiles])
        self._means = [_mean(each.vectors) for each in profiles]

    def likeness(
        self, text: str, language: str | None, vector: NDArray[np.float32] | None
    ) -> NDArray[np.float32]:
        """For each profile in order: about 0 for another subject, 1 for the same words.

        Without a vector (no encoder, a text without a word) the letters decide alone.
        """
        letters = self._letters.likeness(text)
        if vector is None or not vector.any():
            return letters
        meaning = np.array([_cosine(mean, vector) for mean in self._means], dtype=np.float32)
        weights = np.array([_weight(language, each) for each in self._languages], dtype=np.float32)
        return ((meaning + weights * letters) / (1 + weights)).astype(np.float32)


def _mean(vectors: Vectors | None) -> NDArray[np.float32] | None:
    """Of a person's texts: one who knows many things is compared with all of them (measured
    against the nearest text, and against the nearest few: the mean finds more experts)."""
    if vectors is None or not vectors.any():
        return None
    mean: NDArray[np.float32] = unit(vectors.mean(axis=0, keepdims=True))[0]
    return mean


def _cosine(mean: NDArray[np.float32] | None, vector: NDArray[np.float32]) -> float:
    return 0.0 if mean is None else float(mean @ vector)


def _weight(language: str | None, languages: frozenset[str]) -> float:
    return SAME_LANGUAGE if language in languages else OTHER_LANGUAGE
