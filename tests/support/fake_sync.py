"""What ``FakeMatrix`` answers to /sync: made as Synapse makes it, for one account on one device.

The parts that a bot can stumble over are all here: filters by type, timelines cut at their limit
with the token from which the rest can be fetched, rooms newly joined (their history comes along,
marked as limited), members left out of the state until they say something, and memberships that
changed within a cut timeline told in the state before it.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from tests.support.fake_room import MEMBER, Event, Room, StateKey

DEFAULT_LIMIT = 10
MOST_EVENTS = 100
"""Synapse's ``filter_timeline_limit``: no filter gets more of one timeline."""

_SHOWN_TO_INVITED = (
    "m.room.create",
    "m.room.join_rules",
    "m.room.canonical_alias",
    "m.room.avatar",
    "m.room.encryption",
    "m.room.name",
    "m.room.topic",
)

Positioned = list[tuple[int, Event]]


def token(position: int) -> str:
    return f"s{position}"


def position_of(token: str) -> int:
    return int(token.removeprefix("s"))


@dataclass(frozen=True, slots=True)
class EventFilter:
    """The part of a filter that picks events. ``types`` None lets all through."""

    types: tuple[str, ...] | None = None
    not_types: tuple[str, ...] = ()
    limit: int = DEFAULT_LIMIT
    lazy: bool = False

    @classmethod
    def of(cls, raw: Mapping[str, Any] | None) -> "EventFilter":
        raw = raw or {}
        types = raw.get("types")
        return cls(
            None if types is None else tuple(types),
            tuple(raw.get("not_types", ())),
            min(int(raw.get("limit", DEFAULT_LIMIT)), MOST_EVENTS),
            bool(raw.get("lazy_load_members")),
        )

    def takes(self, type: str) -> bool:
        if any(fnmatchcase(type, each) for each in self.not_types):
            return False
        return self.types is None or any(fnmatchcase(type, each) for each in self.types)

    def of_all(self, events: Positioned) -> Positioned:
        return [(at, event) for at, event in events if self.takes(event["type"])]


def shown(event: Event, device: tuple[str, str], *, with_room: bool = True) -> Event:
    """An event as a device is told it: only the sending one learns the transaction id."""
    told = deepcopy(event)
    sent_by, txn_id = told.pop("_device", None), told.pop("_txn_id", None)
    if sent_by == device and txn_id:
        told["unsigned"]["transaction_id"] = txn_id
    if not with_room:
        del told["room_id"]
    return told


