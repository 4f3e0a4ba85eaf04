from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, time, timedelta
from gettext import NullTranslations
from typing import Annotated, Any

import pytest

from bot.domain.errors import UserError
from commands.names import Name
from commands.parameters import (
    Answer,
    ClusterKey,
    ClusterKeys,
    Day,
    DeskKey,
    Duration,
    EventNumber,
    Flag,
    Kind,
    LanguageCode,
    Languages,
    ParseEnvironment,
    Place,
    QuestionNumber,
    Rest,
    RoomKey,
    Text,
    TimeOfDay,
    Until,
    UserId,
    Words,
    choice,
)
from commands.parsing import parse
from commands.registry import AnyCommand, command
from config.locales import Translator

THURSDAY = date(2026, 11, 26)
DESKS = {
    "funding": {"fr": "Desk Financement", "nl": "Financieringsdesk", "en": "Funding desk"},
    "project": {"fr": "Desk Projets", "nl": "Projectdesk", "en": "Project desk"},
}
CLUSTERS = {
    "materials": {
        "fr": "Textile, matériaux innovants et design",
        "nl": "Innoverende materialen/textiel/design",
        "en": "Innovative materials, textile and design",
    },
    "imaging-ict": {"fr": "Image et TIC", "nl": "Beeldvorming/ICT", "en": "Imaging and ICT"},
    "logistics": {"fr": "Logistique", "nl": "Logistiek", "en": "Logistics"},
}


@dataclass
class Network:
    desks: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: DESKS)
    clusters: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: CLUSTERS)
    languages: Sequence[str] = ("fr", "nl", "en")

    @property
    def rooms(self) -> Mapping[str, Mapping[str, str]]:
        return {"all": {"fr": "tous", "nl": "alle", "en": "all"}, **DESKS, **CLUSTERS}


class Context:
    pass


@pytest.fixture
def env() -> ParseEnvironment:
    return ParseEnvironment(
        vocabulary=Network(),
        today=THURSDAY,
        tr=Translator("en", NullTranslations()),
        pills={"Anna De Vries": "@anna:example.org"},
    )


def read(hint: Any, typed: str, env: ParseEnvironment) -> object:
    kind: Kind = hint.__metadata__[0]
    return kind.read(typed, env)


def sentence(error: UserError, env: ParseEnvironment) -> str:
    return env.tr(error.message, **error.values).body


