"""Raw events become what happened, or are called malformed."""

from datetime import UTC, datetime
from typing import Any

import pytest

from bot.domain.incoming import (
    Encrypted,
    MembershipChange,
    Message,
    Reaction,
    Redaction,
    StateChange,
    Tombstone,
)
from bot.matrix.events import origin_time, parse, parse_fetched

ROOM = "!room"
ANNA = "@anna:example.org"
AT = datetime(2027, 1, 11, 9, 30, 0, 500_000, tzinfo=UTC)


def raw(kind: str, content: object, **more: Any) -> dict[str, Any]:
    return {
        "type": kind,
        "event_id": "$event",
        "sender": ANNA,
        "origin_server_ts": int(AT.timestamp() * 1000),
        "content": content,
        **more,
    }


def said(body: Any = "hello", /, **content: Any) -> dict[str, Any]:
    return raw("m.room.message", {"msgtype": "m.text", "body": body, **content})


def message(event: dict[str, Any]) -> Message:
    parsed = parse(ROOM, event)
    assert isinstance(parsed, Message)
    return parsed


class TestMessages:
    def test_a_message_says_who_what_where_and_when(self) -> None:
        event = said("Who knows flax?", format="org.matrix.custom.html", formatted_body="<b>W</b>")
        parsed = message(event)
        assert (parsed.room_id, parsed.event_id, parsed.sender) == (ROOM, "$event", ANNA)
        assert parsed.at == AT
        assert (parsed.body, parsed.html, parsed.msgtype) == (
            "Who knows flax?",
            "<b>W</b>",
            "m.text",
        )
        assert parsed.content == event["content"]
        assert (parsed.thread, parsed.reply_to, parsed.edits) == (None, None, None)
        assert parsed.root == "$event"

    def test_a_message_in_a_thread(self) -> None:
        relation = {
            "rel_type": "m.thread",
            "event_id": "$root",
            "m.in_reply_to": {"event_id": "$last"},
            "is_falling_back": True,
        }
        parsed = message(said(**{"m.relates_to": relation}))
        assert (parsed.thread, parsed.reply_to, parsed.root) == ("$root", None, "$root")

    def test_a_reply_in_a_thread(self) -> None:
        relation = {
            "rel_type": "m.thread",
            "event_id": "$root",
            "m.in_reply_to": {"event_id": "$meant"},
            "is_falling_back": False,
        }
        parsed = message(said(**{"m.relates_to": relation}))
        assert (parsed.thread, parsed.reply_to) == ("$root", "$meant")

    def test_a_reply_without_its_fallback(self) -> None:
        relation = {"m.in_reply_to": {"event_id": "$asked"}}
        parsed = message(
            said(
                "> <@bram:x> Who knows flax?\n> Or hemp?\n\nI do\n> not a quote of ours",
                formatted_body="<mx-reply><b>Who\nknows?</b></mx-reply>I <b>do</b>",
                **{"m.relates_to": relation},
            )
        )
        assert parsed.reply_to == "$asked"
        assert parsed.body == "I do\n> not a quote of ours"
        assert parsed.html == "I <b>do</b>"

    def test_a_quotation_that_is_no_reply_stays(self) -> None:
        assert message(said("> as they say\n\nyes")).body == "> as they say\n\nyes"

    def test_an_edit_says_the_new(self) -> None:
        parsed = message(
            said(
                "* new",
                **{
                    "m.new_content": {"msgtype": "m.notice", "body": "new"},
                    "m.relates_to": {"rel_type": "m.replace", "event_id": "$old"},
                },
            )
        )
        assert (parsed.edits, parsed.body, parsed.msgtype) == ("$old", "new", "m.notice")
        assert parsed.content == {"msgtype": "m.notice", "body": "new"}

    @pytest.mark.parametrize(
        ("mentions", "found"),
        [
            ({"user_ids": [ANNA, 7, None, "@bram:x", ANNA]}, {ANNA, "@bram:x"}),
            ({"room": True}, set()),
            ({"user_ids": None}, set()),
            ({"user_ids": ANNA}, set()),
            ("everybody", set()),
            (None, set()),
        ],
    )
    def test_mentions_are_taken_as_far_as_they_make_sense(
        self, mentions: object, found: set[str]
    ) -> None:
        assert message(said(**{"m.mentions": mentions})).mentions == found

    def test_what_cannot_be_stored_is_left_out_of_texts(self) -> None:
        parsed = message(said("a\x00b\ud800c", formatted_body="<i>\x00x</i>"))
        assert (parsed.body, parsed.html) == ("abc", "<i>x</i>")

    def test_a_redacted_message_is_nothing(self) -> None:
        assert parse(ROOM, raw("m.room.message", {})) is None


