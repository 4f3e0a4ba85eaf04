"""What the database keeps about rooms, and what the control room is told, once."""

import hashlib
from collections.abc import Iterable, Mapping

from bot.domain import content
from bot.domain.rooms.model import Memory, Place, RoomState
from bot.domain.rooms.plan import ReportOverride, settled
from bot.services import control
from bot.services.rooms.patience import Patience
from bot.services.rooms.survey import Survey
from bot.services.rooms.texts import Notice
from bot.services.rooms.tools import PROVISION, Tools
from storage import jobs, members, rooms
from storage.database import Uow


class Record:
    def __init__(self, tools: Tools, ask: Patience) -> None:
        self._tools = tools
        self._ask = ask

    async def save(self, found: Mapping[Place, RoomState]) -> None:
        """These rooms play these parts from now on."""
        async with self._tools.uow() as uow:
            for place, room in found.items():
                row = await rooms.save(uow.session, *place, room.room_id, uow.now)
                row.successor = room.successor
            await uow.commit()

    async def conclude(
        self, survey: Survey, notices: Iterable[Notice], overrides: Iterable[ReportOverride]
    ) -> None:
        """Tell the admins what is new, and remember what has been seen.

        Without a control room nothing is told, and the overrides stay to be told.
        """
        notices = list(notices)
        async with self._tools.uow(_cause(notices)) as uow:
            told = await self._tell(uow, notices)
            await self._remember(uow, survey, overrides if told else ())
            await uow.commit()

    async def finish(self, room_id: str) -> None:
        """Note who is there, once; from then on sync tells. (Ourselves sync notes anyway.)"""
        present = await self._ask(self._tools.homeserver.joined_members, room_id)
        async with self._tools.uow() as uow:
            for user_id in present.keys() - {self._tools.instance.user_id}:
                await members.joined(uow.session, room_id, user_id)
                person = await members.get(uow.session, user_id, uow.now)
                person.display_name = present[user_id] or person.display_name
            row = await rooms.by_id(uow.session, room_id)
            if row is not None:
                row.ready_at = uow.now
            await uow.commit()

    async def _tell(self, uow: Uow, notices: Iterable[Notice]) -> bool:
        if await rooms.find(uow.session, control.CONTROL, control.CONTROL) is None:
            return False
        new = [
            each for each in notices if await jobs.claim(uow.session, PROVISION, each.slot, uow.now)
        ]
        if new:
            tr = self._tools.instance.tr(None)
            await control.alert(uow, content.lines(*(each.said(tr) for each in new)))
        return True

    async def _remember(self, uow: Uow, survey: Survey, told: Iterable[ReportOverride]) -> None:
        told = list(told)
        for place, memory in survey.memories.items():
            if survey.actual.rooms[place].successor is not None:
                continue
            seen = settled(self._tools.desired, survey.actual, place, memory)
            overrides = seen.overrides | {step.field for step in told if step.place == place}
            if (seen.applied, overrides) != (memory.applied, memory.overrides):
                await _note(uow, place, Memory(seen.applied, frozenset(overrides)))


async def _note(uow: Uow, place: Place, memory: Memory) -> None:
    row = await rooms.find(uow.session, *place)
    if row is not None:
        row.applied, row.overrides = dict(memory.applied), sorted(memory.overrides)


def _cause(notices: Iterable[Notice]) -> str:
    """The same facts are told under the same cause, so never twice, whatever happened meanwhile."""
    slots = "\n".join(sorted(each.slot for each in notices))
    return f"{PROVISION}:{hashlib.sha256(slots.encode()).hexdigest()}"
