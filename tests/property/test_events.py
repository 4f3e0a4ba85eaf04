"""Whatever people and servers send: an event is understood, passed over, or called malformed."""

import dataclasses
import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bot.domain.incoming import Happened
from bot.matrix.events import parse, parse_fetched
from storage import outbox

KINDS = [
    "m.room.message",
    "m.reaction",
    "m.room.redaction",
    "m.room.member",
    "m.room.encrypted",
    "m.room.tombstone",
    "m.room.name",
    "m.sticker",
]
WORDS = [
    "m.relates_to",
    "rel_type",
    "event_id",
    "key",
    "m.in_reply_to",
    "is_falling_back",
    "m.new_content",
    "m.mentions",
    "user_ids",
    "body",
    "msgtype",
    "formatted_body",
    "redacts",
    "membership",
    "displayname",
    "replacement_room",
    "unsigned",
    "m.relations",
    "m.replace",
    "content",
]
VALUES = ["m.thread", "m.replace", "m.annotation", "$event", "@a:x", "m.text", "", "\x00", "\ud800"]
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(VALUES)
    | st.text(st.characters(exclude_categories=()), max_size=20)
)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=5), inner, max_size=6)
    ),
    max_leaves=25,
)
objects = st.dictionaries(st.sampled_from(WORDS), anything, max_size=8)
# Mostly right, so that the wrong part is met behind the right ones.
events = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(KINDS) | anything,
        "event_id": st.just("$event") | anything,
        "sender": st.just("@anna:x") | anything,
        "origin_server_ts": st.integers(0, 2**41) | anything,
        "content": objects | anything,
        "state_key": st.just("@anna:x") | anything,
        "redacts": st.just("$other") | anything,
        "unsigned": objects | anything,
    },
)


def texts(happened: Happened) -> list[str]:
    """All that may end up in a column of its own; ``content`` is stored as JSON."""
    found: list[str] = []
    for field in dataclasses.fields(happened):
        value = getattr(happened, field.name)
        found += [value] if isinstance(value, str) else []
        found += value if isinstance(value, frozenset) else []
    return found


@given(events)
def test_nothing_else_can_happen(raw: dict[str, Any]) -> None:
    for understand in (parse, parse_fetched):
        try:
            parsed = understand("!room", raw)
        except ValueError:
            continue
        if parsed is not None:
            assert parsed.at.tzinfo is not None
            assert not any(map(UNSTORABLE.search, texts(parsed)))


refs = st.integers(0, 3).map(lambda number: f"~txn:{outbox.txn_id('$cause', number)}")


@given(
    st.recursive(scalars | refs, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
)
def test_resolving_leaves_no_ref_and_changes_nothing_else(content: Any) -> None:
    wanted = outbox.refs(content)
    resolved = outbox.resolve(content, dict.fromkeys(wanted, "$sent"))
    assert outbox.refs(resolved) == set()
    if not wanted:
        assert repr(resolved) == repr(content)