@pytest.mark.parametrize(
    ("hint", "typed", "value"),
    [
        (Words, "lin “fonds européens” d'eau", ("lin", "fonds européens", "d'eau")),
        (UserId, "@anna:example.org", "@anna:example.org"),
        (UserId, "@anna:localhost:8448", "@anna:localhost:8448"),
        (UserId, "Anna De Vries", "@anna:example.org"),
        (UserId, "https://matrix.to/#/%40anna%3Aexample.org", "@anna:example.org"),
        (UserId, "[Anna B](https://matrix.to/#/@anna:example.org)", "@anna:example.org"),
        (QuestionNumber, "Q12", 12),
        (QuestionNumber, "q12", 12),
        (QuestionNumber, "12", 12),
        (QuestionNumber, "#12", 12),
        (EventNumber, "7", 7),
        (EventNumber, "#7", 7),
        (EventNumber, "E7", 7),
        (DeskKey, "funding", "funding"),
        (DeskKey, "Financement", "funding"),
        (DeskKey, "desk financement", "funding"),
        (DeskKey, "FINANCIERING", "funding"),
        (ClusterKey, "materiaux", "materials"),
        (ClusterKey, "ict", "imaging-ict"),
        (ClusterKeys, "logistics", ("logistics",)),
        (ClusterKeys, "Logistiek, ict,logistics,", ("logistics", "imaging-ict")),
        (ClusterKeys, "Textile, matériaux innovants et design", ("materials",)),
        (RoomKey, "tous", "all"),
        (RoomKey, "projets", "project"),
        (LanguageCode, "FR", "fr"),
        (LanguageCode, "néerlandais", "nl"),
        (LanguageCode, "Frans", "fr"),
        (Languages, "fr,nl", ("fr", "nl")),
        (Languages, "english, dutch", ("en", "nl")),
        (Answer, "Oui", "yes"),
        (Answer, "✅\ufe0f", "yes"),
        (Answer, "peut etre", "maybe"),
        (Answer, "misschien", "maybe"),
        (Answer, "🤔", "maybe"),
        (Answer, "nee", "no"),
        (Answer, "❌", "no"),
        (Until, "2026-12-03", date(2026, 12, 3)),
        (Until, "03/12/2026", date(2026, 12, 3)),
        (Until, "3.12.26", date(2026, 12, 3)),
        (Until, "3-12", date(2026, 12, 3)),
        (Until, "3/2", date(2027, 2, 3)),
        (Until, "jeudi 3 décembre", date(2026, 12, 3)),
        (Until, "1er févr.", date(2027, 2, 1)),
        (Until, "29 februari 2028", date(2028, 2, 29)),
        (Until, "today", THURSDAY),
        (Until, "aujourd’hui", THURSDAY),
        (Until, "demain", date(2026, 11, 27)),
        (Until, "morgen", date(2026, 11, 27)),
        (Until, "tomorrow", date(2026, 11, 27)),
        (Until, "après-demain", date(2026, 11, 28)),
        (Until, "Vendredi", date(2026, 11, 27)),
        (Until, "vr", date(2026, 11, 27)),
        (Until, "thursday", date(2026, 12, 3)),
        (Until, "until friday", date(2026, 11, 27)),
        (Until, "jusqu’à vendredi", date(2026, 11, 27)),
        (Until, "jusqu'au 3 décembre", date(2026, 12, 3)),
        (Until, "tot en met vrijdag", date(2026, 11, 27)),
        (Day, "2025-01-02", date(2025, 1, 2)),
        (TimeOfDay, "14:30", time(14, 30)),
        (TimeOfDay, "9h", time(9)),
        (TimeOfDay, "14h05", time(14, 5)),
        (TimeOfDay, "9 u 30", time(9, 30)),
        (TimeOfDay, "9.15", time(9, 15)),
        (Duration, "90m", timedelta(minutes=90)),
        (Duration, "45 min", timedelta(minutes=45)),
        (Duration, "1h30", timedelta(minutes=90)),
        (Duration, "1u30m", timedelta(minutes=90)),
        (Duration, "2h", timedelta(hours=2)),
        (Duration, "2 heures", timedelta(hours=2)),
        (Duration, "1d", timedelta(days=1)),
        (Duration, "2 jours", timedelta(days=2)),
        (Place, "@Lille", "Lille"),
        (Place, "@Kortrijk Xpo", "Kortrijk Xpo"),
    ],
)
def test_values_are_read_as_people_type_them(
    hint: Any, typed: str, value: object, env: ParseEnvironment
) -> None:
    assert read(hint, typed, env) == value


