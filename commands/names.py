"""Words people type in one of three languages, with or without capitals and accents."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache

_APOSTROPHES = str.maketrans("’‘", "''")
_ALIKE = 0.6
"""From this similarity on (difflib's ratio, 0 to 1) a word is taken for a slip of another one."""


@dataclass(frozen=True, slots=True)
class Name:
    """One word or phrase in the languages of the bot; ``also`` is understood but never shown."""

    en: str
    fr: str
    nl: str
    also: tuple[str, ...] = ()

    def in_language(self, language: str) -> str:
        return {"fr": self.fr, "nl": self.nl}.get(language, self.en)

    @property
    def spellings(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.en, self.fr, self.nl, *self.also)))


def fold(typed: str) -> str:
    """The form in which words are compared: «  Évènement » and "evenement" are the same."""
    plain = unicodedata.normalize("NFKD", typed.translate(_APOSTROPHES))
    bare = "".join(letter for letter in plain if unicodedata.category(letter) != "Mn")
    return " ".join(bare.casefold().split())


def nearest(typed: str, candidates: Iterable[str]) -> str | None:
    """The candidate most like the first words typed, if one is; of equals, the first."""
    words = fold(typed[:200]).split()
    best, best_score = None, _ALIKE
    for candidate in candidates:
        name = _folded_name(candidate)
        beginning = " ".join(words[: name.count(" ") + 1])
        score = _likeness(beginning, name, best_score)
        if score > best_score:
            best, best_score = candidate, score
    return best


_folded_name = lru_cache(maxsize=1024)(fold)


def _likeness(one: str, other: str, least: float) -> float:
    """difflib's ratio, or 0 as soon as it cannot exceed the least."""
    matcher = SequenceMatcher(None, one, other)
    if matcher.real_quick_ratio() <= least or matcher.quick_ratio() <= least:
        return 0
    return matcher.ratio()
