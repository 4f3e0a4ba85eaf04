"""The rooms of a homeserver as plain data, on which plans are carried out without any waiting."""

from collections.abc import Mapping
from itertools import count
from typing import Any

from bot.domain.rooms.fields import Field, creation, writes
from bot.domain.rooms.identity import recognise
from bot.domain.rooms.model import Actual, Desired, Memory, Place, RoomState
from bot.domain.rooms.plan import (
    CreateRoom,
    Discard,
    Invite,
    Leave,
    Rejoin,
    ReportOverride,
    SetField,
    Step,
    plan,
    settled,
)

Event = dict[str, Any]


class RoomWorld:
    """What the homeserver holds (``rooms``, ``directory``) and what the database remembers
    (``known``, ``memories``). ``outside`` are rooms the bot is not in."""

    def __init__(self, version: str = "12") -> None:
        self.version = version
        self.rooms: dict[str, dict[tuple[str, str], Event]] = {}
        self.directory: dict[str, str] = {}
        self.outside: set[str] = set()
        self.known: dict[Place, str] = {}
        self.memories: dict[Place, Memory] = {}
        self._numbers = count(1)

    def put(
        self, room_id: str, sender: str, type: str, content: Mapping[str, Any], key: str = ""
    ) -> None:
        event = {"type": type, "state_key": key, "sender": sender, "content": dict(content)}
        event["event_id"] = f"${next(self._numbers)}"
        self.rooms[room_id][type, key] = event

    def create(self, sender: str, content: Mapping[str, Any] | None = None) -> str:
        """A bare room: nobody has got beyond its first two events."""
        room_id = f"!{next(self._numbers)}"
        self.rooms[room_id] = {}
        first = {**(content or {}), "room_version": self.version}
        self.put(room_id, sender, "m.room.create", first)
        self.put(room_id, sender, "m.room.member", {"membership": "join"}, sender)
        return room_id

    def look(self, desired: Desired) -> Actual:
        inside = self.rooms.keys() - self.outside
        states = {each: RoomState.of(each, self.rooms[each].values()) for each in inside}
        directory = {spec.alias: self.directory.get(spec.alias) for spec in desired.rooms}
        return recognise(desired, self.known, states, directory)

    def plan(self, desired: Desired) -> tuple[Step, ...]:
        actual = self.look(desired)
        memories = {
            place: memory
            for place, memory in self.memories.items()
            if place in actual.rooms and actual.rooms[place].room_id == self.known.get(place)
        }
        return plan(desired, actual, memories)

    def provision(self, desired: Desired) -> tuple[Step, ...]:
        """Carry out a plan, then remember what there is; the steps that were taken."""
        steps = self.plan(desired)
        for step in steps:
            self.take(desired, step)
        actual = self.look(desired)
        for place, room in actual.rooms.items():
            same = self.known.get(place) == room.room_id
            before = self.memories.get(place, Memory()) if same else Memory()
            told = {each.field for each in _reports(steps) if each.place == place}
            after = settled(desired, actual, place, before)
            self.known[place] = room.room_id
            self.memories[place] = Memory(after.applied, after.overrides | told)
        return steps

    def take(self, desired: Desired, step: Step) -> None:
        actual = self.look(desired)
        match step:
            case CreateRoom(place):
                self._create(desired, actual, place)
            case Rejoin(place):
                self.outside.discard(actual.absent[place])
            case Discard(place):
                self._leave(actual.broken[place])
            case Leave(room_id):
                self._leave(room_id)
            case SetField(place, field):
                self._set(desired, actual, place, field)
            case Invite(place, user_id):
                room_id = actual.rooms[place].room_id
                invited = {"membership": "invite"}
                self.put(room_id, desired.bot, "m.room.member", invited, user_id)

    def _create(self, desired: Desired, actual: Actual, place: Place) -> None:
        spec = desired.spec(place)
        body = creation(desired, spec, self.version, actual.space)
        assert spec.alias not in self.directory, "the homeserver refuses this"
        room_id = self.create(desired.bot, body["creation_content"])
        self.directory[spec.alias] = room_id
        self.put(room_id, desired.bot, "m.room.power_levels", body["power_level_content_override"])
        self.put(room_id, desired.bot, "m.room.canonical_alias", {"alias": spec.alias})
        self.put(room_id, desired.bot, "m.room.name", {"name": body["name"]})
        if "topic" in body:
            self.put(room_id, desired.bot, "m.room.topic", {"topic": body["topic"]})
        for each in body["initial_state"]:
            self.put(room_id, desired.bot, each["type"], each["content"], each["state_key"])
        for user_id in body.get("invite", ()):
            invited = {"membership": "invite"}
            self.put(room_id, desired.bot, "m.room.member", invited, user_id)
        self.known[place] = room_id
        self.memories.pop(place, None)

    def _set(self, desired: Desired, actual: Actual, place: Place, field: Field) -> None:
        if field is Field.ALIAS:
            self.directory[desired.spec(place).alias] = actual.rooms[place].room_id
        for write in writes(desired, actual, place, field):
            power = RoomState.of(write.room_id, self.rooms[write.room_id].values()).power
            assert power.may_send_state(desired.bot, write.type), "the homeserver refuses this"
            self.put(write.room_id, desired.bot, write.type, write.content, write.key)

    def _leave(self, room_id: str) -> None:
        self.outside.add(room_id)
        self.directory = {name: to for name, to in self.directory.items() if to != room_id}


def _reports(steps: tuple[Step, ...]) -> list[ReportOverride]:
    return [each for each in steps if isinstance(each, ReportOverride)]
