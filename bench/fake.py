"""A homeserver that costs next to nothing: what a bot needs of the client-server API, from memory.

It runs in the benchmark's own process, so the measured process is the bot alone. Whatever is asked
of it is answered at once; it checks no permission and forgets nothing. Rooms made by the bot, rooms
that were there before it (``add_room``) and messages (``say``) end up in one stream of events, out
of which ``/sync`` is answered. What the bot sends comes back to it, as on a real homeserver.
"""

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

SERVER = "bench.local"
BOT = f"@clusterdesk:{SERVER}"
TOKEN = "bench-token"
MEMBER = "m.room.member"
MOST_EVENTS = 100
"""Of one timeline in one answer; the limit of a stock Synapse."""

PATIENCE = 60.0
"""Seconds."""

Event = dict[str, Any]


@dataclass(slots=True)
class Room:
    room_id: str
    state: dict[tuple[str, str], Event] = field(default_factory=dict)
    timeline: list[tuple[int, Event]] = field(default_factory=list)
    """With the position of each event in the stream."""


@dataclass(slots=True)
class Reply:
    """``to`` is the message that it answers."""

    room_id: str
    to: str


class FakeHomeserver:
    def __init__(self) -> None:
        self.rooms: dict[str, Room] = {}
        self.aliases: dict[str, str] = {}
        self.replies: list[Reply] = []
        self.url = ""
        self._stream: list[tuple[str, Event]] = []
        self._sent: dict[str, str] = {}
        self._numbers = itertools.count(1)
        self._news = asyncio.Event()
        self._listener = asyncio.Event()
        self._second_sync = asyncio.Event()
        self._syncs = 0
        self._reply = asyncio.Event()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["FakeHomeserver"]:
        runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        try:
            yield self
        finally:
            await runner.cleanup()

    # What the benchmarks do

    def add_room(self, people: int, messages: int) -> None:
        """A room that the bot is in, where ``people`` have said ``messages``."""
        room = self._room()
        speakers = [f"@person{number}:{SERVER}" for number in range(people)]
        for user_id in (BOT, *speakers):
            self._join(room, user_id)
        for number in range(messages):
            self._emit(room, speakers[number % people], _text(f"Message {number} of many"))

    def enter(self, room_id: str, user_id: str) -> None:
        self._join(self.rooms[room_id], user_id)

    def say(self, room_id: str, user_id: str, text: str) -> str:
        """The event id."""
        return str(self._emit(self.rooms[room_id], user_id, _text(text))["event_id"])

    def expect_newcomer(self) -> None:
        """Whoever asks next is another process."""
        self._syncs = 0
        self._second_sync.clear()
        self._listener.clear()

    def forget_replies(self) -> None:
        self.replies.clear()

    async def listened_to(self) -> None:
        """Until somebody has heard everything and waits for news."""
        async with asyncio.timeout(PATIENCE):
            await self._listener.wait()

    async def caught_up(self) -> None:
        """Until somebody has stored a first answer of /sync: there is a second request."""
        async with asyncio.timeout(PATIENCE):
            await self._second_sync.wait()

    async def answered(self, count: int) -> None:
        """Until so many replies have come in. Raises ``TimeoutError`` when they stop coming."""
        while len(self.replies) < count:
            self._reply.clear()
            async with asyncio.timeout(PATIENCE):
                await self._reply.wait()

    # The stream

    def _room(self) -> Room:
        room = Room(f"!{next(self._numbers)}:{SERVER}")
        self.rooms[room.room_id] = room
        return room

    def _join(self, room: Room, user_id: str) -> None:
        content = {"membership": "join", "displayname": user_id[1:].partition(":")[0]}
        self._emit(room, user_id, content, MEMBER, user_id)

    def _emit(
        self,
        room: Room,
        sender: str,
        content: Mapping[str, Any],
        type: str = "m.room.message",
        state_key: str | None = None,
        txn_id: str | None = None,
    ) -> Event:
        event: Event = {
            "event_id": f"${next(self._numbers)}",
            "type": type,
            "sender": sender,
            "origin_server_ts": int(time.time() * 1000),
            "content": content,
            "unsigned": {"transaction_id": txn_id} if txn_id else {},
        }
        if state_key is not None:
            event["state_key"] = state_key
            room.state[type, state_key] = event
        self._stream.append((room.room_id, event))
        room.timeline.append((len(self._stream), event))
        self._news.set()
        return event

    def _answer(self, since: int | None, limit: int) -> dict[str, Any]:
        """What is new; so much of it that no timeline has to be cut."""
        if since is None:
            joined = {room.room_id: _whole(room, limit) for room in self.rooms.values()}
            return _sync_answer(len(self._stream), joined)
        timelines: dict[str, list[Event]] = {}
        position = since
        for room_id, event in itertools.islice(self._stream, since, None):
            if len(timelines.setdefault(room_id, [])) == limit:
                break
            timelines[room_id].append(event)
            position += 1
        return _sync_answer(
            position, {each: _section(events) for each, events in timelines.items() if events}
        )

    # HTTP

    def _application(self) -> web.Application:
        client = "/_matrix/client/v3"
        room = f"{client}/rooms/{{room}}"
        application = web.Application()
        application.add_routes(
            [
                web.get(f"{client}/account/whoami", self._whoami),
                web.get(f"{client}/capabilities", self._capabilities),
                web.get(f"{client}/sync", self._sync),
                web.get(f"{client}/joined_rooms", self._joined_rooms),
                web.post(f"{client}/createRoom", self._create_room),
                web.get(f"{client}/directory/room/{{alias}}", self._resolve),
                web.put(f"{client}/directory/room/{{alias}}", self._put_alias),
                web.get(f"{room}/state", self._state),
                web.put(f"{room}/state/{{type}}/{{key:.*}}", self._put_state),
                web.get(f"{room}/joined_members", self._joined_members),
                web.put(f"{room}/send/{{type}}/{{txn}}", self._send),
                web.route("*", "/{unknown:.*}", self._unknown),
            ]
        )
        return application

    async def _whoami(self, request: web.Request) -> web.Response:
        return web.json_response({"user_id": BOT, "device_id": "BENCH"})

    async def _capabilities(self, request: web.Request) -> web.Response:
        return web.json_response({"capabilities": {"m.room_versions": {"default": "12"}}})

    async def _sync(self, request: web.Request) -> web.Response:
        self._syncs += 1
        if self._syncs == 2:
            self._second_sync.set()
        since = request.query.get("since")
        position = int(since) if since else None
        if position is not None and position == len(self._stream):
            await self._wait_for_news(int(request.query.get("timeout", "0")) / 1000)
        sync_filter = json.loads(request.query.get("filter", "{}"))
        timeline = sync_filter.get("room", {}).get("timeline", {})
        limit = min(int(timeline.get("limit", 10)), MOST_EVENTS)
        return web.json_response(self._answer(position, limit))

    async def _wait_for_news(self, seconds: float) -> None:
        self._news.clear()
        self._listener.set()
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return

    async def _joined_rooms(self, request: web.Request) -> web.Response:
        return web.json_response({"joined_rooms": list(self.rooms)})

    async def _create_room(self, request: web.Request) -> web.Response:
        body, room = await request.json(), self._room()
        create = {**body["creation_content"], "room_version": body["room_version"]}
        self._emit(room, BOT, create, "m.room.create", "")
        self._join(room, BOT)
        for type, key, content in _first_state(body):
            self._emit(room, BOT, content, type, key)
        for user_id in body.get("invite", ()):
            self._emit(room, BOT, {"membership": "invite"}, MEMBER, user_id)
        self.aliases[_alias(body)] = room.room_id
        return web.json_response({"room_id": room.room_id})

    async def _resolve(self, request: web.Request) -> web.Response:
        room_id = self.aliases.get(request.match_info["alias"])
        return _error("M_NOT_FOUND") if room_id is None else web.json_response({"room_id": room_id})

    async def _put_alias(self, request: web.Request) -> web.Response:
        self.aliases[request.match_info["alias"]] = (await request.json())["room_id"]
        return web.json_response({})

    async def _state(self, request: web.Request) -> web.Response:
        return web.json_response(list(self._asked(request).state.values()))

    async def _put_state(self, request: web.Request) -> web.Response:
        type, key = request.match_info["type"], request.match_info["key"]
        event = self._emit(self._asked(request), BOT, await request.json(), type, key)
        return web.json_response({"event_id": event["event_id"]})

    async def _joined_members(self, request: web.Request) -> web.Response:
        members = [key for type, key in self._asked(request).state if type == MEMBER]
        return web.json_response({"joined": {each: {} for each in members}})

    async def _send(self, request: web.Request) -> web.Response:
        txn_id, type = request.match_info["txn"], request.match_info["type"]
        if txn_id not in self._sent:
            room, content = self._asked(request), await request.json()
            event = self._emit(room, BOT, content, type, txn_id=txn_id)
            self._sent[txn_id] = event["event_id"]
            relation = content.get("m.relates_to", {}).get("m.in_reply_to", {})
            if to := relation.get("event_id"):
                self.replies.append(Reply(room.room_id, to))
                self._reply.set()
        return web.json_response({"event_id": self._sent[txn_id]})

    async def _unknown(self, request: web.Request) -> web.Response:
        return _error("M_UNRECOGNIZED")

    def _asked(self, request: web.Request) -> Room:
        return self.rooms[request.match_info["room"]]


