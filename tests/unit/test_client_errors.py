"""Each way in which a request can fail becomes the right error, and is tried once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import pytest

from bot.matrix import client as client_module
from bot.matrix.client import MatrixClient
from bot.services.homeserver import (
    TRANSIENT,
    Forbidden,
    HomeserverError,
    NotFound,
    RateLimited,
    Refused,
    ServerFault,
    TokenRejected,
    Unreachable,
)
from tests.support.proxy import FaultProxy, delay, html_502, slow_bytes, status

HTML = "<html><body>Something went wrong</body></html>"
NOWHERE = "http://127.0.0.1:1"


@pytest.fixture
async def server() -> AsyncIterator[FaultProxy]:
    """Answers as a test tells it to; there is no homeserver behind it."""
    async with FaultProxy(NOWHERE) as proxy:
        yield proxy


@pytest.fixture
async def client(server: FaultProxy) -> AsyncIterator[MatrixClient]:
    async with MatrixClient(server.url, "@bot:example.org", "token") as connected:
        yield connected


def matrix_error(errcode: str, **more: Any) -> dict[str, Any]:
    return {"errcode": errcode, "error": "No.", **more}


ERRORS: dict[str, tuple[int, Mapping[str, Any] | str, type[HomeserverError]]] = {
    "unknown token": (401, matrix_error("M_UNKNOWN_TOKEN", soft_logout=True), TokenRejected),
    "missing token": (401, matrix_error("M_MISSING_TOKEN"), TokenRejected),
    "deactivated": (403, matrix_error("M_USER_DEACTIVATED"), TokenRejected),
    "forbidden": (403, matrix_error("M_FORBIDDEN"), Forbidden),
    "not found": (404, matrix_error("M_NOT_FOUND"), NotFound),
    "bad": (400, matrix_error("M_BAD_JSON"), Refused),
    "alias taken": (400, matrix_error("M_ROOM_IN_USE"), Refused),
    "too large": (413, matrix_error("M_TOO_LARGE"), Refused),
    "too large for the web server": (413, HTML, Refused),
    "fault": (500, matrix_error("M_UNKNOWN"), ServerFault),
    "fault in HTML": (502, HTML, ServerFault),
    "fault in words": (504, "stream timeout", ServerFault),
    "a web server's 401": (401, HTML, Unreachable),
    "a web server's 403": (403, HTML, Unreachable),
    "a web server's 404": (404, HTML, Unreachable),
    "an odd error": (400, "[]", Unreachable),
    "HTML": (200, HTML, Unreachable),
    "half an answer": (200, '{"event_id": "$ev', Unreachable),
    "nothing": (200, "", Unreachable),
    "a list": (200, "[]", Unreachable),
    "another program": (200, '{"status": "ok"}', Unreachable),
    "a number for an id": (200, '{"event_id": 7}', Unreachable),
}


@pytest.mark.parametrize(("code", "body", "expected"), ERRORS.values(), ids=ERRORS.keys())
async def test_answers_become_errors(
    server: FaultProxy,
    client: MatrixClient,
    code: int,
    body: Mapping[str, Any] | str,
    expected: type[HomeserverError],
) -> None:
    server.fault(status(code, body=body), times=None)
    with pytest.raises(HomeserverError) as failed:
        await client.send_event("!room", "m.room.message", {}, "txn")
    assert type(failed.value) is expected
    assert failed.value.errcode == (body["errcode"] if isinstance(body, Mapping) else "")
    assert len(server.requests()) == 1, "whether to try again is decided elsewhere"


LIMITS: dict[str, tuple[dict[str, Any] | str, dict[str, str], float]] = {
    "body": (matrix_error("M_LIMIT_EXCEEDED", retry_after_ms=2500), {}, 2.5),
    "header": (matrix_error("M_LIMIT_EXCEEDED"), {"Retry-After": "7"}, 7),
    "both": (matrix_error("M_LIMIT_EXCEEDED", retry_after_ms=2500), {"Retry-After": "3"}, 2.5),
    "nothing said": (matrix_error("M_LIMIT_EXCEEDED"), {}, 5),
    "a web server's": (HTML, {"Retry-After": "10"}, 10),
    "at once": (matrix_error("M_LIMIT_EXCEEDED", retry_after_ms=0), {}, 0),
    "a date": (HTML, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 5),
    "a word": (matrix_error("M_LIMIT_EXCEEDED", retry_after_ms="soon"), {"Retry-After": "9"}, 9),
    "the past": (matrix_error("M_LIMIT_EXCEEDED", retry_after_ms=-1), {"Retry-After": "-3"}, 5),
    "for ever": ('{"retry_after_ms": Infinity}', {"Retry-After": "inf"}, 5),
    "no number": ('{"retry_after_ms": NaN}', {"Retry-After": "nan"}, 5),
}


@pytest.mark.parametrize(("body", "headers", "seconds"), LIMITS.values(), ids=LIMITS.keys())
async def test_a_rate_limit_says_how_long(
    server: FaultProxy,
    client: MatrixClient,
    body: dict[str, Any] | str,
    headers: dict[str, str],
    seconds: float,
) -> None:
    server.fault(status(429, body=body, headers=headers), times=None)
    with pytest.raises(RateLimited) as limited:
        await client.send_event("!room", "m.room.message", {}, "txn")
    assert limited.value.retry_after == seconds
    assert (limited.value.status, limited.value.errcode) == (429, "M_LIMIT_EXCEEDED")
    assert len(server.requests()) == 1


ASKS: dict[str, Callable[[MatrixClient], Awaitable[object]]] = {
    "whoami": lambda client: client.whoami(),
    "sync": lambda client: client.sync(None, 0, {}),
    "create_room": lambda client: client.create_room({}),
    "join": lambda client: client.join("!room"),
    "joined_rooms": lambda client: client.joined_rooms(),
    "joined_members": lambda client: client.joined_members("!room"),
    "room_state": lambda client: client.room_state("!room"),
    "put_state": lambda client: client.put_state("!room", "m.room.name", {}),
    "redact": lambda client: client.redact("!room", "$event", "txn"),
    "login": lambda client: client.login("password", None, "bot"),
}


@pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS.keys())
@pytest.mark.parametrize("body", ["7", '"ok"', "null", HTML])
async def test_what_is_not_a_homeserver_is_unreachable(
    server: FaultProxy,
    client: MatrixClient,
    ask: Callable[[MatrixClient], Awaitable[object]],
    body: str,
) -> None:
    server.fault(status(200, body=body), times=None)
    with pytest.raises(Unreachable):
        await ask(client)


@pytest.mark.parametrize(
    "name", ["whoami", "create_room", "join", "joined_rooms", "joined_members"]
)
async def test_an_answer_that_lacks_what_was_asked_for(
    server: FaultProxy, client: MatrixClient, name: str
) -> None:
    server.fault(status(200, body={}), times=None)
    with pytest.raises(Unreachable, match="an answer without"):
        await ASKS[name](client)


async def test_what_is_not_there_is_none(server: FaultProxy, client: MatrixClient) -> None:
    server.fault(status(404, body=matrix_error("M_NOT_FOUND")), times=None)
    assert await client.state_event("!room", "m.room.name") is None
    assert await client.resolve_alias("#none:example.org") is None
    assert await client.account_data("m.direct") is None
    assert await client.display_name("@nobody:example.org") is None
    assert await client.event("!room", "$none") is None


async def test_a_web_servers_404_is_not_taken_for_nothing(
    server: FaultProxy, client: MatrixClient
) -> None:
    """Else provisioning would make everything once more."""
    server.fault(status(404, body=HTML), times=None)
    with pytest.raises(Unreachable):
        await client.resolve_alias("#space:example.org")
    with pytest.raises(Unreachable):
        await client.state_event("!room", "org.clusterdesk.room")


async def test_nobody_listens() -> None:
    async with MatrixClient(NOWHERE, "@bot:example.org", "token") as client:
        with pytest.raises(Unreachable) as unreachable:
            await client.whoami()
    assert isinstance(unreachable.value, TRANSIENT)
    assert "token" not in str(unreachable.value)


async def test_a_slow_answer_is_given_up(
    server: FaultProxy, client: MatrixClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "REQUEST_SECONDS", 0.1)
    server.fault(delay(5), times=None)
    async with asyncio.timeout(2):
        with pytest.raises(Unreachable, match="TimeoutError"):
            await client.whoami()


async def test_an_answer_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes keep coming, so no single read is slow; the whole is."""
    monkeypatch.setattr(client_module, "REQUEST_SECONDS", 0.2)
    async with FaultProxy(NOWHERE) as behind, FaultProxy(behind.url) as server:
        behind.fault(status(200, body={"user_id": "@bot:example.org"}), times=None)
        server.fault(slow_bytes(chunk=1, pause=0.1), times=None)
        async with MatrixClient(server.url, "@bot:example.org", "token") as client:
            async with asyncio.timeout(2):
                with pytest.raises(Unreachable, match="TimeoutError"):
                    await client.whoami()


