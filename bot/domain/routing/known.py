"""What has been answered already: earlier questions close enough to be shown to whoever asks anew.

Two views, of meaning and of words, each from 0 to 1. One of them alone must be sure: several small
hints in both are what any two questions of a desk share, and showing nothing is better than showing
what is beside the point. The order is by both, each as a share of the best in its view, for long
questions share a small part of their words with anything.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass

ENOUGH = 0.45
"""In meaning. The same sentence in two languages reaches it 99 times in a hundred, the best of two
hundred others four times (USE, SIB-200)."""
ENOUGH_WORDS = 0.5
MOST = 3


@dataclass(frozen=True, slots=True)
class Known:
    """``likeness`` of both views together."""

    number: int
    likeness: float


def together(meaning: float, words: float) -> float:
    """Each goes its share of the way to 1 that the other leaves open."""
    return meaning + (1 - meaning) * words


def closest(
    meaning: Mapping[int, float],
    words: Mapping[int, float],
    answered: Container[int],
    across: Container[int] = (),
    most: int = MOST,
    *,
    only_sure: bool = True,
) -> list[Known]:
    """The closest first; the later of equals, for it is likelier to hold still.

    ``across`` are those in another language: it is no fault of theirs that they share no words.
    """
    enough, enough_words = (ENOUGH, ENOUGH_WORDS) if only_sure else (0.0, 0.0)
    sure = {number for number, alike in meaning.items() if alike >= enough}
    sure |= {number for number, share in words.items() if share >= enough_words}
    top, top_words = (max(view.values(), default=0.0) or 1.0 for view in (meaning, words))

    def closeness(number: int) -> float:
        meant = meaning.get(number, 0.0) / top
        said = words.get(number, 0.0) / top_words
        return round(meant if number in across else (meant + said) / 2, 6)

    found = [number for number in sure if number in answered]
    found.sort(key=lambda number: (-closeness(number), -number))
    return [
        Known(number, together(meaning.get(number, 0.0), words.get(number, 0.0)))
        for number in found[:most]
    ]