@pytest.mark.parametrize(
    ("hint", "typed", "key", "told"),
    [
        (UserId, "Anna", "person-unknown", "mention the person or write an address like @anna:"),
        (UserId, "@anna", "person-unknown", "instead of @anna"),
        (QuestionNumber, "E7", "question-number", "like Q12, instead of E7"),
        (QuestionNumber, "0", "question-number", "like Q12"),
        (QuestionNumber, "9" * 20, "question-number", "like Q12"),
        (EventNumber, "seven", "event-number", "like 7, instead of seven"),
        (DeskKey, "marketing", "desk-unknown", "desks instead of marketing: funding, project."),
        (DeskKey, "desk", "desk-unknown", "desks instead of desk: funding, project."),
        (DeskKey, "!", "desk-unknown", "funding, project"),
        (ClusterKeys, "logistics, space", "cluster-unknown", "clusters instead of space: mat"),
        (ClusterKeys, ",", "cluster-unknown", "materials, imaging-ict, logistics"),
        (RoomKey, "kitchen", "room-unknown", "rooms instead of kitchen: all, "),
        (LanguageCode, "latin", "language-unknown", "instead of latin: fr, nl, en."),
        (Languages, "fr, latin", "language-unknown", "instead of latin: fr, nl, en."),
        (Answer, "perhaps", "choice-unknown", "instead of perhaps: yes, maybe, no."),
        (Until, "one day", "day-unknown", "2026-12-03, 03/12/2026, Friday or tomorrow"),
        (Until, "31/02/2027", "day-unknown", "instead of 31/02/2027"),
        (Until, "2026-11-25", "day-past", "2026-11-25 has passed"),
        (TimeOfDay, "24:00", "time-unknown", "14:30"),
        (TimeOfDay, "9:75", "time-unknown", "14:30"),
        (TimeOfDay, "14", "time-unknown", "14:30"),
        (Duration, "90", "duration-unknown", "90m"),
        (Duration, "0h", "duration-unknown", "90m"),
        (Duration, "", "duration-unknown", "90m"),
        (Place, "Lille", "place-unknown", '@Lille or @"Kortrijk Xpo" instead of Lille.'),
        (Place, "@", "place-unknown", "@Lille"),
        (Place, "@anna:example.org", "place-unknown", "@Lille"),
    ],
)
def test_a_refusal_says_what_to_type_instead(
    hint: Any, typed: str, key: str, told: str, env: ParseEnvironment
) -> None:
    with pytest.raises(UserError) as refused:
        read(hint, typed, env)
    assert refused.value.key == key
    assert told in sentence(refused.value, env)


def test_a_refusal_quotes_no_more_than_its_reader_needs(env: ParseEnvironment) -> None:
    with pytest.raises(UserError) as refused:
        read(DeskKey, "x" * 5_000, env)
    assert len(sentence(refused.value, env)) < 150


def test_choices_are_offered_in_the_language_of_the_reader(env: ParseEnvironment) -> None:
    which = choice(Name("mine", fr="miennes", nl="mijn"), Name("open", fr="ouvertes", nl="open"))
    french = replace(env, tr=Translator("fr", NullTranslations()))
    assert which.read("ouvertes", french) == "open"
    with pytest.raises(UserError) as refused:
        which.read("toutes", french)
    assert "miennes, ouvertes" in sentence(refused.value, french)


@command("ask", fr="demander", nl="vraag", summary="…")
async def ask(
    ctx: Context, text: Rest, *, desk: DeskKey | None = None, private: Flag = False
) -> None:
    pass


@command("event new", fr="évènement nouveau", nl="evenement nieuw", summary="…")
async def event_new(
    ctx: Context,
    title: Annotated[Text, '"TITLE"'],
    day: Day,
    at: TimeOfDay,
    place: Place | None = None,
    *,
    cluster: ClusterKeys = (),
    for_: Duration | None = None,
    desc: Rest | None = None,
) -> None:
    pass


@command("assign", fr="attribuer", nl="toewijzen", summary="…")
async def assign(ctx: Context, question: QuestionNumber, person: UserId) -> None:
    pass


@command("expert add", fr="expert ajouter", nl="expert toevoegen", summary="…")
async def expert_add(ctx: Context, person: UserId, *, desk: DeskKey) -> None:
    pass


@command("away", fr="absent", nl="afwezig", summary="…")
async def away(ctx: Context, until: Until | None = None) -> None:
    pass


@command("provision", fr="provisionner", nl="inrichten", summary="…")
async def provision(ctx: Context, *, dry_run: Flag = False) -> None:
    pass


