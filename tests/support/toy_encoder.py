"""An encoder small enough to reason about: words mean what the table says, in any language."""

from collections.abc import Sequence

import numpy as np

from bot.services.encoding import Text, Vectors, unit

MEANINGS = (
    "money subsidy subsidie argent geld prime grant pay pays",
    "partner partenaire together samen ensemble",
    "test lab labo laboratoire measure",
    "export abroad étranger buitenland canada",
    "flax lin vlas fibre",
    "beer bière bier brewery",
    "truck camion vrachtwagen pallet",
    "camera caméra image beeld",
)


class ToyEncoder:
    """One dimension for each meaning; a text with none of them is a vector of zeros."""

    name = "toy/1"
    dimension = len(MEANINGS)

    def __init__(self) -> None:
        self.calls: list[list[Text]] = []

    async def encode(self, texts: Sequence[Text]) -> Vectors:
        self.calls.append(list(texts))
        return unit(np.array([_counts(text.words) for text in texts], dtype=np.float32))


def _counts(text: str) -> list[int]:
    words = [word.strip("?.,!’'") for word in text.lower().split()]
    return [sum(word in meaning.split() for word in words) for meaning in MEANINGS]
