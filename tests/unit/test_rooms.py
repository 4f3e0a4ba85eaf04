"""What rooms there should be, and which room is which."""

from typing import Any

import pytest

from bot.domain.rooms.fields import Field, creation, writes
from bot.domain.rooms.identity import place_of
from bot.domain.rooms.model import (
    CLUSTER,
    DESK,
    FORUM,
    MARKER,
    THE_CONTROL_ROOM,
    THE_SPACE,
    Access,
    Actual,
    Desired,
    Part,
    Place,
    RoomState,
    desired_rooms,
    in_all_languages,
)
from bot.domain.rooms.plan import CreateRoom, Discard, Invite, SetField, plan, settled
from tests.support.room_world import RoomWorld

BOT, EVE = "@bot:example.org", "@eve:example.org"
LOGISTICS, FUNDING = Place(CLUSTER, "logistics"), Place(DESK, "funding")
PLACES = (LOGISTICS, THE_CONTROL_ROOM, FUNDING, Place(FORUM, "forum"), THE_SPACE)


def network(access: str = "public", admins: tuple[str, ...] = ("@ann:example.org",)) -> Desired:
    parts = [Part(each, [each.key], [], f"#n-{each.key}:example.org") for each in PLACES]
    return desired_rooms("net", BOT, admins, access, parts)


def marked(sender: str, marker: dict[str, str]) -> RoomState:
    return RoomState.of("!room", [{"type": MARKER, "sender": sender, "content": marker}])


def created(sender: str, content: dict[str, Any]) -> RoomState:
    return RoomState.of("!room", [{"type": "m.room.create", "sender": sender, "content": content}])


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["Logistique", "Logistiek", "Logistics"], "Logistique · Logistiek · Logistics"),
        (["INNOV", "INNOV ", "INNOV"], "INNOV"),
        (["Image et TIC", "", "Imaging"], "Image et TIC · Imaging"),
        ([], ""),
    ],
)
def test_a_name_says_each_language_once(texts: list[str], expected: str) -> None:
    assert in_all_languages(texts) == expected


def test_the_space_comes_first_then_the_control_room_then_its_children_in_order() -> None:
    rooms = network().rooms
    assert [room.place for room in rooms[:2]] == [THE_SPACE, THE_CONTROL_ROOM]
    assert [(room.place.key, room.order) for room in rooms[2:]] == [
        ("logistics", "010"),
        ("funding", "020"),
        ("forum", "030"),
    ]


def test_orders_sort_as_text_however_many_rooms_there_are() -> None:
    parts = [Part(Place(CLUSTER, f"c{n}"), ["C"], [], f"#c{n}:x") for n in range(120)]
    orders = [room.order or "" for room in desired_rooms("net", BOT, (), "public", parts).rooms]
    assert orders == sorted(orders)
    assert all(len(each) <= 50 for each in orders)


@pytest.mark.parametrize("access", ["public", "knock", "invite"])
def test_the_network_file_says_who_may_come_into_the_space(access: str) -> None:
    desired = network(access)
    assert desired.spec(THE_SPACE).access == access
    assert desired.spec(THE_CONTROL_ROOM).access is Access.INVITE
    assert desired.spec(LOGISTICS).access is Access.MEMBERS


def test_only_the_control_room_keeps_its_past_from_newcomers() -> None:
    desired = network()
    visible = {room.place.kind: room.history for room in desired.rooms}
    assert visible.pop("control") == "invited"
    assert set(visible.values()) == {"shared"}


def test_admins_are_invited_to_the_space_and_the_control_room() -> None:
    invited = {room.place for room in network().rooms if room.invited}
    assert invited == {THE_SPACE, THE_CONTROL_ROOM}


def test_the_bot_is_no_human_admin() -> None:
    assert network(admins=(BOT,)).admins == ()


def test_a_new_room_is_complete_from_the_start() -> None:
    desired = network()
    body = creation(desired, desired.spec(LOGISTICS), "12", RoomState("!space"))
    initial = {(each["type"], each["state_key"]): each["content"] for each in body["initial_state"]}
    assert initial["m.room.join_rules", ""] == {
        "join_rule": "restricted",
        "allow": [{"type": "m.room_membership", "room_id": "!space"}],
    }
    assert initial["m.room.guest_access", ""] == {"guest_access": "forbidden"}
    assert initial["m.room.history_visibility", ""] == {"history_visibility": "shared"}
    assert initial["m.space.parent", "!space"] == {"via": ["example.org"], "canonical": True}
    assert initial[MARKER, ""] == {"network": "net", "kind": "cluster", "key": "logistics"}
    assert body["room_alias_name"] == "n-logistics"
    assert body["creation_content"]["additional_creators"] == ["@ann:example.org"]
    assert body["creation_content"][MARKER] == initial[MARKER, ""]
    assert "invite" not in body


def test_before_version_12_there_are_no_additional_creators() -> None:
    desired = network()
    body = creation(desired, desired.spec(THE_SPACE), "11", None)
    assert "additional_creators" not in body["creation_content"]
    assert body["creation_content"]["type"] == "m.space"
    assert body["power_level_content_override"]["users"][BOT] == 100