def _text(body: str) -> dict[str, Any]:
    return {"msgtype": "m.text", "body": body, "m.mentions": {}}


def _whole(room: Room, limit: int) -> dict[str, Any]:
    """A room as a first sync tells of it, with the members who speak in what is told."""
    events = [event for _, event in room.timeline[-limit:]]
    people = {BOT, *(event["sender"] for event in events)}
    state = [room.state[MEMBER, each] for each in sorted(people) if (MEMBER, each) in room.state]
    return _section(events, state, limited=len(room.timeline) > limit)


def _section(
    events: Iterable[Event], state: Iterable[Event] = (), *, limited: bool = False
) -> dict[str, Any]:
    return {
        "timeline": {"events": list(events), "limited": limited, "prev_batch": "0"},
        "state": {"events": list(state)},
    }


def _sync_answer(position: int, joined: Mapping[str, Any]) -> dict[str, Any]:
    return {"next_batch": str(position), "rooms": {"join": joined}}


def _first_state(body: Mapping[str, Any]) -> Iterable[tuple[str, str, Mapping[str, Any]]]:
    yield "m.room.power_levels", "", body["power_level_content_override"]
    yield "m.room.canonical_alias", "", {"alias": _alias(body)}
    for each in body["initial_state"]:
        yield each["type"], each["state_key"], each["content"]
    yield "m.room.name", "", {"name": body["name"]}
    if "topic" in body:
        yield "m.room.topic", "", {"topic": body["topic"]}


def _alias(body: Mapping[str, Any]) -> str:
    return f"#{body['room_alias_name']}:{SERVER}"


def _error(errcode: str) -> web.Response:
    return web.json_response({"errcode": errcode, "error": "Not here"}, status=404)
