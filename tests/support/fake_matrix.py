"""A homeserver in memory: quick, exact about what a bot relies on, and easily made to fail.

``FakeMatrix`` keeps accounts, rooms and one stream of events. It is reached in two ways:

- ``client(user_id)`` is the ``Homeserver`` port for one account, what the bot is given;
- ``person(user_id)`` is somebody at a client, with the methods of ``bot.demo.person.Person``.

Both follow the same rules. That they are Synapse's rules is what ``tests/support/contract.py``
checks: it runs on this and on a real Synapse. Faults are provoked with ``fail_next``; they hit
clients only, never people.
"""

import asyncio
import base64
import hashlib
import json
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bot.services.homeserver import Identity, NotFound, Page, TokenRejected
from tests.support.fake_person import FakePerson
from tests.support.fake_room import (
    MEMBER,
    Event,
    Room,
    StateKey,
    forbidden,
    not_found,
    refused,
)
from tests.support.fake_sync import EventFilter, SyncAnswer, position_of, shown, token

MOST_BYTES = 65_536
NEWS_OF_A_ROOM_SECONDS = 0.05
Device = tuple[str, str]
"""A user id and a device id."""

_PRESETS: dict[str, dict[str, Any]] = {
    "private_chat": {"join_rule": "invite", "levels": {"invite": 0}, "guests": True},
    "trusted_private_chat": {"join_rule": "invite", "levels": {"invite": 0}, "guests": True},
    "public_chat": {"join_rule": "public", "levels": {}, "guests": False},
}


@dataclass(slots=True)
class Fault:
    """``left`` counts down; None is until ``heal()``."""

    method: str
    error: Exception
    left: int | None
    after_accept: bool
    room_id: str | None

    def takes(self, method: str, room_id: str | None) -> bool:
        return self.left != 0 and self.method in ("*", method) and self.room_id in (None, room_id)


@dataclass(frozen=True, slots=True)
class Call:
    """A request by a client; ``at`` is monotonic, in seconds. ``args`` are the port's."""

    method: str
    args: tuple[Any, ...]
    at: float


