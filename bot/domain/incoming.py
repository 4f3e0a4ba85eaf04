"""What people did in Matrix, typed: what the inbox's raw events become before anybody decides.

Every kind has ``room_id``, ``event_id``, ``sender`` and ``at``, the homeserver's time stamp.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    room_id: str
    event_id: str
    sender: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Message(Happened):
    """``thread`` is the root of the thread it stands in. ``reply_to`` is a reply people meant:
    the fallback that clients add inside threads is left out. ``edits`` is the event it replaces;
    body and content are then the new ones."""

    body: str
    msgtype: str
    content: Mapping[str, Any] = field(repr=False)
    html: str | None = None
    thread: str | None = None
    reply_to: str | None = None
    edits: str | None = None
    mentions: frozenset[str] = frozenset()

    @property
    def root(self) -> str:
        """The root of the thread in which an answer to this message belongs."""
        return self.thread or self.event_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaction(Happened):
    target: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Redaction(Happened):
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MembershipChange(Happened):
    """``user_id`` is now ``membership``: join, leave, invite, ban or knock."""

    user_id: str
    membership: str
    display_name: str | None = None
    is_direct: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Encrypted(Happened):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstone(Happened):
    successor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChange(Happened):
    """Somebody set a room's name or topic."""

    type: str
    content: Mapping[str, Any]


Incoming = Message | Reaction | Redaction | MembershipChange | Encrypted | Tombstone | StateChange


# Clients add variation selectors and skin tones; ✋🏽 is still ✋.
_MODIFIERS = re.compile("[\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]")


def bare_emoji(key: str) -> str:
    return _MODIFIERS.sub("", key)


class Needed(Exception):
    """What to do depends on an earlier event whose text we did not keep: fetch it, ask again."""

    def __init__(self, room_id: str, event_id: str) -> None:
        super().__init__("an earlier event is needed")
        self.room_id = room_id
        self.event_id = event_id
