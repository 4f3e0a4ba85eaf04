from gettext import NullTranslations
from typing import Annotated

import pytest

from bot.domain.roles import Role
from commands.help import detail, overview, usage
from commands.parameters import (
    Answer,
    ClusterKeys,
    Day,
    DeskKey,
    EventNumber,
    Flag,
    Languages,
    Place,
    Rest,
    Text,
    UserId,
)
from commands.registry import Registry, command
from config.locales import Translator

FRENCH = {
    "TEXT": "TEXTE",
    "DESK": "DESK",
    "Put a question to the network": "Poser une question au réseau",
    "For members": "Pour les membres",
    "ask --desk funding Who pays?": "demander --desk funding Qui paie ?",
}


class Catalogue(NullTranslations):
    def gettext(self, message: str) -> str:
        return FRENCH.get(message, message)


class Context:
    pass


@command(
    "ask",
    fr="demander",
    nl="vraag",
    summary="Put a question to the network",
    examples=("ask --desk funding Who pays?", "ask --private I am <shy>"),
    options={"private": "only the expert sees it"},
)
async def ask(
    ctx: Context, text: Rest, *, desk: DeskKey | None = None, private: Flag = False
) -> None:
    pass


@command("rsvp", fr="présence", nl="aanwezig", summary="Say whether you come")
async def rsvp(ctx: Context, event: EventNumber, answer: Answer) -> None:
    pass


@command("expert add", fr="expert ajouter", nl="expert toevoegen", role=Role.ADMIN, summary="Add")
async def expert_add(ctx: Context, person: UserId, *, desk: DeskKey, lang: Languages = ()) -> None:
    pass


@command("event new", fr="évènement nouveau", nl="evenement nieuw", role=Role.ADMIN, summary="New")
async def event_new(
    ctx: Context,
    title: Annotated[Text, '"TITLE"'],
    day: Day,
    place: Place | None = None,
    *,
    cluster: ClusterKeys = (),
    desc: Rest | None = None,
    dry_run: Flag = False,
) -> None:
    pass


@command("help", fr="aide", nl="help", role=None, summary="This list")
async def help_(ctx: Context, name: Rest = "") -> None:
    pass


@pytest.fixture
def en() -> Translator:
    return Translator("en", NullTranslations())


@pytest.fixture
def fr() -> Translator:
    return Translator("fr", Catalogue())


@pytest.fixture
def registry() -> Registry:
    return Registry([event_new, ask, expert_add, rsvp, help_])


def test_usage_comes_from_the_signature(en: Translator) -> None:
    assert usage(ask, en) == "!ask [--desk DESK] [--private] TEXT"
    assert usage(rsvp, en) == "!rsvp 7 yes|maybe|no"
    assert usage(help_, en) == "!help [TEXT]"
    assert usage(expert_add, en) == "!expert add @PERSON --desk DESK [--lang LANGUAGES]"
    assert usage(event_new, en) == (
        '!event new "TITLE" DAY [@PLACE] [--cluster CLUSTERS] [--dry-run] [--desc TEXT]'
    )


def test_usage_is_in_the_language_of_the_reader(fr: Translator) -> None:
    assert usage(ask, fr) == "!demander [--desk DESK] [--private] TEXTE"
    assert usage(rsvp, fr, prefix="") == "présence 7 oui|peut-être|non"


def test_the_overview_has_a_line_for_each_command_by_role(
    registry: Registry, en: Translator
) -> None:
    assert overview(registry, frozenset({Role.ADMIN}), en).body.splitlines() == [
        "For everyone",
        "• !help – This list",
        "For members",
        "• !ask – Put a question to the network",
        "• !rsvp – Say whether you come",
        "For admins",
        "• !event new – New",
        "• !expert add – Add",
        "More about one of them: !help ask",
    ]


def test_the_overview_shows_only_what_the_reader_may_use(
    registry: Registry, fr: Translator
) -> None:
    shown = overview(registry, frozenset({Role.MEMBER}), fr, prefix="?")
    assert "?demander – Poser une question au réseau" in shown.body
    assert "Pour les membres" in shown.body
    assert "expert" not in shown.body
    assert "demander" not in overview(registry, frozenset(), fr).body


def test_the_detail_explains_options_and_gives_examples(en: Translator) -> None:
    assert detail(ask, en).body.splitlines() == [
        "!ask [--desk DESK] [--private] TEXT",
        "Put a question to the network",
        "• --desk DESK – a desk, by its key or name",
        "• --private – only the expert sees it",
        "Examples:",
        "• !ask --desk funding Who pays?",
        "• !ask --private I am <shy>",
    ]
    assert "<code>!ask --private I am &lt;shy&gt;</code>" in detail(ask, en).html


def test_the_detail_is_in_the_language_of_the_reader(fr: Translator) -> None:
    lines = detail(ask, fr).body.splitlines()
    assert lines[:2] == [usage(ask, fr), "Poser une question au réseau"]
    assert "• !demander --desk funding Qui paie ?" in lines


def test_a_command_without_options_and_examples_is_two_lines(en: Translator) -> None:
    assert detail(rsvp, en).body == "!rsvp 7 yes|maybe|no\nSay whether you come"
