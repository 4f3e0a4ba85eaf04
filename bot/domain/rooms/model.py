"""What rooms there should be, what there is, and what the bot remembers of them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, NamedTuple, TypeAlias

from bot.domain.power import POWER_LEVELS, Power

MARKER = "org.clusterdesk.room"
"""State event, and key in the content of the create event: which part of which network this is."""

SPACE, CONTROL, CLUSTER, DESK, FORUM = "space", "control", "cluster", "desk", "forum"

Content: TypeAlias = Mapping[str, Any]


class Place(NamedTuple):
    """The part a room plays in the network, as its marker says."""

    kind: str
    key: str


THE_SPACE = Place(SPACE, SPACE)
THE_CONTROL_ROOM = Place(CONTROL, CONTROL)


# What there should be


class Access(StrEnum):
    """Who may come in: the join rule."""

    PUBLIC = "public"
    KNOCK = "knock"
    INVITE = "invite"
    MEMBERS = "restricted"
    """Members of the space."""


@dataclass(frozen=True, slots=True)
class Part:
    """A room as the network file describes it; texts in the order of the network's languages."""

    place: Place
    names: Sequence[str]
    topics: Sequence[str]
    alias: str


@dataclass(frozen=True, slots=True)
class RoomSpec:
    """``order`` sorts the children of the space; None for a room that is not among them."""

    place: Place
    name: str
    topic: str | None
    alias: str
    access: Access
    history: str
    order: str | None = None
    invited: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Desired:
    """``rooms`` begins with the space. ``admins`` are people: the bot is not among them."""

    network: str
    bot: str
    admins: tuple[str, ...]
    rooms: tuple[RoomSpec, ...]

    @property
    def server(self) -> str:
        return self.bot.partition(":")[2]

    def spec(self, place: Place) -> RoomSpec:
        return next(each for each in self.rooms if each.place == place)

    def marker(self, place: Place) -> dict[str, str]:
        return {"network": self.network, "kind": place.kind, "key": place.key}


def in_all_languages(texts: Iterable[str]) -> str:
    """A text for everybody: each language's, in one line; what they share is said once."""
    return " · ".join(dict.fromkeys(text.strip() for text in texts if text.strip()))


def desired_rooms(
    network: str, bot: str, admins: Collection[str], access: str, parts: Sequence[Part]
) -> Desired:
    """``access`` says who may come into the space: public, knock or invite."""
    people = tuple(sorted(set(admins) - {bot}))
    # The space comes first because rooms name it, then the room where troubles are told.
    ranks = {SPACE: 0, CONTROL: 1}
    ordered = sorted(parts, key=lambda part: ranks.get(part.place.kind, 2))
    children = [part.place for part in ordered if part.place.kind not in ranks]
    # They are sorted as text.
    width = max(3, len(f"{len(children)}0"))
    orders = {place: f"{index}0".zfill(width) for index, place in enumerate(children, start=1)}
    rooms = (_spec(part, people, Access(access), orders.get(part.place)) for part in ordered)
    return Desired(network, bot, people, tuple(rooms))


def _spec(part: Part, people: tuple[str, ...], access: Access, order: str | None) -> RoomSpec:
    is_child = order is not None
    is_control = part.place.kind == CONTROL
    return RoomSpec(
        place=part.place,
        name=in_all_languages(part.names),
        topic=in_all_languages(part.topics) or None,
        alias=part.alias,
        access=Access.MEMBERS if is_child else Access.INVITE if is_control else access,
        # Newcomers may read what was said before them, but not what admins told each other.
        history="invited" if is_control else "shared",
        order=order,
        invited=() if is_child else people,
    )


# What there is


@dataclass(frozen=True, slots=True)
class RoomState:
    """A room as the homeserver shows it: whole state events by type and state key."""

    room_id: str
    events: Mapping[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, room_id: str, events: Iterable[Mapping[str, Any]]) -> "RoomState":
        return cls(room_id, {(each["type"], each.get("state_key", "")): each for each in events})

    def event(self, type: str, key: str = "") -> Mapping[str, Any]:
        return self.events.get((type, key), {})

    def content(self, type: str, key: str = "") -> Content:
        return mapping(self.event(type, key).get("content"))

    @property
    def create(self) -> Mapping[str, Any]:
        return self.event("m.room.create")

    @property
    def version(self) -> str:
        return str(self.content("m.room.create").get("room_version", "1"))

    @property
    def power(self) -> Power:
        sent = (POWER_LEVELS, "") in self.events
        return Power.of(self.create, self.content(POWER_LEVELS) if sent else None)

    @property
    def is_space(self) -> bool:
        return self.content("m.room.create").get("type") == "m.space"

    @property
    def predecessor(self) -> str | None:
        return string(mapping(self.content("m.room.create").get("predecessor")).get("room_id"))

    @property
    def successor(self) -> str | None:
        """Set once the room was replaced by another."""
        return string(self.content("m.room.tombstone").get("replacement_room"))

    def membership(self, user_id: str) -> str | None:
        return string(self.content("m.room.member", user_id).get("membership"))

    def marked_by(self, bot: str) -> Content:
        """The marker, if the bot put it: in the state, or when it made the room."""
        if self.event(MARKER).get("sender") == bot and self.content(MARKER):
            return self.content(MARKER)
        if self.create.get("sender") == bot:
            return mapping(self.content("m.room.create").get(MARKER))
        return {}


@dataclass(frozen=True, slots=True)
class Actual:
    """``directory`` says where the desired aliases lead. A place is in at most one of

    ``rooms``   it has its room, and the bot is in it
    ``absent``  it has its room, but the bot is not in it any more
    ``taken``   it has none, and its alias leads to a room that is not ours

    ``broken`` is a room of ours for a place that has no other, but it cannot be completed.
    ``spare`` are rooms of ours for a place that has another one.
    """

    rooms: Mapping[Place, RoomState] = field(default_factory=dict)
    directory: Mapping[str, str | None] = field(default_factory=dict)
    absent: Mapping[Place, str] = field(default_factory=dict)
    taken: Mapping[Place, str] = field(default_factory=dict)
    broken: Mapping[Place, str] = field(default_factory=dict)
    spare: frozenset[str] = frozenset()

    @property
    def space(self) -> RoomState | None:
        return self.rooms.get(THE_SPACE)

    def with_room(self, place: Place, room: RoomState) -> "Actual":
        return replace(self, rooms={**self.rooms, place: room})


@dataclass(frozen=True, slots=True)
class Memory:
    """``applied`` is what each field held when it was last seen as desired; ``overrides`` are the
    fields that humans changed, and that was told. ``successor`` is the room a tombstone names,
    while it has not been followed."""

    applied: Mapping[str, Any] = field(default_factory=dict)
    overrides: frozenset[str] = frozenset()
    successor: str | None = None


def string(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
