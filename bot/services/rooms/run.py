"""One go at the rooms: look, take the steps of the plan one by one, look again.

What a run needs to know it reads: from the homeserver, the database and the network file. It may
therefore be killed anywhere; the next run finds what was done. The one request that must not be
made twice, createRoom, is never repeated blindly: after an answer that leaves its fate open the
rooms are looked at again.
"""

import math
from dataclasses import dataclass

import structlog

from bot.domain.backoff import Backoff
from bot.domain.power import POWER_LEVELS
from bot.domain.rooms.fields import Field, alias_is_taken, creation, writes
from bot.domain.rooms.model import Actual, Place, RoomSpec, RoomState
from bot.domain.rooms.plan import (
    CreateRoom,
    Discard,
    Follow,
    Invite,
    Leave,
    Rejoin,
    ReportOverride,
    SetField,
    Step,
    plan,
)
from bot.services.homeserver import HomeserverError, Refused, TokenRejected
from bot.services.rooms import texts
from bot.services.rooms.record import Record
from bot.services.rooms.survey import Survey, Surveyor
from bot.services.rooms.texts import Notice, Plan
from bot.services.rooms.tools import Tools
from bot.services.rooms.upgrades import Upgrades

log = structlog.get_logger()

MOST_TRIES = 3
MAKING_SECONDS = 3.0
"""Longer than a homeserver works on a createRoom whose client is gone."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """``taken`` are the steps that changed something. ``notices`` is what admins should know,
    told now or before."""

    taken: tuple[Step, ...]
    notices: tuple[Notice, ...]


class _LookAgain(Exception):
    """What there is has to be read again before anything more is done."""


class Run:
    """``_over`` are the steps not to be tried again: taken, refused, or in vain."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._homeserver = tools.homeserver
        self._desired = tools.desired
        self._ask = tools.patience(self._waits)
        self._surveyor = Surveyor(tools, self._ask)
        self._upgrades = Upgrades(tools, self._ask)
        self._record = Record(tools, self._ask)
        self._survey = Survey(Actual(), {}, frozenset(), frozenset())
        self._actual = Actual()
        self._over: set[Step] = set()
        self._taken: list[Step] = []
        self._notices: list[Notice] = []
        self._tries: dict[Place, int] = {}
        self._version = tools.room_version
        self._backoff = Backoff()

    async def look(self) -> None:
        created = any(isinstance(step, CreateRoom) for step in self._taken)
        self._survey = await self._surveyor.survey(thorough=created)
        self._actual = self._survey.actual

    def plan(self) -> Plan:
        steps = plan(self._desired, self._actual, self._survey.memories)
        notices = tuple(self._taken_aliases())
        return Plan(self._desired, self._actual, steps, self._tools.command, notices)

    async def to_the_end(self) -> Outcome:
        await self.look()
        if self._something_is_in_the_making():
            await self._tools.sleep(MAKING_SECONDS)
            await self.look()
        await self._adopt()
        while steps := self._todo():
            await self._take_all(steps)
            await self.look()
            await self._adopt()
        return await self._conclude()

    def _something_is_in_the_making(self) -> bool:
        """Whether a createRoom may still be under way: its client was killed, or hung up."""
        found = (self._actual.rooms[place] for place in self._survey.found)
        half_made = any((POWER_LEVELS, "") not in room.events for room in found)
        return half_made or bool(self._actual.taken)

    async def _adopt(self) -> None:
        if self._survey.found:
            found = {place: self._actual.rooms[place] for place in self._survey.found}
            await self._record.save(found)

    def _todo(self) -> list[Step]:
        steps = (step for step in self.plan().steps if not isinstance(step, ReportOverride))
        return [step for step in steps if step not in self._over]

    async def _take_all(self, steps: list[Step]) -> None:
        try:
            for step in steps:
                self._over.add(step)
                if not self._is_in_vain(step):
                    await self._take(step)
        except _LookAgain:
            return

    def _is_in_vain(self, step: Step) -> bool:
        """Whether the step needs a room that an earlier step failed to make."""
        match step:
            case SetField() | Invite():
                return step.place not in self._actual.rooms
            case CreateRoom():
                is_child = self._desired.spec(step.place).order is not None
                return is_child and self._actual.space is None
        return False

    async def _take(self, step: Step) -> None:
        try:
            await self._do(step)
        except Refused as error:
            log.warning("provision_step_refused", **_facts(step), error=str(error))
            self._notices.append(self._refusal(step, error))
        else:
            log.info("provision_step", **_facts(step))
            self._taken.append(step)

    async def _do(self, step: Step) -> None:
        match step:
            case CreateRoom():
                await self._create(step)
            case Rejoin():
                room_id = self._actual.absent[step.place]
                await self._ask(self._homeserver.join, room_id, [self._desired.server])
            case Follow():
                await self._follow(step)
            case Discard():
                await self._discard(step.place)
            case Leave():
                await self._ask(self._homeserver.leave, step.room_id)
            case SetField():
                await self._set(step.place, step.field)
            case Invite():
                room_id = self._actual.rooms[step.place].room_id
                await self._ask(self._homeserver.invite, room_id, step.user_id)

    async def _create(self, step: CreateRoom) -> None:
        spec, version = self._desired.spec(step.place), await self._version_of_new_rooms()
        self._tools.progress(f"{self._position()}: {spec.name}")
        # Who cannot be invited at once must not keep the room from being made.
        invite = step.place not in self._tries
        body = creation(self._desired, spec, version, self._actual.space, invite=invite)
        try:
            room_id = await self._ask.once(self._homeserver.create_room, body)
        except TokenRejected:
            raise
        except HomeserverError as error:
            await self._doubt(step, error)
        else:
            self._actual = self._actual.with_room(step.place, RoomState(room_id))
            await self._record.save({step.place: RoomState(room_id)})

    async def _version_of_new_rooms(self) -> str:
        if self._version is None:
            self._version = await self._ask(self._homeserver.default_room_version)
        return self._version

    async def _doubt(self, step: CreateRoom, error: HomeserverError) -> None:
        """The room may exist, whole or in part, whatever the answer was."""
        log.warning("room_in_doubt", **_facts(step), error=str(error))
        tries = self._tries[step.place] = self._tries.get(step.place, 0) + 1
        if tries >= MOST_TRIES:
            raise error
        if not isinstance(error, Refused):
            await self._tools.sleep(self._backoff.next())
        self._over.discard(step)
        raise _LookAgain from error

    async def _follow(self, step: Follow) -> None:
        old, memory = self._actual.rooms[step.place], self._survey.memories[step.place]
        notice = await self._upgrades.follow(step.place, old, memory.successor or "")
        if notice is None:
            self._taken.append(step)
        else:
            self._notices.append(notice)
        raise _LookAgain

    async def _discard(self, place: Place) -> None:
        room_id, alias = self._actual.broken[place], self._desired.spec(place).alias
        if self._actual.directory.get(alias) == room_id:
            await self._ask(self._homeserver.delete_alias, alias)
        await self._ask(self._homeserver.leave, room_id)

    async def _set(self, place: Place, field: Field) -> None:
        if field is Field.ALIAS:
            await self._point(self._desired.spec(place))
        for write in writes(self._desired, self._actual, place, field):
            await self._ask(
                self._homeserver.put_state, write.room_id, write.type, write.content, write.key
            )

    async def _point(self, spec: RoomSpec) -> None:
        """Let the alias lead to its room; after an upgrade it may still lead to the old one."""
        room_id = self._actual.rooms[spec.place].room_id
        leads_to = self._actual.directory[spec.alias]
        if leads_to == room_id:
            return
        if leads_to is not None:
            await self._ask(self._homeserver.delete_alias, spec.alias)
        await self._ask(self._homeserver.put_alias, spec.alias, room_id)

    async def _conclude(self) -> Outcome:
        steps = self.plan().steps
        overrides = [step for step in steps if isinstance(step, ReportOverride)]
        notices = [*self._taken_aliases(), *self._notices, *map(self._override, overrides)]
        await self._record.conclude(self._survey, notices, overrides)
        unfinished = {step.place for step in steps if isinstance(step, SetField | Follow)}
        for place in sorted(self._survey.unready - unfinished):
            await self._record.finish(self._actual.rooms[place].room_id)
        return Outcome(tuple(self._taken), tuple(notices))

    def _taken_aliases(self) -> list[Notice]:
        command = self._tools.command
        found = []
        for spec in self._desired.rooms:
            if spec.place in self._actual.taken:
                stranger = self._actual.taken[spec.place]
                found.append(texts.alias_taken(spec, stranger, command, has_room=False))
            elif spec.place in self._actual.rooms and alias_is_taken(self._actual, spec):
                stranger = self._actual.directory[spec.alias] or ""
                found.append(texts.alias_taken(spec, stranger, command, has_room=True))
        return found

    def _override(self, step: ReportOverride) -> Notice:
        return texts.override(self._desired, self._actual, step, self._tools.command)

    def _refusal(self, step: Step, error: Refused) -> Notice:
        if isinstance(step, Leave):
            return texts.cannot_leave(step.room_id, str(error))
        spec = self._desired.spec(step.place)
        if isinstance(step, Rejoin):
            return texts.locked_out(self._desired, spec, self._actual.absent[step.place])
        return texts.refused(spec, step, str(error))

    def _waits(self, seconds: float) -> None:
        log.info("provision_waits", seconds=round(seconds, 1), rooms=len(self._actual.rooms))
        if seconds >= 1:
            wait = f"the homeserver asks us to wait {math.ceil(seconds)} s"
            self._tools.progress(f"{self._position()}: {wait}")

    def _position(self) -> str:
        total = len(self._desired.rooms)
        return f"room {min(len(self._actual.rooms) + 1, total)} of {total}"


def _facts(step: Step) -> dict[str, str]:
    """A step as the fields of a log line."""
    facts = {"step": type(step).__name__}
    if isinstance(step, Leave):
        return facts | {"room": step.room_id}
    facts |= {"kind": step.place.kind, "key": step.place.key}
    return facts | ({"field": str(step.field)} if isinstance(step, SetField) else {})
