"""One room of ``FakeMatrix``: what was said in it, what holds, and who may do what.

The rules are the specification's authorization rules, as far as people on one homeserver meet
them. In room version 12 creators stand above all power levels and must not be listed among them;
in earlier versions the creator is an ordinary entry.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from operator import itemgetter
from typing import Any

from bot.services.homeserver import Forbidden, NotFound, Refused

Event = dict[str, Any]
StateKey = tuple[str, str]

MEMBER = "m.room.member"
ABOVE_ALL = 1 << 53
"""The power of a creator in version 12: more than any number in JSON."""

_LEVELS = ("users_default", "events_default", "state_default", "ban", "kick", "redact", "invite")
_DEFAULT_LEVELS = {"state_default": 50, "ban": 50, "kick": 50, "redact": 50}

_KEPT_BY_REDACTION = {
    MEMBER: {"membership", "join_authorised_via_users_server"},
    "m.room.join_rules": {"join_rule", "allow"},
    "m.room.power_levels": {"users", "events", *_LEVELS},
    "m.room.history_visibility": {"history_visibility"},
    "m.room.redaction": {"redacts"},
}


def forbidden(message: str) -> Forbidden:
    return Forbidden(message, errcode="M_FORBIDDEN", status=403)


def not_found(message: str) -> NotFound:
    return NotFound(message, errcode="M_NOT_FOUND", status=404)


def refused(message: str, errcode: str = "M_UNKNOWN", status: int = 400) -> Refused:
    return Refused(message, errcode=errcode, status=status)


def relation_of(event: Event) -> tuple[Any, Any]:
    """The kind of relation and the event it is to."""
    relation = event["content"].get("m.relates_to")
    if not isinstance(relation, dict):
        return None, None
    return relation.get("rel_type"), relation.get("event_id")


class Room:
    """Events lie at positions of the homeserver's one stream; ``at`` and ``upto`` are positions,
    and mean now where they are left out."""

    def __init__(self, room_id: str, version: str) -> None:
        self.room_id = room_id
        self.version = version
        self.events: list[Event] = []
        self.by_id: dict[str, Event] = {}
        self._positions: list[int] = []
        self._history: dict[StateKey, list[tuple[int, Event]]] = {}

    def add(self, position: int, event: Event) -> None:
        if "state_key" in event:
            self._replace(position, event)
        self._positions.append(position)
        self.events.append(event)
        self.by_id[event["event_id"]] = event
        if event["type"] == "m.room.redaction":
            self._redact(self.by_id[event["redacts"]], event)

    def _replace(self, position: int, event: Event) -> None:
        history = self._history.setdefault((event["type"], event["state_key"]), [])
        if history:
            before = history[-1][1]
            event["unsigned"] |= {
                "replaces_state": before["event_id"],
                "prev_content": before["content"],
                "prev_sender": before["sender"],
            }
        history.append((position, event))

    def _redact(self, target: Event, redaction: Event) -> None:
        kept = _KEPT_BY_REDACTION.get(target["type"], set())
        target["content"] = {key: each for key, each in target["content"].items() if key in kept}
        target["unsigned"]["redacted_because"] = redaction

    # What is known

    def between(self, after: int, upto: int | None = None) -> Iterator[tuple[int, Event]]:
        first = bisect_right(self._positions, after)
        last = len(self.events) if upto is None else bisect_right(self._positions, upto)
        return zip(self._positions[first:last], self.events[first:last], strict=True)

    def newest_edit(self, event: Event) -> Event | None:
        """Specification, "Event replacements": the same sender and type count."""
        for each in reversed(self.events):
            if relation_of(each) == ("m.replace", event["event_id"]) and (
                (each["sender"], each["type"]) == (event["sender"], event["type"])
            ):
                return each
        return None

    def state(self, at: int | None = None) -> dict[StateKey, Event]:
        found = {key: self.state_event(*key, at=at) for key in self._history}
        return {key: event for key, event in found.items() if event is not None}

    def state_event(self, type: str, key: str = "", *, at: int | None = None) -> Event | None:
        history = self._history.get((type, key), [])
        known = len(history) if at is None else bisect_right(history, at, key=itemgetter(0))
        return history[known - 1][1] if known else None

    def content(self, type: str, key: str = "", *, at: int | None = None) -> Mapping[str, Any]:
        event = self.state_event(type, key, at=at)
        return event["content"] if event else {}

    def membership(self, user_id: str, at: int | None = None) -> str | None:
        """None for somebody who never had to do with the room."""
        return self.content(MEMBER, user_id, at=at).get("membership")

    def members(self, membership: str = "join") -> list[str]:
        users = [key for type, key in self._history if type == MEMBER]
        return [user for user in users if self.membership(user) == membership]

    def changed_at(self, user_id: str) -> int:
        """The position of the last change of somebody's membership, 0 for none."""
        history = self._history.get((MEMBER, user_id))
        return history[-1][0] if history else 0

    def left_at(self, user_id: str) -> int | None:
        """Where somebody's view ends; None while they are in the room."""
        return None if self.membership(user_id) == "join" else self.changed_at(user_id)

    def ever_joined(self, user_id: str) -> bool:
        history = self._history.get((MEMBER, user_id), [])
        return any(event["content"].get("membership") == "join" for _, event in history)

    def seen_by(self, user_id: str, after: int, upto: int | None = None) -> list[tuple[int, Event]]:
        """What the history visibility shows to somebody who is or was in the room."""
        end = self.left_at(user_id)
        if end is not None:
            upto = end if upto is None else min(upto, end)
        found = self.between(after, upto)
        return [(at, event) for at, event in found if self._shows(user_id, at, event)]

    def _shows(self, user_id: str, at: int, event: Event) -> bool:
        if (event["type"], event.get("state_key")) == (MEMBER, user_id):
            return True
        visibility = self.content("m.room.history_visibility", at=at).get("history_visibility")
        membership = self.membership(user_id, at)
        if visibility in ("invited", "joined"):
            return membership == "join" or (membership, visibility) == ("invite", "invited")
        return self.ever_joined(user_id)

    # Who may do what

    @property
    def creators(self) -> set[str]:
        creation = self.state_event("m.room.create")
        if creation is None:
            return set()
        return {creation["sender"], *creation["content"].get("additional_creators", [])}

    @property
    def creators_stand_above(self) -> bool:
        return int(self.version) >= 12

    def power(self, user_id: str) -> int:
        if self.creators_stand_above and user_id in self.creators:
            return ABOVE_ALL
        levels = self.state_event("m.room.power_levels")
        if levels is None:
            return 100 if user_id in self.creators else 0
        users = levels["content"].get("users", {})
        return int(users.get(user_id, levels["content"].get("users_default", 0)))

    def level(self, name: str) -> int:
        levels = self.content("m.room.power_levels")
        return int(levels.get(name, _DEFAULT_LEVELS.get(name, 0)))

    def check_reader(self, user_id: str) -> None:
        if not self.ever_joined(user_id):
            raise forbidden(f"User {user_id} not in room {self.room_id}")

    def check_joined(self, user_id: str) -> None:
        if self.membership(user_id) != "join":
            raise forbidden(f"User {user_id} not in room {self.room_id}")

    def check_power(self, user_id: str, needed: int) -> None:
        if self.power(user_id) < needed:
            raise forbidden("You don't have permission to do that in the room.")

    def check_send(self, user_id: str, type: str, state_key: str | None) -> None:
        self.check_joined(user_id)
        default = self.level("events_default" if state_key is None else "state_default")
        self.check_power(
            user_id, self.content("m.room.power_levels").get("events", {}).get(type, default)
        )
        if state_key is not None and state_key.startswith("@") and state_key != user_id:
            raise forbidden("You are not allowed to set others state")

    def check_levels(self, user_id: str, content: Mapping[str, Any]) -> None:
        """Whether somebody may put these power levels: nothing at or above their own moves."""
        if self.creators_stand_above and self.creators & set(content.get("users", {})):
            raise refused("Creators must not appear in content.users")
        old = self.content("m.room.power_levels")
        own = self.power(user_id)
        if old and any(max(pair) > own for pair in _moved(old, content)):
            raise forbidden("You don't have permission to move a level above your own.")

    def check_redaction(self, user_id: str, event_id: str) -> None:
        self.check_send(user_id, "m.room.redaction", None)
        if event_id in self.by_id and self.by_id[event_id]["sender"] != user_id:
            self.check_power(user_id, self.level("redact"))

    def check_invite(self, user_id: str, target: str) -> None:
        self.check_joined(user_id)
        self.check_power(user_id, self.level("invite"))
        if self.membership(target) in ("join", "ban"):
            raise forbidden(f"{target} is already in the room or banned from it.")

    def check_removal(self, user_id: str, target: str, membership: str) -> None:
        """A kick, a ban, or the end of one."""
        self.check_joined(user_id)
        needed = "ban" if "ban" in (membership, self.membership(target)) else "kick"
        self.check_power(user_id, self.level(needed))
        if self.power(target) >= self.power(user_id):
            raise forbidden("You cannot remove somebody of your own power.")
        if membership == "leave" and self.membership(target) in (None, "leave"):
            raise forbidden("The target user is not in the room")

    def check_join(self, user_id: str, joined_elsewhere: set[str]) -> None:
        rules = self.content("m.room.join_rules")
        if self.membership(user_id) == "ban":
            raise forbidden("You are banned from this room.")
        if self.membership(user_id) in ("join", "invite") or rules.get("join_rule") == "public":
            return
        if rules.get("join_rule") not in ("restricted", "knock_restricted"):
            raise forbidden("You are not invited to this room.")
        if not {each.get("room_id") for each in rules.get("allow", [])} & joined_elsewhere:
            raise forbidden("You do not belong to any of the required rooms.")
        if not any(self.power(each) >= self.level("invite") for each in self.members()):
            raise forbidden("Nobody is left who could let you in.")

    def check_knock(self, user_id: str) -> None:
        rule = self.content("m.room.join_rules").get("join_rule")
        if rule not in ("knock", "knock_restricted") or self.membership(user_id) == "ban":
            raise forbidden("You cannot knock on this room.")


def _moved(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[int, int]]:
    """Levels that differ, before and after."""
    for name in _LEVELS:
        default = _DEFAULT_LEVELS.get(name, 0)
        if old.get(name, default) != new.get(name, default):
            yield old.get(name, default), new.get(name, default)
    for group in ("users", "events"):
        before, after = old.get(group, {}), new.get(group, {})
        for key in before.keys() | after.keys():
            if before.get(key) != after.get(key):
                yield before.get(key, 0), after.get(key, 0)
