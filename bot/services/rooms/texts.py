"""What admins and operators read about rooms: plans before they are carried out, and troubles."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import assert_never

from bot.domain import content
from bot.domain.content import Piece
from bot.domain.rooms.fields import STATE_TYPES, Field, found
from bot.domain.rooms.model import THE_SPACE, Actual, Desired, Place, RoomSpec
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
)
from config.locales import N_, Translator, Value

STEPS = {
    Field.MARKER: N_("Mark {room} as a room of this network."),
    Field.POWER: N_("Give admins their power in {room}."),
    Field.JOIN_RULES: N_("Set who may join {room}."),
    Field.HISTORY: N_("Set who may read what was said in {room}."),
    Field.GUESTS: N_("Close {room} to guests without an account."),
    Field.NAME: N_("Set the name of {room}."),
    Field.TOPIC: N_("Set the topic of {room}."),
    Field.ALIAS: N_("Give {room} its address."),
    Field.PARENT: N_("Say in {room} that it belongs to the space."),
    Field.CHILD: N_("List {room} in the space."),
}
OVERRIDES = {
    Field.JOIN_RULES: N_("✏️ Who may join {room} is not what the network file says. I leave it so."),
    Field.HISTORY: N_(
        "✏️ Who may read what was said in {room} is not what the network file says. I leave it so."
    ),
    Field.GUESTS: N_("✏️ {room} has been opened to guests without an account. I leave it so."),
    Field.NAME: N_("✏️ {room} is called “{value}” now. I leave it so."),
    Field.TOPIC: N_("✏️ {room} has another topic than the network file says. I leave it so."),
    Field.ALIAS: N_("✏️ {room} no longer has the main address I gave it. I leave it so."),
    Field.CHILD: N_("✏️ {room} has been moved within the space. I leave it so."),
    Field.POWER: N_(
        "⚠️ I lack the power to look after {room}. Please give me power level 100 there, "
        "then send {command}."
    ),
}


@dataclass(frozen=True, slots=True)
class Notice:
    """Something for the admins. ``slot`` names the fact, so that it is told once."""

    slot: str
    message: str
    values: Mapping[str, Value] = field(default_factory=dict)

    def said(self, tr: Translator) -> Piece:
        return tr(self.message, **self.values)


@dataclass(frozen=True, slots=True)
class Plan:
    """``notices`` are troubles that no step can mend; ``command`` is what admins type to carry a
    plan out."""

    desired: Desired
    actual: Actual
    steps: tuple[Step, ...]
    command: str
    notices: tuple[Notice, ...] = ()


def describe(plan: Plan, tr: Translator) -> list[Piece]:
    """What carrying out the plan would do, a line each; empty when there is nothing to do."""
    new = {step.place for step in plan.steps if isinstance(step, CreateRoom)}
    steps = [step for step in plan.steps if not _goes_without_saying(step, new)]
    return [_line(plan, step, tr) for step in steps] + [each.said(tr) for each in plan.notices]


def override(desired: Desired, actual: Actual, step: ReportOverride, command: str) -> Notice:
    spec, room = desired.spec(step.place), actual.rooms[step.place]
    event_id = room.event(STATE_TYPES[step.field]).get("event_id", "")
    values: dict[str, Value] = {"room": named(desired, spec, room.room_id)}
    if step.field is Field.NAME:
        values["value"] = str(found(actual, spec, step.field) or "")
    if step.field is Field.POWER:
        values["command"] = content.code(command)
    return Notice(_slot(step.place, step.field, event_id), OVERRIDES[step.field], values)


def alias_taken(spec: RoomSpec, room_id: str, command: str, *, has_room: bool) -> Notice:
    missing = N_(
        "⚠️ The address {alias} belongs to a room that I did not make. I leave that room alone, "
        "so {room} does not exist yet. Free the address, or choose another alias_prefix in the "
        "network file; then send {command}."
    )
    unreachable = N_(
        "⚠️ The address {alias} belongs to a room that I did not make, so {room} goes without it. "
        "Free the address, or choose another alias_prefix in the network file."
    )
    values = {"alias": content.code(spec.alias), "room": content.bold(spec.name)}
    slot = _slot(spec.place, "taken", room_id)
    if has_room:
        return Notice(slot, unreachable, values)
    return Notice(slot, missing, values | {"command": content.code(command)})


def locked_out(desired: Desired, spec: RoomSpec, room_id: str) -> Notice:
    message = N_(
        "⚠️ I am not in {room} any more and cannot come back by myself. Please invite me there."
    )
    return Notice(
        _slot(spec.place, "absent", room_id), message, {"room": named(desired, spec, room_id)}
    )


def refused(spec: RoomSpec, step: Step, reason: str) -> Notice:
    message = N_("⚠️ The homeserver refuses to let me look after {room}: {reason}")
    values = {"room": content.bold(spec.name), "reason": content.code(reason)}
    return Notice(_slot(spec.place, "refused", f"{step}"), message, values)


def cannot_leave(room_id: str, reason: str) -> Notice:
    message = N_("⚠️ I cannot leave {room}, a second copy that nobody uses: {reason}")
    values = {"room": content.code(room_id), "reason": content.code(reason)}
    return Notice(f"spare/{room_id}", message, values)


def invite_needed(desired: Desired, spec: RoomSpec, old: str, new: str) -> Notice:
    message = N_(
        "⚠️ {room} was replaced by {new}, and I cannot enter that room. Please invite me there."
    )
    return Notice(
        _slot(spec.place, "closed", f"{old} {new}"),
        message,
        {"room": content.bold(spec.name), "new": _link_to(desired, new)},
    )


def _link_to(desired: Desired, room_id: str) -> Piece:
    """By its address: its name may be that of another room."""
    return content.link(content.code(room_id), content.room_link(room_id, [desired.server]))


def not_followed(spec: RoomSpec, old: str, new: str) -> Notice:
    message = N_(
        "⚠️ Somebody says that {room} was replaced by {new}, but that room does not say the same, "
        "or they had no right to do it. I stay where I am."
    )
    return Notice(
        _slot(spec.place, "impostor", f"{old} {new}"),
        message,
        {"room": content.bold(spec.name), "new": content.code(new)},
    )


def named(desired: Desired, spec: RoomSpec, room_id: str) -> Piece:
    return content.link(content.bold(spec.name), content.room_link(room_id, [desired.server]))


def _goes_without_saying(step: Step, new: set[Place]) -> bool:
    return isinstance(step, SetField) and step.place in new


def _line(plan: Plan, step: Step, tr: Translator) -> Piece:
    if isinstance(step, Leave):
        message = N_("Leave {room}, a second copy that nobody uses.")
        return tr(message, room=content.code(step.room_id))
    spec = plan.desired.spec(step.place)
    room = content.bold(spec.name)
    match step:
        case CreateRoom(place) if place == THE_SPACE:
            return tr("Create the space {room}, {alias}.", room=room, alias=spec.alias)
        case CreateRoom():
            return tr("Create {room}, {alias}.", room=room, alias=spec.alias)
        case Rejoin():
            return tr("Come back to {room}.", room=room)
        case Follow():
            return tr("Follow {room} to the room that replaced it.", room=room)
        case Discard():
            return tr("Give up a half-made {room} and its address.", room=room)
        case SetField():
            return tr(STEPS[step.field], room=room)
        case Invite():
            return tr("Invite {person} to {room}.", person=step.user_id, room=room)
        case ReportOverride():
            return override(plan.desired, plan.actual, step, plan.command).said(tr)
    assert_never(step)


def _slot(place: Place, fact: str, detail: str) -> str:
    return f"{place.kind}/{place.key}/{fact}/{detail}"
