"""What the bot sets in a room: which value it wishes, which it finds, and what it sends."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, TypeAlias

from bot.domain.power import POWER_LEVELS, desired_power, repaired, stand_above
from bot.domain.rooms.model import (
    MARKER,
    SPACE,
    Access,
    Actual,
    Content,
    Desired,
    Place,
    RoomSpec,
    RoomState,
    string,
)

INVITED_AT_CREATION = 10
"""Homeservers refuse a new room with more invitations than the burst of their limit allows."""

Value: TypeAlias = Any
"""What a field holds, as it is stored and compared: JSON, None for nothing."""


class Field(StrEnum):
    """In the order in which a half-made room is completed."""

    MARKER = "marker"
    POWER = "power"
    JOIN_RULES = "join_rules"
    HISTORY = "history"
    GUESTS = "guests"
    NAME = "name"
    TOPIC = "topic"
    ALIAS = "alias"
    PARENT = "parent"
    CHILD = "child"


MENDED = (Field.MARKER, Field.POWER, Field.PARENT)
"""Repaired whoever changed them: the room does not work without."""

KEPT = tuple(each for each in Field if each not in MENDED)
"""What humans may change. (A child that is missing is mended too; its order is theirs.)"""

STATE_TYPES: Mapping[Field, str] = {
    Field.MARKER: MARKER,
    Field.POWER: POWER_LEVELS,
    Field.JOIN_RULES: "m.room.join_rules",
    Field.HISTORY: "m.room.history_visibility",
    Field.GUESTS: "m.room.guest_access",
    Field.NAME: "m.room.name",
    Field.TOPIC: "m.room.topic",
    Field.ALIAS: "m.room.canonical_alias",
    Field.PARENT: "m.space.parent",
    Field.CHILD: "m.space.child",
}
_VALUE_KEYS = {
    Field.HISTORY: "history_visibility",
    Field.GUESTS: "guest_access",
    Field.NAME: "name",
    Field.TOPIC: "topic",
}


@dataclass(frozen=True, slots=True)
class StateWrite:
    room_id: str
    type: str
    key: str
    content: Content


def wanted(actual: Actual, spec: RoomSpec, field: Field) -> Value:
    """The desired value; None where the bot wishes nothing."""
    match field:
        case Field.NAME:
            return spec.name
        case Field.TOPIC:
            return spec.topic
        case Field.ALIAS:
            return spec.alias
        case Field.HISTORY:
            return spec.history
        case Field.GUESTS:
            return "forbidden"
        case Field.JOIN_RULES:
            return _join_rules(spec.access, actual.space)
        case Field.CHILD:
            return spec.order
    return None


def found(actual: Actual, spec: RoomSpec, field: Field) -> Value:
    """The value there is; None where it was never set, or was taken away."""
    room = actual.rooms[spec.place]
    content = room.content(STATE_TYPES[field])
    match field:
        case Field.ALIAS:
            return _main_alias(actual, spec)
        case Field.JOIN_RULES:
            return {key: content[key] for key in ("join_rule", "allow") if key in content} or None
        case Field.CHILD:
            link = actual.space.content("m.space.child", room.room_id) if actual.space else {}
            return link.get("order") if link.get("via") else None
    return content.get(_VALUE_KEYS[field])


def writes(desired: Desired, actual: Actual, place: Place, field: Field) -> tuple[StateWrite, ...]:
    """The state events that make a field as desired.

    Fields of ``MENDED`` that are well need none. An alias must lead to the room before its event
    is sent.
    """
    spec, room = desired.spec(place), actual.rooms[place]
    match field:
        case Field.MARKER:
            return _marker(desired, spec, room)
        case Field.POWER:
            return _power(desired, spec, room)
        case Field.PARENT:
            return _parent(desired, spec, room, actual.space)
        case Field.CHILD:
            return _child(desired, spec, room, actual.space)
    content = _content(actual, spec, field)
    return (StateWrite(room.room_id, STATE_TYPES[field], "", content),)


def creation(
    desired: Desired, spec: RoomSpec, version: str, space: RoomState | None, *, invite: bool = True
) -> dict[str, Any]:
    """The body of createRoom: all the room needs, so that it is never seen without.

    The content of the create event carries the marker too. That event is the first thing to exist,
    so whatever becomes of the rest, the room is known as ours.
    """
    create: dict[str, Any] = {MARKER: desired.marker(spec.place)}
    if spec.place.kind == SPACE:
        create["type"] = "m.space"
    if stand_above(version):
        create["additional_creators"] = list(desired.admins)
    body = {
        # `initial_state` says all that a preset decides. But homeservers may be set to encrypt the
        # rooms of the private presets, and those let every member invite.
        "preset": "public_chat",
        "visibility": "private",
        "room_version": version,
        "name": spec.name,
        "room_alias_name": spec.alias.removeprefix("#").partition(":")[0],
        "creation_content": create,
        "initial_state": _initial_state(desired, spec, space),
        "power_level_content_override": _first_power(desired, spec, version),
    }
    topic = {"topic": spec.topic} if spec.topic else {}
    first = spec.invited[:INVITED_AT_CREATION] if invite else ()
    return body | topic | ({"invite": list(first)} if first else {})


def alias_is_taken(actual: Actual, spec: RoomSpec) -> bool:
    """Whether the alias of a room that exists leads elsewhere, and not to what it was before."""
    room = actual.rooms[spec.place]
    return actual.directory.get(spec.alias) not in (None, room.room_id, room.predecessor)


def _main_alias(actual: Actual, spec: RoomSpec) -> str | None:
    """The room's main alias; the desired one only if it leads there."""
    room = actual.rooms[spec.place]
    main = string(room.content(STATE_TYPES[Field.ALIAS]).get("alias"))
    leads_elsewhere = main == spec.alias and actual.directory.get(main) != room.room_id
    return None if leads_elsewhere else main


