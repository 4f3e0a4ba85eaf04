"""A reverse proxy on loopback that stands between the bot and its homeserver and misbehaves.

What no fault applies to passes through unchanged, long polls included. A homeserver that is down
looks the same as without the proxy: the connection breaks.

    async with FaultProxy(homeserver.base_url) as proxy:
        proxy.fault(cut_after_accept, method="PUT", path=r"/send/m\\.room\\.message/", times=1)
        proxy.fault(status(429, headers={"Retry-After": "2"}), path=r"/createRoom$", times=3)
        ...                                        # the bot talks to proxy.url
        assert proxy.busiest(1.0, r"/sync$") <= 1  # and does not hammer
"""

import asyncio
import json
import random
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

BAD_GATEWAY = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"

_HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "host",
        "content-length",
    }
)


@dataclass(slots=True)
class RecordedRequest:
    """`at` is monotonic, in seconds. `status` is what the client was told: None for nothing yet."""

    at: float
    method: str
    path: str
    query: str
    status: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer of the homeserver."""

    status: int
    headers: CIMultiDict[str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request on its way; a fault decides what becomes of it."""

    request: web.Request
    upstream: aiohttp.ClientSession
    url: URL
    record: RecordedRequest

    def _sent_on(self, body: bytes) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        return self.upstream.request(
            self.request.method,
            self.url,
            headers=_end_to_end(self.request.headers),
            data=body or None,
            allow_redirects=False,
        )

    async def fetch(self) -> Answer:
        """Let the homeserver carry it out to the end."""
        async with self._sent_on(await self.request.read()) as answer:
            return Answer(answer.status, _end_to_end(answer.headers), await answer.read())

    async def pass_through(self) -> web.StreamResponse:
        """Let it be carried out, and hand on the answer as it comes."""
        async with self._sent_on(await self.request.read()) as answer:
            response = await self.begin(answer.status, _with_length(answer.headers))
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            await response.write_eof()
            return response

    async def begin(self, status: int, headers: Mapping[str, str]) -> web.StreamResponse:
        self.record.status = status
        response = web.StreamResponse(status=status, headers=headers)
        await response.prepare(self.request)
        return response

    def whole(self, status: int, headers: Mapping[str, str], body: bytes) -> web.StreamResponse:
        self.record.status = status
        return web.Response(status=status, headers=headers, body=body)

    def cut(self) -> web.StreamResponse:
        """Drop the connection without another byte."""
        if self.request.transport is not None:
            self.request.transport.abort()
        return web.Response()


Fault = Callable[[Exchange], Awaitable[web.StreamResponse]]


async def cut_before(exchange: Exchange) -> web.StreamResponse:
    """Drop the connection; the homeserver never hears of the request."""
    return exchange.cut()


async def cut_after_accept(exchange: Exchange) -> web.StreamResponse:
    """Let the homeserver carry it out, then drop the connection without an answer."""
    await exchange.fetch()
    return exchange.cut()


