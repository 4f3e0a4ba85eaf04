"""What routing needs of a text encoder: texts in, unit vectors out, and a name for what made them.

An encoder is slow (milliseconds to seconds) and may fail: it is never called within a transaction.
Dot products of two vectors of the same encoder say how alike the texts are, in any language.

The product asks ``Encoding``, whose ``vectors`` never raises: without them, routing goes on
lexically. A handler in a transaction asks it for a ``recent`` vector; if there is none yet,
``Unencoded`` unwinds the transaction, whoever called the handler awaits ``vectors``, and calls it
again.
"""

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
import structlog
from numpy.typing import NDArray

from config.locales import N_

log = structlog.get_logger(__name__)

FIRST_REST = 5.0
LONGEST_REST = 300.0
"""Seconds a failing encoder is left in peace: they double from the first to the longest."""

Vector: TypeAlias = NDArray[np.float32]
Vectors: TypeAlias = NDArray[np.float32]
"""Shape (texts, dimension), each row of length 1, or 0 for a text without a word in it."""


@dataclass(frozen=True, slots=True)
class Text:
    """``language`` is that of the text, None where it does not show. ``titled``: its first line
    says what the rest is about, as in a question or a profile, not in an answer."""

    words: str
    language: str | None = None
    titled: bool = False


class EncoderFault(Exception):
    """The encoder is missing, broken, too slow, or answers in another form than before.

    ``sentence`` is the start of none: “it refuses the key (HTTP {status})”. Admins read it in their
    language, logs in English; it says nothing of any text of a person.
    """

    def __init__(self, sentence: str, **values: str | int) -> None:
        super().__init__(sentence.format(**values))
        self.sentence = sentence
        self.values = values


class Encoder(Protocol):
    @property
    def name(self) -> str:
        """Of the model and of all that is done to its vectors: equal names, comparable vectors."""

    @property
    def dimension(self) -> int:
        """0 as long as it is not known: an endpoint shows it with its first answer."""

    async def encode(self, texts: Sequence[Text]) -> Vectors:
        """Raises ``EncoderFault``."""
        ...


def unit(vectors: NDArray[np.float32]) -> Vectors:
    """Each row brought to length 1; a row of zeros stays one."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: Vectors = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 1e-12)
    return scaled


@runtime_checkable
class Closing(Protocol):
    """An encoder that holds something to be given back, such as connections."""

    async def close(self) -> None: ...


class Unencoded(Exception):
    """A handler needs the vector of this text before it can decide anything."""

    def __init__(self, text: Text) -> None:
        super().__init__("a text is not encoded yet")
        self.text = text


class Encoding:
    """An encoder that may be missing, slow or broken, and is worked around while it is.

    ``clock`` gives seconds that only run forward. ``timeout`` and ``loading`` are seconds as well:
    the second holds until the encoder has answered once, for models that load themselves.
    ``reason`` says why there is no encoder.
    """

    def __init__(
        self,
        encoder: Encoder | None,
        clock: Callable[[], float],
        *,
        timeout: float = 10.0,
        loading: float | None = None,
        batch: int = 32,
        reason: EncoderFault | None = None,
    ) -> None:
        self._encoder = encoder
        self._timeout = timeout
        self._loading = timeout if loading is None else loading
        self._batch = batch
        self._reason = reason
        self._rest = _Rest(clock)
        self._recent = _Recent()
        self._answered = False

    @property
    def name(self) -> str | None:
        return self._encoder.name if self._encoder else None

    @property
    def dimension(self) -> int | None:
        """None also as long as an endpoint has not answered yet."""
        return (self._encoder.dimension or None) if self._encoder else None

    @property
    def fault(self) -> EncoderFault | None:
        """What is wrong now."""
        return self._rest.fault or self._reason

    async def vectors(self, texts: Sequence[Text], *, keep: bool = True) -> Vectors | None:
        """Shape (texts, dimension), or None: no encoder, or it does not work now.

        ``keep=False`` for the many texts of a rebuilding, which would push out of ``recent`` what
        handlers wait for.
        """
        encoder = self._encoder
        if encoder is None:
            return None
        found = await self._attempt(encoder, texts)
        if keep:
            rows = [None] * len(texts) if found is None else list(found)
            for text, vector in zip(texts, rows, strict=True):
                self._recent.put(text, vector)
        return found

    def recent(self, text: Text) -> Vector | None:
        """The vector of a text that went through ``vectors`` lately. Does not wait.

        None: it was tried in vain, or there is no encoder, or it is left in peace just now.
        Raises ``Unencoded``: it has not been tried, and may be.
        """
        if self._encoder is None:
            return None
        if text in self._recent:
            return self._recent.get(text)
        if not self._rest.over:
            return None
        raise Unencoded(text)

    def forget(self, text: Text) -> None:
        self._recent.drop(text)

    async def close(self) -> None:
        if isinstance(self._encoder, Closing):
            await self._encoder.close()

    async def _attempt(self, encoder: Encoder, texts: Sequence[Text]) -> Vectors | None:
        if not self._rest.over:
            return None
        trial = self._rest.begin()
        try:
            found = [await self._checked(encoder, part) for part in self._batches(texts)]
        except Exception as error:  # whatever an encoder raises, the question goes on
            if self._rest.failed(_reason(error), trial):
                log.warning("encoder_failed", encoder=encoder.name, reason=str(self._rest.fault))
            return None
        finally:
            self._rest.end(trial)
        if found and self._rest.worked():
            self._recent.retry()
            log.info("encoder_recovered", encoder=encoder.name)
        nothing = np.zeros((0, encoder.dimension), dtype=np.float32)
        return np.concatenate(found) if found else nothing

    def _batches(self, texts: Sequence[Text]) -> Iterator[Sequence[Text]]:
        for start in range(0, len(texts), self._batch):
            yield texts[start : start + self._batch]

    async def _checked(self, encoder: Encoder, texts: Sequence[Text]) -> Vectors:
        async with asyncio.timeout(self._timeout if self._answered else self._loading):
            vectors = np.asarray(await encoder.encode(texts), dtype=np.float32)
        if vectors.shape != (len(texts), encoder.dimension):
            raise EncoderFault(
                N_("its vectors have the wrong shape ({shape})"),
                shape="×".join(map(str, vectors.shape)),
            )
        if not np.isfinite(vectors).all():
            raise EncoderFault(N_("its vectors hold what is not a number"))
        self._answered = True
        return vectors


def _reason(error: Exception) -> EncoderFault:
    """Only a fault's own words: those of other exceptions may quote a text."""
    if isinstance(error, EncoderFault):
        return error
    if isinstance(error, TimeoutError):
        return EncoderFault(N_("it does not answer in time"))
    return EncoderFault(N_("it fails with {error}"), error=type(error).__name__)


