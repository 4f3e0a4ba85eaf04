"""The network file: which rooms there are, what they are for, and the knobs of each feature.

A network is one YAML file, built in or the operator's own. Every text in it is a map by language,
because every reader gets theirs.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import time, timedelta
from difflib import get_close_matches
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from config import places
from config.files import parse_yaml, read_yaml
from config.problems import ConfigError, Problem, fault, problems_in, suggestion

DEFAULT_NETWORK = "innov-eurometropolis"
LANGUAGES = {"fr": "French", "nl": "Dutch", "en": "English"}
RESERVED_KEYS = frozenset({"all", "control", "lobby", "space"})
"""Keys with a meaning of their own, in aliases, commands and addresses of calendars."""

_KEY = re.compile(r"[a-z0-9-]{1,32}")
_ALIAS_PART = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_DURATION = re.compile(r"(?:[1-9][0-9]{0,4}[smhdw])+")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SPACE = re.compile(r"[ \t\n]+")  # keeps the no-break spaces of French
_TIME = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]")


def _key(value: str) -> str:
    if not _KEY.fullmatch(value):
        raise fault(
            f"“{value}” cannot be a key.",
            "Use 1 to 32 small letters, digits and hyphens, such as “logistics”.",
        )
    return value


def _room_key(value: str) -> str:
    if value in RESERVED_KEYS:
        raise fault(f"The key “{value}” is reserved.", "Choose another key for this room.")
    return _key(value)


def _alias_part(value: str) -> str:
    if not _ALIAS_PART.fullmatch(value):
        raise fault(
            f"“{value}” cannot be part of a room's address.",
            "Use small letters, digits, hyphens, dots and underscores, such as “innov-”.",
        )
    return value


def _timezone(value: str) -> str:
    if value not in available_timezones():
        near = get_close_matches(value, available_timezones(), n=1)
        remedy = f"Did you mean “{near[0]}”?" if near else "Write it like Europe/Brussels."
        raise fault(f"“{value}” is not a known time zone.", remedy)
    return value


def _language(value: str) -> str:
    if value not in LANGUAGES:
        raise fault(f"clusterdesk does not speak “{value}”.", f"It speaks {', '.join(LANGUAGES)}.")
    return value


def _languages(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value:
        raise fault("The network has no language.", "Name at least one, such as [fr, nl].")
    if len(set(value)) < len(value):
        raise fault("A language is named twice.", "Keep one of them.")
    return value


def _words(value: str) -> str:
    if not value.strip():
        raise fault("This text is empty.", "Write it, in each language of the network.")
    return _SPACE.sub(" ", value.strip())


def _duration(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str) or not _DURATION.fullmatch(value):
        raise fault(
            f"“{value}” is not a length of time.",
            "Write a number with s, m, h, d or w, such as 30m, 4h, 1h30m or 2d.",
        )
    return sum(_durations(value), timedelta())


def _durations(value: str) -> Iterator[timedelta]:
    for number, unit in re.findall(r"(\d+)([smhdw])", value):
        yield timedelta(**{_UNITS[unit]: int(number)})


def _weekday(value: Any) -> Any:
    if isinstance(value, int) and 0 <= value <= 6:
        return value
    if value not in _WEEKDAYS:
        raise fault(
            f"“{value}” is not a day of the week.",
            suggestion(str(value), _WEEKDAYS, "The days are:"),
        )
    return _WEEKDAYS.index(value)


def _place(value: str) -> str:
    place = places.canonical(value)
    if place is None:
        near = places.near(value)
        remedy = (
            f"Did you mean {' or '.join(f'“{each}”' for each in near)}?"
            if near
            else "Write the two letters of a country, such as BE, or a region of it, such as FR-57."
        )
        raise fault(f"The holidays of “{value}” are not known.", remedy)
    return place


def _time(value: Any) -> Any:
    if isinstance(value, time):
        return value
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise fault(f"“{value}” is not a time of day.", 'Write it like "08:30".')
    return time.fromisoformat(value)


Key = Annotated[str, AfterValidator(_key)]
RoomKey = Annotated[str, AfterValidator(_room_key)]
AliasPart = Annotated[str, AfterValidator(_alias_part)]
Language = Annotated[str, AfterValidator(_language)]
Texts = dict[Language, Annotated[str, AfterValidator(_words)]]
WordLists = dict[Language, tuple[Annotated[str, AfterValidator(_words)], ...]]
Duration = Annotated[timedelta, BeforeValidator(_duration)]
Weekday = Annotated[int, BeforeValidator(_weekday)]
"""0 is Monday; written by name."""
TimeOfDay = Annotated[time, BeforeValidator(_time)]
Place = Annotated[str, AfterValidator(_place)]
Count = Annotated[int, Field(ge=1, le=100)]


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WorkingHours(Part):
    """In the network's time zone; the end is later than the start, on the same day."""

    days: tuple[Weekday, ...] = (0, 1, 2, 3, 4)
    start: TimeOfDay = time(9)
    end: TimeOfDay = time(17)
    holidays: tuple[Place, ...] = ()
    """Countries and regions: closed on days that are public holidays in all of them."""