class TestOthers:
    def test_a_reaction(self) -> None:
        relation = {"rel_type": "m.annotation", "event_id": "$said", "key": "✅"}
        parsed = parse(ROOM, raw("m.reaction", {"m.relates_to": relation}))
        assert parsed == Reaction(
            room_id=ROOM, event_id="$event", sender=ANNA, at=AT, target="$said", key="✅"
        )

    @pytest.mark.parametrize("content", [{}, {"m.relates_to": {"rel_type": "m.reference"}}])
    def test_a_reaction_to_nothing_is_nothing(self, content: dict[str, Any]) -> None:
        assert parse(ROOM, raw("m.reaction", content)) is None

    @pytest.mark.parametrize(
        "event",
        [
            raw("m.room.redaction", {"redacts": "$said"}),
            raw("m.room.redaction", {"reason": "oops"}, redacts="$said"),
            raw("m.room.redaction", {"redacts": "$said"}, redacts="$said"),
        ],
        ids=["version 11", "before", "both"],
    )
    def test_a_redaction_of_any_room_version(self, event: dict[str, Any]) -> None:
        parsed = parse(ROOM, event)
        assert isinstance(parsed, Redaction)
        assert parsed.target == "$said"

    def test_a_change_of_membership(self) -> None:
        content = {"membership": "invite", "displayname": "Bot\x00", "is_direct": True}
        parsed = parse(ROOM, raw("m.room.member", content, state_key="@bot:x"))
        assert isinstance(parsed, MembershipChange)
        assert (parsed.user_id, parsed.membership) == ("@bot:x", "invite")
        assert (parsed.display_name, parsed.is_direct) == ("Bot", True)

    def test_a_name_may_be_missing_or_odd(self) -> None:
        for name in (None, 7, ["x"]):
            content = {"membership": "join", "displayname": name, "is_direct": "yes"}
            parsed = parse(ROOM, raw("m.room.member", content, state_key=ANNA))
            assert isinstance(parsed, MembershipChange)
            assert (parsed.display_name, parsed.is_direct) == (None, False)

    def test_what_we_cannot_read(self) -> None:
        parsed = parse(ROOM, raw("m.room.encrypted", {"algorithm": "m.megolm.v1.aes-sha2"}))
        assert isinstance(parsed, Encrypted)

    def test_an_upgrade(self) -> None:
        content = {"body": "moved", "replacement_room": "!new"}
        parsed = parse(ROOM, raw("m.room.tombstone", content, state_key=""))
        assert isinstance(parsed, Tombstone)
        assert parsed.successor == "!new"

    @pytest.mark.parametrize("kind", ["m.room.name", "m.room.topic"])
    def test_a_new_name_or_topic(self, kind: str) -> None:
        parsed = parse(ROOM, raw(kind, {"name": "Flax"}, state_key=""))
        assert isinstance(parsed, StateChange)
        assert (parsed.type, parsed.content) == (kind, {"name": "Flax"})

    def test_what_nobody_acts_on(self) -> None:
        assert parse(ROOM, raw("m.sticker", {"body": "cat"})) is None


