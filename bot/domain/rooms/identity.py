"""Which room is which: known by the database, else by its marker, else by its alias.

A room that strangers made is never taken, whatever its name or alias; and a room of ours is never
left while anybody else is in it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from bot.domain.power import POWER_LEVELS
from bot.domain.rooms.model import SPACE, Actual, Desired, Place, RoomSpec, RoomState

Strays = Mapping[Place, Sequence[RoomState]]


def recognise(
    desired: Desired,
    remembered: Mapping[Place, str],
    states: Mapping[str, RoomState],
    directory: Mapping[str, str | None],
) -> Actual:
    """``states`` are rooms the bot is in: the remembered ones, and strays it has no memory of."""
    known = frozenset(remembered.values())
    strays = _strays(desired, known, states.values())
    rooms: dict[Place, RoomState] = {}
    absent: dict[Place, str] = {}
    taken: dict[Place, str] = {}
    broken: dict[Place, str] = {}
    for spec in desired.rooms:
        place, leads_to = spec.place, directory.get(spec.alias)
        room = _marked(desired, spec, states.get(remembered.get(place, "")), strays, leads_to)
        room = room or _unmarked(desired, states.get(leads_to or ""), known)
        if room is not None and _can_serve(room, place, desired.bot):
            rooms[place] = room
        elif room is not None and is_unused(room, desired.bot) and leads_to in (None, room.room_id):
            broken[place] = room.room_id
        elif room is None and leads_to is not None and place in remembered:
            absent[place] = remembered[place]
        elif leads_to is not None:
            taken[place] = leads_to
        # Otherwise there is none: without an alias too, the room was most likely deleted.
    return Actual(rooms, directory, absent, taken, broken, _spare(rooms, strays, desired.bot))


def place_of(room: RoomState, desired: Desired) -> Place | None:
    """The part this room plays in the network, by a marker that only the bot can have put."""
    marker = room.marked_by(desired.bot)
    place = Place(str(marker.get("kind")), str(marker.get("key")))
    return place if marker == desired.marker(place) else None


def is_unused(room: RoomState, bot: str) -> bool:
    """Whether nobody but the bot is in it."""
    users = (key for type, key in room.events if type == "m.room.member")
    return all(user == bot or room.membership(user) != "join" for user in users)


def _can_serve(room: RoomState, place: Place, bot: str) -> bool:
    """Whether the bot can make this room what it should be, or people use it as it is.

    A room's type is fixed for ever.
    """
    completable = room.power.may_send_state(bot, POWER_LEVELS)
    return room.is_space == (place.kind == SPACE) and (completable or not is_unused(room, bot))


def _strays(
    desired: Desired, known: frozenset[str], rooms: Iterable[RoomState]
) -> dict[Place, list[RoomState]]:
    strays: dict[Place, list[RoomState]] = defaultdict(list)
    for room in rooms:
        place = place_of(room, desired)
        if place is not None and room.room_id not in known:
            strays[place].append(room)
    return strays


def _marked(
    desired: Desired,
    spec: RoomSpec,
    remembered: RoomState | None,
    strays: Strays,
    leads_to: str | None,
) -> RoomState | None:
    """The remembered room unless it was replaced; then, or without one, the likeliest stray."""

    def rank(room: RoomState) -> tuple[bool, ...]:
        serves = _can_serve(room, spec.place, desired.bot)
        return serves, room.successor is None, room is remembered, room.room_id == leads_to

    own = [remembered] if remembered is not None else []
    return max([*own, *strays.get(spec.place, ())], key=rank, default=None)


def _unmarked(desired: Desired, room: RoomState | None, known: frozenset[str]) -> RoomState | None:
    """The room at the alias, if the bot made it and did not come to mark it."""
    if room is None or room.create.get("sender") != desired.bot or room.room_id in known:
        return None
    return None if room.marked_by(desired.bot) or room.successor else room


def _spare(rooms: Mapping[Place, RoomState], strays: Strays, bot: str) -> frozenset[str]:
    """Rooms of ours that nobody uses, for places that have another one."""
    return frozenset(
        stray.room_id
        for place, found in strays.items()
        for stray in found
        if place in rooms and rooms[place] is not stray
        if stray.create.get("sender") == bot and not stray.successor and is_unused(stray, bot)
    )
