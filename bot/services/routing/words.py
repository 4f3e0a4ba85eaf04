"""The words of a text, as they are compared: folded, without function words, cut to their stems.

Where the language of a text is not known, or has no stemmer, the first letters stand for the stem.
"""

import re
import unicodedata
from collections.abc import Callable
from functools import cache, lru_cache

from snowballstemmer import stemmer

from bot.domain.language import FUNCTION_WORDS

STEMMERS = {"fr": "french", "nl": "dutch", "en": "english"}
MOST_CHARACTERS = 8_000
"""What is read of a text."""

_WORD = re.compile(r"[^\W_]+")
_LIGATURES = str.maketrans({"œ": "oe", "æ": "ae", "ß": "ss", "ø": "o"})
_LETTERS = 6
"""What stands for a stem in an unknown language: “subsidies”, “subsidie” and “subside” are one."""


def tokens(text: str, language: str | None) -> list[str]:
    """In order, with repetitions."""
    plain = unicodedata.normalize("NFKC", text[:MOST_CHARACTERS]).lower().translate(_LIGATURES)
    stems = (_stem(word, language) for word in _WORD.findall(plain))
    return [stem for stem in stems if stem]


@lru_cache(maxsize=20_000)
def _stem(word: str, language: str | None) -> str:
    """ "" for a word that says nothing by itself."""
    folded = _folded(word)
    if len(folded) < 2 or word in _function_words(language) or folded in _function_words(language):
        return ""
    if language is None or language not in STEMMERS:
        return folded[:_LETTERS]
    return _folded(_stemmer(language)(word))


def _folded(word: str) -> str:
    """Without accents: they are left out in a hurry."""
    apart = unicodedata.normalize("NFD", word)
    return "".join(letter for letter in apart if not unicodedata.combining(letter))


@cache
def _function_words(language: str | None) -> frozenset[str]:
    if language in FUNCTION_WORDS:
        return FUNCTION_WORDS[language] | {_folded(word) for word in FUNCTION_WORDS[language]}
    return frozenset[str]().union(*FUNCTION_WORDS.values())


@cache
def _stemmer(language: str) -> Callable[[str], str]:
    cut: Callable[[str], str] = stemmer(STEMMERS[language]).stemWord
    return cut