class Cluster(Part):
    key: RoomKey = Field(examples=["logistics"])
    name: Texts
    topic: Texts
    words: WordLists


class Times(Part):
    """In working hours of the desk. What is left out is as the network has it."""

    offer_time: Duration | None = None
    reminder_time: Duration | None = None
    wave_time: Duration | None = None
    claim_time: Duration | None = None
    coordinator_time: Duration | None = None


class Desk(Part):
    key: RoomKey = Field(examples=["funding"])
    name: Texts
    topic: Texts
    words: WordLists
    asks: WordLists | None = None
    """What people typically ask there: whole sentences, by language."""
    hours: WorkingHours = WorkingHours()
    times: Times = Times()


class Forum(Part):
    key: RoomKey = "forum"
    name: Texts
    topic: Texts


URGENT = Times(
    offer_time=timedelta(minutes=30),
    reminder_time=timedelta(minutes=30),
    wave_time=timedelta(hours=1),
    claim_time=timedelta(hours=2),
    coordinator_time=timedelta(hours=1),
)


class QuestionsKnobs(Part):
    """Times are working hours of the desk, but for those after an answer."""

    default_desk: Key | None = None
    """Where a question goes that no words point anywhere; the first desk otherwise."""
    choose_time: Duration = timedelta(minutes=30)
    """For the asker to choose between two desks, before the coordinator of the likelier does."""
    name_time: Duration = timedelta(hours=2)
    """For the asker of a private question to say who may read it, before the coordinator does."""
    offer_time: Duration = timedelta(hours=2)
    """For the first expert, before a reminder."""
    reminder_time: Duration = timedelta(hours=2)
    """After the reminder, before others are asked as well."""
    second_wave: Count = 2
    """How many others."""
    wave_time: Duration = timedelta(hours=4)
    """For them, before the coordinator is asked."""
    max_offers: Count = 5
    """How many experts are asked before the coordinator, with those who pass."""
    claim_time: Duration = timedelta(hours=8)
    """For an expert who took the question to answer it."""
    coordinator_time: Duration = timedelta(hours=4)
    """For the coordinator, before everybody at the desk is asked."""
    urgent: Times = URGENT
    """For urgent questions."""
    urgent_per_month: Count = 2
    """How many a member may ask in 30 days."""
    weekly_ceiling: Count = 10
    """How many questions an expert is asked in a week, at most; each may set their own."""
    quiet_hours: bool = True
    """Whether a question waits for its desk to open before anybody is called."""
    ask_help_after: Duration = timedelta(days=2)
    """Silence after an answer before the bot asks, once, whether it helped."""
    close_after: Duration = timedelta(days=5)
    """Silence after an answer before the question closes by itself."""
    reopen_within: Duration = timedelta(days=30)
    suggest: bool = True
    """Whether askers are shown earlier answers to questions like theirs."""


class EventsKnobs(Part):
    reminders: tuple[Duration, ...] = (timedelta(days=1), timedelta(hours=1))
    counter_every: Duration = timedelta(seconds=10)
    """The shortest time between two edits of an announcement's counter."""


class DigestKnobs(Part):
    weekday: Weekday = 1
    time: TimeOfDay = time(8, 30)


class ActivityKnobs(Part):
    digest: DigestKnobs = DigestKnobs()
    nudge_after: Duration = timedelta(hours=8)
    """Working hours a question in a cluster room stays unanswered before the bot offers help."""


class Network(Part):
    key: Key = Field(examples=["my-network"])
    name: Texts
    topic: Texts | None = None
    languages: Annotated[tuple[Language, ...], AfterValidator(_languages)] = Field(
        examples=["[fr, nl, en]"]
    )
    timezone: Annotated[str, AfterValidator(_timezone)] = Field(examples=["Europe/Brussels"])
    alias_prefix: AliasPart = Field(examples=["my-network-"])
    space_alias: AliasPart | None = None
    access: Literal["public", "knock", "invite"] = "public"
    clusters: tuple[Cluster, ...] = ()
    desks: tuple[Desk, ...] = ()
    forum: Forum | None = None
    questions: QuestionsKnobs = QuestionsKnobs()
    events: EventsKnobs = EventsKnobs()
    activity: ActivityKnobs = ActivityKnobs()

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    def cluster(self, key: str) -> Cluster | None:
        return next((cluster for cluster in self.clusters if cluster.key == key), None)

    def desk(self, key: str) -> Desk | None:
        return next((desk for desk in self.desks if desk.key == key), None)

    @property
    def default_desk(self) -> str:
        return self.questions.default_desk or self.desks[0].key

    def text(self, texts: Mapping[str, str], language: str) -> str:
        """The text in this language, or in the network's first."""
        return texts.get(language) or texts[self.languages[0]]

    def alias(self, key: str) -> str:
        """The part of a room's alias before the colon, without `#`."""
        if key == "space" and self.space_alias:
            return self.space_alias
        return f"{self.alias_prefix}{key}"


