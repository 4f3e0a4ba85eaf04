from types import ModuleType
from typing import Annotated

import pytest

from bot.app import registry as registry_of_the_bot
from bot.domain.roles import Role, allows
from commands.names import fold, nearest
from commands.parameters import DeskKey, EventNumber, Flag, Rest, Text
from commands.registry import AnyCommand, Match, Registry, Unknown, command


class Context:
    pass


@command("ask", fr="demander", nl="vraag", aliases=("question",), summary="Put a question")
async def ask(
    ctx: Context, text: Rest, *, desk: DeskKey | None = None, dry_run: Flag = False
) -> str:
    return f"{text} {desk} {dry_run}"


@command("event", fr="évènement", nl="evenement", summary="Show an event")
async def event(ctx: Context, number: EventNumber) -> None:
    pass


@command(
    "event new", fr="évènement nouveau", nl="evenement nieuw", role=Role.ADMIN, summary="Announce"
)
async def event_new(ctx: Context, title: Annotated[Text, '"TITLE"']) -> None:
    pass


@command("about", fr="à propos", nl="over", role=None, summary="What this is")
async def about(ctx: Context) -> None:
    pass


@pytest.fixture
def registry() -> Registry:
    return Registry([ask, event, event_new, about])


def matched(registry: Registry, text: str) -> tuple[AnyCommand, str]:
    found = registry.match(text)
    assert isinstance(found, Match)
    return found.command, found.rest


@pytest.mark.parametrize(
    "name", ["ask", "demander", "vraag", "question", "ASK", "Demander", "Vraag:", "ask,"]
)
def test_a_command_answers_to_its_names_in_every_language(registry: Registry, name: str) -> None:
    assert matched(registry, f"{name} Qui paie ?") == (ask, "Qui paie ?")


def test_the_longest_name_wins(registry: Registry) -> None:
    assert matched(registry, 'event new "Salon"') == (event_new, '"Salon"')
    assert matched(registry, "event 7") == (event, "7")


@pytest.mark.parametrize(
    "name",
    [
        "évènement nouveau",
        "événement nouveau",
        "EVENEMENT NIEUW",
        "event  nouveau",
        "e\u0301venement new",
    ],
)
def test_accents_are_optional_and_words_may_mix_languages(registry: Registry, name: str) -> None:
    assert matched(registry, f"{name} x")[0] is event_new


def test_names_need_not_have_as_many_words_in_each_language(registry: Registry) -> None:
    assert matched(registry, "a propos")[0] is about
    assert matched(registry, "over")[0] is about


def test_what_follows_the_name_keeps_its_lines(registry: Registry) -> None:
    assert matched(registry, "ask\nQui  paie ?\nEt quand ?\n")[1] == "Qui  paie ?\nEt quand ?"


@pytest.mark.parametrize(
    ("typed", "language", "unknown"),
    [
        ("aks who pays", "en", Unknown("aks", "ask")),
        ("demandé qui paie", "fr", Unknown("demandé", "demander")),
        ("evnt 7", "en", Unknown("evnt", "event")),
        ("evennement 7", "fr", Unknown("evennement", "évènement")),
        ("evennement 7", "nl", Unknown("evennement", "evenement")),
        ("evnt new x", "en", Unknown("evnt new", "event new")),
        ("xyzzy", "en", Unknown("xyzzy", None)),
        ("", "en", Unknown("", None)),
    ],
)
def test_the_nearest_name_is_suggested_in_the_language_of_the_reader(
    registry: Registry, typed: str, language: str, unknown: Unknown
) -> None:
    assert registry.match(typed, language=language) == unknown


def test_only_what_one_may_use_is_suggested(registry: Registry) -> None:
    member = frozenset({Role.MEMBER})
    assert registry.match("evnt new x", roles=member) == Unknown("evnt", "event")
    assert registry.match("evnt 7", roles=frozenset()) == Unknown("evnt", None)


