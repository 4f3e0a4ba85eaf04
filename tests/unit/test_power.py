"""Creators, numbers, and rooms whose power levels were never sent."""

import math
from typing import Any

import pytest

from bot.domain.power import Power, desired_power, repaired, stand_above

BOT, ANN, BEN, EVE = (f"@{name}:example.org" for name in ("bot", "ann", "ben", "eve"))


def create(version: str = "12", sender: str = BOT, **content: Any) -> dict[str, Any]:
    return {"sender": sender, "content": {"room_version": version, **content}}


@pytest.mark.parametrize(
    ("version", "expected"),
    [("1", False), ("11", False), ("12", True), ("13", True), ("org.example.12", False)],
)
def test_creators_stand_above_from_version_12(version: str, expected: bool) -> None:
    assert stand_above(version) is expected


def test_creators_have_all_power_and_nobody_else_does() -> None:
    power = Power.of(create(additional_creators=[ANN]), {"users": {BEN: 100}})
    assert power.level_of(BOT) == power.level_of(ANN) == math.inf
    assert power.level_of(BEN) == 100
    assert power.level_of(EVE) == 0


def test_before_version_12_the_founder_is_a_number_like_others() -> None:
    power = Power.of(create("11", additional_creators=[ANN]), {"users": {BOT: 50}})
    assert power.level_of(BOT) == 50
    assert power.level_of(ANN) == 0


@pytest.mark.parametrize(("version", "founder"), [("11", 100), ("12", math.inf)])
def test_without_power_levels_everybody_sets_state(version: str, founder: float) -> None:
    power = Power.of(create(version), None)
    assert power.level_of(BOT) == founder
    assert power.may_send_state(EVE, "m.room.name")
    assert power.may_invite(EVE)
    assert not power.may_redact(EVE)


def test_empty_power_levels_are_not_the_same_as_none() -> None:
    power = Power.of(create("11"), {})
    assert power.level_of(BOT) == 0
    assert not power.may_send_state(EVE, "m.room.name")


def test_levels_of_old_rooms_may_be_strings() -> None:
    power = Power.of(create("9"), {"users": {ANN: " 100", BEN: "many"}, "state_default": "60"})
    assert power.level_of(ANN) == 100
    assert power.level_of(BEN) == 0
    assert power.needed("m.room.name") == 60


def test_malformed_levels_count_as_unsaid() -> None:
    power = Power.of(create("11"), {"users": [ANN], "events": None, "invite": [], "redact": None})
    assert power.level_of(ANN) == 0
    assert power.needed("m.room.name") == 50
    assert power.may_invite(ANN)
    assert not power.may_redact(ANN)


@pytest.mark.parametrize("kind", ["space", "cluster", "control"])
def test_in_version_12_the_level_for_replacing_a_room_is_out_of_reach(kind: str) -> None:
    power = Power.of(create(), desired_power("12", BOT, [ANN], kind) | {"users": {BEN: 100}})
    assert not power.may_send_state(BEN, "m.room.tombstone")
    assert power.may_send_state(BOT, "m.room.tombstone")


def test_before_version_12_admins_are_listed_and_may_replace_the_room() -> None:
    levels = desired_power("11", BOT, [ANN], "desk")
    assert levels["users"] == {BOT: 100, ANN: 100}
    assert Power.of(create("11"), levels).may_send_state(ANN, "m.room.tombstone")


def test_in_version_12_creators_are_not_listed() -> None:
    assert desired_power("12", BOT, [ANN], "desk")["users"] == {}


def test_members_talk_react_and_call_in_rooms_but_not_in_the_space() -> None:
    room = desired_power("12", BOT, [ANN], "cluster")
    space = desired_power("12", BOT, [ANN], "space")
    assert (room["events_default"], space["events_default"]) == (0, 100)
    for type in ("m.reaction", "m.call.member", "org.matrix.msc3401.call.member"):
        assert room["events"][type] == 0
        assert type not in space["events"]
    assert room["invite"] == space["invite"] == 50


def test_nothing_is_repaired_in_a_room_as_we_make_it() -> None:
    for version, creators in (("11", []), ("12", [ANN])):
        levels = desired_power(version, BOT, [ANN], "desk")
        power = Power.of(create(version, additional_creators=creators), levels)
        assert repaired(power, BOT, [ANN]) is None


def test_a_missing_admin_gets_power_and_a_demoted_one_does_not() -> None:
    levels = {"users": {BOT: 100, BEN: 0}, "events": {"m.room.name": 7}}
    mended = repaired(Power.of(create("11"), levels), BOT, [ANN, BEN])
    assert mended == {"users": {BOT: 100, BEN: 0, ANN: 100}, "events": {"m.room.name": 7}}


def test_a_new_admin_of_a_version_12_room_is_listed_and_creators_stay_unlisted() -> None:
    levels = desired_power("12", BOT, [ANN], "desk")
    mended = repaired(Power.of(create(additional_creators=[ANN]), levels), BOT, [ANN, BEN])
    assert mended is not None
    assert mended["users"] == {BEN: 100}


def test_the_bar_an_upgrade_copied_is_raised() -> None:
    copied = desired_power("11", BOT, [], "desk")
    mended = repaired(Power.of(create(), {**copied, "users": {}}), BOT, [])
    assert mended is not None
    assert mended["events"]["m.room.tombstone"] == 150
    assert mended["events"].keys() == copied["events"].keys()


def test_whoever_is_not_above_the_bar_leaves_it() -> None:
    copied = desired_power("11", BOT, [], "desk")
    assert repaired(Power.of(create(sender=EVE), copied), BOT, []) is None


def test_without_power_nothing_is_attempted() -> None:
    power = Power.of(create(sender=EVE), {"users": {BOT: 50}})
    assert repaired(power, BOT, [ANN]) is None