def _join_rules(access: Access, space: RoomState | None) -> dict[str, Any] | None:
    if access is not Access.MEMBERS:
        return {"join_rule": access.value}
    if space is None:
        return None
    allowed = {"type": "m.room_membership", "room_id": space.room_id}
    return {"join_rule": access.value, "allow": [allowed]}


def _content(actual: Actual, spec: RoomSpec, field: Field) -> Content:
    value = wanted(actual, spec, field)
    match field:
        case Field.JOIN_RULES:
            return dict(value)
        case Field.ALIAS:
            before = actual.rooms[spec.place].content(STATE_TYPES[field])
            known = dict.fromkeys([*before.get("alt_aliases", ()), before.get("alias")])
            others = [alias for alias in known if alias not in (None, value)]
            return {"alias": value} | ({"alt_aliases": others} if others else {})
    return {_VALUE_KEYS[field]: value}


def _marker(desired: Desired, spec: RoomSpec, room: RoomState) -> tuple[StateWrite, ...]:
    marker = desired.marker(spec.place)
    if room.content(MARKER) == marker and room.event(MARKER).get("sender") == desired.bot:
        return ()
    return (StateWrite(room.room_id, MARKER, "", marker),)


def _power(desired: Desired, spec: RoomSpec, room: RoomState) -> tuple[StateWrite, ...]:
    power = room.power
    if (POWER_LEVELS, "") in room.events:
        content = repaired(power, desired.bot, desired.admins)
    else:
        first = _first_power(desired, spec, room.version)
        content = repaired(replace(power, levels=first), desired.bot, desired.admins) or first
    return (StateWrite(room.room_id, POWER_LEVELS, "", content),) if content else ()


def _first_power(desired: Desired, spec: RoomSpec, version: str) -> dict[str, Any]:
    return desired_power(version, desired.bot, desired.admins, spec.place.kind)


def _parent(
    desired: Desired, spec: RoomSpec, room: RoomState, space: RoomState | None
) -> tuple[StateWrite, ...]:
    if space is None or spec.order is None:
        return ()
    type, sent = STATE_TYPES[Field.PARENT], []
    if space.predecessor and room.content(type, space.predecessor):
        sent.append(StateWrite(room.room_id, type, space.predecessor, {}))
    if not room.content(type, space.room_id).get("via"):
        sent.append(StateWrite(room.room_id, type, space.room_id, _parent_link(desired)))
    return tuple(sent)


def _parent_link(desired: Desired) -> Content:
    return {"via": [desired.server], "canonical": True}


def _child(
    desired: Desired, spec: RoomSpec, room: RoomState, space: RoomState | None
) -> tuple[StateWrite, ...]:
    if space is None:
        return ()
    type = STATE_TYPES[Field.CHILD]
    link = {"via": [desired.server], "order": spec.order}
    content = {**space.content(type, room.room_id), **link}
    return (StateWrite(space.room_id, type, room.room_id, content),)


def _initial_state(
    desired: Desired, spec: RoomSpec, space: RoomState | None
) -> list[dict[str, Any]]:
    rules = _join_rules(spec.access, space) or {"join_rule": Access.INVITE.value}
    state: list[tuple[str, str, Content]] = [
        (STATE_TYPES[Field.JOIN_RULES], "", rules),
        (STATE_TYPES[Field.HISTORY], "", {"history_visibility": spec.history}),
        (STATE_TYPES[Field.GUESTS], "", {"guest_access": "forbidden"}),
        (MARKER, "", desired.marker(spec.place)),
    ]
    if spec.order is not None and space is not None:
        state.append((STATE_TYPES[Field.PARENT], space.room_id, _parent_link(desired)))
    return [{"type": type, "state_key": key, "content": content} for type, key, content in state]
