"""The types of a command's parameters: how each is typed, read, refused and explained.

A command is an async function whose signature says what people may type::

    async def ask(ctx: Context, text: Rest, *, desk: DeskKey | None = None, private: Flag = False)

Positional parameters are words in their order, keyword-only ones are options (``for_`` is
``--for``, ``dry_run`` is ``--dry-run``), and a default makes either optional. To a type checker
each of these types is what the function receives: `Rest` is a ``str``, `Duration` a ``timedelta``.
A string beside the type is its name in usage lines: ``Annotated[Text, N_('"TITLE"')]``.

Readers raise `UserError`, whose sentence says what to type instead.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, time, timedelta
from functools import partial
from typing import Annotated, Literal, Protocol, TypeAlias
from urllib.parse import unquote

from babel import Locale

from bot.domain.content import Piece, code
from bot.domain.errors import UserError
from bot.domain.questions import Because
from bot.services.holidays import place_named
from commands.names import Name, fold
from commands.tokens import Takes, tokenise
from commands.when import read_day, read_duration, read_time
from config.locales import N_, Translator

Names: TypeAlias = Mapping[str, Mapping[str, str]]
"""From each key to its names by language."""


class Vocabulary(Protocol):
    """What a network calls its things. ``rooms`` are all that one may name, with "all"."""

    @property
    def desks(self) -> Names: ...

    @property
    def clusters(self) -> Names: ...

    @property
    def rooms(self) -> Names: ...

    @property
    def languages(self) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True)
class ParseEnvironment:
    """What reading a command depends on, besides what was typed.

    ``pills`` are the people mentioned: the text shown in the body, and the user id it stands for.
    ``today`` is the date in the network's time zone. ``prefix`` is shown in usage lines.
    """

    vocabulary: Vocabulary
    today: date
    tr: Translator
    pills: Mapping[str, str] = field(default_factory=dict)
    prefix: str = "!"


@dataclass(frozen=True, slots=True)
class Passed:
    """Why a question is passed on, and to whom, if somebody was named."""

    reason: Because
    to: str | None = None


Reader: TypeAlias = Callable[[str, ParseEnvironment], object]


@dataclass(frozen=True, slots=True)
class Kind:
    """``label`` stands for the value in usage lines (``choices`` for themselves), ``hint`` explains
    it in the help of a command."""

    read: Reader
    label: str = ""
    hint: str | None = None
    takes: Takes = Takes.WORD
    choices: tuple[Name, ...] = ()


def choice(*names: Name, hint: str | None = None) -> Kind:
    """One of several words, given to the command in English."""
    return Kind(partial(_choice, names), hint=hint, choices=names)


def _text(typed: str, env: ParseEnvironment) -> str:
    return typed


def _words(typed: str, env: ParseEnvironment) -> tuple[str, ...]:
    return tuple(token.text for token in tokenise(typed) if token.text)


def _choice(names: Sequence[Name], typed: str, env: ParseEnvironment) -> str:
    for name in names:
        if fold(typed) in map(fold, name.spellings):
            return name.en
    choices = ", ".join(name.in_language(env.tr.language) for name in names)
    raise _refusal(
        "choice-unknown",
        N_("Please write one of these instead of {typed}: {choices}."),
        typed,
        choices=choices,
    )


def _flag(typed: str, env: ParseEnvironment) -> bool:
    return _choice((_YES, _NO), typed, env) == "yes"


_USER_ID = re.compile(r"@[^\s:]+:[^\s:]+(?::[0-9]+)?")
_PERSON_LINK = re.compile(r"(?:\[.*\]\()?https://matrix\.to/#/(?P<address>[^\s?)]+)\)?")


def _user_id(typed: str, env: ParseEnvironment) -> str:
    link = _PERSON_LINK.fullmatch(typed)
    address = unquote(link["address"]) if link else typed
    if typed in env.pills or _USER_ID.fullmatch(address):
        return env.pills.get(typed, address)
    raise _refusal(
        "person-unknown",
        N_("Please mention the person or write an address like {example} instead of {typed}."),
        typed,
        example=code("@anna:example.org"),
    )


def _number(letter: str, key: str, sentence: str, typed: str, env: ParseEnvironment) -> int:
    found = re.fullmatch(rf"(?:{letter}|#)*([1-9][0-9]{{0,8}})", typed, re.IGNORECASE)
    if found is None:
        raise _refusal(key, sentence, typed)
    return int(found[1])


def _key(
    names_in: Callable[[Vocabulary], Names],
    key: str,
    sentence: str,
    typed: str,
    env: ParseEnvironment,
) -> str:
    names = names_in(env.vocabulary)
    meant = _meant(typed, names)
    if len(meant) == 1:
        return meant[0]
    several = [_meant(each, names) for each in typed.split(",")]
    if len(several) > 1 and all(len(each) == 1 for each in several):
        keys = ", ".join(each for [each] in several)
        raise _refusal(
            "one-at-a-time",
            N_("Please write only one of them instead of {typed}: {keys}."),
            typed,
            keys=keys,
        )
    raise _refusal(key, sentence, typed, keys=", ".join(meant or names))


def _meant(typed: str, names: Names) -> list[str]:
    """The keys typed by key or name; else by words of the name; else by how such words begin."""
    for like in (_same, _within, _beginning) if _words_of(typed) else ():
        meant = [
            key
            for key, by_language in names.items()
            if any(like(typed, name) for name in (key, *by_language.values()))
        ]
        if meant:
            return meant
    return []


def _same(typed: str, name: str) -> bool:
    return fold(typed) == fold(name)


def _within(typed: str, name: str) -> bool:
    return _words_of(typed) <= _words_of(name)


def _beginning(typed: str, name: str) -> bool:
    return all(
        any(word.startswith(beginning) for word in _words_of(name))
        for beginning in _words_of(typed)
    )


def _words_of(phrase: str) -> set[str]:
    return set(re.findall(r"\w+", fold(phrase)))


def _list(read_one: Reader, typed: str, env: ParseEnvironment) -> tuple[object, ...]:
    """Names may contain commas themselves."""
    parts = [part.strip() for part in typed.split(",") if part.strip()]
    if len(parts) < 2:
        return (read_one(", ".join(parts), env),)
    try:
        return (read_one(typed, env),)
    except UserError:
        return tuple(dict.fromkeys(read_one(part, env) for part in parts))


def _language(typed: str, env: ParseEnvironment) -> str:
    known = env.vocabulary.languages
    for language in known:
        if fold(typed) in {language, *map(fold, _names_of_language(language, known))}:
            return language
    raise _refusal(
        "language-unknown",
        N_("Please write one of these languages instead of {typed}: {languages}."),
        typed,
        languages=", ".join(known),
    )


def _names_of_language(language: str, readers: Sequence[str]) -> Iterator[str]:
    for reader in readers:
        yield Locale.parse(language).get_language_name(reader) or language


def _day(typed: str, env: ParseEnvironment) -> date:
    day = read_day(typed, env.today)
    if day is None:
        example = env.today + timedelta(days=7)
        raise _refusal(
            "day-unknown",
            N_("Please write a day like {iso}, {short}, Friday or tomorrow instead of {typed}."),
            typed,
            iso=example.isoformat(),
            short=f"{example:%d/%m/%Y}",
        )
    return day


def _until(typed: str, env: ParseEnvironment) -> date:
    day = _day(typed, env)
    if day < env.today:
        raise _refusal(
            "day-past",
            N_("{typed} has passed: please write a day from {today} on."),
            typed,
            today=env.today.isoformat(),
        )
    return day


def _time(typed: str, env: ParseEnvironment) -> time:
    moment = read_time(typed)
    if moment is None:
        raise _refusal(
            "time-unknown", N_("Please write a time like 14:30 or 9h instead of {typed}."), typed
        )
    return moment


def _month(typed: str, env: ParseEnvironment) -> date:
    """Its first day."""
    found = re.fullmatch(r"(20[0-9]{2})-(0?[1-9]|1[0-2])", typed)
    if found is None:
        example = f"{env.today:%Y-%m}"
        sentence = N_("Please write a month like {example} instead of {typed}.")
        raise _refusal("month-unknown", sentence, typed, example=example)
    return date(int(found[1]), int(found[2]), 1)


def _passed_because(typed: str, env: ParseEnvironment) -> Passed:
    for name, reason in ((_FIELD, Because.FIELD), (_TIME_REASON, Because.TIME)):
        if fold(typed) in map(fold, name.spellings):
            return Passed(reason)
    try:
        return Passed(Because.REFERRAL, str(_user_id(typed, env)))
    except UserError:
        language = env.tr.language
        raise _refusal(
            "passed-because",
            N_("Please write {field}, {time} or mention a colleague instead of {typed}."),
            typed,
            field=code(_FIELD.in_language(language)),
            time=code(_TIME_REASON.in_language(language)),
        ) from None


def _question_or_reason(typed: str, env: ParseEnvironment) -> int | Passed:
    try:
        return _passed_because(typed, env)
    except UserError:
        return int(str(_QUESTION(typed, env)))


def _hours(typed: str, env: ParseEnvironment) -> tuple[str, str]:
    """“9h-17h”, “09:00-17:30”: start and end."""
    start, _, end = typed.partition("-")
    opened, closed = read_time(start.strip()), read_time(end.strip())
    if opened is None or closed is None or opened >= closed:
        sentence = N_("Please write hours like {example} instead of {typed}.")
        raise _refusal("hours-unknown", sentence, typed, example=code("9h-17h"))
    return f"{opened:%H:%M}", f"{closed:%H:%M}"


def _weekdays(typed: str, env: ParseEnvironment) -> tuple[int, ...]:
    """“mon-fri”, “lun,mar,jeu”, “ma-vr”: ISO weekdays."""
    days: set[int] = set()
    for part in filter(None, re.split(r"[,;\s]+", fold(typed))):
        first, _, last = part.partition("-")
        begun, ended = _weekday(first), _weekday(last or first)
        if begun is None or ended is None:
            sentence = N_("Please write days like {example} instead of {typed}.")
            example = ", ".join(_SHORT_DAYS[env.tr.language][:3])
            raise _refusal("days-of-week", sentence, typed, example=code(example))
        days |= {(begun - 1 + step) % 7 + 1 for step in range((ended - begun) % 7 + 1)}
    return tuple(sorted(days))


def _weekday(typed: str) -> int | None:
    """The name of a day, or its beginning, in any of the three languages."""
    for language, names in _LONG_DAYS.items():
        for place, name in enumerate(names):
            if len(typed) >= len(_SHORT_DAYS[language][place]) and name.startswith(typed):
                return place + 1
    return None


_LONG_DAYS = {
    "en": ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"),
    "fr": ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"),
    "nl": ("maandag", "dinsdag", "woensdag", "donderdag", "vrijdag", "zaterdag", "zondag"),
}
_SHORT_DAYS = {
    "en": ("mon", "tue", "wed", "thu", "fri", "sat", "sun"),
    "fr": ("lun", "mar", "mer", "jeu", "ven", "sam", "dim"),
    "nl": ("ma", "di", "wo", "do", "vr", "za", "zo"),
}


def _place_of_holidays(typed: str, env: ParseEnvironment) -> str:
    found = place_named(typed, env.vocabulary.languages)
    if isinstance(found, str):
        return found
    sentence = N_("Please write a country like {example} instead of {typed}.")
    examples = ", ".join(found.near) or "BE, FR"
    raise _refusal("country-unknown", sentence, typed, example=examples)


def _count(typed: str, env: ParseEnvironment) -> int:
    if not re.fullmatch(r"[1-9][0-9]?", typed):
        sentence = N_("Please write a number from 1 to 99 instead of {typed}.")
        raise _refusal("count-unknown", sentence, typed)
    return int(typed)


def _duration(typed: str, env: ParseEnvironment) -> timedelta:
    length = read_duration(typed)
    if length is None:
        raise _refusal(
            "duration-unknown",
            N_("Please write a length of time like 90m, 1h30, 2h or 1d instead of {typed}."),
            typed,
        )
    return length


def _place(typed: str, env: ParseEnvironment) -> str:
    place = typed.removeprefix("@").strip()
    if not typed.startswith("@") or not place or _USER_ID.fullmatch(typed) or typed in env.pills:
        raise _refusal(
            "place-unknown",
            N_("Please write the place like {short} or {long} instead of {typed}."),
            typed,
            short=code("@Lille"),
            long=code('@"Kortrijk Xpo"'),
        )
    return place


def _refusal(key: str, sentence: str, typed: str, **values: str | Piece) -> UserError:
    shown = typed if len(typed) <= 60 else typed[:59] + "…"
    return UserError(key, sentence, typed=code(shown), **values)


_YES = Name("yes", fr="oui", nl="ja", also=("✅",))
_MAYBE = Name("maybe", fr="peut-être", nl="misschien", also=("peut être", "🤔"))
_NO = Name("no", fr="non", nl="nee", also=("neen", "❌"))

_FIELD = Name("field", fr="domaine", nl="vakgebied", also=("not my field", "🚫"))
_TIME_REASON = Name("time", fr="temps", nl="tijd", also=("no time", "⏳"))

_DESK = partial(
    _key,
    lambda vocabulary: vocabulary.desks,
    "desk-unknown",
    N_("Please write one of these desks instead of {typed}: {keys}."),
)
_CLUSTER = partial(
    _key,
    lambda vocabulary: vocabulary.clusters,
    "cluster-unknown",
    N_("Please write one of these clusters instead of {typed}: {keys}."),
)
_ROOM = partial(
    _key,
    lambda vocabulary: vocabulary.rooms,
    "room-unknown",
    N_("Please write one of these rooms instead of {typed}: {keys}."),
)
_QUESTION = partial(
    _number,
    "Q",
    "question-number",
    N_("Please write the question’s number, like Q12, instead of {typed}."),
)
_EVENT = partial(
    _number, "E", "event-number", N_("Please write the event’s number, like 7, instead of {typed}.")
)

_DAY_HINT = N_("like 2027-03-12, 12/03/2027, Friday or tomorrow")

Rest = Annotated[str, Kind(_text, N_("TEXT"), takes=Takes.TEXT)]
"""Everything that follows, with its spaces and lines; as an option, or the quoted words."""

Words = Annotated[tuple[str, ...], Kind(_words, N_("WORDS"), takes=Takes.TEXT)]
"""Everything that follows, word by word; quotes keep words together."""

Text = Annotated[str, Kind(_text, N_('"TEXT"'))]
"""One word, or several in quotes."""

Flag = Annotated[bool, Kind(_flag, takes=Takes.NOTHING)]

UserId = Annotated[str, Kind(_user_id, N_("@PERSON"))]

QuestionNumber = Annotated[int, Kind(_QUESTION, N_("Q12"))]

EventNumber = Annotated[int, Kind(_EVENT, N_("7"))]

DeskKey = Annotated[str, Kind(_DESK, N_("DESK"), N_("a desk, by its key or name"))]

ClusterKey = Annotated[str, Kind(_CLUSTER, N_("CLUSTER"), N_("a cluster, by its key or name"))]

ClusterKeys = Annotated[
    tuple[str, ...],
    Kind(partial(_list, _CLUSTER), N_("CLUSTERS"), N_("clusters, with commas between"), Takes.LIST),
]

RoomKey = Annotated[str, Kind(_ROOM, N_("ROOM"), N_("a room, by its key or name, or all"))]

LanguageCode = Annotated[
    str, Kind(_language, N_("LANGUAGE"), N_("a language, by its code or name"))
]

Languages = Annotated[
    tuple[str, ...],
    Kind(partial(_list, _language), N_("LANGUAGES"), N_("languages, like fr,nl"), Takes.LIST),
]

Answer = Annotated[Literal["yes", "maybe", "no"], choice(_YES, _MAYBE, _NO)]

Day = Annotated[date, Kind(_day, N_("DAY"), _DAY_HINT)]

Until = Annotated[date, Kind(_until, N_("DAY"), _DAY_HINT)]
"""A day that has not passed; "until Friday", "jusqu’à vendredi", "tot vrijdag" are understood."""

TimeOfDay = Annotated[time, Kind(_time, N_("TIME"), N_("like 14:30 or 9h"))]

Duration = Annotated[timedelta, Kind(_duration, N_("LENGTH"), N_("like 90m, 1h30, 2h or 1d"))]

MonthOfYear = Annotated[date, Kind(_month, N_("MONTH"), N_("like 2026-11"))]
"""Its first day."""

PassedBecause = Annotated[
    Passed, Kind(_passed_because, N_("REASON"), N_("field, time, or a colleague to ask instead"))
]

QuestionOrReason = Annotated[int | Passed, Kind(_question_or_reason, N_("Q12"))]

Hours = Annotated[tuple[str, str], Kind(_hours, N_("HOURS"), N_("like 9h-17h"))]

Weekdays = Annotated[
    tuple[int, ...], Kind(_weekdays, N_("DAYS"), N_("like mon-fri or mon,tue,thu"), Takes.LIST)
]

HolidayPlace = Annotated[
    str, Kind(_place_of_holidays, N_("COUNTRY"), N_("whose holidays you keep, like BE or FR"))
]

Ceiling = Annotated[int, Kind(_count, N_("NUMBER"), N_("a number from 1 to 99"))]

YesOrNo = Annotated[bool, Kind(_flag, choices=(_YES, _NO))]

Place = Annotated[str, Kind(_place, N_("@PLACE"), N_('like @Lille or @"Kortrijk Xpo"'))]
"""Without its @."""
