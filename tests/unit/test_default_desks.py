"""The default network with the encoder that everybody has: plain questions reach their desk."""

import asyncio
from datetime import date

import pytest

from bot.encoders.default import use_alone
from bot.services.encoding import Encoder, Text
from bot.services.holidays import public_holidays
from bot.services.routing.desks import DeskMatcher, describe
from config.network import load_network

NETWORK = load_network("innov-eurometropolis")


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return use_alone()


@pytest.fixture(scope="module")
def matcher(encoder: Encoder) -> DeskMatcher:
    return asyncio.run(DeskMatcher.build([describe(desk) for desk in NETWORK.desks], encoder))


@pytest.mark.parametrize(
    ("desk", "language", "text"),
    [
        ("funding", "fr", "Quelles aides pour financer un prototype en Wallonie ?"),
        ("funding", "nl", "Welk verschil is er tussen de Waalse en de Vlaamse innovatiesteun?"),
        ("funding", "en", "Is there regional support to buy a digital loom?"),
        ("project", "fr", "Je cherche un partenaire belge pour un projet de textile connecté"),
        ("project", "nl", "Lopen er al projecten rond vlas?"),
        ("project", "en", "Are there existing projects on food waste between Lille and Tournai?"),
        ("expertise", "fr", "Recherche développeur 3D pour un CDI à Tournai"),
        ("expertise", "nl", "Waar kan ik een stagiair informatica vinden?"),
        ("expertise", "en", "Where can we rent a motion capture studio?"),
        ("international", "fr", "Comment exporter de la bière au Canada ?"),
        ("international", "nl", "Is er een Europese aanbesteding voor ziekenhuislinnen?"),
        ("international", "en", "Which Horizon Europe calls on smart logistics close this autumn?"),
    ],
)
@pytest.mark.parametrize("is_known", [True, False])
async def test_a_plain_question_reaches_its_desk(
    matcher: DeskMatcher, encoder: Encoder, desk: str, language: str, text: str, is_known: bool
) -> None:
    """Also when its language was not recognised."""
    [vector] = await encoder.encode([Text(text, language if is_known else None)])
    assert matcher.choose(text, vector, None, "forum").desk == desk


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\t ",
        "👍🎉",
        "?",
        "lin",
        "for (i = 0; i < 9; i++) { x[i] = y; }",
        "\x00\ufffd" * 9,
        pytest.param("subsidie " * 3400, id="30 kB of words"),
        pytest.param("é" * 30_000, id="30 kB of one word"),
    ],
)
async def test_whatever_is_typed_some_desk_is_chosen(
    matcher: DeskMatcher, encoder: Encoder, text: str
) -> None:
    [vector] = await encoder.encode([Text(text)])
    choice = matcher.choose(text, vector, None, "project")
    assert NETWORK.desk(choice.desk) is not None
    assert choice.runner_up != choice.desk


@pytest.mark.parametrize(
    ("day", "is_open"),
    [
        (date(2026, 11, 11), False),  # on both sides of the border
        (date(2026, 7, 14), True),  # in France alone
        (date(2026, 7, 21), True),  # in Belgium alone
        (date(2027, 1, 1), False),
    ],
)
def test_desks_rest_when_both_countries_do(day: date, is_open: bool) -> None:
    for desk in NETWORK.desks:
        assert (day not in public_holidays(*desk.hours.holidays)) is is_open
