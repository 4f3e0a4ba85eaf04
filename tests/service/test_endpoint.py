"""An embeddings endpoint on loopback that answers rightly, and one that does not."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import numpy as np
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from bot.encoders.endpoint import CHARACTERS, EndpointEncoder
from bot.services.encoding import EncoderFault, Encoding, Text

KEY = "sk-SECRET"
LINEN = Text("flax SECRET")
TWO = [LINEN, Text("hemp")]

Behaviour = Callable[[web.Request, dict[str, Any]], Awaitable[web.StreamResponse]]


class Endpoint:
    """Behaves as told; what it was asked is in ``bodies`` and ``headers``."""

    def __init__(self) -> None:
        self.behaviour: Behaviour = rightly
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.base = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.bodies.append(body)
        self.headers.append(dict(request.headers))
        return await self.behaviour(request, body)


def embedding(text: str) -> list[float]:
    return [float(len(text)), 3.0, 4.0]


def data(body: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"object": "embedding", "index": place, "embedding": embedding(text)}
        for place, text in enumerate(body["input"])
    ]


async def rightly(_: web.Request, body: dict[str, Any]) -> web.Response:
    return web.json_response({"object": "list", "data": data(body), "model": body["model"]})


def with_data(change: Callable[[list[dict[str, Any]]], Any]) -> Behaviour:
    async def behave(_: web.Request, body: dict[str, Any]) -> web.Response:
        return web.Response(
            text=json.dumps({"data": change(data(body))}), content_type="application/json"
        )

    return behave


def with_embedding(value: Any) -> Behaviour:
    return with_data(lambda rows: [{**row, "embedding": value} for row in rows])


def with_text(text: str, status: int = 200) -> Behaviour:
    async def behave(_: web.Request, __: dict[str, Any]) -> web.Response:
        return web.Response(text=text, status=status, content_type="text/html")

    return behave


def repeating(status: int) -> Behaviour:
    """Servers like to say in an error what they were sent."""

    async def behave(request: web.Request, body: dict[str, Any]) -> web.Response:
        echo = {"error": {"message": f"{body['input']} {request.headers.get('Authorization')}"}}
        return web.json_response(echo, status=status)

    return behave


async def breaks_off(request: web.Request, _: dict[str, Any]) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"data": [')
    assert request.transport is not None
    request.transport.close()
    return response


async def without_an_answer(request: web.Request, _: dict[str, Any]) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


async def elsewhere(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
    raise web.HTTPFound("/v1/embeddings")


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    served = Endpoint()
    application = web.Application()
    application.router.add_post("/v1/embeddings", served.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    served.base = f"http://{host}:{port}/v1"
    yield served
    await runner.cleanup()


@pytest.fixture
async def encoder(endpoint: Endpoint) -> AsyncIterator[EndpointEncoder]:
    made = EndpointEncoder(endpoint.base, "some-model", KEY)
    yield made
    await made.close()


async def fault(encoder: EndpointEncoder) -> str:
    with pytest.raises(EncoderFault) as caught:
        await encoder.encode(TWO)
    assert "SECRET" not in f"{caught.value!r} {caught.value.__cause__!r}"
    return str(caught.value)


async def test_texts_become_unit_vectors(endpoint: Endpoint, encoder: EndpointEncoder) -> None:
    assert encoder.dimension == 0
    vectors = await encoder.encode([Text("flax"), Text("x" * 12)])
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1)
    assert np.allclose(vectors[1], [12 / 13, 3 / 13, 4 / 13])
    assert encoder.dimension == 3
    assert endpoint.bodies == [
        {"model": "some-model", "input": ["flax", "x" * 12], "encoding_format": "float"}
    ]
    assert endpoint.headers[0]["Authorization"] == f"Bearer {KEY}"


async def test_without_a_key_none_is_sent(endpoint: Endpoint) -> None:
    encoder = EndpointEncoder(endpoint.base + "/", "some-model")
    await encoder.encode(TWO)
    await encoder.close()
    assert "Authorization" not in endpoint.headers[0]


async def test_answers_come_in_any_order(endpoint: Endpoint, encoder: EndpointEncoder) -> None:
    expected = await encoder.encode(TWO)
    endpoint.behaviour = with_data(lambda rows: rows[::-1])
    assert np.array_equal(await encoder.encode(TWO), expected)
    endpoint.behaviour = with_data(lambda rows: [{"embedding": row["embedding"]} for row in rows])
    assert np.array_equal(await encoder.encode(TWO), expected)


async def test_numbers_come_in_base64_too(endpoint: Endpoint, encoder: EndpointEncoder) -> None:
    expected = await encoder.encode(TWO)
    endpoint.behaviour = with_data(
        lambda rows: [
            {
                **row,
                "embedding": base64.b64encode(np.array(row["embedding"], "<f4").tobytes()).decode(),
            }
            for row in rows
        ]
    )
    assert np.array_equal(await encoder.encode(TWO), expected)


async def test_long_texts_are_cut(endpoint: Endpoint, encoder: EndpointEncoder) -> None:
    await encoder.encode([Text("x" * 30_000)])
    assert endpoint.bodies[0]["input"] == ["x" * CHARACTERS]


async def test_texts_without_a_word_are_not_sent(
    endpoint: Endpoint, encoder: EndpointEncoder
) -> None:
    vectors = await encoder.encode([Text(" \n"), LINEN])
    assert endpoint.bodies[0]["input"] == [LINEN.words]
    assert vectors[0].tolist() == [0, 0, 0]
    await encoder.encode([Text("")])
    assert len(endpoint.bodies) == 1


async def test_the_dimension_is_known_after_the_first_text_even_an_empty_one(
    encoder: EndpointEncoder,
) -> None:
    assert (await encoder.encode([Text("")])).tolist() == [[0, 0, 0]]
    assert encoder.dimension == 3


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        (repeating(401), "refuses the key"),
        (repeating(403), "refuses the key"),
        (repeating(404), "no such address or model"),
        (repeating(429), "too often"),
        (repeating(400), "HTTP 400"),
        (repeating(500), "HTTP 500"),
        (with_text("<html>SECRET</html>"), "not JSON"),
        (with_text("<html>SECRET</html>", status=502), "HTTP 502"),
        (with_text('{"data": [{"index": 0, "embedding": [1.0, 2'), "not JSON"),
        (with_text("[" * 100_000), "not JSON"),
        (with_text("[]"), "no vectors"),
        (with_text('{"data": {"SECRET": 1}}'), "no vectors"),
        (with_text('{"data": ["SECRET"]}'), "no vectors"),
        (breaks_off, "breaks off"),
        (without_an_answer, "cannot be reached"),
        (elsewhere, "HTTP 302"),
        (with_data(lambda rows: rows[:1]), "1 vectors for 2 texts"),
        (with_data(lambda rows: [*rows, rows[0]]), "3 vectors for 2 texts"),
        (with_data(lambda rows: [rows[0], rows[0]]), "not numbered"),
        (with_data(lambda rows: [{**row, "index": row["index"] + 1} for row in rows]), "numbered"),
        (with_data(lambda rows: [{**row, "index": ["SECRET"]} for row in rows]), "numbered"),
        (with_embedding([1.0, float("nan"), 1.0]), "not a number"),
        (with_embedding([1.0, float("inf"), 1.0]), "not a number"),
        (with_embedding([1.0, 1e300, 1.0]), "not a number"),
        (with_embedding([1.0, None, 1.0]), "not a number"),
        (with_embedding([1.0, "SECRET", 1.0]), "not a number"),
        (with_embedding([1.0, [1.0], 1.0]), "not a number"),
        (with_embedding("SECRET"), "not a number"),
        (with_embedding([[1.0, 2.0, 3.0]]), "no vectors"),
        (with_embedding(None), "no vectors"),
        (with_embedding([]), "wrong dimension"),
        (
            with_data(
                lambda rows: [{**row, "embedding": [1] * (2 + row["index"])} for row in rows]
            ),
            "wrong dimension (2, 3)",
        ),
    ],
)
async def test_a_fault_is_told_without_what_was_sent_or_said(
    endpoint: Endpoint, encoder: EndpointEncoder, behaviour: Behaviour, said: str
) -> None:
    endpoint.behaviour = behaviour
    assert said in await fault(encoder)
    assert encoder.dimension == 0
    endpoint.behaviour = rightly
    assert (await encoder.encode(TWO)).shape == (2, 3)


async def test_the_first_dimension_is_insisted_upon(
    endpoint: Endpoint, encoder: EndpointEncoder
) -> None:
    await encoder.encode(TWO)
    endpoint.behaviour = with_embedding([1.0, 2.0])
    assert await fault(encoder) == "its vectors have a wrong dimension (2, 3)"


async def test_an_endpoint_that_is_not_there(unused_port: int) -> None:
    encoder = EndpointEncoder(f"http://127.0.0.1:{unused_port}", "some-model", KEY)
    assert "cannot be reached" in await fault(encoder)
    await encoder.close()


@pytest.fixture
async def unused_port() -> int:
    runner = web.AppRunner(web.Application())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port: int = runner.addresses[0][1]
    await runner.cleanup()
    return port


async def test_a_slow_endpoint_delays_a_question_once(
    endpoint: Endpoint, encoder: EndpointEncoder
) -> None:
    async def slowly(_: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        await asyncio.sleep(0.5)
        return await rightly(_, body)

    endpoint.behaviour = slowly
    now = [0.0]
    encoding = Encoding(encoder, lambda: now[0], timeout=0.1)
    with capture_logs() as logs:
        for _ in range(3):
            assert await encoding.vectors([LINEN]) is None
        assert len(endpoint.bodies) == 1
        endpoint.behaviour = rightly
        now[0] += 5
        assert await encoding.vectors([LINEN]) is not None
    assert [entry["event"] for entry in logs] == ["encoder_failed", "encoder_recovered"]
    assert "SECRET" not in str(logs)


def test_the_name_tells_endpoints_apart_without_their_address() -> None:
    here, there = (EndpointEncoder(f"https://{host}/v1", "m") for host in ("here", "there"))
    assert here.name != there.name
    assert here.name == EndpointEncoder("https://here/v1/", "m", KEY).name
    assert here.name.startswith("endpoint/m/")
    assert "here" not in here.name
