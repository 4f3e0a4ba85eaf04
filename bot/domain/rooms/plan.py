"""The steps from the rooms there are to the rooms there should be.

Where what was applied differs from what there is, a human has changed something: that is kept, and
told once. Where they agree and something else is desired now, the network file has changed: that is
written. What rooms cannot work without is mended without asking.

A step names what to do, not what to send: ids of rooms are known only once the rooms are made.
After the steps of a plan, another plan is empty.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from bot.domain.rooms.fields import (
    INVITED_AT_CREATION,
    KEPT,
    MENDED,
    STATE_TYPES,
    Field,
    alias_is_taken,
    found,
    wanted,
    writes,
)
from bot.domain.rooms.model import (
    THE_SPACE,
    Actual,
    Desired,
    Memory,
    Place,
    RoomSpec,
    RoomState,
)


@dataclass(frozen=True, slots=True)
class CreateRoom:
    place: Place


@dataclass(frozen=True, slots=True)
class Rejoin:
    place: Place


@dataclass(frozen=True, slots=True)
class Follow:
    """Take the successor a tombstone names, if it is one."""

    place: Place


@dataclass(frozen=True, slots=True)
class Discard:
    """Free the alias of a room of ours that cannot be completed, and leave it."""

    place: Place


@dataclass(frozen=True, slots=True)
class Leave:
    """Leave a second room for a place that has one."""

    room_id: str


@dataclass(frozen=True, slots=True)
class SetField:
    place: Place
    field: Field


@dataclass(frozen=True, slots=True)
class Invite:
    place: Place
    user_id: str


@dataclass(frozen=True, slots=True)
class ReportOverride:
    """Tell the admins that a field is not as desired and stays so.

    ``Field.POWER`` says that the bot lacks the power to look after the room.
    """

    place: Place
    field: Field


Step: TypeAlias = (
    CreateRoom | Rejoin | Follow | Discard | Leave | SetField | Invite | ReportOverride
)


def plan(desired: Desired, actual: Actual, memories: Mapping[Place, Memory]) -> tuple[Step, ...]:
    steps: list[Step] = [Leave(room_id) for room_id in sorted(actual.spare)]
    for spec in desired.rooms:
        steps += _steps(desired, actual, spec, memories.get(spec.place, Memory()))
    return tuple(steps)


def settled(desired: Desired, actual: Actual, place: Place, memory: Memory) -> Memory:
    """The memory after a look at the room: what is as desired counts as applied."""
    spec = desired.spec(place)
    same = {}
    for each in KEPT:
        value = found(actual, spec, each)
        if value is not None and value == wanted(actual, spec, each):
            same[str(each)] = value
    over = set(same)
    if in_charge(actual.rooms[place], desired.bot):
        over.add(Field.POWER)
    return Memory({**memory.applied, **same}, memory.overrides - over, memory.successor)


def in_charge(room: RoomState, bot: str) -> bool:
    """Whether the bot has the power to look after this room."""
    power = room.power
    types = [type for field, type in STATE_TYPES.items() if room.is_space or field != Field.CHILD]
    return power.may_invite(bot) and all(power.may_send_state(bot, type) for type in types)


def _steps(desired: Desired, actual: Actual, spec: RoomSpec, memory: Memory) -> Iterator[Step]:
    room = actual.rooms.get(spec.place)
    if spec.place in actual.absent:
        yield Rejoin(spec.place)
    elif room is None:
        yield from _creation(actual, spec)
    elif memory.successor is not None:
        yield Follow(spec.place)
    elif room.successor is None:
        yield from _changes(desired, actual, spec, memory)
        yield from _people(spec, room, desired.bot)


def _creation(actual: Actual, spec: RoomSpec) -> Iterator[Step]:
    space_is_lost = THE_SPACE in actual.taken or THE_SPACE in actual.absent
    if spec.place in actual.taken or (spec.order is not None and space_is_lost):
        return
    if spec.place in actual.broken:
        yield Discard(spec.place)
    yield CreateRoom(spec.place)
    if spec.order is not None:
        yield SetField(spec.place, Field.CHILD)
    for user_id in spec.invited[INVITED_AT_CREATION:]:
        yield Invite(spec.place, user_id)


def _changes(desired: Desired, actual: Actual, spec: RoomSpec, memory: Memory) -> Iterator[Step]:
    for field in Field:
        verdict = _verdict(desired, actual, spec, memory, field)
        if verdict is _Verdict.WRITE and _may_write(actual, spec, field, desired.bot):
            yield SetField(spec.place, field)
        elif verdict is _Verdict.OVERRIDDEN and field not in memory.overrides:
            yield ReportOverride(spec.place, field)
    powerless = not in_charge(actual.rooms[spec.place], desired.bot)
    if powerless and Field.POWER not in memory.overrides:
        yield ReportOverride(spec.place, Field.POWER)


def _people(spec: RoomSpec, room: RoomState, bot: str) -> Iterator[Step]:
    """Who has been there, or has declined, knows the way and is not asked again."""
    for user_id in spec.invited if room.power.may_invite(bot) else ():
        if room.membership(user_id) in (None, "knock"):
            yield Invite(spec.place, user_id)


class _Verdict(StrEnum):
    SAME = "same"
    WRITE = "write"
    OVERRIDDEN = "overridden"


def _verdict(
    desired: Desired, actual: Actual, spec: RoomSpec, memory: Memory, field: Field
) -> _Verdict:
    if field in MENDED:
        return _Verdict.WRITE if writes(desired, actual, spec.place, field) else _Verdict.SAME
    want, have = wanted(actual, spec, field), found(actual, spec, field)
    if want is None or have == want or (field is Field.ALIAS and alias_is_taken(actual, spec)):
        return _Verdict.SAME
    missing_child = field is Field.CHILD and have is None
    untouched = have == memory.applied.get(field)
    return _Verdict.WRITE if missing_child or untouched else _Verdict.OVERRIDDEN


def _may_write(actual: Actual, spec: RoomSpec, field: Field, bot: str) -> bool:
    room = actual.space if field is Field.CHILD else actual.rooms[spec.place]
    return room is not None and room.power.may_send_state(bot, STATE_TYPES[field])