async def test_a_long_poll_may_last(
    server: FaultProxy, client: MatrixClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "REQUEST_SECONDS", 0.05)
    monkeypatch.setattr(client_module, "SYNC_SLACK_SECONDS", 0.05)
    async with FaultProxy(server.url) as slow:
        slow.fault(delay(0.3), times=None)
        server.fault(status(200, body={"next_batch": "s1"}), times=None)
        async with MatrixClient(slow.url, "@bot:example.org", "token") as patient:
            assert await patient.sync(None, 1000, {}) == {"next_batch": "s1"}
            with pytest.raises(Unreachable):
                await patient.sync(None, 100, {})


async def test_a_web_server_in_front(server: FaultProxy, client: MatrixClient) -> None:
    server.fault(html_502, times=None)
    with pytest.raises(ServerFault) as fault:
        await client.joined_rooms()
    assert fault.value.status == 502


async def test_a_new_token_is_used_from_the_next_request(
    server: FaultProxy, client: MatrixClient
) -> None:
    server.fault(
        status(401, body=matrix_error("M_UNKNOWN_TOKEN")),
        times=None,
        when=lambda request: request.headers["Authorization"] == "Bearer token",
    )
    server.fault(status(200, body={"user_id": "@bot:example.org"}), times=None)
    with pytest.raises(TokenRejected):
        await client.whoami()
    client.use_token("renewed")
    assert (await client.whoami()).user_id == "@bot:example.org"