def builtin_networks() -> list[str]:
    return sorted(
        entry.name.removesuffix(".yaml")
        for entry in _builtin_folder().iterdir()
        if entry.name.endswith(".yaml")
    )


def is_path(name_or_path: str) -> bool:
    """Whether this is meant as a path, not as the name of a built-in network."""
    return "/" in name_or_path or "\\" in name_or_path or name_or_path.endswith((".yaml", ".yml"))


def load_network(name_or_path: str | Path) -> Network:
    """A built-in network by its name, or a network file by its path.

    Raises `ConfigError` with everything that is wrong.
    """
    named = str(name_or_path)
    if isinstance(name_or_path, Path) or is_path(named):
        return parse_network(read_yaml(Path(named)), named)
    if named not in builtin_networks():
        raise ConfigError(_unknown_network(named))
    source = f"{named}.yaml"
    return parse_network(
        parse_yaml((_builtin_folder() / source).read_text(encoding="utf-8"), source), source
    )


def parse_network(data: dict[str, Any], source: str) -> Network:
    try:
        network = Network.model_validate(data)
    except ValidationError as error:
        raise ConfigError(*problems_in(error, Network, data, source)) from error
    problems = [*_doubles(network, source), *_missing(network, source), *_knobs(network, source)]
    if problems:
        raise ConfigError(*problems)
    return network


def _builtin_folder() -> Traversable:
    return files("config") / "networks"


def _unknown_network(name: str) -> Problem:
    return Problem(
        f"network {name}",
        "There is no built-in network of that name.",
        suggestion(name, builtin_networks(), "The built-in networks are:")
        + " To use a file of your own, write its path, such as ./network.yaml.",
    )


def _rooms(network: Network) -> Iterator[tuple[str, Cluster | Desk | Forum]]:
    yield from ((f"clusters.{room.key}", room) for room in network.clusters)
    yield from ((f"desks.{room.key}", room) for room in network.desks)
    if network.forum:
        yield "forum", network.forum


def _doubles(network: Network, source: str) -> Iterator[Problem]:
    """Clusters, desks and the forum share one set of keys: it makes their aliases."""
    seen: dict[str, str] = {}
    for path, room in _rooms(network):
        if room.key in seen:
            yield Problem(
                f"{source}, {path}",
                f"The key “{room.key}” is already that of {seen[room.key]}.",
                "Give each room a key of its own.",
            )
        seen.setdefault(room.key, path)


def _missing(network: Network, source: str) -> Iterator[Problem]:
    for path, texts in _texts(network):
        for language in network.languages:
            if not texts.get(language):
                yield Problem(
                    f"{source}, {path}",
                    f"The {LANGUAGES[language]} text is missing.",
                    f"Add “{language}: …” there, or remove {language} from languages.",
                )


def _texts(network: Network) -> Iterator[tuple[str, Mapping[str, object]]]:
    yield "name", network.name
    if network.topic:
        yield "topic", network.topic
    for path, room in _rooms(network):
        yield f"{path}.name", room.name
        yield f"{path}.topic", room.topic
        if not isinstance(room, Forum):
            yield f"{path}.words", room.words
        if isinstance(room, Desk) and room.asks is not None:
            yield f"{path}.asks", room.asks


def _knobs(network: Network, source: str) -> Iterator[Problem]:
    for desk in network.desks:
        if desk.hours.start >= desk.hours.end or not desk.hours.days:
            yield Problem(
                f"{source}, desks.{desk.key}.hours",
                "This desk never opens.",
                "Name at least one day, and an end that is later than the start.",
            )
    default = network.questions.default_desk
    if default is not None and network.desk(default) is None:
        yield Problem(
            f"{source}, questions.default_desk",
            f"There is no desk “{default}”.",
            suggestion(default, [desk.key for desk in network.desks], "The desks are:"),
        )
    if network.questions.close_after <= network.questions.ask_help_after:
        yield Problem(
            f"{source}, questions.close_after",
            "Questions would close before their askers are asked whether the answer helped.",
            "Make close_after longer than ask_help_after.",
        )