class FakeMatrix:
    def __init__(
        self,
        server_name: str = "example.org",
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        room_version: str = "12",
    ) -> None:
        """``clock`` gives the events their time stamps."""
        self.server_name = server_name
        self.room_version = room_version
        self.rooms: dict[str, Room] = {}
        self.typing: dict[str, set[str]] = {}
        self.calls: list[Call] = []
        self.media: dict[str, bytes] = {}
        self._clock = clock
        self._position = 0
        self._names = 0
        self._aliases: dict[str, tuple[str, str]] = {}
        self._profiles: dict[str, str] = {}
        self._account_data: dict[str, dict[str, tuple[int, dict[str, Any]]]] = {}
        self._rooms_of: dict[str, dict[str, None]] = {}
        self._transactions: dict[tuple[Device, str, str], str] = {}
        self._members_shown: dict[Device, set[str]] = {}
        self._tokens: dict[str, str] = {}
        self._people: dict[str, FakePerson] = {}
        self._faults: list[Fault] = []
        self._news = asyncio.Event()
        self._listeners: list[Callable[[Room, Event], None]] = []

    # For tests

    def client(self, user_id: str, access_token: str | None = None) -> "FakeClient":
        """The port for one account; always the same device, as after a restart of the bot."""
        return FakeClient(
            self, user_id, self.token(user_id) if access_token is None else access_token
        )

    def person(self, user_id: str) -> FakePerson:
        """Somebody at a client, who sees everything from now on; the same one each time."""
        if user_id not in self._people:
            self._people[user_id] = FakePerson(self, user_id)
        return self._people[user_id]

    def token(self, user_id: str) -> str:
        """The access token of an account that is valid now."""
        return self._tokens.setdefault(user_id, f"token-{self._name()}")

    def revoke_token(self, user_id: str) -> None:
        """From now on only a new ``token(user_id)`` will do."""
        del self._tokens[user_id]

    def forget_transactions(self) -> None:
        """As homeservers do after a while: what is sent again now is said twice."""
        self._transactions.clear()

    def fail_next(
        self,
        method: str,
        error: Exception,
        times: int | None = 1,
        *,
        after_accept: bool = False,
        room_id: str | None = None,
    ) -> Fault:
        """Let the next calls of a method of the port ("*": of any) fail.

        ``times`` None means until ``heal()``. With ``after_accept`` the request is carried out
        and only the answer is lost. ``room_id`` limits it to calls whose first argument it is.
        """
        fault = Fault(method, error, times, after_accept, room_id)
        self._faults.append(fault)
        return fault

    def heal(self) -> None:
        self._faults.clear()

    def called(self, method: str) -> list[Call]:
        return [call for call in self.calls if call.method == method]

    def timeline(self, room_id: str, *types: str) -> list[Event]:
        """What stands in a room, oldest first; without ``types`` all that is not state."""
        events = self.rooms[room_id].events
        if types:
            return [event for event in events if event["type"] in types]
        return [event for event in events if "state_key" not in event]

    def on_event(self, listener: Callable[[Room, Event], None]) -> None:
        self._listeners.append(listener)

    async def news(self) -> None:
        """Return as soon as anything has happened."""
        await self._news.wait()

    # Sessions and faults

    def begin(self, method: str, args: tuple[Any, ...]) -> Fault | None:
        """Note a client's call; the fault that hits it, if any."""
        self.calls.append(Call(method, args, time.monotonic()))
        room_id = args[0] if args and isinstance(args[0], str) else None
        fault = next((each for each in self._faults if each.takes(method, room_id)), None)
        if fault is not None and fault.left is not None:
            fault.left -= 1
        return fault

    def check_token(self, user_id: str, access_token: str) -> None:
        if self._tokens.get(user_id) != access_token:
            raise TokenRejected("Invalid access token", errcode="M_UNKNOWN_TOKEN", status=401)

    # Rooms

    def room(self, room_id: str) -> Room:
        if room_id not in self.rooms:
            raise forbidden(f"Unknown room {room_id}")
        return self.rooms[room_id]

    def create_room(self, user_id: str, body: Mapping[str, Any]) -> str:
        """As Synapse does it: what fails half-way leaves a half-made room and its alias."""
        alias = self._new_alias(body.get("room_alias_name"))
        preset = _preset(body)
        invited: Sequence[str] = body.get("invite", [])
        room = Room(f"!{self._name()}", str(body.get("room_version", self.room_version)))
        creation = {**body.get("creation_content", {}), "room_version": room.version}
        if preset == "trusted_private_chat" and room.creators_stand_above:
            creators = [*creation.get("additional_creators", []), *invited]
            creation["additional_creators"] = sorted(set(creators))
        self.rooms[room.room_id] = room
        if alias:
            self._aliases[alias] = (room.room_id, user_id)
        self._emit(room, user_id, "m.room.create", creation, "")
        self._set_membership(room, user_id, user_id, "join")
        levels = _first_levels(room, user_id, preset, body, invited)
        room.check_levels(user_id, levels)
        self._emit(room, user_id, "m.room.power_levels", levels, "")
        for (type, key), content in _first_state(preset, alias, body).items():
            self._emit(room, user_id, type, content, key)
        extra = {"is_direct": True} if body.get("is_direct") else {}
        for target in invited:
            self._set_membership(room, user_id, target, "invite", **extra)
        return room.room_id

    def join(self, user_id: str, room_or_alias: str) -> str:
        room_id = room_or_alias
        if room_or_alias.startswith("#"):
            room_id = self.resolve_alias(room_or_alias) or ""
        if room_id not in self.rooms:
            raise not_found("No such room, or no server that is in it.")
        room = self.rooms[room_id]
        room.check_join(user_id, self.joined_rooms(user_id))
        if room.membership(user_id) != "join":
            self._set_membership(room, user_id, user_id, "join")
        return room_id

    def knock(self, user_id: str, room_id: str, reason: str = "") -> None:
        room = self.room(room_id)
        room.check_knock(user_id)
        self._set_membership(room, user_id, user_id, "knock", reason=reason)

    def invite(self, user_id: str, room_id: str, target: str) -> None:
        room = self.room(room_id)
        room.check_invite(user_id, target)
        self._set_membership(room, user_id, target, "invite")

    def leave(self, user_id: str, room_id: str) -> None:
        room = self.room(room_id)
        if room.membership(user_id) in (None, "ban"):
            raise forbidden(f"User {user_id} not in room {room_id}")
        if room.membership(user_id) != "leave":
            self._set_membership(room, user_id, user_id, "leave")

    def remove(self, user_id: str, room_id: str, target: str, membership: str = "leave") -> None:
        """Kick (leave), ban (ban), or lift a ban (leave)."""
        room = self.room(room_id)
        room.check_removal(user_id, target, membership)
        self._set_membership(room, user_id, target, membership)

    def joined_rooms(self, user_id: str) -> set[str]:
        return {
            room_id
            for room_id in self._rooms_of.get(user_id, {})
            if self.rooms[room_id].membership(user_id) == "join"
        }

    def joined_members(self, user_id: str, room_id: str) -> dict[str, str | None]:
        room = self.room(room_id)
        room.check_joined(user_id)
        return {each: room.content(MEMBER, each).get("displayname") for each in room.members()}

    # Events

    def send(
        self, device: Device, room_id: str, type: str, content: Mapping[str, Any], txn_id: str
    ) -> str:
        room = self.room(room_id)
        known = self._transactions.get((device, room_id, txn_id))
        if known is not None:
            return known
        room.check_send(device[0], type, None)
        event = self._emit(room, device[0], type, content, device=device, txn_id=txn_id)
        return self._remember(device, txn_id, event)

    def redact(
        self, device: Device, room_id: str, event_id: str, txn_id: str, reason: str | None = None
    ) -> str:
        room = self.room(room_id)
        known = self._transactions.get((device, room_id, txn_id))
        if known is not None:
            return known
        room.check_redaction(device[0], event_id)
        if event_id not in room.by_id:
            # Kept for when the event comes, and shown to nobody until then.
            return f"${self._name()}"
        content = {"redacts": event_id, **({"reason": reason} if reason else {})}
        event = self._emit(
            room, device[0], "m.room.redaction", content, device=device, txn_id=txn_id
        )
        return self._remember(device, txn_id, event)

    def event(self, device: Device, room_id: str, event_id: str) -> Event:
        """With its newest edit in ``unsigned``, as servers bundle it."""
        room = self.room(room_id)
        room.check_reader(device[0])
        event = room.by_id.get(event_id)
        if event is None:
            raise not_found("Event not found.")
        told = shown(event, device)
        edit = room.newest_edit(event)
        if edit is not None:
            told["unsigned"]["m.relations"] = {"m.replace": shown(edit, device)}
        return told

    def put_state(
        self, user_id: str, room_id: str, type: str, content: Mapping[str, Any], key: str
    ) -> str:
        room = self.room(room_id)
        room.check_send(user_id, type, key)
        if type == "m.room.power_levels":
            room.check_levels(user_id, content)
        if type == "m.room.canonical_alias":
            self._check_canonical_alias(room, content)
        before = room.state_event(type, key)
        if before is not None and before["content"] == content:
            return str(before["event_id"])
        return str(self._emit(room, user_id, type, content, key)["event_id"])

    def state(self, device: Device, room_id: str) -> list[Event]:
        room = self.room(room_id)
        room.check_reader(device[0])
        return [shown(event, device) for event in room.state(room.left_at(device[0])).values()]

    def state_event(self, user_id: str, room_id: str, type: str, key: str) -> dict[str, Any]:
        room = self.room(room_id)
        room.check_reader(user_id)
        event = room.state_event(type, key, at=room.left_at(user_id))
        if event is None:
            raise not_found("Event not found.")
        return dict(event["content"])

    def messages(
        self,
        device: Device,
        room_id: str,
        start: str | None,
        stop: str | None,
        limit: int,
        types: Sequence[str] | None = None,
    ) -> Page:
        """From the newest to the oldest, between two tokens (None: as far as there is)."""
        room = self.room(room_id)
        room.check_reader(device[0])
        upto = position_of(start) if start else self._position
        seen = room.seen_by(device[0], position_of(stop) if stop else 0, upto)
        found = EventFilter(None if types is None else tuple(types)).of_all(seen)
        page = found[::-1][:limit]
        if not page:
            return Page([], None)
        return Page([shown(event, device) for _, event in page], token(page[-1][0] - 1))

    async def sync(
        self, device: Device, since: str | None, timeout_ms: int, sync_filter: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Waits for news like the real one, but never when ``since`` is None."""
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                while (answer := self._sync_answer(device, since, sync_filter)).is_empty:
                    if since is None:
                        break
                    await self.news()
        except TimeoutError:
            answer = self._sync_answer(device, since, sync_filter)
        return answer.body()

    # Directory, accounts

    def resolve_alias(self, alias: str) -> str | None:
        return self._aliases[alias][0] if alias in self._aliases else None

    def put_alias(self, user_id: str, alias: str, room_id: str) -> None:
        if room_id not in self.joined_rooms(user_id):
            raise forbidden("You must be in the room to create an alias for it")
        if alias in self._aliases:
            raise refused(f"Room alias {alias} already exists", status=409)
        self._aliases[alias] = (room_id, user_id)

    def delete_alias(self, user_id: str, alias: str) -> None:
        if alias not in self._aliases:
            raise not_found("Unknown room alias")
        room_id, maker = self._aliases[alias]
        if user_id != maker:
            self.room(room_id).check_send(user_id, "m.room.canonical_alias", "")
        del self._aliases[alias]

    def account_data(self, user_id: str, type: str) -> dict[str, Any]:
        held = self._account_data.get(user_id, {})
        if type not in held:
            raise not_found("Account data not found")
        return held[type][1]

    def put_account_data(self, user_id: str, type: str, content: Mapping[str, Any]) -> None:
        self._position += 1
        held = self._account_data.setdefault(user_id, {})
        held[type] = (self._position, _copied(content))
        self._announce()

    def display_name(self, user_id: str) -> str:
        """Synapse gives new accounts the first part of their id."""
        return self._profiles.get(user_id, user_id[1:].partition(":")[0])

    def put_display_name(self, user_id: str, name: str) -> None:
        self._profiles[user_id] = name
        for room_id in sorted(self.joined_rooms(user_id)):
            self._set_membership(self.rooms[room_id], user_id, user_id, "join")

    def set_typing(self, user_id: str, room_id: str, on: bool) -> None:
        self.room(room_id).check_joined(user_id)
        people = self.typing.setdefault(room_id, set())
        if on:
            people.add(user_id)
        else:
            people.discard(user_id)

    # Inside

    def _sync_answer(
        self, device: Device, since: str | None, sync_filter: Mapping[str, Any]
    ) -> SyncAnswer:
        if since is None:
            self._members_shown[device] = set()
        members_shown = self._members_shown.setdefault(device, set())
        after = None if since is None else position_of(since)
        answer = SyncAnswer(device, after, self._position, sync_filter, members_shown)
        for room_id in self._rooms_of.get(device[0], {}):
            answer.add_room(self.rooms[room_id])
        for type, (position, content) in self._account_data.get(device[0], {}).items():
            answer.add_account_data(position, type, content)
        return answer

    def _set_membership(
        self, room: Room, sender: str, target: str, membership: str, **extra: Any
    ) -> None:
        content: dict[str, Any] = {"membership": membership, **extra}
        if membership in ("join", "invite", "knock"):
            content["displayname"] = self.display_name(target)
        self._rooms_of.setdefault(target, {})[room.room_id] = None
        self._emit(room, sender, MEMBER, content, target)

    def _emit(
        self,
        room: Room,
        sender: str,
        type: str,
        content: Mapping[str, Any],
        state_key: str | None = None,
        *,
        device: Device | None = None,
        txn_id: str | None = None,
    ) -> Event:
        event: Event = {
            "type": type,
            "room_id": room.room_id,
            "sender": sender,
            "content": _copied(content),
            "event_id": f"${self._name()}",
            "origin_server_ts": int(self._clock().timestamp() * 1000),
            "unsigned": {},
        }
        if state_key is not None:
            event["state_key"] = state_key
        if type == "m.room.redaction":
            event["redacts"] = content["redacts"]
        if device is not None:
            event |= {"_device": device, "_txn_id": txn_id}
        self._position += 1
        room.add(self._position, event)
        for listener in self._listeners:
            listener(room, event)
        self._announce()
        return event

    def _announce(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def _remember(self, device: Device, txn_id: str, event: Event) -> str:
        event_id = str(event["event_id"])
        self._transactions[device, event["room_id"], txn_id] = event_id
        return event_id

    def _name(self) -> str:
        """Looks like the hashes real identifiers are made of, and is the same in every run."""
        self._names += 1
        digest = hashlib.sha256(str(self._names).encode()).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")

    def _new_alias(self, local_part: str | None) -> str | None:
        alias = f"#{local_part}:{self.server_name}" if local_part else None
        if alias in self._aliases:
            raise refused("Room alias already taken", "M_ROOM_IN_USE")
        return alias

    def _check_canonical_alias(self, room: Room, content: Mapping[str, Any]) -> None:
        for alias in (content.get("alias"), *content.get("alt_aliases", [])):
            if alias and self.resolve_alias(alias) != room.room_id:
                raise refused(f"{alias} does not point to this room", "M_BAD_ALIAS")


class FakeClient:
    """``Homeserver`` for one account on ``FakeMatrix``."""

    def __init__(self, matrix: FakeMatrix, user_id: str, access_token: str) -> None:
        self.user_id = user_id
        self._matrix = matrix
        self._token = access_token
        self._device = (user_id, "BOTDEVICE")
        self._told_of: set[str] = set()

    def use_token(self, access_token: str) -> None:
        self._token = access_token

    async def whoami(self) -> Identity:
        async with self._request("whoami"):
            return Identity(*self._device)

    async def default_room_version(self) -> str:
        async with self._request("default_room_version"):
            return self._matrix.room_version

    async def sync(
        self, since: str | None, timeout_ms: int, sync_filter: Mapping[str, Any]
    ) -> dict[str, Any]:
        async with self._request("sync", since, timeout_ms, sync_filter):
            answer = await self._matrix.sync(self._device, since, timeout_ms, sync_filter)
            entered = answer.get("rooms", {}).get("join", {}).keys() - self._told_of
            if since is not None and entered:
                # A real one answers the join long before it tells of the room: what is done about
                # the join goes first.
                await asyncio.sleep(NEWS_OF_A_ROOM_SECONDS)
            self._told_of |= entered
            return answer

    async def messages_before(
        self, room_id: str, start: str, *, stop: str | None, limit: int, types: Sequence[str]
    ) -> Page:
        async with self._request("messages_before", room_id, start, stop, limit, types):
            return self._matrix.messages(self._device, room_id, start, stop, limit, types)

    async def event(self, room_id: str, event_id: str) -> dict[str, Any] | None:
        async with self._request("event", room_id, event_id):
            return _found(self._matrix.event, self._device, room_id, event_id)

    async def send_event(
        self, room_id: str, type: str, content: Mapping[str, Any], txn_id: str
    ) -> str:
        async with self._request("send_event", room_id, type, content, txn_id):
            return self._matrix.send(self._device, room_id, type, content, txn_id)

    async def redact(self, room_id: str, event_id: str, txn_id: str) -> str:
        async with self._request("redact", room_id, event_id, txn_id):
            return self._matrix.redact(self._device, room_id, event_id, txn_id)

    async def create_room(self, body: Mapping[str, Any]) -> str:
        async with self._request("create_room", body):
            return self._matrix.create_room(self.user_id, body)

    async def join(self, room: str, via: Sequence[str] = ()) -> str:
        async with self._request("join", room, via):
            return self._matrix.join(self.user_id, room)

    async def leave(self, room_id: str) -> None:
        async with self._request("leave", room_id):
            self._matrix.leave(self.user_id, room_id)

    async def invite(self, room_id: str, user_id: str) -> None:
        async with self._request("invite", room_id, user_id):
            self._matrix.invite(self.user_id, room_id, user_id)

    async def joined_rooms(self) -> set[str]:
        async with self._request("joined_rooms"):
            return self._matrix.joined_rooms(self.user_id)

    async def joined_members(self, room_id: str) -> dict[str, str | None]:
        async with self._request("joined_members", room_id):
            return self._matrix.joined_members(self.user_id, room_id)

    async def room_state(self, room_id: str) -> list[dict[str, Any]]:
        async with self._request("room_state", room_id):
            return self._matrix.state(self._device, room_id)

    async def state_event(self, room_id: str, type: str, key: str = "") -> dict[str, Any] | None:
        async with self._request("state_event", room_id, type, key):
            return _found(self._matrix.state_event, self.user_id, room_id, type, key)

    async def put_state(
        self, room_id: str, type: str, content: Mapping[str, Any], key: str = ""
    ) -> str:
        async with self._request("put_state", room_id, type, content, key):
            return self._matrix.put_state(self.user_id, room_id, type, content, key)

    async def resolve_alias(self, alias: str) -> str | None:
        async with self._request("resolve_alias", alias):
            return self._matrix.resolve_alias(alias)

    async def put_alias(self, alias: str, room_id: str) -> None:
        async with self._request("put_alias", alias, room_id):
            self._matrix.put_alias(self.user_id, alias, room_id)

    async def delete_alias(self, alias: str) -> None:
        async with self._request("delete_alias", alias):
            self._matrix.delete_alias(self.user_id, alias)

    async def account_data(self, type: str) -> dict[str, Any] | None:
        async with self._request("account_data", type):
            return _found(self._matrix.account_data, self.user_id, type)

    async def put_account_data(self, type: str, content: Mapping[str, Any]) -> None:
        async with self._request("put_account_data", type, content):
            self._matrix.put_account_data(self.user_id, type, content)

    async def display_name(self, user_id: str) -> str | None:
        async with self._request("display_name", user_id):
            return self._matrix.display_name(user_id)

    async def put_display_name(self, name: str) -> None:
        async with self._request("put_display_name", name):
            self._matrix.put_display_name(self.user_id, name)

    async def typing(self, room_id: str, on: bool) -> None:
        async with self._request("typing", room_id, on):
            self._matrix.set_typing(self.user_id, room_id, on)

    @asynccontextmanager
    async def _request(self, method: str, *args: Any) -> AsyncIterator[None]:
        """Around what the homeserver does: the faults, and the turn a network would give others."""
        fault = self._matrix.begin(method, args)
        await asyncio.sleep(0)
        if fault is not None and not fault.after_accept:
            raise fault.error
        self._matrix.check_token(self.user_id, self._token)
        yield
        if fault is not None:
            raise fault.error


def _found(look: Callable[..., dict[str, Any]], *args: Any) -> dict[str, Any] | None:
    try:
        return _copied(look(*args))
    except NotFound:
        return None


def _copied(content: Mapping[str, Any]) -> dict[str, Any]:
    """As it comes out of JSON, which also proves that it goes in. Raises ``Refused``."""
    text = json.dumps(content)
    if len(text) > MOST_BYTES:
        raise refused("event too large", "M_TOO_LARGE", 413)
    copy: dict[str, Any] = json.loads(text)
    return copy


def _preset(body: Mapping[str, Any]) -> str:
    by_visibility = "public_chat" if body.get("visibility") == "public" else "private_chat"
    return str(body.get("preset", by_visibility))


def _initial_state(body: Mapping[str, Any]) -> dict[StateKey, Any]:
    listed = body.get("initial_state", [])
    return {(each["type"], each.get("state_key", "")): each["content"] for each in listed}


def _first_levels(
    room: Room, creator: str, preset: str, body: Mapping[str, Any], invited: Iterable[str]
) -> dict[str, Any]:
    """Synapse: ``_send_events_for_new_room``. An override replaces whole keys."""
    given = _initial_state(body).get(("m.room.power_levels", ""))
    if given is not None:
        return dict(given)
    above = room.creators_stand_above
    users = {} if above else {creator: 100}
    if preset == "trusted_private_chat" and not above:
        users |= dict.fromkeys(invited, 100)
    return {
        "users": users,
        "users_default": 0,
        "events": {
            "m.room.name": 50,
            "m.room.power_levels": 100,
            "m.room.history_visibility": 100,
            "m.room.canonical_alias": 50,
            "m.room.avatar": 50,
            "m.room.tombstone": 150 if above else 100,
            "m.room.server_acl": 100,
            "m.room.encryption": 100,
        },
        "events_default": 0,
        "state_default": 50,
        "ban": 50,
        "kick": 50,
        "redact": 50,
        "invite": 50,
        "historical": 100,
        **_PRESETS[preset]["levels"],
        **body.get("power_level_content_override", {}),
    }


def _first_state(
    preset: str, alias: str | None, body: Mapping[str, Any]
) -> dict[StateKey, dict[str, Any]]:
    """What a new room holds besides its creation and power levels, in Synapse's order."""
    rules = _PRESETS[preset]
    state: dict[StateKey, dict[str, Any]] = {}
    if alias:
        state["m.room.canonical_alias", ""] = {"alias": alias}
    state["m.room.join_rules", ""] = {"join_rule": rules["join_rule"]}
    state["m.room.history_visibility", ""] = {"history_visibility": "shared"}
    if rules["guests"]:
        state["m.room.guest_access", ""] = {"guest_access": "can_join"}
    state |= _initial_state(body)
    state.pop(("m.room.power_levels", ""), None)
    for name in ("name", "topic"):
        if name in body:
            state[f"m.room.{name}", ""] = {name: body[name]}
    return state
