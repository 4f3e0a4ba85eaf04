"""The real homeserver: the client-server API over nio's transport.

nio's own loop, room cache and retries are not used: it returns errors instead of raising them,
retries 429 and timeouts without limit, and validates every event against a JSON schema. Here each
call is made once and either returns the parsed answer or raises (``bot.services.homeserver``).
"""

import asyncio
import contextlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
from nio import AsyncClient, AsyncClientConfig

from bot.services.homeserver import (
    Forbidden,
    HomeserverError,
    Identity,
    NotFound,
    Page,
    RateLimited,
    Refused,
    ServerFault,
    TokenRejected,
    Unreachable,
)

CLIENT = "/_matrix/client/v3"
REQUEST_SECONDS = 30.0
# A sync may last its own long poll and then the time of an ordinary answer.
SYNC_SLACK_SECONDS = 30.0
DEFAULT_RETRY_SECONDS = 5.0
NO_ROOM_VERSION = "1"


class MatrixClient:
    """``Homeserver`` over HTTP. Use as an async context manager."""

    def __init__(self, base_url: str, user_id: str, token: str = "") -> None:
        config = AsyncClientConfig(
            max_limit_exceeded=0,
            max_timeouts=0,
            request_timeout=REQUEST_SECONDS,
            encryption_enabled=False,
            store_sync_tokens=False,
        )
        self._nio = AsyncClient(base_url, user_id, config=config)
        self._token = token

    async def __aenter__(self) -> "MatrixClient":
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._nio.close()

    def use_token(self, token: str) -> None:
        """Go on with a new access token, after the old one was rejected."""
        self._token = token

    async def login(self, password: str, device_id: str | None, device_name: str) -> dict[str, str]:
        """Exchange a password for ``{"user_id", "access_token", "device_id"}``.

        Naming the earlier ``device_id`` keeps the homeserver's deduplication of what we send.
        """
        body: dict[str, Any] = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": self._nio.user},
            "password": password,
            "initial_device_display_name": device_name,
        }
        if device_id:
            body["device_id"] = device_id
        answer = await self._call("POST", f"{CLIENT}/login", body, authenticated=False)
        return {key: _text(answer, key) for key in ("user_id", "access_token", "device_id")}

    async def whoami(self) -> Identity:
        answer = await self._call("GET", f"{CLIENT}/account/whoami")
        return Identity(_text(answer, "user_id"), answer.get("device_id", ""))

    async def default_room_version(self) -> str:
        answer = await self._call("GET", f"{CLIENT}/capabilities")
        versions = answer.get("capabilities", {}).get("m.room_versions", {})
        return str(versions.get("default", NO_ROOM_VERSION))

    async def sync(
        self, since: str | None, timeout_ms: int, sync_filter: Mapping[str, Any]
    ) -> dict[str, Any]:
        query = {"timeout": str(timeout_ms), "filter": json.dumps(sync_filter)}
        if since:
            query["since"] = since
        seconds = timeout_ms / 1000 + SYNC_SLACK_SECONDS
        answer = await self._call("GET", f"{CLIENT}/sync?{urlencode(query)}", seconds=seconds)
        return dict(answer)

    async def messages_before(
        self, room_id: str, start: str, *, stop: str | None, limit: int, types: Sequence[str]
    ) -> Page:
        wanted = json.dumps({"types": list(types), "lazy_load_members": True})
        query = {"dir": "b", "limit": str(limit), "filter": wanted}
        if start:
            query["from"] = start
        if stop:
            query["to"] = stop
        answer = await self._call("GET", f"{_room(room_id)}/messages?{urlencode(query)}")
        chunk = [each for each in answer.get("chunk", []) if isinstance(each, dict)]
        return Page(chunk, answer.get("end"))

    async def event(self, room_id: str, event_id: str) -> dict[str, Any] | None:
        return await self._find(f"{_room(room_id)}/event/{_part(event_id)}")

    async def send_event(
        self, room_id: str, type: str, content: Mapping[str, Any], txn_id: str
    ) -> str:
        path = f"{_room(room_id)}/send/{_part(type)}/{_part(txn_id)}"
        return _text(await self._call("PUT", path, content), "event_id")

    async def redact(self, room_id: str, event_id: str, txn_id: str) -> str:
        path = f"{_room(room_id)}/redact/{_part(event_id)}/{_part(txn_id)}"
        return _text(await self._call("PUT", path, {}), "event_id")

    async def create_room(self, body: Mapping[str, Any]) -> str:
        return _text(await self._call("POST", f"{CLIENT}/createRoom", body), "room_id")

    async def join(self, room: str, via: Sequence[str] = ()) -> str:
        query = "?" + urlencode([("via", each) for each in via]) if via else ""
        answer = await self._call("POST", f"{CLIENT}/join/{_part(room)}{query}", {})
        return _text(answer, "room_id")

    async def leave(self, room_id: str) -> None:
        await self._call("POST", f"{_room(room_id)}/leave", {})

    async def invite(self, room_id: str, user_id: str) -> None:
        await self._call("POST", f"{_room(room_id)}/invite", {"user_id": user_id})

    async def joined_rooms(self) -> set[str]:
        answer = await self._call("GET", f"{CLIENT}/joined_rooms")
        return set(_field(answer, "joined_rooms", list))

    async def joined_members(self, room_id: str) -> dict[str, str | None]:
        answer = await self._call("GET", f"{_room(room_id)}/joined_members")
        joined = _field(answer, "joined", dict)
        return {user: each.get("display_name") for user, each in joined.items()}

    async def room_state(self, room_id: str) -> list[dict[str, Any]]:
        return list(await self._call("GET", f"{_room(room_id)}/state", shape=list))

    async def state_event(self, room_id: str, type: str, key: str = "") -> dict[str, Any] | None:
        return await self._find(f"{_room(room_id)}/state/{_part(type)}/{_part(key)}")

    async def put_state(
        self, room_id: str, type: str, content: Mapping[str, Any], key: str = ""
    ) -> str:
        path = f"{_room(room_id)}/state/{_part(type)}/{_part(key)}"
        return _text(await self._call("PUT", path, content), "event_id")

    async def resolve_alias(self, alias: str) -> str | None:
        answer = await self._find(f"{CLIENT}/directory/room/{_part(alias)}")
        return _text(answer, "room_id") if answer else None

    async def put_alias(self, alias: str, room_id: str) -> None:
        await self._call("PUT", f"{CLIENT}/directory/room/{_part(alias)}", {"room_id": room_id})

    async def delete_alias(self, alias: str) -> None:
        await self._call("DELETE", f"{CLIENT}/directory/room/{_part(alias)}")

    async def account_data(self, type: str) -> dict[str, Any] | None:
        return await self._find(f"{self._me()}/account_data/{_part(type)}")

    async def put_account_data(self, type: str, content: Mapping[str, Any]) -> None:
        await self._call("PUT", f"{self._me()}/account_data/{_part(type)}", content)

    async def display_name(self, user_id: str) -> str | None:
        answer = await self._find(f"{CLIENT}/profile/{_part(user_id)}/displayname")
        return answer.get("displayname") if answer else None

    async def put_display_name(self, name: str) -> None:
        path = f"{CLIENT}/profile/{_part(self._nio.user)}/displayname"
        await self._call("PUT", path, {"displayname": name})

    async def typing(self, room_id: str, on: bool) -> None:
        path = f"{_room(room_id)}/typing/{_part(self._nio.user)}"
        await self._call(
            "PUT", path, {"typing": on, "timeout": 30_000} if on else {"typing": False}
        )

    def _me(self) -> str:
        return f"{CLIENT}/user/{_part(self._nio.user)}"

    async def _find(self, path: str) -> dict[str, Any] | None:
        with contextlib.suppress(NotFound):
            return dict(await self._call("GET", path))
        return None

    async def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        authenticated: bool = True,
        seconds: float | None = None,
        shape: type = dict,
    ) -> Any:
        seconds = REQUEST_SECONDS if seconds is None else seconds
        headers = {"Content-Type": "application/json"}
        if authenticated:
            headers["Authorization"] = f"Bearer {self._token}"
        data = None if body is None else json.dumps(body)
        try:
            async with asyncio.timeout(seconds):
                response = await self._nio.send(method, path, data, headers, timeout=seconds)
                async with response:
                    raw = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unreachable(f"no answer from the homeserver: {type(error).__name__}") from error
        return _parse(response.status, response.headers, raw, shape)