def test_a_command_is_spelled_in_the_language_of_its_reader() -> None:
    spell = registry_of_the_bot().spell
    assert spell("questions open", "fr") == "questions ouvertes"
    assert spell("questions open", "nl") == "vragen open"
    assert spell("rouvrir Q12", "nl") == "heropenen Q12"
    assert spell("assign Q12 @…", "fr") == "confier Q12 @…"
    assert spell("expert me --summary no", "nl").endswith(" --summary nee")
    assert spell("xyzzy open", "fr") == "xyzzy open"


def test_two_commands_cannot_share_a_name() -> None:
    @command("question", fr="q", nl="k", summary="…")
    async def other(ctx: Context) -> None:
        pass

    with pytest.raises(ValueError, match="'question' and 'ask' share 'question'"):
        Registry([ask, other])


def test_commands_are_collected_from_modules_once_and_in_order() -> None:
    first, second = ModuleType("first"), ModuleType("second")
    vars(first).update(ask=ask, helper=len)
    vars(second).update(event=event, ask=ask)
    assert list(Registry.collect(first, second)) == [ask, event]


async def test_a_command_is_called_like_its_function() -> None:
    assert await ask(Context(), "Qui paie ?", desk="funding") == "Qui paie ? funding False"


def test_the_signature_is_the_specification() -> None:
    text, desk, dry_run = ask.parameters
    assert (text.is_text, text.required, text.is_option) == (True, True, False)
    assert (desk.option, desk.label, desk.required) == ("desk", "DESK", False)
    assert (dry_run.option, dry_run.is_option) == ("dry-run", True)
    assert event_new.parameters[0].label == '"TITLE"'


async def untyped(ctx: Context, number: int) -> None:
    pass


async def gathered(ctx: Context, *numbers: EventNumber) -> None:
    pass


async def text_first(ctx: Context, text: Rest, number: EventNumber) -> None:
    pass


async def optional_before_text(
    ctx: Context, number: EventNumber | None = None, text: Rest = ""
) -> None:
    pass


async def flag_among_words(ctx: Context, private: Flag = False) -> None:
    pass


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (untyped, "number: int is no parameter of a command"),
        (gathered, r"\*numbers: .* is no parameter of a command"),
        (text_first, "text comes last"),
        (optional_before_text, "text comes last"),
        (flag_among_words, "the flag private must be keyword-only"),
    ],
)
def test_a_signature_that_nobody_could_type_is_refused(function: object, reason: str) -> None:
    assert callable(function)
    with pytest.raises(TypeError, match=reason):
        command("x", fr="x", nl="x", summary="…")(function)


def test_an_explanation_of_no_option_is_refused() -> None:
    async def lone(ctx: Context, *, private: Flag = False) -> None:
        pass

    with pytest.raises(TypeError, match=r"lone has no options \['privat'\]"):
        command("x", fr="x", nl="x", summary="…", options={"privat": "…"})(lone)


@pytest.mark.parametrize("held", Role)
@pytest.mark.parametrize("needed", Role)
def test_a_role_includes_those_before_it(held: Role, needed: Role) -> None:
    order = [Role.MEMBER, Role.EXPERT, Role.COORDINATOR, Role.ADMIN]
    assert allows(frozenset({held}), needed) == (order.index(held) >= order.index(needed))


def test_without_a_role_one_may_do_what_needs_none() -> None:
    assert allows(frozenset(), None)
    assert not allows(frozenset(), Role.MEMBER)


def test_words_are_compared_without_capitals_accents_and_curly_apostrophes() -> None:
    assert fold("  Aujourd’hui À\n l’ÉTÉ ") == "aujourd'hui a l'ete"
    assert fold("❌\ufe0f") == "❌"


def test_of_names_equally_near_the_first_is_taken() -> None:
    assert nearest("clos", ["close", "closs"]) == "close"
