"""A person at a Matrix client: one account, plain HTTP, no line of code shared with the bot.

What a `Person` has seen is what the homeserver delivered to that account, so it can bear witness
to what the bot did. Events are the homeserver's own JSON, with the room id added.

    PersonError
    ├── NotStartedError   used outside `async with`, or awaiting without listening
    ├── RefusedError      the homeserver answered with an error; `status` and `errcode` say which
    └── NotSeenError      what was awaited has not been seen in time, or can no longer be
"""

import asyncio
import contextlib
import inspect
import json
import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import aiohttp
from yarl import URL

Event = dict[str, Any]
Predicate = Callable[[Event], bool]
_T = TypeVar("_T")

_LONG_POLL = 30.0
"""Seconds the homeserver may hold a /sync that has nothing to tell."""

_PAUSE_AFTER_FAULT = 0.25
"""Seconds before the next /sync after the homeserver was out of reach."""

_SYNC_FILTER = {
    "presence": {"types": []},
    "account_data": {"types": []},
    "room": {
        # The homeserver may allow fewer; what it leaves out is fetched (`_missed`).
        "timeline": {"limit": 500},
        "state": {"lazy_load_members": True},
        "ephemeral": {"types": []},
        "account_data": {"types": []},
    },
}


class PersonError(Exception):
    """A person could not do or see something."""


class NotStartedError(PersonError):
    def __init__(self, user_id: str) -> None:
        super().__init__(f"{user_id} is not connected, or does not listen.")


class RefusedError(PersonError):
    def __init__(self, act: str, status: int, answer: Mapping[str, Any]) -> None:
        self.status = status
        self.errcode: str = answer.get("errcode", "")
        super().__init__(f"{act}: {status} {self.errcode} {answer.get('error', '')}".rstrip())


class NotSeenError(PersonError):
    def __init__(self, user_id: str, awaited: str, reason: str, seen: Collection[Event]) -> None:
        lately = "\n".join(f"  {summary(event)}" for event in seen) or "  nothing"
        super().__init__(f"{user_id} waited for {awaited}: {reason}. Seen last:\n{lately}")


@dataclass(frozen=True, slots=True)
class Invite:
    room_id: str
    inviter: str
    direct: bool