async def cut_body(exchange: Exchange) -> web.StreamResponse:
    """Announce the whole answer, send half of it, drop the connection."""
    answer = await exchange.fetch()
    announced = {**answer.headers, "Content-Length": str(len(answer.body))}
    response = await exchange.begin(answer.status, announced)
    await response.write(answer.body[: len(answer.body) // 2])
    exchange.cut()
    return response


async def truncated_json(exchange: Exchange) -> web.StreamResponse:
    """A well-formed answer over HTTP whose JSON stops in the middle."""
    answer = await exchange.fetch()
    return exchange.whole(answer.status, answer.headers, answer.body[: len(answer.body) // 2])


async def html_502(exchange: Exchange) -> web.StreamResponse:
    """What a web server in front says while the homeserver is away."""
    return exchange.whole(502, {"Content-Type": "text/html"}, BAD_GATEWAY.encode())


def status(
    code: int,
    *,
    body: Mapping[str, Any] | str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Fault:
    """Answer in the homeserver's place; a mapping is sent as JSON."""
    text = body if isinstance(body, str) else json.dumps(body or {})
    content_type = "text/plain" if isinstance(body, str) else "application/json"

    async def answer(exchange: Exchange) -> web.StreamResponse:
        return exchange.whole(
            code, {"Content-Type": content_type, **(headers or {})}, text.encode()
        )

    return answer


def delay(seconds: float) -> Fault:
    """Keep the request back for a while, then let it pass."""

    async def late(exchange: Exchange) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return await exchange.pass_through()

    return late


def slow_bytes(chunk: int = 64, pause: float = 0.05) -> Fault:
    """Hand on the answer `chunk` bytes at a time, with `pause` seconds between."""

    async def trickle(exchange: Exchange) -> web.StreamResponse:
        answer = await exchange.fetch()
        response = await exchange.begin(answer.status, answer.headers)
        for start in range(0, len(answer.body), chunk):
            await response.write(answer.body[start : start + chunk])
            await asyncio.sleep(pause)
        await response.write_eof()
        return response

    return trickle


@dataclass(slots=True)
class Rule:
    """When a fault applies. `hits` counts how often it did; `left` is None for "always"."""

    fault: Fault
    method: str | None
    path: re.Pattern[str]
    left: int | None
    when: Callable[[web.Request], bool]
    hits: int = field(default=0, init=False)

    def takes(self, request: web.Request) -> bool:
        """Whether this request is hit; counts it if so."""
        if self.left == 0 or self.method not in (None, request.method):
            return False
        if not self.path.search(request.path) or not self.when(request):
            return False
        self.hits += 1
        if self.left is not None:
            self.left -= 1
        return True


class FaultProxy:
    """`async with FaultProxy(base_url) as proxy`; the bot is given `proxy.url`."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream.rstrip("/")
        self._rules: list[Rule] = []
        self._records: list[RecordedRequest] = []
        self._client: aiohttp.ClientSession | None = None
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{path:.*}", self._handle)
        # A client that hangs up takes its request to the homeserver with it, as in nginx.
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        self._client = aiohttp.ClientSession(
            auto_decompress=False,
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
            timeout=aiohttp.ClientTimeout(total=None),
            connector=aiohttp.TCPConnector(limit=0),
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        if self._client is not None:
            await self._client.close()

    def fault(
        self,
        fault: Fault,
        *,
        method: str | None = None,
        path: str = "",
        times: int | None = 1,
        when: Callable[[web.Request], bool] | None = None,
        probability: float = 1.0,
        seed: int = 0,
    ) -> Rule:
        """Apply `fault` to the next `times` requests that fit (None: to all from now on).

        `path` is searched in the decoded path, without the query. The first rule that fits wins.
        """
        dice = random.Random(seed)

        def applies(request: web.Request) -> bool:
            return (when is None or when(request)) and dice.random() < probability

        rule = Rule(fault, method, re.compile(path), times, applies)
        self._rules.append(rule)
        return rule

    def remove(self, rule: Rule) -> None:
        self._rules.remove(rule)

    def clear(self) -> None:
        """From now on everything passes through."""
        self._rules.clear()

    def requests(self, path: str = "", method: str | None = None) -> list[RecordedRequest]:
        """All that arrived, in order of arrival, hit by a fault or not."""
        return [
            record
            for record in self._records
            if re.search(path, record.path) and method in (None, record.method)
        ]

    def busiest(self, window: float, path: str = "", method: str | None = None) -> int:
        """The most requests that arrived within any `window` seconds."""
        times = [record.at for record in self.requests(path, method)]
        return max(
            (sum(start <= at < start + window for at in times) for start in times), default=0
        )

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        assert self._client is not None
        record = RecordedRequest(
            time.monotonic(), request.method, request.path, request.query_string
        )
        self._records.append(record)
        url = URL(f"{self._upstream}{request.rel_url.raw_path_qs}", encoded=True)
        exchange = Exchange(request, self._client, url, record)
        fault = next((rule.fault for rule in self._rules if rule.takes(request)), None)
        try:
            return await (fault(exchange) if fault else exchange.pass_through())
        except aiohttp.ClientError:
            return exchange.cut()


def _with_length(headers: Mapping[str, str]) -> CIMultiDict[str]:
    kept = _end_to_end(headers)
    if "Content-Length" in headers:
        kept["Content-Length"] = headers["Content-Length"]
    return kept


def _end_to_end(headers: Mapping[str, str]) -> CIMultiDict[str]:
    return CIMultiDict(
        (name, value) for name, value in headers.items() if name.lower() not in _HOP_BY_HOP
    )