class _Rest:
    """Whether an encoder may be asked. After a failure only one at a time tries it again."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.fault: EncoderFault | None = None
        self._clock = clock
        self._until = 0.0
        self._seconds = FIRST_REST
        self._trying = False

    @property
    def over(self) -> bool:
        return self.fault is None or (not self._trying and self._clock() >= self._until)

    def begin(self) -> bool:
        """Whether this is a trial: the one attempt after a rest."""
        trial = self.fault is not None
        self._trying = self._trying or trial
        return trial

    def end(self, trial: bool) -> None:
        self._trying = self._trying and not trial

    def failed(self, reason: EncoderFault, trial: bool) -> bool:
        """Whether this is news. What began together and fails together is one failure."""
        news = self.fault is None
        if news or trial:
            self.fault = reason
            self._until = self._clock() + self._seconds
            self._seconds = min(2 * self._seconds, LONGEST_REST)
        return news

    def worked(self) -> bool:
        """Whether this is news."""
        news = self.fault is not None
        self.fault, self._seconds = None, FIRST_REST
        return news


class _Recent:
    """What was encoded lately, without the texts: people's words are not kept in memory, and a
    hash with a key of this process cannot be tried out on guessed ones."""

    def __init__(self, most: int = 512) -> None:
        self._most = most
        self._key = secrets.token_bytes(32)
        self._vectors: OrderedDict[bytes, Vector | None] = OrderedDict()

    def __contains__(self, text: Text) -> bool:
        return self._hash(text) in self._vectors

    def get(self, text: Text) -> Vector | None:
        key = self._hash(text)
        self._vectors.move_to_end(key)
        return self._vectors[key]

    def put(self, text: Text, vector: Vector | None) -> None:
        """A text tried in vain is kept as None, unless it worked before."""
        key = self._hash(text)
        if vector is not None or key not in self._vectors:
            self._vectors[key] = None if vector is None else vector.copy()
        self._vectors.move_to_end(key)
        if len(self._vectors) > self._most:
            self._vectors.popitem(last=False)

    def drop(self, text: Text) -> None:
        self._vectors.pop(self._hash(text), None)

    def retry(self) -> None:
        """What was tried in vain may be tried again."""
        for key in [key for key, vector in self._vectors.items() if vector is None]:
            del self._vectors[key]

    def _hash(self, text: Text) -> bytes:
        said = f"{text.language or ''}\0{text.titled}\0{text.words}"
        words = said.encode("utf-8", "surrogatepass")
        return blake2b(words, key=self._key, digest_size=16).digest()
