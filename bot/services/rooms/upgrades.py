"""Rooms that people replace by new ones (tombstones).

The handler of the tombstone only notes what it names. The provisioner follows: it joins the room,
believes it if it names the old one as its predecessor and whoever sent the tombstone had the power
to, and completes it like any room of ours. What is pending stands in the database until then.
"""

import structlog

from bot.domain.incoming import Tombstone
from bot.domain.power import TOMBSTONE
from bot.domain.rooms.fields import Field
from bot.domain.rooms.model import Place, RoomState
from bot.services.homeserver import Refused
from bot.services.instance import Instance
from bot.services.questions import moving
from bot.services.rooms import texts
from bot.services.rooms.patience import Patience
from bot.services.rooms.texts import Notice
from bot.services.rooms.tools import Tools
from storage import outbox, rooms
from storage.database import Uow
from storage.rooms import DIRECT

log = structlog.get_logger()

NOT_COPIED = {Field.ALIAS, Field.CHILD, Field.POWER}
"""Of what the bot remembers of a room, what an upgrade does not carry over."""


async def tombstoned(uow: Uow, instance: Instance, incoming: Tombstone) -> None:
    """Note that a room was replaced. A direct room is given up: the next one is made when there is
    something to say."""
    room = await rooms.by_id(uow.session, incoming.room_id)
    if room is None:
        return
    if room.kind == DIRECT:
        await uow.session.delete(room)
    else:
        room.successor = incoming.successor


class Upgrades:
    def __init__(self, tools: Tools, ask: Patience) -> None:
        self._tools = tools
        self._desired = tools.desired
        self._homeserver = tools.homeserver
        self._ask = ask

    async def follow(self, place: Place, old: RoomState, successor: str) -> Notice | None:
        """Put the successor in the old room's place. Otherwise what to tell the admins."""
        spec = self._desired.spec(place)
        sender = str(old.event(TOMBSTONE).get("sender", ""))
        if not old.power.may_send_state(sender, TOMBSTONE):
            return await self._refuse(place, old, successor)
        try:
            via = dict.fromkeys([sender.partition(":")[2], self._desired.server])
            await self._ask(self._homeserver.join, successor, list(via))
        except Refused as error:
            log.info("successor_closed", room=old.room_id, successor=successor, error=str(error))
            return texts.invite_needed(self._desired, spec, old.room_id, successor)
        new = RoomState.of(successor, await self._ask(self._homeserver.room_state, successor))
        fits = new.predecessor == old.room_id and new.is_space == old.is_space
        if not fits or await self._is_known(successor):
            await self._ask(self._homeserver.leave, successor)
            return await self._refuse(place, old, successor)
        await self._move(place, old.room_id, successor)
        return None

    async def _is_known(self, room_id: str) -> bool:
        async with self._tools.uow() as uow:
            return await rooms.by_id(uow.session, room_id) is not None

    async def _refuse(self, place: Place, old: RoomState, successor: str) -> Notice:
        log.warning("successor_refused", room=old.room_id, successor=successor)
        async with self._tools.uow() as uow:
            row = await rooms.by_id(uow.session, old.room_id)
            if row is not None:
                row.successor = None
            await uow.commit()
        return texts.not_followed(self._desired.spec(place), old.room_id, successor)

    async def _move(self, place: Place, old: str, new: str) -> None:
        """What was applied to the old room was copied into the new one, and what humans changed."""
        log.info("room_followed", room=old, successor=new)
        async with self._tools.uow(f"upgrade:{old}") as uow:
            row = await rooms.find(uow.session, *place)
            assert row is not None, "only rooms in the database are followed"
            applied, overrides = row.applied or {}, row.overrides or []
            row = await rooms.save(uow.session, *place, new, uow.now)
            row.applied = {each: applied[each] for each in applied if each not in NOT_COPIED}
            row.overrides = [each for each in overrides if each not in NOT_COPIED]
            await outbox.moved(uow.session, old, new)
            await moving.rehome(uow, self._tools.instance, old, new)
            await uow.commit()