class SyncAnswer:
    """What is new to one device between the positions ``since`` (None: everything) and ``now``.

    ``members_shown`` are the membership events this device has been told before; it grows.
    """

    def __init__(
        self,
        device: tuple[str, str],
        since: int | None,
        now: int,
        sync_filter: Mapping[str, Any],
        members_shown: set[str],
    ) -> None:
        self._device = device
        self._user_id = device[0]
        self._since = since
        self._now = now
        self._members_shown = members_shown
        self._account_filter = EventFilter.of(sync_filter.get("account_data"))
        rooms: Mapping[str, Any] = sync_filter.get("room") or {}
        self._timeline_filter = EventFilter.of(rooms.get("timeline"))
        self._state_filter = EventFilter.of(rooms.get("state"))
        self._include_leave = bool(rooms.get("include_leave"))
        self._rooms: dict[str, dict[str, Any]] = {"join": {}, "invite": {}, "leave": {}}
        self._account_data: list[dict[str, Any]] = []

    @property
    def is_empty(self) -> bool:
        return not any(self._rooms.values()) and not self._account_data

    def body(self) -> dict[str, Any]:
        answer: dict[str, Any] = {"next_batch": token(self._now)}
        if any(self._rooms.values()):
            answer["rooms"] = {kind: each for kind, each in self._rooms.items() if each}
        if self._account_data:
            answer["account_data"] = {"events": self._account_data}
        return answer

    def add_account_data(self, position: int, type: str, content: Mapping[str, Any]) -> None:
        if position > (self._since or 0) and self._account_filter.takes(type):
            self._account_data.append({"type": type, "content": content})

    def add_room(self, room: Room) -> None:
        membership = room.membership(self._user_id)
        is_news = room.changed_at(self._user_id) > (self._since or 0)
        if membership == "join":
            self._put("join", room, self._section(room, self._now))
        elif membership == "invite" and is_news:
            self._put("invite", room, self._invite(room))
        elif membership in ("leave", "ban") and is_news and self._tells_leave(room):
            self._put("leave", room, self._section(room, room.changed_at(self._user_id)))

    def _put(self, kind: str, room: Room, section: dict[str, Any] | None) -> None:
        if section is not None:
            self._rooms[kind][room.room_id] = section

    def _tells_leave(self, room: Room) -> bool:
        """A first sync tells of rooms that one was taken out of, not of those one left."""
        event = room.state_event(MEMBER, self._user_id)
        assert event is not None
        return self._since is not None or self._include_leave or event["sender"] != self._user_id

    def _invite(self, room: Room) -> dict[str, Any]:
        invite = room.state_event(MEMBER, self._user_id)
        assert invite is not None
        keys = [(type, "") for type in _SHOWN_TO_INVITED]
        keys += [(MEMBER, invite["sender"]), (MEMBER, self._user_id)]
        found = [room.state_event(type, key) for type, key in keys]
        return {"invite_state": {"events": [_stripped(each) for each in found if each]}}

    def _section(self, room: Room, upto: int) -> dict[str, Any] | None:
        """A joined or left room; None when there is nothing to tell of it."""
        was_in = self._since is not None and room.membership(self._user_id, self._since) == "join"
        follows = was_in or not room.ever_joined(self._user_id)
        after = (self._since or 0) if follows else 0
        found = self._timeline_filter.of_all(room.seen_by(self._user_id, after, upto))
        kept = found[max(0, len(found) - self._timeline_filter.limit) :]
        if was_in and not found:
            return None
        is_new = self._since is not None and not was_in
        limited = is_new or len(kept) < len(found)
        start = kept[0][0] - 1 if kept else upto
        timeline = [event for _, event in kept]
        state = self._state(room, timeline, start, upto, after if was_in else None, limited)
        return {
            "timeline": {
                "events": [shown(event, self._device, with_room=False) for event in timeline],
                "limited": limited,
                "prev_batch": token(start),
            },
            "state": {"events": [shown(event, self._device, with_room=False) for event in state]},
        }

    def _state(
        self,
        room: Room,
        timeline: list[Event],
        start: int,
        upto: int,
        after: int | None,
        limited: bool,
    ) -> list[Event]:
        """What holds before the timeline and is new; everything when ``after`` is None.

        Synapse: ``_calculate_state`` and ``compute_state_delta`` in ``handlers/sync.py``.
        """
        lazy = self._state_filter.lazy or self._timeline_filter.lazy
        before = {} if after is None else room.state(after)
        told = {event["event_id"] for event in timeline}
        found: dict[StateKey, Event] = {}
        if after is None or limited:
            speakers = {event["sender"] for event in timeline} | {self._user_id}
            found = {
                key: event
                for key, event in room.state(upto).items()
                if event is not before.get(key) and event["event_id"] not in told
                if after is not None or not lazy or key[0] != MEMBER or key[1] in speakers
            }
        changed = set(found)
        if lazy:
            found = {**self._speakers(room, timeline, start), **found}
        events = [
            event
            for key, event in found.items()
            if self._state_filter.takes(key[0])
            if key in changed or event["event_id"] not in self._members_shown
        ]
        members = [event for event in (*events, *timeline) if event["type"] == MEMBER]
        self._members_shown |= {event["event_id"] for event in members}
        return events

    def _speakers(self, room: Room, timeline: list[Event], start: int) -> dict[StateKey, Event]:
        """The memberships, at the timeline's start, of those who speak in it before it says
        anything of theirs."""
        found: dict[StateKey, Event] = {}
        introduced: set[str] = set()
        for event in timeline:
            speaker = event["sender"]
            member = room.state_event(MEMBER, speaker, at=start)
            if speaker not in introduced and member is not None:
                found[MEMBER, speaker] = member
            if event["type"] == MEMBER:
                introduced.add(event["state_key"])
        return found


def _stripped(event: Event) -> Event:
    return {key: event[key] for key in ("type", "state_key", "content", "sender")}