def test_only_ten_people_are_invited_at_creation_and_the_rest_afterwards() -> None:
    people = tuple(f"@a{n:02}:example.org" for n in range(13))
    desired = network(admins=people)
    body = creation(desired, desired.spec(THE_CONTROL_ROOM), "12", None)
    assert body["invite"] == list(people[:10])
    late = [step for step in plan(desired, Actual(), {}) if isinstance(step, Invite)]
    expected = [(place, each) for place in (THE_SPACE, THE_CONTROL_ROOM) for each in people[10:]]
    assert [(step.place, step.user_id) for step in late] == expected


def test_a_marker_counts_only_if_the_bot_put_it() -> None:
    desired = network()
    marker = desired.marker(LOGISTICS)
    assert place_of(marked(BOT, marker), desired) == LOGISTICS
    assert place_of(created(BOT, {MARKER: marker}), desired) == LOGISTICS
    assert place_of(marked(EVE, marker), desired) is None
    assert place_of(created(EVE, {MARKER: marker}), desired) is None
    assert place_of(marked(BOT, marker | {"network": "other"}), desired) is None
    assert place_of(created(BOT, {}), desired) is None


def test_a_half_made_room_of_the_wrong_type_is_given_up() -> None:
    desired, world = network(), RoomWorld()
    alias = desired.spec(THE_SPACE).alias
    world.directory[alias] = world.create(BOT, {MARKER: desired.marker(THE_SPACE)})
    assert world.plan(desired)[:2] == (Discard(THE_SPACE), CreateRoom(THE_SPACE))


def test_an_unmarked_room_of_the_bot_at_our_alias_is_completed() -> None:
    desired, world = network(), RoomWorld()
    alias = desired.spec(THE_CONTROL_ROOM).alias
    half_made = world.directory[alias] = world.create(BOT)
    world.provision(desired)
    assert world.known[THE_CONTROL_ROOM] == half_made
    assert world.look(desired).rooms[THE_CONTROL_ROOM].power.level_of("@ann:example.org") == 100


def test_without_the_space_its_rooms_are_not_made() -> None:
    desired, world = network(), RoomWorld()
    world.directory[desired.spec(THE_SPACE).alias] = world.create(EVE)
    assert world.plan(desired) == (CreateRoom(THE_CONTROL_ROOM),)


def test_a_removed_child_is_listed_again_with_what_else_was_said_of_it() -> None:
    desired, world = network(), RoomWorld()
    world.provision(desired)
    space, room = world.known[THE_SPACE], world.known[FUNDING]
    world.put(space, EVE, "m.space.child", {"suggested": True, "order": "5"}, room)
    assert world.provision(desired) == (SetField(FUNDING, Field.CHILD),)
    content = world.rooms[space]["m.space.child", room]["content"]
    assert content == {"suggested": True, "order": "020", "via": ["example.org"]}


def test_after_an_upgrade_of_the_space_rooms_let_go_of_the_old_one() -> None:
    desired, world = network(), RoomWorld()
    world.provision(desired)
    old, room = world.known[THE_SPACE], world.known[FUNDING]
    create = {"type": "m.space", "predecessor": {"room_id": old}}
    world.known[THE_SPACE] = new = world.create(BOT, create)
    sent = writes(desired, world.look(desired), FUNDING, Field.PARENT)
    assert [(each.room_id, each.key, bool(each.content)) for each in sent] == [
        (room, old, False),
        (room, new, True),
    ]
    world.provision(desired)
    rules = world.rooms[room]["m.room.join_rules", ""]["content"]
    assert rules["allow"] == [{"type": "m.room_membership", "room_id": new}]


def test_an_old_alias_stays_beside_a_new_one() -> None:
    desired, world = network(), RoomWorld()
    world.provision(desired)
    parts = [Part(each, [each.key], [], f"#x-{each.key}:example.org") for each in PLACES]
    world.provision(desired_rooms("net", BOT, desired.admins, "public", parts))
    content = world.rooms[world.known[FUNDING]]["m.room.canonical_alias", ""]["content"]
    assert content == {"alias": "#x-funding:example.org", "alt_aliases": ["#n-funding:example.org"]}


def test_somebody_who_declined_is_not_invited_again() -> None:
    desired, world = network(), RoomWorld()
    world.provision(desired)
    (ann,) = desired.admins
    room_id = world.known[THE_CONTROL_ROOM]
    world.put(room_id, ann, "m.room.member", {"membership": "leave"}, ann)
    assert world.plan(desired) == ()
    world.put(room_id, ann, "m.room.member", {"membership": "knock"}, ann)
    assert world.plan(desired) == (Invite(THE_CONTROL_ROOM, ann),)


def test_the_memory_of_a_room_keeps_what_is_as_desired() -> None:
    desired, world = network(), RoomWorld()
    world.provision(desired)
    room_id = world.known[FUNDING]
    world.put(room_id, EVE, "m.room.name", {"name": "Money"})
    memory = settled(desired, world.look(desired), FUNDING, world.memories[FUNDING])
    assert memory.applied["name"] == "funding"
