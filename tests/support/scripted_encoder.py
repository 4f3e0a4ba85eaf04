"""An encoder that understands a dozen words in three languages, and does as it is told."""

import asyncio
import re
from collections.abc import Sequence

import numpy as np

from bot.services.encoding import EncoderFault, Text, Vectors, unit

TOPICS = (
    r"subvention|aide|interreg|subsidie|steun|grant|funding|financ|argent|geld|money",
    r"partenaire|consortium|partner|samenwerk|projet|project",
    r"labo|formation|universit|recherche|onderzoek|opleiding|training|research|expert",
    r"export|international|buitenland|abroad|tender|aanbesteding|marché",
    r"vélo|fiets|bike|livraison|levering|deliver|logist",
    r"lin\b|vlas|flax|textile?|textiel|fibre|vezel",
)
"""Each topic is an axis; a last one takes what is about nothing else."""


class ScriptedEncoder:
    """``fault`` makes it fail, ``pause`` (seconds) makes it slow; ``asked`` counts its calls."""

    def __init__(self, name: str = "scripted/1") -> None:
        self.name = name
        self.dimension = len(TOPICS) + 1
        self.fault: str | None = None
        self.pause = 0.0
        self.asked = 0
        self.begun = asyncio.Event()
        """Set whenever it is asked."""

    async def encode(self, texts: Sequence[Text]) -> Vectors:
        self.asked += 1
        self.begun.set()
        await asyncio.sleep(self.pause)
        if self.fault:
            raise EncoderFault(self.fault)
        rows = [self._vector(each.words.casefold()) for each in texts]
        return unit(np.array(rows, dtype=np.float32).reshape(len(texts), self.dimension))

    def _vector(self, words: str) -> list[float]:
        found = [float(len(re.findall(topic, words))) for topic in TOPICS]
        return [*found, 0.0 if any(found) else 1.0]