class Person:
    """One account, connected while inside `async with`.

    Without `access_token` the password is used to open a session. With `listen=False` nothing is
    received in the background: `seen`, `wait_for` and the invites stay empty, and the homeserver
    has one long poll fewer to serve. Every call waits out the homeserver's rate limits.
    """

    def __init__(
        self,
        base_url: str,
        user_id: str,
        *,
        access_token: str | None = None,
        password: str | None = None,
        listen: bool = True,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.user_id = user_id
        self.access_token = access_token
        self.device_id: str | None = None
        self.seen: list[Event] = []
        self._password = password
        self._listens = listen
        self._http: aiohttp.ClientSession | None = None
        self._listener: asyncio.Task[None] | None = None
        self._news = asyncio.Condition()
        self._deaf: Exception | None = None
        self._since: str | None = None
        self._rooms: set[str] = set()
        self._invites: dict[str, Invite] = {}
        self._seen_ids: set[str] = set()

    def __repr__(self) -> str:
        return f"<Person {self.user_id}>"

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def name(self) -> str:
        """The local part of the user id: `claire` for `@claire:example.org`."""
        return self.user_id[1:].partition(":")[0]

    async def start(self) -> None:
        """Log in if need be and take in what there is to see, then listen in the background."""
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60))
        if self.access_token is None:
            await self.login()
        if self._listens:
            await self._sync(long_poll=0)
            self._listener = asyncio.create_task(self._listen(), name=f"sync of {self.user_id}")

    async def close(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.cancel()
            await asyncio.wait([listener])
        http, self._http = self._http, None
        if http is not None:
            await http.close()

    async def login(self) -> None:
        """Open a new session (a new device) with the password."""
        credentials = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": self.user_id},
            "password": self._password,
        }
        answer = await self.request("POST", "login", body=credentials)
        self.access_token, self.device_id = answer["access_token"], answer["device_id"]

    # Rooms

    async def create_room(self, **body: Any) -> str:
        """`body` is that of POST /createRoom; without a preset the room is private."""
        answer = await self.request("POST", "createRoom", body=body)
        return str(answer["room_id"])

    async def join(self, room: str) -> str:
        """Join by room id or alias, also to accept an invite; the room id."""
        answer = await self.request("POST", "join", room, body={})
        room_id = str(answer["room_id"])
        self._invites.pop(room_id, None)
        return room_id

    async def leave(self, room: str) -> None:
        """Also declines an invite."""
        await self.request("POST", "rooms", room, "leave", body={})
        self._invites.pop(room, None)

    async def invite(self, room: str, user_id: str) -> None:
        await self.request("POST", "rooms", room, "invite", body={"user_id": user_id})

    async def resolve(self, alias: str) -> str:
        answer = await self.request("GET", "directory", "room", alias)
        return str(answer["room_id"])

    async def joined_rooms(self) -> list[str]:
        answer = await self.request("GET", "joined_rooms")
        return list(answer["joined_rooms"])

    async def state(self, room: str, kind: str, key: str = "") -> dict[str, Any]:
        """The content of a state event; `RefusedError` with 404 where there is none."""
        return await self.request("GET", "rooms", room, "state", kind, key)

    async def put_state(
        self, room: str, kind: str, content: Mapping[str, Any], key: str = ""
    ) -> str:
        answer = await self.request("PUT", "rooms", room, "state", kind, key, body=content)
        return str(answer["event_id"])

    async def direct_room(self, user_id: str) -> str:
        """The room with somebody that `m.direct` knows, else a new one, as clients do."""
        known = (await self.account_data("m.direct")).get(user_id, [])
        joined = await self.joined_rooms() if known else []
        for room in known:
            if room in joined:
                return str(room)
        room = await self.create_room(
            preset="trusted_private_chat", is_direct=True, invite=[user_id]
        )
        await self._remember_direct(user_id, room)
        return room

    def invites(self) -> list[Invite]:
        """Those neither accepted nor declined yet, as far as they have been seen."""
        return list(self._invites.values())

    async def wait_for_invite(
        self,
        inviter: str | None = None,
        timeout: float = 20.0,  # noqa: ASYNC109 - the error says how long was waited
    ) -> Invite:
        def found() -> Invite | None:
            open_ones = self._invites.values()
            return next((one for one in open_ones if inviter in (None, one.inviter)), None)

        return await self._until(found, f"an invite from {inviter or 'anybody'}", timeout)

    async def accept(self, invite: Invite) -> str:
        """Join; a direct room is noted in `m.direct`, as clients do."""
        await self.join(invite.room_id)
        if invite.direct:
            await self._remember_direct(invite.inviter, invite.room_id)
        return invite.room_id

    async def _remember_direct(self, user_id: str, room: str) -> None:
        direct = await self.account_data("m.direct")
        direct[user_id] = [*direct.get(user_id, []), room]
        await self.put_account_data("m.direct", direct)

    # Messages

    async def say(
        self,
        room: str,
        text: str,
        *,
        html: str | None = None,
        thread: str | None = None,
        reply_to: str | None = None,
        mentions: Collection[str] = (),
        msgtype: str = "m.text",
    ) -> str:
        """`thread` and `reply_to` are event ids (of the root, of what is replied to)."""
        content = _text_content(text, html, mentions, msgtype)
        relation = _relation(thread, reply_to)
        if relation:
            content["m.relates_to"] = relation
        return await self.send(room, "m.room.message", content)

    async def send(self, room: str, kind: str, content: Mapping[str, Any]) -> str:
        transaction = uuid.uuid4().hex
        answer = await self.request("PUT", "rooms", room, "send", kind, transaction, body=content)
        return str(answer["event_id"])

    async def react(self, room: str, event_id: str, key: str) -> str:
        relation = {"rel_type": "m.annotation", "event_id": event_id, "key": key}
        return await self.send(room, "m.reaction", {"m.relates_to": relation})

    async def edit(
        self,
        room: str,
        event_id: str,
        text: str,
        *,
        html: str | None = None,
        mentions: Collection[str] = (),
        msgtype: str = "m.text",
    ) -> str:
        fallback_html = f"* {html}" if html else None
        content = _text_content(f"* {text}", fallback_html, mentions, msgtype)
        content["m.new_content"] = _text_content(text, html, mentions, msgtype)
        content["m.relates_to"] = {"rel_type": "m.replace", "event_id": event_id}
        return await self.send(room, "m.room.message", content)

    async def redact(self, room: str, event_id: str, reason: str | None = None) -> str:
        body = {"reason": reason} if reason else {}
        transaction = uuid.uuid4().hex
        answer = await self.request(
            "PUT", "rooms", room, "redact", event_id, transaction, body=body
        )
        return str(answer["event_id"])

    async def event(self, room: str, event_id: str) -> Event:
        return await self.request("GET", "rooms", room, "event", event_id)

    async def messages(self, room: str, limit: int = 100) -> list[Event]:
        """The newest `limit` events of the timeline, oldest first."""
        found: list[Event] = []
        params = {"dir": "b", "limit": str(limit)}
        while len(found) < limit:
            page = await self.request("GET", "rooms", room, "messages", params=params)
            found += page["chunk"]
            if "end" not in page:
                break
            params["from"] = page["end"]
        return found[:limit][::-1]

    async def thread_messages(self, room: str, root: str) -> list[Event]:
        """What was said in the thread of `root`, oldest first, the root itself left out."""
        found: list[Event] = []
        params = {"dir": "f", "limit": "100"}
        while True:
            page = await self.request(
                "GET", "rooms", room, "relations", root, "m.thread", params=params, api="client/v1"
            )
            found += page["chunk"]
            if "next_batch" not in page:
                return found
            params["from"] = page["next_batch"]

    # Files, profile, account data

    async def upload(self, data: bytes, content_type: str, filename: str) -> str:
        """The `mxc://` address of the file."""
        answer = await self.request(
            "POST",
            "upload",
            api="media/v3",
            data=data,
            headers={"Content-Type": content_type},
            params={"filename": filename},
        )
        return str(answer["content_uri"])

    async def download(self, mxc: str) -> bytes:
        server, _, media_id = mxc.removeprefix("mxc://").partition("/")
        url = self._url("client/v1", ("media", "download", server, media_id))
        async with self._session().get(url, headers=self._authorization()) as response:
            content = await response.read()
            if response.status != 200:
                raise RefusedError(f"{self.name} download {mxc}", response.status, _parsed(content))
            return content

    async def set_display_name(self, name: str) -> None:
        path = ("profile", self.user_id, "displayname")
        await self.request("PUT", *path, body={"displayname": name})

    async def account_data(self, kind: str) -> dict[str, Any]:
        """The content; empty where there is none."""
        try:
            return await self.request("GET", "user", self.user_id, "account_data", kind)
        except RefusedError as refused:
            if refused.status == 404:
                return {}
            raise

    async def put_account_data(self, kind: str, content: Mapping[str, Any]) -> None:
        await self.request("PUT", "user", self.user_id, "account_data", kind, body=content)

    # Seeing

    def mark(self) -> int:
        """This moment, for the `since` of `wait_for`."""
        return len(self.seen)

    async def wait_for(
        self,
        predicate: Predicate,
        room: str | None = None,
        timeout: float = 20.0,  # noqa: ASYNC109 - the error says how long was waited
        *,
        since: int = 0,
        awaited: str | None = None,
    ) -> Event:
        """The first event that fits, among those seen after `since` (see `mark`) and those to come.

        Raise `NotSeenError` after `timeout` seconds; `awaited` describes the event there.
        """
        position = since

        def found() -> Event | None:
            nonlocal position
            unread, position = self.seen[position:], len(self.seen)
            here = (event for event in unread if room in (None, event["room_id"]))
            return next((event for event in here if predicate(event)), None)

        return await self._until(found, awaited or _source(predicate), timeout)

    async def _until(self, found: Callable[[], _T | None], awaited: str, patience: float) -> _T:
        try:
            async with asyncio.timeout(patience), self._news:
                while (result := found()) is None:
                    self._check_listening(awaited)
                    await self._news.wait()
                return result
        except TimeoutError:
            reason = f"not seen in {patience:g} seconds"
            raise NotSeenError(self.user_id, awaited, reason, self.seen[-10:]) from None

    def _check_listening(self, awaited: str) -> None:
        if self._listener is None:
            raise NotStartedError(self.user_id)
        if self._deaf is not None:
            reason = f"listening ended with {self._deaf!r}"
            raise NotSeenError(self.user_id, awaited, reason, self.seen[-10:])

    async def _listen(self) -> None:
        """Sync until closed, or until a fault that will not pass, such as a dead session."""
        while self._deaf is None:
            try:
                await self._sync(long_poll=_LONG_POLL)
            except Exception as fault:
                if not _may_pass(fault):
                    await self._give_up(fault)
                await asyncio.sleep(_PAUSE_AFTER_FAULT)

    async def _give_up(self, reason: Exception) -> None:
        async with self._news:
            self._deaf = reason
            self._news.notify_all()

    async def _sync(self, *, long_poll: float) -> None:
        params = {"timeout": str(int(long_poll * 1000)), "filter": json.dumps(_SYNC_FILTER)}
        if self._since is not None:
            params["since"] = self._since
        answer = await self.request("GET", "sync", params=params)
        rooms = answer.get("rooms", {})
        for section in ("join", "leave"):
            for room_id, room in rooms.get(section, {}).items():
                self._note(room_id, await self._whole_timeline(room_id, room.get("timeline", {})))
        self._note_membership(rooms)
        self._since = answer["next_batch"]
        async with self._news:
            self._news.notify_all()

    async def _whole_timeline(self, room_id: str, timeline: Mapping[str, Any]) -> list[Event]:
        events = list(timeline.get("events", []))
        if timeline.get("limited") and room_id in self._rooms:
            return [*await self._missed(room_id, timeline["prev_batch"]), *events]
        return events

    async def _missed(self, room_id: str, prev_batch: str) -> list[Event]:
        """What a limited /sync left out since the one before."""
        found: list[Event] = []
        params = {"dir": "b", "limit": "100", "from": prev_batch, "to": str(self._since)}
        while True:
            page = await self.request("GET", "rooms", room_id, "messages", params=params)
            found += page["chunk"]
            if "end" not in page or page["end"] == params["from"]:
                return found[::-1]
            params["from"] = page["end"]

    def _note(self, room_id: str, events: Collection[Event]) -> None:
        for event in events:
            if event["event_id"] not in self._seen_ids:
                self._seen_ids.add(event["event_id"])
                self.seen.append(event | {"room_id": room_id})

    def _note_membership(self, rooms: Mapping[str, Any]) -> None:
        joined, left = rooms.get("join", {}), rooms.get("leave", {})
        self._rooms |= joined.keys()
        self._rooms -= left.keys()
        for room_id in joined.keys() | left.keys():
            self._invites.pop(room_id, None)
        for room_id, room in rooms.get("invite", {}).items():
            self._invites[room_id] = self._as_invite(room_id, room["invite_state"]["events"])

    def _as_invite(self, room_id: str, state: Collection[Event]) -> Invite:
        own = next(
            event
            for event in state
            if event["type"] == "m.room.member" and event["state_key"] == self.user_id
        )
        return Invite(room_id, own["sender"], bool(own["content"].get("is_direct")))

    # Transport

    async def request(
        self,
        method: str,
        *path: str,
        body: Mapping[str, Any] | None = None,
        params: Mapping[str, str] | None = None,
        api: str = "client/v3",
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Any call of the API; `path` holds its unquoted parts. Raise `RefusedError`."""
        url = self._url(api, path).with_query(params)
        while True:
            async with self._session().request(
                method, url, json=body, data=data, headers=self._authorization(headers)
            ) as response:
                answer = _parsed(await response.read())
            if response.status < 400:
                return answer
            if response.status != 429:
                act = f"{self.name} {method} {'/'.join(path)}"
                raise RefusedError(act, response.status, answer)
            await asyncio.sleep(_told_to_wait(response, answer))

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            raise NotStartedError(self.user_id)
        return self._http

    def _authorization(self, headers: Mapping[str, str] | None = None) -> dict[str, str]:
        token = {"Authorization": f"Bearer {self.access_token}"} if self.access_token else {}
        return {**(headers or {}), **token}

    def _url(self, api: str, path: Collection[str]) -> URL:
        quoted = "/".join(quote(part, safe="") for part in path)
        return URL(f"{self.base_url}/_matrix/{api}/{quoted}", encoded=True)


def body_of(event: Event) -> str:
    """The text of a message; empty for everything else, also for a redacted message."""
    body = event.get("content", {}).get("body", "")
    return body if isinstance(body, str) else ""


def summary(event: Event) -> str:
    """One line for error messages."""
    text = body_of(event) or json.dumps(event.get("content", {}), ensure_ascii=False)
    kind, sender, room = event.get("type"), event.get("sender"), event.get("room_id")
    return f"{kind} by {sender} in {room}: {text[:100]}"


def _text_content(
    text: str, html: str | None, mentions: Collection[str], msgtype: str
) -> dict[str, Any]:
    people = {"user_ids": sorted(mentions)} if mentions else {}
    content: dict[str, Any] = {"msgtype": msgtype, "body": text, "m.mentions": people}
    if html is not None:
        content |= {"format": "org.matrix.custom.html", "formatted_body": html}
    return content


def _relation(thread: str | None, reply_to: str | None) -> dict[str, Any]:
    """Matrix specification, "Threading": in a thread, a reply to nobody falls back to the root."""
    if thread is None:
        return {"m.in_reply_to": {"event_id": reply_to}} if reply_to else {}
    return {
        "rel_type": "m.thread",
        "event_id": thread,
        "m.in_reply_to": {"event_id": reply_to or thread},
        "is_falling_back": reply_to is None,
    }


def _parsed(content: bytes) -> dict[str, Any]:
    """The JSON object of an answer; a proxy's HTML becomes the text of an error."""
    try:
        answer = json.loads(content)
    except ValueError:
        return {"error": content[:200].decode(errors="replace")}
    return answer if isinstance(answer, dict) else {"error": answer}


def _may_pass(fault: Exception) -> bool:
    if isinstance(fault, RefusedError):
        return fault.status >= 500
    return isinstance(fault, aiohttp.ClientError | TimeoutError)


def _told_to_wait(response: aiohttp.ClientResponse, answer: Mapping[str, Any]) -> float:
    """Seconds, from the header or the older field of the body."""
    with contextlib.suppress(KeyError, ValueError):
        return float(response.headers["Retry-After"])
    return float(answer.get("retry_after_ms", 1000)) / 1000


def _source(predicate: Predicate) -> str:
    try:
        return " ".join(inspect.getsource(predicate).split())[:200]
    except (OSError, TypeError):
        return repr(predicate)
