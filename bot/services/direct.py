"""Direct rooms: found or made when something is to be said to one person alone.

Making a room has no transaction id. Before the request a row says that one is being made; if the
process dies in between, the room is found again by its marker among the rooms we are in and do not
know. An encrypted room somebody invited us to is not used: we could not read the answer.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import structlog

from bot.services.homeserver import Homeserver, HomeserverError
from bot.services.instance import Instance
from storage import members, rooms
from storage.database import Database
from storage.rooms import DIRECT, Room

log = structlog.get_logger()

MARKER = "org.clusterdesk.room"
MAKING = "making:"


class DirectRooms:
    def __init__(
        self,
        homeserver: Homeserver,
        database: Database,
        instance: Instance,
        clock: Callable[[], datetime],
    ) -> None:
        self._homeserver = homeserver
        self._database = database
        self._instance = instance
        self._clock = clock

    async def room_with(self, user_id: str) -> str:
        """The room id; raises ``HomeserverError`` when it cannot be made now."""
        async with self._database.uow("direct", self._clock()) as uow:
            room = await rooms.find(uow.session, DIRECT, user_id)
        if room is not None and not room.room_id.startswith(MAKING):
            return room.room_id
        found = await self._half_made(user_id) if room is not None else None
        if found is None:
            await self._save(user_id, MAKING + user_id)
            found = await self._homeserver.create_room(self._body(user_id))
        await self._save(user_id, found)
        await self._keep_in_account(user_id, found)
        return found

    async def joined(self, room_id: str, user_id: str) -> None:
        """We accepted somebody's invite to talk in private."""
        present = await self._homeserver.joined_members(room_id)
        encrypted = await self._homeserver.state_event(room_id, "m.room.encryption")
        now = self._clock()
        async with self._database.uow("direct", now) as uow:
            for each, display_name in present.items():
                await members.joined(uow.session, room_id, each)
                person = await members.get(uow.session, each, now)
                person.display_name = display_name or person.display_name
            known = await rooms.find(uow.session, DIRECT, user_id)
            free = known is None or known.room_id.startswith(MAKING)
            if free and encrypted is None and len(present) <= 2:
                await rooms.save(uow.session, DIRECT, user_id, room_id, now)
            await uow.commit()
        await self._keep_in_account(user_id, room_id)

    def _body(self, user_id: str) -> dict[str, Any]:
        marker = {"network": self._instance.network.key, "kind": DIRECT, "key": user_id}
        return {
            "preset": "private_chat",
            "is_direct": True,
            "invite": [user_id],
            "initial_state": [{"type": MARKER, "state_key": "", "content": marker}],
        }

    async def _half_made(self, user_id: str) -> str | None:
        """A room of ours for this person that we made and did not live to note."""
        async with self._database.uow("direct", self._clock()) as uow:
            known = {room.room_id for room in await rooms.of_kind(uow.session, DIRECT)}
            known |= {room.room_id for room in await rooms.managed(uow.session)}
        for room_id in sorted(await self._homeserver.joined_rooms() - known):
            marker = await self._homeserver.state_event(room_id, MARKER)
            if marker and (marker.get("kind"), marker.get("key")) == (DIRECT, user_id):
                return room_id
        return None

    async def _save(self, user_id: str, room_id: str) -> Room:
        now = self._clock()
        async with self._database.uow("direct", now) as uow:
            room = await rooms.save(uow.session, DIRECT, user_id, room_id, now)
            await uow.commit()
        return room

    async def _keep_in_account(self, user_id: str, room_id: str) -> None:
        """``m.direct``, which clients go by. Not worth failing for."""
        try:
            listed = await self._homeserver.account_data("m.direct") or {}
            rooms_with = listed.get(user_id, [])
            if room_id not in rooms_with:
                listed[user_id] = [*rooms_with, room_id]
                await self._homeserver.put_account_data("m.direct", listed)
        except HomeserverError as error:
            log.warning("m_direct_not_kept", error=str(error))
