"""Public holidays of the places experts and desks are in, and the names people give to places.

Days are looked up a year at a time, when somebody asks for a day of it, and remembered.
"""

import unicodedata
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from functools import cache, lru_cache

import structlog
from babel import Locale

from config import places

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PublicHolidays:
    """Holidays of all the places at once: a desk with people in Lille and in Kortrijk is closed
    when neither side works. Of a single place, its holidays; of none, none."""

    places: tuple[str, ...]

    def __contains__(self, day: object) -> bool:
        if not self.places or not isinstance(day, date):
            return False
        return all(day in _days(place, day.year) for place in self.places)


@dataclass(frozen=True, slots=True)
class UnknownPlace:
    """``near`` are places that may have been meant, as they are to be typed, with their names."""

    given: str
    near: Mapping[str, str]


def public_holidays(*names: str) -> PublicHolidays:
    """``names`` as ``place_named`` returns them: BE, FR-57."""
    return PublicHolidays(names)


def holidays_in(place: str, year: int) -> list[date]:
    return sorted(_days(place, year))


def place_named(text: str, languages: Collection[str]) -> str | UnknownPlace:
    """What somebody typed, as it is kept: “be”, “België”, “Belgique” and “BE” are BE."""
    if found := places.canonical(text):
        return found
    names = _names(tuple(languages))
    folded = _folded(text)
    if folded in names:
        return names[folded]
    alike = {names[each] for each in get_close_matches(folded, names, n=3, cutoff=0.7)}
    near = sorted(alike) or places.near(text)
    return UnknownPlace(text, {place: place_name(place, languages) for place in near})


def place_name(place: str, languages: Collection[str]) -> str:
    """In the first of the languages; the name of the country for a region."""
    country, _ = places.split(place)
    named = (Locale(each).territories.get(country) for each in languages)
    return str(next((name for name in named if name), country))


def supported(language: str) -> dict[str, str]:
    """Names of the countries by their codes, in the order of the names."""
    named = {code: place_name(code, [language]) for code in places.regions()}
    return dict(sorted(named.items(), key=lambda each: _folded(each[1])))


@cache
def _names(languages: tuple[str, ...]) -> dict[str, str]:
    return {
        _folded(name): code
        for language in languages
        for code, name in _territories(language)
        if code in places.regions()
    }


def _territories(language: str) -> Iterator[tuple[str, str]]:
    for code, name in Locale(language).territories.items():
        yield str(code), str(name)


def _folded(name: str) -> str:
    """In small letters, without accents."""
    decomposed = unicodedata.normalize("NFKD", name.strip().casefold())
    return "".join(each for each in decomposed if not unicodedata.combining(each))


@lru_cache(maxsize=1024)
def _days(place: str, year: int) -> frozenset[date]:
    """Nothing for a place that the library has ceased to know: a question must not fail for it."""
    import holidays

    country, region = places.split(place)
    try:
        found = holidays.country_holidays(country, subdiv=region, years=year, expand=False)
    except NotImplementedError:
        log.warning("holidays_unknown", place=place)
        return frozenset()
    return frozenset(found)
