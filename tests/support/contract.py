"""What the bot relies on a homeserver to do, checked on the fake and on a real Synapse.

A subclass gives the fixture ``world``. Accounts are new in each test and meet only in its rooms,
so many tests may share one homeserver.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pytest

from bot.demo.person import NotSeenError, Person, RefusedError, body_of
from bot.matrix.sync import TIMELINE_TYPES
from bot.services.homeserver import Forbidden, Homeserver, NotFound, Refused, TokenRejected

MESSAGE = "m.room.message"
MEMBER = "m.room.member"
NOWHERE = "!" + "nowhere" * 6 + "x"
"""A room id as it should be, of no room."""

Event = dict[str, Any]


@dataclass(frozen=True)
class Account:
    user_id: str
    at: Homeserver


class World(Protocol):
    async def account(self, name: str) -> Account:
        """A new account; its id begins with the name."""
        ...

    async def person(self, name: str) -> Person: ...

    def with_wrong_token(self, account: Account) -> Homeserver: ...

    def alias(self, name: str) -> str:
        """An alias nobody has used."""
        ...


def text(body: str) -> dict[str, Any]:
    return {"msgtype": "m.text", "body": body}


def sync_filter(limit: int = 50, lazy: bool = True) -> dict[str, Any]:
    return {
        "presence": {"types": []},
        "room": {
            "ephemeral": {"types": []},
            "timeline": {"limit": limit, "types": TIMELINE_TYPES, "lazy_load_members": lazy},
            "state": {"types": [MEMBER], "lazy_load_members": lazy},
        },
    }


def section(answer: Mapping[str, Any], kind: str, room_id: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = answer.get("rooms", {}).get(kind, {}).get(room_id, {})
    return found


def timeline(answer: Mapping[str, Any], room_id: str, kind: str = "join") -> list[Event]:
    events: list[Event] = section(answer, kind, room_id).get("timeline", {}).get("events", [])
    return events


def bodies(events: Sequence[Event]) -> list[str]:
    return [body_of(event) for event in events if event["type"] == MESSAGE]


async def say(account: Account, room_id: str, *said: str) -> list[str]:
    return [
        await account.at.send_event(room_id, MESSAGE, text(each), f"{account.user_id}-{each}")
        for each in said
    ]


async def news(account: Account, since: str | None, limit: int = 50) -> dict[str, Any]:
    return await account.at.sync(since, 0, sync_filter(limit))


async def room_of(owner: Account, *others: Account, **body: Any) -> str:
    room_id = await owner.at.create_room(
        {"preset": "private_chat", "invite": [each.user_id for each in others], **body}
    )
    for each in others:
        await each.at.join(room_id)
    return room_id


class HomeserverContract:
    """``anna`` and ``bot`` are new accounts; what is tested is ``bot``'s ``Homeserver``."""

    @pytest.fixture
    async def anna(self, world: World) -> Account:
        return await world.account("anna")

    @pytest.fixture
    async def bot(self, world: World) -> Account:
        return await world.account("bot")

    # Sessions

    async def test_a_session_knows_whose_it_is(self, bot: Account) -> None:
        identity = await bot.at.whoami()
        assert identity.user_id == bot.user_id
        assert identity.device_id

    async def test_a_wrong_token_is_rejected(self, world: World, bot: Account) -> None:
        stranger = world.with_wrong_token(bot)
        with pytest.raises(TokenRejected) as rejected:
            await stranger.whoami()
        assert (rejected.value.status, rejected.value.errcode) == (401, "M_UNKNOWN_TOKEN")
        with pytest.raises(TokenRejected):
            await stranger.sync(None, 0, sync_filter())

    async def test_rooms_have_the_version_the_homeserver_prefers(self, bot: Account) -> None:
        room_id = await room_of(bot)
        creation = await bot.at.state_event(room_id, "m.room.create")
        assert creation is not None
        assert creation["room_version"] == await bot.at.default_room_version() == "12"
        assert room_id.startswith("!")
        assert ":" not in room_id

    # Sending

    async def test_a_transaction_is_carried_out_once(self, bot: Account) -> None:
        room_id = await room_of(bot)
        first = await bot.at.send_event(room_id, MESSAGE, text("once"), "txn")
        again = await bot.at.send_event(room_id, MESSAGE, text("once"), "txn")
        other = await bot.at.send_event(room_id, MESSAGE, text("twice"), "another")
        assert first == again != other
        assert bodies(timeline(await news(bot, None), room_id)) == ["once", "twice"]

    async def test_transactions_belong_to_whoever_sends(self, anna: Account, bot: Account) -> None:
        room_id = await room_of(bot, anna)
        mine = await bot.at.send_event(room_id, MESSAGE, text("mine"), "txn")
        hers = await anna.at.send_event(room_id, MESSAGE, text("hers"), "txn")
        assert mine != hers

    async def test_a_redaction_is_carried_out_once(self, bot: Account) -> None:
        room_id = await room_of(bot)
        [said] = await say(bot, room_id, "wrong room")
        first = await bot.at.redact(room_id, said, "txn")
        assert await bot.at.redact(room_id, said, "txn") == first

    async def test_only_those_who_joined_may_send(self, anna: Account, bot: Account) -> None:
        room_id = await room_of(anna)
        with pytest.raises(Forbidden) as never_in:
            await say(bot, room_id, "hello?")
        assert never_in.value.errcode == "M_FORBIDDEN"
        await anna.at.invite(room_id, bot.user_id)
        with pytest.raises(Forbidden):
            await say(bot, room_id, "hello?")
        await bot.at.join(room_id)
        await say(bot, room_id, "hello")
        await bot.at.leave(room_id)
        with pytest.raises(Forbidden):
            await say(bot, room_id, "and bye")

    async def test_nobody_may_send_to_a_room_that_is_not(self, bot: Account) -> None:
        with pytest.raises(Forbidden):
            await say(bot, NOWHERE, "hello?")

    async def test_power_levels_say_who_may_send(self, anna: Account, bot: Account) -> None:
        room_id = await room_of(anna, bot, power_level_content_override={"events_default": 10})
        with pytest.raises(Forbidden):
            await say(bot, room_id, "may I?")
        await say(anna, room_id, "creators may")

    async def test_what_is_too_large_is_refused(self, bot: Account) -> None:
        room_id = await room_of(bot)
        with pytest.raises(Refused) as refused:
            await bot.at.send_event(room_id, MESSAGE, text("x" * 70_000), "txn")
        assert (refused.value.status, refused.value.errcode) == (413, "M_TOO_LARGE")

    async def test_what_was_sent_can_be_looked_up(self, anna: Account, bot: Account) -> None:
        room_id = await room_of(anna, bot)
        [said] = await say(anna, room_id, "Who knows flax?")
        event = await bot.at.event(room_id, said)
        assert event is not None
        assert (event["sender"], event["content"]) == (anna.user_id, text("Who knows flax?"))
        assert await bot.at.event(room_id, "$nothing") is None

    async def test_an_event_comes_with_its_newest_edit(self, anna: Account, bot: Account) -> None:
        room_id = await room_of(anna, bot)
        [said] = await say(anna, room_id, "Tuseday")
        for number, body in enumerate(("Tuesday", "Wednesday")):
            edit = {
                **text(f"* {body}"),
                "m.new_content": text(body),
                "m.relates_to": {"rel_type": "m.replace", "event_id": said},
            }
            await anna.at.send_event(room_id, MESSAGE, edit, f"edit-{number}")
        event = await bot.at.event(room_id, said)
        assert event is not None
        assert event["content"] == text("Tuseday")
        newest = event["unsigned"]["m.relations"]["m.replace"]
        assert newest["content"]["m.new_content"] == text("Wednesday")

    # Redactions

    async def test_a_redaction_empties_the_message(self, anna: Account, bot: Account) -> None:
        room_id = await room_of(bot, anna)
        [said] = await say(bot, room_id, "wrong room")
        since = (await news(anna, None))["next_batch"]
        redaction = await bot.at.redact(room_id, said, "redaction")

        [seen] = timeline(await news(anna, since), room_id)
        assert (seen["type"], seen["event_id"]) == ("m.room.redaction", redaction)
        assert seen["content"]["redacts"] == seen["redacts"] == said
        emptied = await anna.at.event(room_id, said)
        assert emptied is not None
        assert emptied["content"] == {}
        assert emptied["unsigned"]["redacted_because"]["event_id"] == redaction

    async def test_only_power_redacts_what_others_said(self, anna: Account, bot: Account) -> None:
        room_id = await room_of(anna, bot)
        [hers] = await say(anna, room_id, "mine")
        [its] = await say(bot, room_id, "too")
        with pytest.raises(Forbidden):
            await bot.at.redact(room_id, hers, "bot-redacts")
        await anna.at.redact(room_id, its, "anna-redacts")
        emptied = await bot.at.event(room_id, its)
        assert emptied is not None
        assert emptied["content"] == {}

    async def test_what_is_not_there_can_be_redacted(self, bot: Account) -> None:
        """A homeserver need not have every event: the redaction waits for it, unseen."""
        room_id = await room_of(bot)
        since = (await news(bot, None))["next_batch"]
        assert (await bot.at.redact(room_id, "$nothing", "txn")).startswith("$")
        assert not section(await news(bot, since), "join", room_id)

    # Rooms

    async def test_a_new_room_is_what_was_asked_for(self, world: World, bot: Account) -> None:
        alias = world.alias("materials")
        marker = {"network": "test", "kind": "cluster", "key": "materials"}
        room_id = await bot.at.create_room(
            {
                "preset": "public_chat",
                "name": "Materials",
                "topic": "Textile and design",
                "room_alias_name": alias[1:].partition(":")[0],
                "creation_content": {"type": "m.space"},
                "initial_state": [
                    {"type": "org.clusterdesk.room", "state_key": "", "content": marker},
                    {"type": "m.room.guest_access", "content": {"guest_access": "forbidden"}},
                ],
                "power_level_content_override": {"invite": 50, "events": {"m.reaction": 0}},
            }
        )
        assert await bot.at.resolve_alias(alias) == room_id
        state = {
            (each["type"], each["state_key"]): each["content"]
            for each in await bot.at.room_state(room_id)
        }
        assert state["m.room.create", ""]["type"] == "m.space"
        assert state["m.room.name", ""] == {"name": "Materials"}
        assert state["m.room.topic", ""]["topic"] == "Textile and design"
        assert state["m.room.canonical_alias", ""] == {"alias": alias}
        assert state["m.room.join_rules", ""] == {"join_rule": "public"}
        assert state["m.room.history_visibility", ""] == {"history_visibility": "shared"}
        assert state["m.room.guest_access", ""] == {"guest_access": "forbidden"}
        assert state["org.clusterdesk.room", ""] == marker
        assert state[MEMBER, bot.user_id]["membership"] == "join"
        levels = state["m.room.power_levels", ""]
        assert (levels["users"], levels["invite"]) == ({}, 50)
        assert levels["events"] == {"m.reaction": 0}, "an override replaces the whole map"

    async def test_a_taken_alias_refuses_the_room(self, world: World, bot: Account) -> None:
        alias = world.alias("logistics")
        body = {"room_alias_name": alias[1:].partition(":")[0]}
        room_id = await bot.at.create_room(body)
        with pytest.raises(Refused) as refused:
            await bot.at.create_room(body)
        assert (refused.value.status, refused.value.errcode) == (400, "M_ROOM_IN_USE")
        assert await bot.at.joined_rooms() == {room_id}

    async def test_a_failure_leaves_a_half_made_room(self, world: World, bot: Account) -> None:
        """Creators must not be listed; the room and its alias are there all the same."""
        alias = world.alias("half")
        with pytest.raises(Refused):
            await bot.at.create_room(
                {
                    "room_alias_name": alias[1:].partition(":")[0],
                    "power_level_content_override": {"users": {bot.user_id: 100}},
                }
            )
        [room_id] = await bot.at.joined_rooms()
        assert await bot.at.resolve_alias(alias) == room_id
        assert await bot.at.state_event(room_id, "m.room.power_levels") is None

    async def test_creators_stand_above_all_levels(self, anna: Account, bot: Account) -> None:
        room_id = await room_of(bot, anna, creation_content={"additional_creators": [anna.user_id]})
        levels = await anna.at.state_event(room_id, "m.room.power_levels")
        assert levels is not None
        await anna.at.put_state(room_id, "m.room.power_levels", {**levels, "users_default": 5})
        await anna.at.put_state(room_id, "m.room.tombstone", {"replacement_room": "!x"})
        with pytest.raises(Refused):
            await bot.at.put_state(
                room_id, "m.room.power_levels", {**levels, "users": {anna.user_id: 100}}
            )

    async def test_nobody_lifts_a_level_above_their_own(self, anna: Account, bot: Account) -> None:
        room_id = await room_of(
            anna, bot, power_level_content_override={"users": {bot.user_id: 100}}
        )
        levels = await bot.at.state_event(room_id, "m.room.power_levels")
        assert levels is not None
        await bot.at.put_state(room_id, "m.room.power_levels", {**levels, "invite": 100})
        with pytest.raises(Forbidden):
            await bot.at.put_state(
                room_id, "m.room.power_levels", {**levels, "users": {bot.user_id: 101}}
            )

    # State

    async def test_state_goes_round(self, anna: Account, bot: Account) -> None:
        room_id = await room_of(bot, anna)
        content = {"via": ["example.org"], "order": "010"}
        event_id = await bot.at.put_state(room_id, "m.space.child", content, "!child")
        assert await anna.at.state_event(room_id, "m.space.child", "!child") == content
        assert await anna.at.state_event(room_id, "m.space.child", "!other") is None
        assert await anna.at.state_event(room_id, "m.room.topic") is None
        found = [each for each in await anna.at.room_state(room_id) if each["content"] == content]
        assert [(each["event_id"], each["state_key"]) for each in found] == [(event_id, "!child")]

    async def test_names_may_hold_any_character(self, world: World, bot: Account) -> None:
        """They are parts of an address, where most of these mean something."""
        room_id = await room_of(bot)
        key, kind, txn = "a/b?c#d%2F &é", "org.example.odd/kind?", "txn/1?#%"
        await bot.at.put_state(room_id, kind, {"odd": True}, key)
        assert await bot.at.state_event(room_id, kind, key) == {"odd": True}
        first = await bot.at.send_event(room_id, kind, {}, txn)
        assert await bot.at.send_event(room_id, kind, {}, txn) == first
        alias = world.alias("odd/é%")
        await bot.at.put_alias(alias, room_id)
        assert await bot.at.resolve_alias(alias) == room_id

    async def test_state_needs_power_and_presence(self, anna: Account, bot: Account) -> None:
        room_id = await room_of(anna)
        with pytest.raises(Forbidden):
            await bot.at.state_event(room_id, "m.room.name")
        with pytest.raises(Forbidden):
            await bot.at.room_state(room_id)
        with pytest.raises(Forbidden):
            await bot.at.joined_members(room_id)
        await anna.at.invite(room_id, bot.user_id)
        await bot.at.join(room_id)
        with pytest.raises(Forbidden):
            await bot.at.put_state(room_id, "m.room.name", {"name": "Mine"})

    async def test_changed_state_tells_what_was_before(self, anna: Account, bot: Account) -> None:
        room_id = await room_of(anna, bot, name="Before")
        since = (await news(bot, None))["next_batch"]
        await anna.at.put_state(room_id, "m.room.name", {"name": "After"})
        [seen] = timeline(await news(bot, since), room_id)
        assert seen["content"] == {"name": "After"}
        assert seen["unsigned"]["prev_content"] == {"name": "Before"}

    # Aliases

    async def test_aliases_come_and_go(self, world: World, anna: Account, bot: Account) -> None:
        alias = world.alias("desk")
        room_id = await room_of(bot, anna)
        assert await bot.at.resolve_alias(alias) is None
        await bot.at.put_alias(alias, room_id)
        assert await anna.at.resolve_alias(alias) == room_id
        with pytest.raises(Refused):
            await bot.at.put_alias(alias, room_id)
        with pytest.raises(Forbidden):
            await anna.at.delete_alias(alias)
        await bot.at.delete_alias(alias)
        assert await bot.at.resolve_alias(alias) is None
        with pytest.raises(NotFound):
            await bot.at.delete_alias(alias)

    async def test_an_alias_is_for_members(self, world: World, anna: Account, bot: Account) -> None:
        room_id = await room_of(anna)
        with pytest.raises(Forbidden):
            await bot.at.put_alias(world.alias("stolen"), room_id)

    async def test_the_shown_alias_must_exist(self, world: World, bot: Account) -> None:
        room_id = await room_of(bot)
        with pytest.raises(Refused) as refused:
            await bot.at.put_state(
                room_id, "m.room.canonical_alias", {"alias": world.alias("none")}
            )
        assert refused.value.errcode == "M_BAD_ALIAS"

    # Memberships

    async def test_an_invite_appears(self, anna: Account, bot: Account) -> None:
        since = (await news(bot, None))["next_batch"]
        room_id = await anna.at.create_room(
            {"preset": "private_chat", "is_direct": True, "invite": [bot.user_id], "name": "Us"}
        )
        answer = await news(bot, since)
        events = section(answer, "invite", room_id)["invite_state"]["events"]
        [invite] = [each for each in events if each.get("state_key") == bot.user_id]
        assert (invite["type"], invite["sender"]) == (MEMBER, anna.user_id)
        assert invite["content"]["membership"] == "invite"
        assert invite["content"]["is_direct"] is True
        assert "event_id" not in invite
        assert {"name": "Us"} in [each["content"] for each in events]
        assert not section(await news(bot, answer["next_batch"]), "invite", room_id)

    async def test_an_invite_is_told_until_it_is_answered(
        self, anna: Account, bot: Account
    ) -> None:
        room_id = await room_of(anna)
        await anna.at.invite(room_id, bot.user_id)
        answer = await news(bot, None)
        assert section(answer, "invite", room_id)
        await bot.at.join(room_id)
        answer = await news(bot, answer["next_batch"])
        assert not section(answer, "invite", room_id)
        assert section(answer, "join", room_id)

    async def test_leaving_appears(self, anna: Account, bot: Account) -> None:
        room_id = await room_of(anna, bot)
        since = (await news(bot, None))["next_batch"]
        await say(anna, room_id, "stay?")
        await bot.at.leave(room_id)
        await say(anna, room_id, "gone")
        answer = await news(bot, since)
        events = timeline(answer, room_id, "leave")
        assert bodies(events) == ["stay?"]
        assert events[-1]["content"]["membership"] == "leave"
        assert not section(answer, "join", room_id)
        assert room_id not in await bot.at.joined_rooms()
        assert not section(await news(bot, answer["next_batch"]), "leave", room_id)

    async def test_others_leave_in_the_timeline(self, anna: Account, bot: Account) -> None:
        room_id = await room_of(bot, anna)
        since = (await news(bot, None))["next_batch"]
        await anna.at.leave(room_id)
        [seen] = timeline(await news(bot, since), room_id)
        assert (seen["state_key"], seen["content"]["membership"]) == (anna.user_id, "leave")

    async def test_leaving_and_joining_twice_is_harmless(self, anna: Account, bot: Account) -> None:
        room_id = await room_of(anna, bot)
        assert await bot.at.join(room_id) == room_id
        await bot.at.leave(room_id)
        await bot.at.leave(room_id)
        with pytest.raises(Forbidden):
            await bot.at.join(room_id)

    async def test_an_invite_can_be_declined(self, anna: Account, bot: Account) -> None:
        room_id = await room_of(anna)
        await anna.at.invite(room_id, bot.user_id)
        since = (await news(bot, None))["next_batch"]
        await bot.at.leave(room_id)
        answer = await news(bot, since)
        assert not section(answer, "invite", room_id)
        assert [each["content"]["membership"] for each in timeline(answer, room_id, "leave")] == [
            "leave"
        ]
        with pytest.raises(Forbidden):
            await bot.at.join(room_id)

    async def test_joining_needs_an_open_door(self, world: World, bot: Account) -> None:
        anna = await world.account("anna")
        alias = world.alias("open")
        private = await room_of(anna)
        public = await room_of(
            anna, preset="public_chat", room_alias_name=alias[1:].partition(":")[0]
        )
        with pytest.raises(Forbidden):
            await bot.at.join(private)
        assert await bot.at.join(alias) == public
        with pytest.raises(NotFound):
            await bot.at.join(world.alias("none"))
        with pytest.raises(NotFound):
            await bot.at.join(NOWHERE)

    async def test_members_of_the_space_join_its_rooms(self, anna: Account, bot: Account) -> None:
        space = await room_of(anna, preset="public_chat")
        allow = {"type": "m.room_membership", "room_id": space}
        rule = {"join_rule": "restricted", "allow": [allow]}
        room_id = await room_of(
            anna,
            initial_state=[{"type": "m.room.join_rules", "state_key": "", "content": rule}],
        )
        with pytest.raises(Forbidden):
            await bot.at.join(room_id)
        await bot.at.join(space)
        await bot.at.join(room_id)
        await bot.at.leave(space)
        assert room_id in await bot.at.joined_rooms(), "the rule is for the moment of joining"

    async def test_strangers_knock_and_are_let_in(self, world: World, bot: Account) -> None:
        rule = {"join_rule": "knock_restricted", "allow": []}
        room_id = await room_of(
            bot, initial_state=[{"type": "m.room.join_rules", "state_key": "", "content": rule}]
        )
        private = await room_of(bot)
        since = (await news(bot, None))["next_batch"]
        anna = await world.person("anna")
        with pytest.raises(RefusedError):
            await anna.request("POST", "knock", private, body={})
        await anna.request("POST", "knock", room_id, body={"reason": "I make flax"})
        [knock] = timeline(await news(bot, since), room_id)
        assert (knock["state_key"], knock["content"]["membership"]) == (anna.user_id, "knock")
        assert knock["content"]["reason"] == "I make flax"
        with pytest.raises(RefusedError):
            await anna.join(room_id)
        await bot.at.invite(room_id, anna.user_id)
        assert await anna.join(room_id) == room_id

    async def test_power_removes_people(self, world: World, bot: Account) -> None:
        anna, bram = await world.person("anna"), await world.person("bram")
        room_id = await anna.create_room(preset="public_chat")
        for person in (bot.at, bram):
            await person.join(room_id)
        with pytest.raises(RefusedError):
            await bram.request("POST", "rooms", room_id, "kick", body={"user_id": bot.user_id})
        since = (await news(bot, None))["next_batch"]
        await anna.request("POST", "rooms", room_id, "ban", body={"user_id": bram.user_id})
        [ban] = timeline(await news(bot, since), room_id)
        assert (ban["sender"], ban["content"]["membership"]) == (anna.user_id, "ban")
        with pytest.raises(RefusedError):
            await bram.join(room_id)
        await anna.request("POST", "rooms", room_id, "unban", body={"user_id": bram.user_id})
        await bram.join(room_id)
        await anna.request("POST", "rooms", room_id, "kick", body={"user_id": bot.user_id})
        assert await bot.at.joined_rooms() == set()
        await bot.at.join(room_id)

    async def test_members_are_listed_by_name(self, anna: Account, bot: Account) -> None:
        room_id = await room_of(bot, anna)
        since = (await news(bot, None))["next_batch"]
        await anna.at.put_display_name("Anna De Wever")
        assert await bot.at.display_name(anna.user_id) == "Anna De Wever"
        await bot.at.sync(since, 10_000, sync_filter())
        members = await bot.at.joined_members(room_id)
        assert members.keys() == {anna.user_id, bot.user_id}
        assert members[anna.user_id] == "Anna De Wever"
        await anna.at.leave(room_id)
        assert (await bot.at.joined_members(room_id)).keys() == {bot.user_id}

    async def test_a_new_name_is_no_new_join(self, anna: Account, bot: Account) -> None:
        room_id = await room_of(bot, anna)
        since = (await news(bot, None))["next_batch"]
        await bot.at.put_display_name("clusterdesk")
        [seen] = timeline(await bot.at.sync(since, 10_000, sync_filter()), room_id)
        assert seen["content"]["displayname"] == "clusterdesk"
        assert seen["unsigned"]["prev_content"]["membership"] == "join"

    # Sync

    async def test_tokens_follow_each_other(self, anna: Account, bot: Account) -> None:
        """Nothing twice, nothing lost."""
        room_id = await room_of(anna, bot)
        await say(anna, room_id, "0")
        answer = await news(bot, None)
        told = bodies(timeline(answer, room_id))
        for step in range(1, 10, 3):
            await say(anna, room_id, *(str(step + more) for more in range(3)))
            answer = await news(bot, answer["next_batch"])
            told += bodies(timeline(answer, room_id))
        assert told == [str(number) for number in range(10)]
        assert not section(await news(bot, answer["next_batch"]), "join", room_id)

    async def test_a_token_can_be_used_again(self, anna: Account, bot: Account) -> None:
        """After a crash the bot asks once more with the token it had stored."""
        room_id = await room_of(anna, bot)
        since = (await news(bot, None))["next_batch"]
        await say(anna, room_id, "one", "two")
        assert bodies(timeline(await news(bot, since), room_id)) == ["one", "two"]
        await say(anna, room_id, "three")
        # The homeserver may remember what it answered: the rest is then in the next one.
        again = await news(bot, since)
        rest = await news(bot, again["next_batch"])
        told = [*timeline(again, room_id), *timeline(rest, room_id)]
        assert bodies(told) == ["one", "two", "three"]

    async def test_a_long_poll_ends_with_news(self, anna: Account, bot: Account) -> None:
        room_id = await room_of(anna, bot)
        since = (await news(bot, None))["next_batch"]
        poll = asyncio.create_task(bot.at.sync(since, 20_000, sync_filter()))
        await asyncio.sleep(0.05)
        await say(anna, room_id, "awake?")
        async with asyncio.timeout(10):
            assert bodies(timeline(await poll, room_id)) == ["awake?"]

    async def test_a_cut_timeline_can_be_filled(self, anna: Account, bot: Account) -> None:
        room_id = await room_of(anna, bot)
        since = (await news(bot, None))["next_batch"]
        said = [str(number) for number in range(25)]
        await say(anna, room_id, *said)

        found = section(await news(bot, since, limit=5), "join", room_id)["timeline"]
        assert found["limited"] is True
        assert bodies(found["events"]) == said[20:]
        gap: list[Event] = []
        start = found["prev_batch"]
        while start is not None:
            page = await bot.at.messages_before(
                room_id, start, stop=since, limit=8, types=TIMELINE_TYPES
            )
            gap += page.events
            start = page.end
        assert bodies(gap[::-1]) == said[:20]
        assert len({event["event_id"] for event in gap}) == len(gap) == 20

    async def test_a_whole_timeline_says_so(self, anna: Account, bot: Account) -> None:
        room_id = await room_of(anna, bot)
        since = (await news(bot, None))["next_batch"]
        await say(anna, room_id, "1", "2", "3")
        found = section(await news(bot, since, limit=3), "join", room_id)["timeline"]
        assert found["limited"] is False
        assert bodies(found["events"]) == ["1", "2", "3"]

    async def test_a_room_can_be_read_from_its_end(self, anna: Account, bot: Account) -> None:
        room_id = await room_of(anna, bot)
        await say(anna, room_id, "1", "2", "3")
        page = await bot.at.messages_before(room_id, "", stop=None, limit=2, types=[MESSAGE])
        assert bodies(page.events) == ["3", "2"]
        assert page.end is not None
        page = await bot.at.messages_before(room_id, page.end, stop=None, limit=2, types=[MESSAGE])
        assert bodies(page.events) == ["1"]

    async def test_only_members_read(self, anna: Account, bot: Account) -> None:
        room_id = await room_of(anna)
        with pytest.raises(Forbidden):
            await bot.at.messages_before(room_id, "", stop=None, limit=2, types=[MESSAGE])
        with pytest.raises(Forbidden):
            await bot.at.messages_before(NOWHERE, "", stop=None, limit=2, types=[MESSAGE])

    async def test_a_new_room_comes_with_its_history(self, anna: Account, bot: Account) -> None:
        room_id = await room_of(anna)
        await say(anna, room_id, "before")
        await anna.at.invite(room_id, bot.user_id)
        since = (await news(bot, None))["next_batch"]
        await bot.at.join(room_id)
        await say(anna, room_id, "after")
        found = section(await news(bot, since), "join", room_id)["timeline"]
        assert found["limited"] is True
        assert bodies(found["events"]) == ["before", "after"]
        own = [each for each in found["events"] if each.get("state_key") == bot.user_id]
        assert [each["content"]["membership"] for each in own] == ["invite", "join"]
        assert own[1]["unsigned"]["prev_content"]["membership"] == "invite"

    async def test_own_events_come_back_with_their_transaction(
        self, anna: Account, bot: Account
    ) -> None:
        room_id = await room_of(anna, bot)
        since = {each: (await news(each, None))["next_batch"] for each in (anna, bot)}
        said = await bot.at.send_event(room_id, MESSAGE, text("me"), "my-message")
        await bot.at.redact(room_id, said, "my-redaction")

        mine = timeline(await news(bot, since[bot]), room_id)
        assert [each["unsigned"].get("transaction_id") for each in mine] == [
            "my-message",
            "my-redaction",
        ]
        hers = timeline(await news(anna, since[anna]), room_id)
        assert [each["unsigned"].get("transaction_id") for each in hers] == [None, None]
        page = await bot.at.messages_before(
            room_id, "", stop=None, limit=1, types=["m.room.redaction"]
        )
        assert page.events[0]["unsigned"]["transaction_id"] == "my-redaction"

    async def test_a_filter_keeps_other_events_out(self, anna: Account, bot: Account) -> None:
        room_id = await room_of(anna, bot)
        since = (await news(bot, None))["next_batch"]
        await anna.at.put_state(room_id, "m.room.avatar", {"url": "mxc://example.org/x"})
        answer = await news(bot, since)
        assert not section(answer, "join", room_id)
        await say(anna, room_id, "look")
        assert bodies(timeline(await news(bot, answer["next_batch"]), room_id)) == ["look"]

    async def test_members_are_told_when_they_speak(self, world: World, bot: Account) -> None:
        people = [await world.account(f"person-{number}") for number in range(8)]
        room_id = await room_of(people[0], *people[1:], bot)
        await say(people[7], room_id, "first")

        first = await news(bot, None, limit=1)
        told = _members(first, room_id)
        assert {people[7].user_id, bot.user_id} <= told
        silent = next(each for each in people if each.user_id not in told)
        await say(people[7], room_id, "again")
        second = await news(bot, first["next_batch"])
        assert _members(second, room_id) == set()
        await say(silent, room_id, "me too")
        third = await news(bot, second["next_batch"])
        assert _members(third, room_id) == {silent.user_id}

    async def test_moves_within_a_gap_are_told_in_the_state(
        self, anna: Account, bot: Account
    ) -> None:
        """So the state is newer than the events that fill the gap."""
        room_id = await room_of(bot, anna)
        since = (await news(bot, None))["next_batch"]
        await anna.at.leave(room_id)
        await bot.at.invite(room_id, anna.user_id)
        await anna.at.join(room_id)
        await say(anna, room_id, *(str(number) for number in range(10)))
        found = section(await news(bot, since, limit=5), "join", room_id)
        assert [
            (each["state_key"], each["content"]["membership"]) for each in found["state"]["events"]
        ] == [(anna.user_id, "join")]

    async def test_account_data_is_kept(self, anna: Account, bot: Account) -> None:
        assert await bot.at.account_data("m.direct") is None
        content = {anna.user_id: ["!room"]}
        await bot.at.put_account_data("m.direct", content)
        assert await bot.at.account_data("m.direct") == content
        assert await anna.at.account_data("m.direct") is None
        told = (await news(bot, None))["account_data"]["events"]
        assert {"type": "m.direct", "content": content} in told

    async def test_typing_is_for_members(self, anna: Account, bot: Account) -> None:
        room_id = await room_of(anna)
        with pytest.raises(Forbidden):
            await bot.at.typing(room_id, True)
        await anna.at.typing(room_id, True)
        await anna.at.typing(room_id, False)

    # People

    async def test_people_talk(self, world: World) -> None:
        anna, bram = await world.person("anna"), await world.person("bram")
        room_id = await anna.create_room(invite=[bram.user_id])
        invite = await bram.wait_for_invite(anna.user_id)
        assert (await bram.accept(invite), bram.invites()) == (room_id, [])

        root = await anna.say(room_id, "Who knows flax?")
        inside = await bram.say(room_id, "I do", thread=root, mentions=[anna.user_id])
        edit = await bram.edit(room_id, inside, "I do!")
        reaction = await anna.react(room_id, inside, "✅")
        seen = await bram.wait_for(lambda event: event["event_id"] == reaction, room_id)
        assert seen["content"]["m.relates_to"]["key"] == "✅"
        [threaded] = await anna.thread_messages(room_id, root)
        assert (threaded["event_id"], body_of(threaded)) == (inside, "I do")
        order = [event["event_id"] for event in await anna.messages(room_id, limit=4)]
        assert order == [root, inside, edit, reaction]

        await bram.redact(room_id, inside, "no time after all")
        await anna.wait_for(lambda event: event["type"] == "m.room.redaction", room_id)
        assert body_of(await anna.event(room_id, inside)) == ""
        await bram.leave(room_id)
        with pytest.raises(RefusedError) as refused:
            await bram.say(room_id, "Still here?")
        assert (refused.value.status, refused.value.errcode) == (403, "M_FORBIDDEN")

    async def test_people_see_what_is_new_to_them(self, world: World) -> None:
        anna, bram = await world.person("anna"), await world.person("bram")
        room_id = await anna.create_room(preset="public_chat")
        await anna.say(room_id, "before")
        await bram.join(room_id)
        await bram.wait_for(lambda event: body_of(event) == "before", room_id)
        mark = bram.mark()
        await anna.say(room_id, "after")
        seen = await bram.wait_for(lambda event: body_of(event) != "", room_id, since=mark)
        assert body_of(seen) == "after"
        with pytest.raises(NotSeenError, match="an answer"):
            await bram.wait_for(lambda event: False, room_id, timeout=0.1, awaited="an answer")

    async def test_people_keep_direct_rooms(self, world: World) -> None:
        anna, bram = await world.person("anna"), await world.person("bram")
        room_id = await anna.direct_room(bram.user_id)
        invite = await bram.wait_for_invite()
        assert (invite.room_id, invite.direct) == (room_id, True)
        await bram.accept(invite)
        assert await bram.account_data("m.direct") == {anna.user_id: [room_id]}
        assert await anna.direct_room(bram.user_id) == room_id

    async def test_people_send_files(self, world: World) -> None:
        anna, bram = await world.person("anna"), await world.person("bram")
        mxc = await anna.upload("prix 2 €".encode(), "text/plain", "prix.txt")
        assert (await bram.download(mxc)).decode() == "prix 2 €"
        with pytest.raises(RefusedError) as refused:
            await bram.download(f"{mxc}x")
        assert refused.value.status == 404


def _members(answer: Mapping[str, Any], room_id: str) -> set[str]:
    events = section(answer, "join", room_id).get("state", {}).get("events", [])
    return {event["state_key"] for event in events if event["type"] == MEMBER}