def _room(room_id: str) -> str:
    return f"{CLIENT}/rooms/{_part(room_id)}"


def _part(value: str) -> str:
    return quote(value, safe="")


def _parse(status: int, headers: Mapping[str, str], raw: bytes, shape: type) -> Any:
    try:
        answer = json.loads(raw)
    except ValueError:
        answer = None
    if 200 <= status < 300 and isinstance(answer, shape):
        return answer
    raise _error(status, headers, answer if isinstance(answer, dict) else {})


def _field(answer: Mapping[str, Any], name: str, shape: type) -> Any:
    """Raises ``Unreachable``: whoever answers without it is not the homeserver."""
    value = answer.get(name)
    if isinstance(value, shape):
        return value
    raise Unreachable(f"an answer without {name}")


def _text(answer: Mapping[str, Any], name: str) -> str:
    return str(_field(answer, name, str))


def _error(status: int, headers: Mapping[str, str], answer: Mapping[str, Any]) -> HomeserverError:
    errcode = str(answer.get("errcode", ""))
    message = f"{status} {errcode} {answer.get('error', '')}".strip()
    if status == 429 or errcode == "M_LIMIT_EXCEEDED":
        return RateLimited(message, retry_after=_retry_after(headers, answer))
    if errcode in ("M_UNKNOWN_TOKEN", "M_MISSING_TOKEN", "M_USER_DEACTIVATED"):
        return TokenRejected(message, errcode=errcode, status=status)
    if status >= 500:
        return ServerFault(message, errcode=errcode, status=status)
    if not errcode and status != 413:
        # A proxy's page, or a body cut short: says nothing about what was asked.
        return Unreachable(f"{status}, not a Matrix answer", status=status)
    kinds: dict[int, type[HomeserverError]] = {403: Forbidden, 404: NotFound}
    return kinds.get(status, Refused)(message, errcode=errcode, status=status)


def _retry_after(headers: Mapping[str, str], answer: Mapping[str, Any]) -> float:
    """Seconds to wait: the body's milliseconds, else the header's seconds (MSC4041)."""
    asked: list[float] = []
    with contextlib.suppress(KeyError, TypeError, ValueError):
        asked.append(float(headers["Retry-After"]))
    with contextlib.suppress(KeyError, TypeError, ValueError):
        asked.append(float(answer["retry_after_ms"]) / 1000)
    sane = [seconds for seconds in asked if 0 <= seconds < math.inf]
    return sane[-1] if sane else DEFAULT_RETRY_SECONDS
