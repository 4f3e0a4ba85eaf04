"""Whatever became of the rooms, one plan puts them right, and leaves people's changes alone."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bot.domain.rooms.fields import KEPT, STATE_TYPES, Field, found
from bot.domain.rooms.model import (
    CLUSTER,
    DESK,
    THE_CONTROL_ROOM,
    THE_SPACE,
    Desired,
    Part,
    Place,
    desired_rooms,
)
from bot.domain.rooms.plan import Follow, ReportOverride
from tests.support.room_world import Event, RoomWorld

BOT, EVE = "@bot:example.org", "@eve:example.org"
ADMINS = ("@ann:example.org", "@ben:example.org")
PLACES = (THE_SPACE, THE_CONTROL_ROOM, Place(CLUSTER, "logistics"), Place(DESK, "funding"))


def network(places: tuple[Place, ...] = PLACES, prefix: str = "net-", name: str = "") -> Desired:
    parts = [
        Part(each, [f"{name}{each.key}"], [f"About {each.key}"], f"#{prefix}{each.key}:example.org")
        for each in places
    ]
    return desired_rooms("net", BOT, ADMINS, "public", parts)


DESIRED = network()
networks = st.builds(
    network,
    st.lists(st.sampled_from(PLACES[2:]), unique=True).map(lambda some: (*PLACES[:2], *some)),
    st.sampled_from(["net-", "new-"]),
    st.sampled_from(["", "Our "]),
)
CHANGES = {
    Field.NAME: {"name": "Ours now"},
    Field.TOPIC: {"topic": "Anything goes"},
    Field.JOIN_RULES: {"join_rule": "private"},
    Field.HISTORY: {"history_visibility": "joined"},
    Field.GUESTS: {"guest_access": "can_join"},
    Field.ALIAS: {"alias": "#elsewhere:example.org"},
}
places = st.sampled_from(PLACES)


def forget(world: RoomWorld, place: Place) -> None:
    """The database is lost."""
    world.known.pop(place, None)
    world.memories.pop(place, None)


def strip(world: RoomWorld, place: Place) -> None:
    """As createRoom leaves a room when it breaks in the middle."""
    room = _room(world, place)
    for key in set(room) - {("m.room.create", ""), ("m.room.member", BOT)}:
        del room[key]


def unmark(world: RoomWorld, place: Place) -> None:
    _room(world, place).pop((STATE_TYPES[Field.MARKER], ""), None)


def imitate(world: RoomWorld, place: Place) -> None:
    """Somebody replaces our marker by one of their own."""
    _put(world, place, STATE_TYPES[Field.MARKER], DESIRED.marker(THE_SPACE))


def steal(world: RoomWorld, place: Place) -> None:
    world.directory[DESIRED.spec(place).alias] = world.create(EVE)


def unlist(world: RoomWorld, place: Place) -> None:
    world.directory.pop(DESIRED.spec(place).alias, None)


def orphan(world: RoomWorld, place: Place) -> None:
    """Neither the space nor the room says that they belong together."""
    space, room_id = _room(world, THE_SPACE), world.known.get(place)
    space.pop(("m.space.child", room_id or ""), None)
    _room(world, place).pop(("m.space.parent", world.known.get(THE_SPACE, "")), None)


def lose(world: RoomWorld, place: Place) -> None:
    """The bot is taken out of the room."""
    if place in world.known:
        world.outside.add(world.known[place])


def delete(world: RoomWorld, place: Place) -> None:
    lose(world, place)
    unlist(world, place)


def disown(world: RoomWorld, place: Place) -> None:
    """Power levels without any admin."""
    levels = _room(world, place).get(("m.room.power_levels", ""))
    if levels is not None:
        content = {**levels["content"], "users": {BOT: 100} if world.version == "11" else {}}
        _put(world, place, "m.room.power_levels", content)


def dethrone(world: RoomWorld, place: Place) -> None:
    """Power levels that leave the bot nothing, where that is possible."""
    levels = _room(world, place).get(("m.room.power_levels", ""))
    if levels is not None and world.version == "11":
        _put(world, place, "m.room.power_levels", {**levels["content"], "users": {EVE: 100}})


def copy(world: RoomWorld, place: Place) -> None:
    """A second createRoom for the same place was carried out, too."""
    create = _room(world, place).get(("m.room.create", ""))
    if create is not None:
        world.create(BOT, create["content"])


def populate(world: RoomWorld, place: Place) -> None:
    _put(world, place, "m.room.member", {"membership": "join"}, key=EVE)


def change(field: Field) -> Callable[[RoomWorld, Place], None]:
    return lambda world, place: _put(world, place, STATE_TYPES[field], CHANGES[field])


MISHAPS = [forget, strip, unmark, imitate, steal, unlist, orphan, disown, populate]
# After these, what is to be done shows only once the bot is back in a room, or out of it.
DISASTERS = [lose, delete, dethrone, copy]
History = list[tuple[Callable[[RoomWorld, Place], None], Place]]
troubles = [*MISHAPS, *map(change, CHANGES)]
mishaps = st.lists(st.tuples(st.sampled_from(troubles), places), max_size=6)
histories = st.lists(st.tuples(st.sampled_from([*troubles, *DISASTERS]), places), max_size=6)
versions = st.sampled_from(["11", "12"])


@given(versions, mishaps, networks)
def test_after_the_steps_of_a_plan_another_is_empty(
    version: str, history: History, desired: Desired
) -> None:
    world = _after(history, RoomWorld(version))
    world.provision(desired)
    assert world.plan(desired) == ()


@given(versions, histories, networks)
def test_plans_come_to_an_end(version: str, history: History, desired: Desired) -> None:
    world = _after(history, RoomWorld(version))
    for _ in range(3):
        world.provision(desired)
    assert world.plan(desired) == ()


@given(versions, histories, networks)
def test_strangers_rooms_are_left_alone(version: str, history: History, desired: Desired) -> None:
    world, alias = RoomWorld(version), "#new-logistics:example.org"
    stranger = world.directory[alias] = world.create(EVE)
    world.put(stranger, EVE, STATE_TYPES[Field.MARKER], DESIRED.marker(THE_SPACE))
    before = dict(world.rooms[stranger])
    _after(history, world)
    for _ in range(3):
        world.provision(desired)
    assert world.rooms[stranger] == before
    assert stranger not in world.outside | set(world.known.values())
    assert world.directory[alias] == stranger


@given(places, st.sampled_from(sorted(CHANGES)), networks)
def test_what_humans_changed_stays_and_is_told_once(
    place: Place, field: Field, desired: Desired
) -> None:
    world = RoomWorld()
    world.provision(DESIRED)
    _put(world, place, STATE_TYPES[field], CHANGES[field])
    told = [step for _ in range(3) for step in world.provision(DESIRED)]
    assert told == [ReportOverride(place, field)]
    world.provision(desired)
    assert _content(world, place, field).items() >= CHANGES[field].items()


@given(places, st.sampled_from(sorted(CHANGES)))
def test_what_humans_put_back_is_forgotten(place: Place, field: Field) -> None:
    world = RoomWorld()
    world.provision(DESIRED)
    before = _content(world, place, field)
    _put(world, place, STATE_TYPES[field], CHANGES[field])
    world.provision(DESIRED)
    _put(world, place, STATE_TYPES[field], before)
    assert world.provision(DESIRED) == ()
    assert world.memories[place].overrides == frozenset()


@given(networks)
def test_a_changed_network_file_is_carried_out(desired: Desired) -> None:
    world = RoomWorld()
    world.provision(DESIRED)
    world.provision(desired)
    actual = world.look(desired)
    for spec in desired.rooms:
        assert found(actual, spec, Field.NAME) == spec.name
        assert found(actual, spec, Field.ALIAS) == spec.alias
        assert found(actual, spec, Field.CHILD) == spec.order


@given(histories)
def test_memories_can_be_stored(history: History) -> None:
    world = _after(history, RoomWorld())
    world.provision(DESIRED)
    for memory in world.memories.values():
        assert json.loads(json.dumps(memory.applied)) == memory.applied
        assert memory.applied.keys() <= {str(each) for each in KEPT}


def test_a_replaced_room_is_followed_or_left() -> None:
    world = RoomWorld()
    world.provision(DESIRED)
    place = PLACES[2]
    _put(world, place, "m.room.tombstone", {"replacement_room": "!next"})
    _put(world, place, "m.room.name", {"name": "Closed"})
    assert world.plan(DESIRED) == ()
    world.memories[place] = replace(world.memories[place], successor="!next")
    assert world.plan(DESIRED) == (Follow(place),)


def _after(history: History, world: RoomWorld) -> RoomWorld:
    """The world some time after its rooms were made."""
    world.provision(DESIRED)
    for happen, place in history:
        if place in world.known or happen is steal:
            happen(world, place)
    return world


def _room(world: RoomWorld, place: Place) -> dict[tuple[str, str], Event]:
    return world.rooms.get(world.known.get(place, ""), {})


def _content(world: RoomWorld, place: Place, field: Field) -> dict[str, Any]:
    return dict(_room(world, place)[STATE_TYPES[field], ""]["content"])


def _put(world: RoomWorld, place: Place, type: str, content: dict[str, Any], key: str = "") -> None:
    world.put(world.known[place], EVE, type, content, key)
