"""Days, times and lengths of time as people type them, in the languages of the bot."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, time, timedelta
from functools import cache

from babel.dates import get_day_names, get_month_names

from commands.names import Name, fold
from config.network import LANGUAGES

_FROM_TODAY = (
    Name("today", fr="aujourd'hui", nl="vandaag"),
    Name("tomorrow", fr="demain", nl="morgen"),
    Name("day after tomorrow", fr="après-demain", nl="overmorgen"),
)
_PREPOSITION = re.compile(
    r"(?:until|till|on|jusqu'(?:au|a)|jusque|au|le|tot en met|tot|t/m|op)(?: le| op)? +"
)
_ISO = re.compile(r"(?P<year>[0-9]{4})-(?P<month>[0-9]{1,2})-(?P<day>[0-9]{1,2})")
_SHORT = re.compile(
    r"(?P<day>[0-9]{1,2})[/.-](?P<month>[0-9]{1,2})(?:[/.-](?P<year>[0-9]{4}|[0-9]{2}))?"
)
_WRITTEN = re.compile(
    r"(?:[^\W\d]+\.? )?(?P<day>[0-9]{1,2})(?:er|e|st|nd|rd|th)? (?P<month>[^\W\d]+)\.?"
    r"(?: (?P<year>[0-9]{4}))?"
)
_TIME = re.compile(r"(?P<hour>[0-9]{1,2})(?:[:.](?P<minute>[0-9]{2})|[hu](?P<after>[0-9]{2})?)")
_DURATION = re.compile(
    r"(?:(?P<days>[0-9]{1,3})(?:d|j|days?|jours?|dag|dagen))?"
    r"(?:(?P<hours>[0-9]{1,3})(?:h|u|hours?|heures?|uur))?"
    r"(?:(?P<minutes>[0-9]{1,4})(?:m|min|minutes?|minuten|minuut|(?<=[hu][0-9]{2})))?"
)


def read_day(typed: str, today: date) -> date | None:
    """A weekday is the next one after today; a day without a year is the next one from today on."""
    words = _PREPOSITION.sub("", fold(typed), count=1)
    return (
        _relative(words, today)
        or _weekday(words, today)
        or _dated(_ISO.fullmatch(words), today)
        or _dated(_SHORT.fullmatch(words), today)
        or _dated(_WRITTEN.fullmatch(words), today)
    )


def read_time(typed: str) -> time | None:
    found = _TIME.fullmatch(fold(typed).replace(" ", ""))
    if found is None or int(found["hour"]) > 23:
        return None
    minute = int(found["minute"] or found["after"] or 0)
    return time(int(found["hour"]), minute) if minute < 60 else None


def read_duration(typed: str) -> timedelta | None:
    """None for nothing, too: what is asked for lasts."""
    found = _DURATION.fullmatch(fold(typed).replace(" ", ""))
    if found is None:
        return None
    return timedelta(**{unit: int(count or 0) for unit, count in found.groupdict().items()}) or None


def _relative(words: str, today: date) -> date | None:
    for days, name in enumerate(_FROM_TODAY):
        if words in map(fold, name.spellings):
            return today + timedelta(days=days)
    return None


def _weekday(words: str, today: date) -> date | None:
    weekday = _weekdays().get(words.removesuffix("."))
    if weekday is None:
        return None
    return today + timedelta(days=(weekday - today.weekday() - 1) % 7 + 1)


def _dated(found: re.Match[str] | None, today: date) -> date | None:
    if found is None:
        return None
    month = found["month"] if found["month"].isdecimal() else _months().get(found["month"], 0)
    years = [_full_year(found["year"])] if found["year"] else [today.year, today.year + 1]
    days = [_date(year, int(month), int(found["day"])) for year in years]
    return next((day for day in days if day and (found["year"] or day >= today)), None)


def _full_year(digits: str) -> int:
    return int(digits) if len(digits) == 4 else 2000 + int(digits)


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


@cache
def _weekdays() -> dict[str, int]:
    return dict(_numbered(get_day_names))


@cache
def _months() -> dict[str, int]:
    return dict(_numbered(get_month_names))


def _numbered(names_of: Callable[..., Mapping[int, str]]) -> Iterator[tuple[str, int]]:
    for language in LANGUAGES:
        for width in ("wide", "abbreviated"):
            for number, name in names_of(width, locale=language).items():
                yield fold(name).removesuffix("."), number