@pytest.mark.parametrize(
    ("called", "typed", "arguments"),
    [
        (ask, "Qui  paie ?\nEt quand ?", {"text": "Qui  paie ?\nEt quand ?"}),
        (ask, "—private desk=financement x", {"text": "x", "desk": "funding", "private": True}),
        (ask, "secret --private", {"text": "secret", "private": True}),
        (ask, "--private=non x", {"text": "x", "private": False}),
        (ask, "--oneline is what?", {"text": "--oneline is what?"}),
        (
            event_new,
            "“Salon du lin” 3/12/2026 14h @Lille Grand Palais --for 1h30 "
            "--cluster logistics, ict --desc Une matinée",
            {
                "title": "Salon du lin",
                "day": date(2026, 12, 3),
                "at": time(14),
                "place": "Lille Grand Palais",
                "cluster": ("logistics", "imaging-ict"),
                "for_": timedelta(minutes=90),
                "desc": "Une matinée",
            },
        ),
        (assign, "Q12 Anna De Vries", {"question": 12, "person": "@anna:example.org"}),
        (
            expert_add,
            "Anna De Vries: --desk projets",
            {"person": "@anna:example.org", "desk": "project"},
        ),
        (away, "", {}),
        (away, '""', {}),
        (away, "until vendredi", {"until": date(2026, 11, 27)}),
        (provision, "—dry-run", {"dry_run": True}),
    ],
)
def test_a_line_becomes_the_arguments_of_the_function(
    called: AnyCommand, typed: str, arguments: dict[str, object], env: ParseEnvironment
) -> None:
    assert parse(called, typed, env) == arguments


@pytest.mark.parametrize(
    ("called", "typed", "key", "told"),
    [
        (ask, "", "usage", "!ask [--desk DESK] [--private] TEXT"),
        (ask, "--private", "usage", "!ask [--desk DESK] [--private] TEXT"),
        (ask, "--desc x", "option-unknown", "no option --desc: did you mean --desk?"),
        (ask, "secret --privé", "option-unknown", "no option --prive: did you mean --private?"),
        (ask, "--desk --private x", "option-without-value", "like this: --desk DESK"),
        (ask, "--desk x y", "desk-unknown", "funding, project"),
        (event_new, "Salon", "usage", '!event new "TITLE" DAY TIME [@PLACE]'),
        (event_new, "Salon", "usage", "DAY is missing"),
        (event_new, "Salon tomorrow", "usage", "TIME is missing"),
        (expert_add, "@anna:example.org", "usage", "--desk DESK is missing"),
        (event_new, '"" 3/12 14h', "usage", '!event new "TITLE" DAY TIME [@PLACE]'),
        (event_new, "Salon du lin 3/12 14h", "day-unknown", "instead of du"),
        (assign, "Q12 Anna", "person-unknown", "mention the person"),
        (expert_add, "Anna De Vries", "usage", "!expert add @PERSON --desk DESK"),
        (provision, "dry-run", "usage", "!provision [--dry-run]"),
        (provision, "--sideways", "usage", "!provision [--dry-run]"),
    ],
)
def test_a_mistake_is_answered_with_how_to_write_it(
    called: AnyCommand, typed: str, key: str, told: str, env: ParseEnvironment
) -> None:
    with pytest.raises(UserError) as refused:
        parse(called, typed, env)
    assert refused.value.key == key
    assert told in sentence(refused.value, env)


def test_usage_is_shown_with_the_prefix_and_in_the_language_of_the_reader(
    env: ParseEnvironment,
) -> None:
    french = replace(env, tr=Translator("fr", NullTranslations()), prefix="")
    with pytest.raises(UserError) as refused:
        parse(ask, "", french)
    assert "demander [--desk" in sentence(refused.value, french)
    assert "!" not in sentence(refused.value, french)


def test_what_people_typed_stays_out_of_logs(env: ParseEnvironment) -> None:
    with pytest.raises(UserError) as refused:
        parse(ask, "--desk hush x", env)
    assert "hush" not in str(refused.value)
