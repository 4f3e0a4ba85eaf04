"""Vectors freed of what a language itself adds to them.

An encoder of many languages puts a little of the language into each vector: two French texts are
closer than a French and a Dutch one that say the same. The mean vector of a language holds that
part, and is taken away. A network has no texts yet when it starts, so the means come from sentences
about everything and nothing, shipped in parallel (`neutral.tsv`): what differs between the means is
the language, not the subject.
"""

import asyncio
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files

import numpy as np

from bot.services.encoding import Encoder, Text, Vectors, unit

Sentences = Mapping[str, Sequence[str]]


@cache
def neutral_sentences() -> Sentences:
    """By language; the first line of the file names the columns."""
    lines = files("bot.encoders").joinpath("neutral.tsv").read_text("utf-8").splitlines()
    columns = zip(*(line.split("\t") for line in lines), strict=True)
    return {language: sentences for language, *sentences in columns}


def plain(text: str) -> str:
    """As people type on a keyboard: a printer's apostrophes and blanks split words otherwise."""
    return unicodedata.normalize("NFKC", text).replace("’", "'")


class CentredEncoder:
    """Another encoder, with the mean of the text's language taken from each of its vectors.

    A text whose language does not show, or has no sentences, loses the mean of all. The means are
    computed with the first text; should that fail, the next one tries again.
    """

    def __init__(self, inner: Encoder, sentences: Sentences | None = None) -> None:
        self._inner = inner
        self._sentences = neutral_sentences() if sentences is None else sentences
        written = "\n".join(
            f"{key}:{each}" for key, all_ in self._sentences.items() for each in all_
        )
        digest = sha256(written.encode()).hexdigest()[:6]
        self.name = f"{inner.name}-centred-{digest}"
        self.dimension = inner.dimension
        self._means: Mapping[str | None, Vectors] | None = None
        self._once = asyncio.Lock()

    async def encode(self, texts: Sequence[Text]) -> Vectors:
        if not texts:
            return np.zeros((0, self.dimension), dtype=np.float32)
        async with self._once:
            if self._means is None:
                self._means = await self._computed()
        typed = [Text(plain(text.words), text.language) for text in texts]
        return self._centred(texts, await self._inner.encode(typed), self._means)

    async def _computed(self) -> Mapping[str | None, Vectors]:
        texts = [Text(plain(each), key) for key, all_ in self._sentences.items() for each in all_]
        vectors = await self._inner.encode(texts)
        languages = np.array([text.language for text in texts])
        means: dict[str | None, Vectors] = {
            key: vectors[languages == key].mean(axis=0) for key in self._sentences
        }
        means[None] = np.mean(list(means.values()), axis=0)
        return means

    def _centred(
        self, texts: Sequence[Text], vectors: Vectors, means: Mapping[str | None, Vectors]
    ) -> Vectors:
        taken = np.stack([means.get(text.language, means[None]) for text in texts])
        spoken = vectors.any(axis=1, keepdims=True)
        return unit(np.where(spoken, vectors - taken, 0.0).astype(np.float32))
