"""Any embeddings endpoint that speaks OpenAI's form, by its address.

``POST {base}/embeddings`` with ``{"model", "input", "encoding_format": "float"}`` answers
``{"data": [{"index", "embedding"}, …]}``, in any order. Some servers send the numbers in base64
whatever was asked for: 32-bit floats, the lowest byte first.

A fault says what the endpoint did, never what it was sent or what it said: servers like to repeat
texts and keys in their errors.
"""

import base64
import json
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import aiohttp
import numpy as np
from numpy.typing import NDArray

from bot.services.encoding import EncoderFault, Text, Vector, Vectors, unit
from config.locales import N_

CHARACTERS = 8_000
"""What is sent of a text. Models that read less cut for themselves, or refuse what is longer."""
_MOST_BYTES = 32 * 1024 * 1024
_WORD = "network"
"""Sent to learn the dimension when no text holds a word."""


class EndpointEncoder:
    def __init__(self, base: str, model: str, key: str | None = None) -> None:
        """``base`` as for OpenAI's client, such as https://api.example.org/v1."""
        self._address = base.rstrip("/").removesuffix("/embeddings") + "/embeddings"
        self._model = model
        self._key = key
        # Two endpoints may serve different models by one name; the address itself may be private.
        mark = sha256(self._address.encode()).hexdigest()[:8]
        self.name = f"endpoint/{model}/{mark}"
        self.dimension = 0
        self._session: aiohttp.ClientSession | None = None

    async def encode(self, texts: Sequence[Text]) -> Vectors:
        """A text without a word is not sent: many endpoints refuse the empty one."""
        said = {
            place: each.words[:CHARACTERS] for place, each in enumerate(texts) if each.words.strip()
        }
        if not said and not self.dimension:
            await self._ask([_WORD])
        found = await self._ask(list(said.values())) if said else None
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        if found is not None:
            vectors[list(said)] = found
        return unit(vectors)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _ask(self, inputs: list[str]) -> NDArray[np.float32]:
        return self._matrix(_rows(_parsed(await self._post(inputs)), len(inputs)))

    async def _post(self, inputs: list[str]) -> bytes:
        body = {"model": self._model, "input": inputs, "encoding_format": "float"}
        try:
            async with self._opened().post(
                self._address, json=body, allow_redirects=False
            ) as response:
                if response.status != 200:
                    raise EncoderFault(_refusal(response.status), status=response.status)
                return await _content(response)
        except aiohttp.ClientPayloadError:
            raise EncoderFault(N_("its answer breaks off")) from None
        except (aiohttp.ClientError, OSError) as error:
            raise EncoderFault(
                N_("it cannot be reached ({error})"), error=type(error).__name__
            ) from None

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
            # Whoever asks sets the time allowed; this one is for connections that hang for ever.
            timeout = aiohttp.ClientTimeout(total=120)
            self._session = aiohttp.ClientSession(headers=headers, timeout=timeout)
        return self._session

    def _matrix(self, rows: list[Vector]) -> NDArray[np.float32]:
        lengths = {len(row) for row in rows} | ({self.dimension} if self.dimension else set())
        if len(lengths) != 1 or lengths == {0}:
            shown = ", ".join(str(length) for length in sorted(lengths))
            raise EncoderFault(N_("its vectors have a wrong dimension ({shown})"), shown=shown)
        found = np.stack(rows)
        if not np.isfinite(found).all():
            raise EncoderFault(N_("its vectors hold what is not a number"))
        self.dimension = found.shape[1]
        return found


async def _content(response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > _MOST_BYTES:
            raise EncoderFault(N_("its answer does not end"))
    return bytes(content)


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):  # ValueError: also of bytes that are no text
        raise EncoderFault(N_("its answer is not JSON")) from None


def _refusal(status: int) -> str:
    if status in (401, 403):
        return N_("it refuses the key (HTTP {status})")
    if status == 404:
        return N_("it has no such address or model (HTTP {status})")
    if status == 429:
        return N_("it is asked too often (HTTP {status})")
    return N_("it answers HTTP {status}")


def _rows(answer: Any, count: int) -> list[Vector]:
    """The vectors in the order of the texts, each as long as it happens to be."""
    data = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(data, list) or not all(isinstance(each, dict) for each in data):
        raise EncoderFault(N_("its answer holds no vectors"))
    if len(data) != count:
        raise EncoderFault(
            N_("it gave {given} vectors for {asked} texts"), given=len(data), asked=count
        )
    numbers = [each.get("index", place) for place, each in enumerate(data)]
    if not all(isinstance(number, int) for number in numbers) or sorted(numbers) != [*range(count)]:
        raise EncoderFault(N_("its vectors are not numbered as the texts are"))
    return [_vector(data[numbers.index(place)].get("embedding")) for place in range(count)]


def _vector(embedding: Any) -> Vector:
    try:
        vector = _numbers(embedding)
    except (ValueError, TypeError, OverflowError):  # ValueError: also of base64
        raise EncoderFault(N_("its vectors hold what is not a number")) from None
    if vector.ndim != 1:
        raise EncoderFault(N_("its answer holds no vectors"))
    return vector


def _numbers(embedding: Any) -> Vector:
    if isinstance(embedding, str):
        raw = base64.b64decode(embedding, validate=True)
        return np.frombuffer(raw, dtype="<f4").astype(np.float32)
    with np.errstate(over="ignore"):  # too large a number becomes infinite, and is refused later
        return np.array(embedding, dtype=np.float32)
