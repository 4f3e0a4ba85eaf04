"""Who may do what in a room, by the room's own rules.

Up to room version 11 everybody's power is a number in the power levels, the founder's too. From
version 12 on the creators (who sent the create event, and its ``additional_creators``) stand above
all numbers for ever, and naming one of them in the power levels is an error. A room whose power
levels were never sent, because it is only half made, obeys its founder and lets everybody set
state. `Power` answers for all three.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

ADMIN = 100
MODERATOR = 50
MEMBER = 0

CREATORS_ONLY = 150
"""More than any admin has: where creators stand above numbers, only they replace the room."""

POWER_LEVELS = "m.room.power_levels"
TOMBSTONE = "m.room.tombstone"

_EVERYWHERE = {
    "m.room.name": MODERATOR,
    "m.room.topic": MODERATOR,
    "m.room.avatar": MODERATOR,
    "m.room.canonical_alias": MODERATOR,
    "m.room.pinned_events": MODERATOR,
    "m.room.power_levels": ADMIN,
    "m.room.history_visibility": ADMIN,
    "m.room.join_rules": ADMIN,
    "m.room.guest_access": ADMIN,
    "m.room.encryption": ADMIN,
    "m.room.server_acl": ADMIN,
    "m.space.parent": ADMIN,
    "org.clusterdesk.room": ADMIN,
}
_IN_SPACES = {"m.space.child": MODERATOR}
_IN_ROOMS = {
    "m.reaction": MEMBER,
    "m.room.redaction": MEMBER,
    # Each member of a call announces itself by one of these, as clients have come to call it.
    "m.call.member": MEMBER,
    "m.rtc.member": MEMBER,
    "org.matrix.msc3401.call.member": MEMBER,
    "org.matrix.msc4143.rtc.member": MEMBER,
    "im.vector.modular.widgets": MODERATOR,
}

# What holds where no power levels were sent (client-server API, `m.room.power_levels`).
_UNSENT = {"state_default": 0, "invite": 0}


@dataclass(frozen=True, slots=True)
class Power:
    """``creators`` is empty up to room version 11; ``levels`` is the content of the state event."""

    creators: frozenset[str]
    levels: Mapping[str, Any]

    @classmethod
    def of(cls, create: Mapping[str, Any], levels: Mapping[str, Any] | None) -> "Power":
        """From the whole create event and the content of the power levels, None if never sent."""
        founder, content = str(create.get("sender", "")), _mapping(create.get("content"))
        if stand_above(str(content.get("room_version", "1"))):
            creators = {founder, *content.get("additional_creators", ())}
            return cls(frozenset(creators), _UNSENT if levels is None else levels)
        unsent = _UNSENT | {"users": {founder: ADMIN}}
        return cls(frozenset(), unsent if levels is None else levels)

    def level_of(self, user_id: str) -> float:
        if user_id in self.creators:
            return math.inf
        everybody = _level(self.levels.get("users_default"), MEMBER)
        return _level(_mapping(self.levels.get("users")).get(user_id), everybody)

    def needed(self, state_type: str) -> int:
        """The level it takes to set this state."""
        default = _level(self.levels.get("state_default"), MODERATOR)
        return _level(_mapping(self.levels.get("events")).get(state_type), default)

    def may_send_state(self, user_id: str, state_type: str) -> bool:
        return self.level_of(user_id) >= self.needed(state_type)

    def may_invite(self, user_id: str) -> bool:
        return self.level_of(user_id) >= _level(self.levels.get("invite"), MEMBER)

    def may_redact(self, user_id: str) -> bool:
        """Whether they may redact what others wrote."""
        return self.level_of(user_id) >= _level(self.levels.get("redact"), MODERATOR)


def stand_above(room_version: str) -> bool:
    """Whether rooms of this version put their creators above all power levels (MSC4289)."""
    return room_version.isdecimal() and int(room_version) >= 12


def desired_power(
    room_version: str, bot: str, admins: Collection[str], kind: str
) -> dict[str, Any]:
    """The whole content of the power levels of a new room that the bot makes.

    Where creators stand above numbers the admins are to be named in ``additional_creators``. The
    map of events is complete: it replaces the homeserver's own, with all that guards.
    """
    is_space = kind == "space"
    creators_rule = stand_above(room_version)
    users = {} if creators_rule else dict.fromkeys([bot, *sorted(admins)], ADMIN)
    tombstone = CREATORS_ONLY if creators_rule else ADMIN
    return {
        "users": users,
        "users_default": MEMBER,
        "events": _EVERYWHERE | (_IN_SPACES if is_space else _IN_ROOMS) | {TOMBSTONE: tombstone},
        "events_default": ADMIN if is_space else MEMBER,
        "state_default": MODERATOR,
        "invite": MODERATOR,
        "kick": MODERATOR,
        "ban": MODERATOR,
        "redact": MODERATOR,
        "notifications": {"room": MODERATOR},
    }


def repaired(power: Power, bot: str, admins: Collection[str]) -> dict[str, Any] | None:
    """The power levels with what is missing, None when nothing is or the bot may not mend it.

    Missing are admins whom nobody gave a level (a level somebody chose for them stays), and the
    bar that keeps admins from replacing, and so owning, a room whose creators stand above them:
    upgrades copy the old room's lower one.
    """
    mine = power.level_of(bot)
    if not power.may_send_state(bot, POWER_LEVELS) or mine < ADMIN:
        return None
    named = _mapping(power.levels.get("users"))
    missing = [each for each in sorted(admins) if each not in power.creators | named.keys()]
    levels = dict(power.levels)
    if missing:
        levels["users"] = {**named, **dict.fromkeys(missing, ADMIN)}
    if power.creators and power.needed(TOMBSTONE) < CREATORS_ONLY <= mine:
        levels["events"] = {**_mapping(levels.get("events")), TOMBSTONE: CREATORS_ONLY}
    return levels if levels != power.levels else None


def _level(value: Any, default: int) -> int:
    """Before room version 10 levels may be strings."""
    if isinstance(value, str):
        return int(value) if value.strip().lstrip("+-").isdecimal() else default
    return value if isinstance(value, int) else default


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
