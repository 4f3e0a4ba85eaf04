import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.support.proxy import (
    BAD_GATEWAY,
    Fault,
    FaultProxy,
    cut_after_accept,
    cut_before,
    cut_body,
    delay,
    html_502,
    slow_bytes,
    status,
    truncated_json,
)


@dataclass
class Upstream:
    """A tiny homeserver: says back what it was asked, or trickles, or holds a long poll."""

    asked: list[str] = field(default_factory=list)
    polled: asyncio.Event = field(default_factory=asyncio.Event)
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/trickle", self.trickle)
        app.router.add_get("/long-poll", self.long_poll)
        app.router.add_route("*", "/{path:.*}", self.echo)
        return app

    async def echo(self, request: web.Request) -> web.Response:
        self.asked.append(f"{request.method} {request.raw_path}")
        said = {
            "method": request.method,
            "path": request.raw_path,
            "token": request.headers.get("Authorization"),
            "body": await request.text(),
        }
        return web.json_response(said, status=201, headers={"X-Upstream": "yes"})

    async def trickle(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for word in (b"one ", b"two"):
            await response.write(word)
            await asyncio.sleep(0.2)
        return response

    async def long_poll(self, request: web.Request) -> web.Response:
        self.polled.set()
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            self.hung_up.set()
            raise
        return web.Response()


@pytest.fixture
def upstream() -> Upstream:
    return Upstream()


@pytest.fixture
async def proxy(upstream: Upstream) -> AsyncIterator[FaultProxy]:
    async with (
        TestServer(upstream.app(), handler_cancellation=True) as server,
        FaultProxy(str(server.make_url("/"))) as proxy,
    ):
        yield proxy


@pytest.fixture
async def client(proxy: FaultProxy) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(proxy.url) as client:
        yield client


async def answer_to(call: Awaitable[aiohttp.ClientResponse]) -> tuple[int, Any]:
    async with await call as response:
        return response.status, await response.json()


async def test_passes_request_and_answer_through_unchanged(client: aiohttp.ClientSession) -> None:
    path = "/_matrix/client/v3/rooms/%21a%2Fb/send?ts=1&x=%20y"
    headers = {"Authorization": "Bearer secret"}
    async with client.put(path, data="héllo", headers=headers) as response:
        said = await response.json()

    assert response.status == 201
    assert response.headers["X-Upstream"] == "yes"
    assert said["method"] == "PUT"
    assert said["path"].startswith("/_matrix/client/v3/rooms/")
    assert "a%2Fb/send?ts=1" in said["path"]
    assert said["token"] == "Bearer secret"
    assert said["body"] == "héllo"


async def test_hands_bytes_on_as_they_come(client: aiohttp.ClientSession) -> None:
    async with client.get("/trickle") as response:
        assert await response.content.readany() == b"one "
        assert await response.read() == b"two"


async def test_a_client_that_hangs_up_ends_the_long_poll(
    client: aiohttp.ClientSession, upstream: Upstream
) -> None:
    with pytest.raises(TimeoutError):
        await client.get("/long-poll", timeout=aiohttp.ClientTimeout(total=0.2))
    async with asyncio.timeout(5):
        await upstream.hung_up.wait()


async def test_closes_at_once_while_a_long_poll_is_open(upstream: Upstream) -> None:
    async with (
        TestServer(upstream.app(), handler_cancellation=True) as server,
        aiohttp.ClientSession() as client,
    ):
        async with FaultProxy(str(server.make_url("/"))) as proxy:
            poll = asyncio.create_task(client.get(f"{proxy.url}/long-poll"))
            async with asyncio.timeout(5):
                await upstream.polled.wait()
            start = time.monotonic()
        assert time.monotonic() - start < 5
        with pytest.raises(aiohttp.ClientError):
            await poll


async def test_cut_before_hides_the_request_from_the_homeserver(
    proxy: FaultProxy, client: aiohttp.ClientSession, upstream: Upstream
) -> None:
    proxy.fault(cut_before)
    with pytest.raises(aiohttp.ClientConnectionError):
        await client.post("/createRoom")
    assert upstream.asked == []


async def test_cut_after_accept_lets_the_homeserver_act(
    proxy: FaultProxy, client: aiohttp.ClientSession, upstream: Upstream
) -> None:
    proxy.fault(cut_after_accept)
    with pytest.raises(aiohttp.ClientConnectionError):
        await client.post("/createRoom")
    assert upstream.asked == ["POST /createRoom"]


async def test_cut_body_stops_in_the_middle(
    proxy: FaultProxy, client: aiohttp.ClientSession
) -> None:
    proxy.fault(cut_body)
    async with client.get("/sync") as response:
        assert response.status == 201
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()


async def test_truncated_json_is_whole_http(
    proxy: FaultProxy, client: aiohttp.ClientSession
) -> None:
    proxy.fault(truncated_json)
    async with client.get("/sync") as response:
        text = await response.text()
    assert text.startswith('{"method": "GET"')
    with pytest.raises(json.JSONDecodeError):
        json.loads(text)


async def test_status_answers_in_the_homeservers_place(
    proxy: FaultProxy, client: aiohttp.ClientSession, upstream: Upstream
) -> None:
    refusal = {"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 1500}
    proxy.fault(status(429, body=refusal, headers={"Retry-After": "2"}))
    async with client.put("/send") as response:
        assert response.status == 429
        assert response.headers["Retry-After"] == "2"
        assert await response.json() == refusal
    assert upstream.asked == []


@pytest.mark.parametrize(
    ("fault", "code", "content_type", "text"),
    [
        (html_502, 502, "text/html", BAD_GATEWAY),
        (status(500), 500, "application/json", "{}"),
        (status(503, body="down"), 503, "text/plain", "down"),
    ],
)
async def test_error_pages(
    proxy: FaultProxy,
    client: aiohttp.ClientSession,
    fault: Fault,
    code: int,
    content_type: str,
    text: str,
) -> None:
    proxy.fault(fault)
    async with client.get("/sync") as response:
        assert (response.status, response.content_type) == (code, content_type)
        assert await response.text() == text


@pytest.mark.parametrize("fault", [delay(0.3), slow_bytes(chunk=16, pause=0.05)])
async def test_slow_answers_are_complete(
    proxy: FaultProxy, client: aiohttp.ClientSession, fault: Fault
) -> None:
    proxy.fault(fault)
    start = time.monotonic()
    code, said = await answer_to(client.get("/sync"))
    assert time.monotonic() - start > 0.2
    assert (code, said["path"]) == (201, "/sync")


async def test_a_fault_hits_only_what_fits_and_only_so_often(
    proxy: FaultProxy, client: aiohttp.ClientSession
) -> None:
    rule = proxy.fault(status(500), method="PUT", path=r"/rooms/!a:b/send/", times=2)
    asked = [
        ("GET", "/rooms/%21a%3Ab/send/1"),
        ("PUT", "/rooms/%21a%3Ab/state/1"),
        *[("PUT", "/rooms/%21a%3Ab/send/1")] * 3,
    ]
    codes = [(await answer_to(client.request(method, path)))[0] for method, path in asked]
    assert codes == [201, 201, 500, 500, 201]
    assert rule.hits == 2


async def test_the_first_rule_that_fits_wins(
    proxy: FaultProxy, client: aiohttp.ClientSession
) -> None:
    proxy.fault(status(500))
    lasting = proxy.fault(status(502), times=None)
    codes = [(await answer_to(client.get("/")))[0] for _ in range(3)]
    proxy.remove(lasting)
    codes.append((await answer_to(client.get("/")))[0])
    assert codes == [500, 502, 502, 201]


async def test_a_predicate_looks_at_the_request(
    proxy: FaultProxy, client: aiohttp.ClientSession
) -> None:
    proxy.fault(status(500), times=None, when=lambda request: "since" not in request.query)
    assert (await answer_to(client.get("/sync")))[0] == 500
    assert (await answer_to(client.get("/sync?since=s1")))[0] == 201
    proxy.clear()
    assert (await answer_to(client.get("/sync")))[0] == 201


async def test_chance_repeats_with_its_seed(
    proxy: FaultProxy, client: aiohttp.ClientSession
) -> None:
    async def codes_of_seed(seed: int) -> list[int]:
        proxy.clear()
        proxy.fault(status(500), times=None, probability=0.5, seed=seed)
        return [(await answer_to(client.get("/")))[0] for _ in range(20)]

    first = await codes_of_seed(1)
    assert set(first) == {201, 500}
    assert await codes_of_seed(1) == first
    assert await codes_of_seed(2) != first


async def test_records_what_was_asked_and_told(
    proxy: FaultProxy, client: aiohttp.ClientSession
) -> None:
    proxy.fault(cut_before, path="/createRoom")
    await client.get("/sync?since=s1")
    with pytest.raises(aiohttp.ClientConnectionError):
        await client.post("/createRoom")
    proxy.fault(status(429))
    await client.get("/sync")

    told = [(one.method, one.path, one.query, one.status) for one in proxy.requests()]
    assert told == [
        ("GET", "/sync", "since=s1", 201),
        ("POST", "/createRoom", "", None),
        ("GET", "/sync", "", 429),
    ]
    assert [one.path for one in proxy.requests(method="POST")] == ["/createRoom"]
    first, second = proxy.requests("/sync$")
    assert 0 < second.at - first.at < 5


async def test_busiest_counts_the_worst_moment(
    proxy: FaultProxy, client: aiohttp.ClientSession
) -> None:
    await asyncio.gather(*(client.get("/sync") for _ in range(3)))
    await asyncio.sleep(0.6)
    await client.get("/sync")
    assert proxy.busiest(0.3, "/sync") == 3
    assert proxy.busiest(30, "/sync") == 4
    assert proxy.busiest(30, "/send") == 0


async def test_a_homeserver_that_is_down_breaks_the_connection(
    unused_tcp_port: int,
) -> None:
    async with (
        FaultProxy(f"http://127.0.0.1:{unused_tcp_port}") as proxy,
        aiohttp.ClientSession() as client,
    ):
        with pytest.raises(aiohttp.ClientConnectionError):
            await client.get(proxy.url)