MALFORMED: dict[str, dict[str, Any]] = {
    "nothing": {},
    "no sender": {key: each for key, each in said().items() if key != "sender"},
    "sender a number": {**said(), "sender": 7},
    "nul in the sender": {**said(), "sender": "@a\x00:x"},
    "no time": {key: each for key, each in said().items() if key != "origin_server_ts"},
    "time a word": {**said(), "origin_server_ts": "noon"},
    "time out of range": {**said(), "origin_server_ts": 10**30},
    "time before all": {**said(), "origin_server_ts": -(10**17)},
    "content a list": raw("m.room.message", ["x"]),
    "content missing": {key: each for key, each in said().items() if key != "content"},
    "body missing": raw("m.room.message", {"msgtype": "m.text"}),
    "body a number": said(7),
    "msgtype missing": raw("m.room.message", {"body": "x"}),
    "relation a word": said(**{"m.relates_to": "x"}),
    "thread of nothing": said(**{"m.relates_to": {"rel_type": "m.thread"}}),
    "edit without content": said(**{"m.relates_to": {"rel_type": "m.replace", "event_id": "$x"}}),
    "edit with a word": said(
        **{"m.relates_to": {"rel_type": "m.replace", "event_id": "$x"}, "m.new_content": "x"}
    ),
    "reaction without key": raw(
        "m.reaction", {"m.relates_to": {"rel_type": "m.annotation", "event_id": "$x"}}
    ),
    "nul in a target": raw(
        "m.reaction",
        {"m.relates_to": {"rel_type": "m.annotation", "event_id": "$\x00", "key": "✅"}},
    ),
    "half a character in a target": raw("m.room.redaction", {"redacts": "$\ud800"}),
    "redaction of nothing": raw("m.room.redaction", {}),
    "member without key": raw("m.room.member", {"membership": "join"}),
    "member without membership": raw("m.room.member", {}, state_key=ANNA),
    "tombstone to nowhere": raw("m.room.tombstone", {}, state_key=""),
    "name a list": raw("m.room.name", ["x"], state_key=""),
}


@pytest.mark.parametrize("event", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_events_are_named_so(event: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"malformed|invalid literal|out of range"):
        parse(ROOM, event)


class TestFetched:
    def edited(self, new: object, **content: Any) -> dict[str, Any]:
        edit = {"content": {"body": "* x", "m.new_content": new}}
        return {**said("old", **content), "unsigned": {"m.relations": {"m.replace": edit}}}

    def test_it_says_what_the_newest_edit_says(self) -> None:
        parsed = parse_fetched(ROOM, self.edited({"msgtype": "m.text", "body": "new"}))
        assert isinstance(parsed, Message)
        assert (parsed.body, parsed.event_id, parsed.edits) == ("new", "$event", None)

    def test_an_edit_does_not_move_it(self) -> None:
        relation = {"rel_type": "m.thread", "event_id": "$root", "is_falling_back": True}
        event = self.edited({"msgtype": "m.text", "body": "new"}, **{"m.relates_to": relation})
        parsed = parse_fetched(ROOM, event)
        assert isinstance(parsed, Message)
        assert (parsed.body, parsed.thread) == ("new", "$root")

    @pytest.mark.parametrize(
        "unsigned",
        [
            {},
            None,
            "x",
            {"m.relations": None},
            {"m.relations": {"m.replace": {"event_id": "$edit"}}},
            {"m.relations": {"m.replace": {"content": {"m.new_content": "x"}}}},
        ],
    )
    def test_without_an_edit_it_says_what_it_said(self, unsigned: object) -> None:
        parsed = parse_fetched(ROOM, {**said("old"), "unsigned": unsigned})
        assert isinstance(parsed, Message)
        assert parsed.body == "old"

    def test_a_redacted_one_is_nothing(self) -> None:
        assert parse_fetched(ROOM, raw("m.room.message", {}, unsigned={"age": 1})) is None


def test_times_are_aware() -> None:
    assert origin_time({"origin_server_ts": 0}) == datetime(1970, 1, 1, tzinfo=UTC)
