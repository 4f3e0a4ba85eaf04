"""A person at a client of ``FakeMatrix``.

This is ``bot.demo.person.Person`` with the network taken out, so a test reads the same on either
homeserver. Nothing runs in the background: what the homeserver delivers to the account is in
``seen`` at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from bot.demo.person import Event, Invite, NotSeenError, Person, RefusedError
from bot.services.homeserver import HomeserverError
from tests.support.fake_room import MEMBER, Room, not_found, relation_of
from tests.support.fake_sync import shown

if TYPE_CHECKING:
    from tests.support.fake_matrix import FakeMatrix

_T = TypeVar("_T")


class FakePerson(Person):
    def __init__(self, matrix: FakeMatrix, user_id: str) -> None:
        super().__init__("https://fake.invalid", user_id, access_token=matrix.token(user_id))
        self._matrix = matrix
        self._device = (user_id, "PERSON")
        for room_id in sorted(matrix.joined_rooms(user_id)):
            self._catch_up(matrix.rooms[room_id])
        matrix.on_event(self._hear)

    async def start(self) -> None:
        """Connected from the beginning."""

    async def close(self) -> None:
        """Stays connected; the homeserver ends with the test."""

    async def download(self, mxc: str) -> bytes:
        if mxc not in self._matrix.media:
            raise RefusedError(f"{self.name} download {mxc}", 404, {"errcode": "M_NOT_FOUND"})
        return self._matrix.media[mxc]

    # Seeing

    def _hear(self, room: Room, event: Event) -> None:
        if (event["type"], event.get("state_key")) == (MEMBER, self.user_id):
            self._heed_membership(room, event)
        elif room.membership(self.user_id) == "join":
            self._see(room, event)

    def _heed_membership(self, room: Room, event: Event) -> None:
        before = room.room_id in self._rooms
        self._invites.pop(room.room_id, None)
        match event["content"]["membership"]:
            case "join":
                self._rooms.add(room.room_id)
                self._catch_up(room)
                return
            case "invite":
                direct = bool(event["content"].get("is_direct"))
                self._invites[room.room_id] = Invite(room.room_id, event["sender"], direct)
                return
        self._rooms.discard(room.room_id)
        if before:
            self._see(room, event)

    def _catch_up(self, room: Room) -> None:
        for _, event in room.seen_by(self.user_id, 0):
            self._see(room, event)

    def _see(self, room: Room, event: Event) -> None:
        self._note(room.room_id, [shown(event, self._device)])

    async def _until(self, found: Callable[[], _T | None], awaited: str, patience: float) -> _T:
        try:
            async with asyncio.timeout(patience):
                while (result := found()) is None:
                    await self._matrix.news()
                return result
        except TimeoutError:
            reason = f"not seen in {patience:g} seconds"
            raise NotSeenError(self.user_id, awaited, reason, self.seen[-10:]) from None

    # Doing

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
        await asyncio.sleep(0)
        try:
            match path:
                case ("rooms", room_id, *rest):
                    return self._in_room(method, room_id, rest, body or {}, params or {})
                case ("upload",):
                    return {"content_uri": self._upload(data or b"")}
            return self._elsewhere(method, path, body or {})
        except HomeserverError as error:
            act = f"{self.name} {method} {'/'.join(path)}"
            answer = {"errcode": error.errcode, "error": str(error)}
            raise RefusedError(act, error.status, answer) from error

    def _in_room(
        self,
        method: str,
        room_id: str,
        path: list[str],
        body: Mapping[str, Any],
        params: Mapping[str, str],
    ) -> dict[str, Any]:
        matrix, me = self._matrix, self.user_id
        match (method, *path):
            case ("PUT", "send", kind, txn):
                return {"event_id": matrix.send(self._device, room_id, kind, body, txn)}
            case ("PUT", "redact", event_id, txn):
                reason = body.get("reason")
                return {"event_id": matrix.redact(self._device, room_id, event_id, txn, reason)}
            case ("GET", "event", event_id):
                return matrix.event(self._device, room_id, event_id)
            case ("GET", "messages"):
                return self._page(room_id, params)
            case ("GET", "relations", root, rel_type):
                return {"chunk": self._related(room_id, root, rel_type)}
            case ("GET", "state", kind, key):
                return matrix.state_event(me, room_id, kind, key)
            case ("PUT", "state", kind, key):
                return {"event_id": matrix.put_state(me, room_id, kind, body, key)}
            case ("GET", "joined_members"):
                members = matrix.joined_members(me, room_id)
                return {"joined": {each: {"display_name": members[each]} for each in members}}
            case ("POST", act):
                return self._move(act, room_id, body)
        raise not_found(f"Unrecognized request: {method} {path}")

    def _move(self, act: str, room_id: str, body: Mapping[str, Any]) -> dict[str, Any]:
        matrix, me = self._matrix, self.user_id
        match act:
            case "leave":
                matrix.leave(me, room_id)
            case "invite":
                matrix.invite(me, room_id, body["user_id"])
            case "kick" | "unban":
                matrix.remove(me, room_id, body["user_id"])
            case "ban":
                matrix.remove(me, room_id, body["user_id"], "ban")
            case _:
                raise not_found(f"Unrecognized request: {act}")
        return {}

    def _elsewhere(
        self, method: str, path: tuple[str, ...], body: Mapping[str, Any]
    ) -> dict[str, Any]:
        matrix, me = self._matrix, self.user_id
        match (method, *path):
            case ("POST", "createRoom"):
                return {"room_id": matrix.create_room(me, body)}
            case ("POST", "join", room):
                return {"room_id": matrix.join(me, room)}
            case ("POST", "knock", room):
                matrix.knock(me, room, body.get("reason", ""))
                return {"room_id": room}
            case ("GET", "joined_rooms"):
                return {"joined_rooms": sorted(matrix.joined_rooms(me))}
            case ("GET", "directory", "room", alias):
                return {"room_id": self._resolved(alias)}
            case ("GET", "user", _, "account_data", kind):
                return matrix.account_data(me, kind)
            case ("PUT", "user", _, "account_data", kind):
                matrix.put_account_data(me, kind, body)
                return {}
            case ("PUT", "profile", _, "displayname"):
                matrix.put_display_name(me, body["displayname"])
                return {}
        raise not_found(f"Unrecognized request: {method} {path}")

    def _page(self, room_id: str, params: Mapping[str, str]) -> dict[str, Any]:
        limit = int(params.get("limit", "10"))
        page = self._matrix.messages(
            self._device, room_id, params.get("from"), params.get("to"), limit
        )
        return {"chunk": page.events, **({"end": page.end} if page.end else {})}

    def _related(self, room_id: str, root: str, rel_type: str) -> list[Event]:
        """What relates to an event, oldest first."""
        room = self._matrix.room(room_id)
        room.check_reader(self.user_id)
        seen = [event for _, event in room.seen_by(self.user_id, 0)]
        related = [event for event in seen if relation_of(event) == (rel_type, root)]
        return [shown(event, self._device) for event in related]

    def _resolved(self, alias: str) -> str:
        room_id = self._matrix.resolve_alias(alias)
        if room_id is None:
            raise not_found(f"Room alias {alias} not found")
        return room_id

    def _upload(self, data: bytes) -> str:
        mxc = f"mxc://{self._matrix.server_name}/{len(self._matrix.media)}"
        self._matrix.media[mxc] = data
        return mxc
