"""Reading: what the network file wants, what the database remembers, what the homeserver shows."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from bot.domain.rooms.identity import recognise
from bot.domain.rooms.model import (
    CLUSTER,
    DESK,
    FORUM,
    THE_CONTROL_ROOM,
    THE_SPACE,
    Actual,
    Desired,
    Memory,
    Part,
    Place,
    RoomState,
    desired_rooms,
)
from bot.services.homeserver import Forbidden
from bot.services.instance import Instance
from bot.services.rooms.patience import Patience
from bot.services.rooms.tools import Tools
from config.locales import N_
from storage import rooms
from storage.rooms import Room

T = TypeVar("T")

READ_AT_ONCE = 8

CONTROL_NAME = N_("Control room")
CONTROL_TOPIC = N_("For admins: commands to the bot, and its alerts.")


@dataclass(frozen=True, slots=True)
class Survey:
    """``found`` are rooms of ours that the database does not know yet; ``unready`` are those that
    have not been completed before."""

    actual: Actual
    memories: Mapping[Place, Memory]
    found: frozenset[Place]
    unready: frozenset[Place]


def desired_of(instance: Instance) -> Desired:
    network = instance.network
    kinds = ((CLUSTER, network.clusters), (DESK, network.desks), (FORUM, _one(network.forum)))
    listed = [(Place(kind, room.key), room) for kind, some in kinds for room in some]
    parts = [
        _part(instance, THE_SPACE, network.name, network.topic or {}),
        _part(instance, THE_CONTROL_ROOM, _said(instance, CONTROL_NAME), _control_topic(instance)),
        *(_part(instance, place, room.name, room.topic) for place, room in listed),
    ]
    return desired_rooms(network.key, instance.user_id, instance.admins, network.access, parts)


class Surveyor:
    """Reads, and changes nothing."""

    def __init__(self, tools: Tools, ask: Patience) -> None:
        self._tools = tools
        self._desired = tools.desired
        self._homeserver = tools.homeserver
        self._ask = ask

    async def survey(self, *, thorough: bool = False) -> Survey:
        """Rooms the database does not know are looked at where a place has no room; with
        ``thorough`` in any case."""
        rows, others = await self._recall()
        remembered = {place: row.room_id for place, row in rows.items()}
        joined = await self._ask(self._homeserver.joined_rooms)
        directory = await self._directory()
        states = await self._states(joined & set(remembered.values()))
        lives = {room_id for room_id, room in states.items() if room.successor is None}
        if thorough or not lives.issuperset(remembered.get(each, "") for each in self._places):
            states |= await self._states(joined - others - states.keys())
        actual = recognise(self._desired, remembered, states, directory)
        return _survey(actual, rows)

    @property
    def _places(self) -> list[Place]:
        return [spec.place for spec in self._desired.rooms]

    async def _recall(self) -> tuple[dict[Place, Room], set[str]]:
        """The rows of our places, and the ids of all other rooms the bot knows."""
        async with self._tools.uow() as uow:
            managed = await rooms.managed(uow.session)
            direct = await rooms.of_kind(uow.session, rooms.DIRECT)
        rows = {Place(row.kind, row.key): row for row in managed}
        ours = {place: rows.pop(place) for place in self._places if place in rows}
        return ours, {row.room_id for row in [*rows.values(), *direct]}

    async def _directory(self) -> dict[str, str | None]:
        aliases = [spec.alias for spec in self._desired.rooms]
        found = await _side_by_side(
            lambda alias: self._ask(self._homeserver.resolve_alias, alias), aliases
        )
        return dict(zip(aliases, found, strict=True))

    async def _states(self, room_ids: Collection[str]) -> dict[str, RoomState]:
        found = await _side_by_side(self._state, sorted(room_ids))
        return {room.room_id: room for room in found if room is not None}

    async def _state(self, room_id: str) -> RoomState | None:
        try:
            return RoomState.of(room_id, await self._ask(self._homeserver.room_state, room_id))
        except Forbidden:
            return None  # we were taken out of it just now


async def _side_by_side(read: Callable[[str], Awaitable[T]], wanted: Iterable[str]) -> list[T]:
    """A few at a time: reading must not crowd out what the bot is there for."""
    turn = asyncio.Semaphore(READ_AT_ONCE)

    async def one(each: str) -> T:
        async with turn:
            return await read(each)

    return await asyncio.gather(*(one(each) for each in wanted))


def _survey(actual: Actual, rows: Mapping[Place, Room]) -> Survey:
    known = {
        place: rows[place]
        for place, room in actual.rooms.items()
        if place in rows and rows[place].room_id == room.room_id
    }
    found = actual.rooms.keys() - known.keys()
    ready = {place for place, row in known.items() if row.ready_at is not None}
    fresh = {place: Memory(successor=actual.rooms[place].successor) for place in found}
    memories = {place: _memory(row) for place, row in known.items()}
    return Survey(actual, fresh | memories, frozenset(found), frozenset(actual.rooms) - ready)


def _memory(row: Room) -> Memory:
    return Memory(row.applied or {}, frozenset(row.overrides or ()), row.successor)


def _one(value: T | None) -> tuple[T, ...]:
    return () if value is None else (value,)


def _part(
    instance: Instance, place: Place, name: Mapping[str, str], topic: Mapping[str, str]
) -> Part:
    network = instance.network
    alias = f"#{network.alias(place.key)}:{instance.server}"
    return Part(place, _in_order(instance, name), _in_order(instance, topic), alias)


def _in_order(instance: Instance, texts: Mapping[str, str]) -> list[str]:
    return [texts[language] for language in instance.network.languages if language in texts]


def _said(instance: Instance, message: str) -> dict[str, str]:
    return {each: instance.tr(each).plain(message) for each in instance.network.languages}


def _control_topic(instance: Instance) -> dict[str, str]:
    return _said(instance, CONTROL_TOPIC)
