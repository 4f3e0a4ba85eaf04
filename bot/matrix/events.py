"""Raw event -> ``Incoming``. Whatever people or servers send, this returns or says None."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from bot.domain.incoming import (
    Encrypted,
    Incoming,
    MembershipChange,
    Message,
    Reaction,
    Redaction,
    StateChange,
    Tombstone,
)

# Body fallback of rich replies, removed from the specification in 1.13 but still sent.
REPLY_FALLBACK = re.compile(r"\A(?:> [^\n]*\n)+\n?")
HTML_REPLY_FALLBACK = re.compile(r"\A<mx-reply>.*?</mx-reply>", re.DOTALL)
# What neither a database nor a client can do anything with.
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def parse(room_id: str, raw: Mapping[str, Any]) -> Incoming | None:
    """None for what nobody here acts on; raises ``ValueError`` for a malformed event."""
    try:
        return _parse(room_id, raw)
    except (KeyError, TypeError, AttributeError, OverflowError, OSError) as error:
        raise ValueError(f"malformed {raw.get('type')} event") from error


def parse_fetched(room_id: str, raw: Mapping[str, Any]) -> Incoming | None:
    """An event asked for by its id, as its author last edited it."""
    newest: Any = raw
    for key in ("unsigned", "m.relations", "m.replace", "content", "m.new_content"):
        newest = newest.get(key) if isinstance(newest, Mapping) else None
    original = raw.get("content")
    if not isinstance(newest, Mapping) or not isinstance(original, Mapping):
        return parse(room_id, raw)
    # An edit changes the text and keeps the place: what it replaces says where that is.
    place = {key: original[key] for key in ("m.relates_to",) if key in original}
    return parse(room_id, {**raw, "content": {**newest, **place}})


def origin_time(raw: Mapping[str, Any]) -> datetime:
    return datetime.fromtimestamp(int(raw["origin_server_ts"]) / 1000, UTC)


def _parse(room_id: str, raw: Mapping[str, Any]) -> Incoming | None:
    base: dict[str, Any] = {
        "room_id": room_id,
        "event_id": _string(raw["event_id"]),
        "sender": _string(raw["sender"]),
        "at": origin_time(raw),
    }
    content = _mapping(raw["content"])
    match raw["type"]:
        case "m.room.message":
            return _message(base, content)
        case "m.reaction":
            relation = content.get("m.relates_to") or {}
            if relation.get("rel_type") != "m.annotation":
                return None
            key = _clean(relation["key"])
            return Reaction(**base, target=_string(relation["event_id"]), key=key)
        case "m.room.redaction":
            return Redaction(**base, target=_string(content.get("redacts") or raw["redacts"]))
        case "m.room.member":
            return MembershipChange(
                **base,
                user_id=_string(raw["state_key"]),
                membership=_string(content["membership"]),
                display_name=_optional(content.get("displayname")),
                is_direct=content.get("is_direct") is True,
            )
        case "m.room.encrypted":
            return Encrypted(**base)
        case "m.room.tombstone":
            return Tombstone(**base, successor=_string(content["replacement_room"]))
        case "m.room.name" | "m.room.topic":
            return StateChange(**base, type=raw["type"], content=content)
    return None


def _message(base: Mapping[str, Any], content: Mapping[str, Any]) -> Message | None:
    if not content:
        return None  # redacted before it was read
    relation = content.get("m.relates_to") or {}
    edits = None
    if relation.get("rel_type") == "m.replace":
        edits = _string(relation["event_id"])
        content = _mapping(content["m.new_content"])
    thread = _string(relation["event_id"]) if relation.get("rel_type") == "m.thread" else None
    reply = (relation.get("m.in_reply_to") or {}).get("event_id")
    if thread and relation.get("is_falling_back"):
        reply = None
    body = _clean(content["body"])
    html = content.get("formatted_body")
    if reply:
        body = REPLY_FALLBACK.sub("", body)
    return Message(
        **base,
        body=body,
        msgtype=_string(content["msgtype"]),
        content=content,
        html=HTML_REPLY_FALLBACK.sub("", _clean(html)) if isinstance(html, str) else None,
        thread=thread,
        reply_to=_optional(reply),
        edits=edits,
        mentions=_mentions(content.get("m.mentions")),
    )


def _mentions(value: Any) -> frozenset[str]:
    listed = value.get("user_ids") if isinstance(value, Mapping) else None
    if not isinstance(listed, list):
        return frozenset()
    return frozenset(_clean(each) for each in listed if isinstance(each, str))


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError("an object was expected")
    return value


def _string(value: Any) -> str:
    """An identifier or a keyword: there is no mending it."""
    if not isinstance(value, str) or UNSTORABLE.search(value):
        raise TypeError("a string was expected")
    return value


def _optional(value: Any) -> str | None:
    return _clean(value) if isinstance(value, str) else None


def _clean(value: Any) -> str:
    """What people wrote, without what cannot be stored."""
    if not isinstance(value, str):
        raise TypeError("a string was expected")
    return UNSTORABLE.sub("", value)
