"""Words and terms that speak of a desk or a cluster, found in what people write.

Lean: words, folded and cut to their stems, compared with those that describe the rooms. A word of
several rooms says little about which of them is meant, so it weighs little. It counts beside the
meaning of a text, and alone where no encoder works.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from math import log
from typing import TypeAlias

from bot.domain.language import FUNCTION_WORDS

Gram: TypeAlias = tuple[str, ...]

_LONGEST_TERM = 4
"""Words; of a longer text only the single words count."""
_PART_OF_TERM = 0.3
"""What one word of a longer term is worth: “call for projects” is not about every call."""

_TOKEN = re.compile(r"[^\W_]+")
_TALK = re.compile(r"\b(?:[jmnt]|qu)['’]ai\b|\bai-je\b|\by ai\b|\bd['’]aide\b")
"""“ai” and “aide” are words of French talk, and what people ask about."""
_LIGATURES = str.maketrans({"œ": "oe", "æ": "ae"})
_ENDINGS = ("s", "x", "en", "e")
_SHORTEST = 3
"""Letters that remain when an ending of plural or gender is cut off."""
_DOUBLED = re.compile(r"([a-z])\1")
_LAST_SOUNDS = {"v": "f", "z": "s", "y": "i"}
"""bedrijven – bedrijf, huizen – huis, subsidies – subsidy."""
_ASKING = (
    "goedemorgen goedemiddag goedenavond help helpen ask vraag vragen question questions demande "
    "demander info information informatie idée idee idea cherche cherchons chercher recherchons "
    "zoekt zoeken zoek seek seeking find trouver vinden savoir weten connaître kennen svp possible "
    "mogelijk"
)


@dataclass(frozen=True, slots=True)
class Topic:
    """A desk or a cluster, and the words and terms (“call for projects”) that speak of it."""

    key: str
    words: frozenset[str]


def words(text: str) -> list[str]:
    """The stems of the words that carry meaning, in order."""
    return [stem for _, stem in _stems(text)]


def word_scores(text: str, topics: Sequence[Topic]) -> dict[str, float]:
    """How much the text speaks of each topic, if it does."""
    index = _index(tuple(topics))
    scores: dict[str, float] = {}
    for gram in dict.fromkeys(_grams(words(text))):
        for key, weight in index.get(gram, {}).items():
            scores[key] = scores.get(key, 0.0) + weight
    return {key: round(score, 6) for key, score in scores.items()}


@lru_cache(maxsize=16)
def _index(topics: tuple[Topic, ...]) -> dict[Gram, dict[str, float]]:
    """For each term or word, the topics it speaks of and how strongly (inverse frequency)."""
    index: dict[Gram, dict[str, float]] = {}
    for topic in topics:
        for gram, weight in _described(topic).items():
            index.setdefault(gram, {})[topic.key] = weight
    return {
        gram: {key: weight * log((len(topics) + 0.5) / len(keys)) for key, weight in keys.items()}
        for gram, keys in index.items()
    }


def _described(topic: Topic) -> dict[Gram, float]:
    weights: dict[Gram, float] = {}
    for term in topic.words:
        stems = tuple(words(term))
        parts = {(stem,): _PART_OF_TERM for stem in stems}
        whole = {stems: float(len(stems))} if 0 < len(stems) <= _LONGEST_TERM else {}
        for gram, weight in (parts | whole).items():
            weights[gram] = max(weight, weights.get(gram, 0.0))
    return weights


def _grams(stems: Sequence[str]) -> Iterator[Gram]:
    for length in range(1, _LONGEST_TERM + 1):
        for start in range(len(stems) - length + 1):
            yield tuple(stems[start : start + length])


def _stems(text: str) -> Iterator[tuple[str, str]]:
    """Each word that carries meaning, as it was written, with its stem."""
    plain = unicodedata.normalize("NFKC", text).lower()
    for word in _TOKEN.findall(_TALK.sub(" ", plain)):
        stem = _stem(word)
        if len(stem) > 1 and not {word, stem} & _stop_words():
            yield word, stem


@cache
def _stop_words() -> frozenset[str]:
    """With French ones as they are typed without accents; but “thèse” is not English “these”."""
    unaccented = map(_unaccented, FUNCTION_WORDS["fr"])
    return frozenset(_ASKING.split()).union(*FUNCTION_WORDS.values(), unaccented)


@lru_cache(maxsize=4096)
def _stem(word: str) -> str:
    """Cut until nothing more comes off: a stem is its own stem."""
    word = _unaccented(word)
    while (shorter := _shortened(word)) != word:
        word = shorter
    return word


def _shortened(word: str) -> str:
    ending = next(filter(word.endswith, _ENDINGS), "")
    if len(word) - len(ending) >= _SHORTEST:
        word = word.removesuffix(ending)
    word = _DOUBLED.sub(r"\1", word)
    return word[:-1] + _LAST_SOUNDS.get(word[-1], word[-1])


def _unaccented(word: str) -> str:
    decomposed = unicodedata.normalize("NFKD", word.casefold().translate(_LIGATURES))
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))
