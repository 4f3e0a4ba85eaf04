"""Places whose public holidays are known, as ISO 3166 writes them: BE, or FR-57 for the Moselle.

The library that knows them costs 12 MB of memory: it is loaded where somebody names a place.
"""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import cache

_ALIASES = {"UK": "GB", "EL": "GR"}
"""What the European Union writes."""


@cache
def regions() -> Mapping[str, Sequence[str]]:
    """The regions with holidays of their own, by country."""
    import holidays

    found: dict[str, list[str]] = holidays.list_supported_countries(include_aliases=False)
    return found


def canonical(place: str) -> str | None:
    """As it is kept, or None for a place nobody knows."""
    country, _, region = place.strip().upper().partition("-")
    country = _ALIASES.get(country, country)
    if country not in regions():
        return None
    if not region:
        return country
    known = {each.upper(): each for each in regions()[country]}
    return f"{country}-{known[region]}" if region in known else None


def near(place: str) -> list[str]:
    """Up to three places that look alike; for a country that is known, its regions."""
    country, _, region = place.strip().upper().partition("-")
    country = _ALIASES.get(country, country)
    if region and country in regions():
        of_country = [f"{country}-{each}" for each in regions()[country]]
        return get_close_matches(f"{country}-{region}", of_country, n=3, cutoff=0) or [country]
    # Of two letters, one in common says nothing.
    return get_close_matches(country, regions(), n=3, cutoff=0.6)


def split(place: str) -> tuple[str, str | None]:
    """The country and the region of a canonical place."""
    country, _, region = place.partition("-")
    return country, region or None
