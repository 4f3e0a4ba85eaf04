"""Two encoders are right more often than one: they err on different texts."""

from collections.abc import Sequence

import numpy as np

from bot.services.encoding import Encoder, Text, Vectors, unit


class BlendedEncoder:
    """Their vectors side by side: the dot product is the weighted mean of their cosines."""

    def __init__(self, *parts: tuple[float, Encoder]) -> None:
        """Weights and encoders; the weights are brought to a sum of 1."""
        whole = sum(weight for weight, _ in parts)
        self._parts = [(weight / whole, encoder) for weight, encoder in parts]
        self.name = "+".join(f"{weight:.2g}*{encoder.name}" for weight, encoder in self._parts)
        self.dimension = sum(encoder.dimension for _, encoder in self._parts)

    async def encode(self, texts: Sequence[Text]) -> Vectors:
        """One part after the other: each has a thread, and the bot needs a core as well."""
        scaled = [
            np.sqrt(np.float32(weight)) * await encoder.encode(texts)
            for weight, encoder in self._parts
        ]
        return unit(np.concatenate(scaled, axis=1))
