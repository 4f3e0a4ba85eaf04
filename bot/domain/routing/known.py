"""What has been answered already: earlier questions close enough to be shown to whoever asks anew.

Two views, of meaning and of words, each from 0 to 1. Their order is that of both together, but one
of them alone must be sure: several small hints in both are what any two questions of a desk share.
Showing nothing is better than showing what is beside the point.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass

ENOUGH = 0.45
"""The same sentence in two languages reaches it 99 times in a hundred, the best of two hundred
others four times (USE, SIB-200)."""
MOST = 3


@dataclass(frozen=True, slots=True)
class Known:
    number: int
    likeness: float


def together(meaning: float, words: float) -> float:
    """Each goes its share of the way to 1 that the other leaves open."""
    return meaning + (1 - meaning) * words


def closest(
    meaning: Mapping[int, float],
    words: Mapping[int, float],
    answered: Container[int],
    most: int = MOST,
    enough: float = ENOUGH,
) -> list[Known]:
    """The closest first; the later of equals, for it is likelier to hold still."""
    sure = {n for view in (meaning, words) for n, alike in view.items() if alike >= enough}
    found = (
        Known(number, round(together(meaning.get(number, 0.0), words.get(number, 0.0)), 6))
        for number in sure
        if number in answered
    )
    return sorted(found, key=lambda each: (-each.likeness, -each.number))[:most]
