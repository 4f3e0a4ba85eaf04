"""Texts in the language of their reader.

English is the source: it stands in the code, and the other languages are gettext catalogues
(`config/locales/<language>/LC_MESSAGES/clusterdesk.po`), read at the start. The language belongs to
the translator that renders a text, never to the process:

    tr = texts["nl"]
    tr("{who} has taken {question}.", who=pill(...), question=link(...))
    tr.plural("{n} question is waiting.", "{n} questions are waiting.", n)

A message must be a literal, so that `python -m config.catalogues` finds it; `N_` marks one that is
translated later, elsewhere.
"""

import gettext
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta, tzinfo
from functools import cache
from importlib.resources import files
from io import BytesIO
from math import inf
from typing import IO, Literal, TypeAlias

from babel import Locale, dates, lists, numbers
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from bot.domain import content
from bot.domain.content import Piece

SOURCE_LANGUAGE = "en"
CATALOGUE = "LC_MESSAGES/clusterdesk.po"

Value: TypeAlias = Piece | str | int
Span: TypeAlias = Literal["day", "hour", "minute"]

_LOCALES = {"fr": "fr_FR", "nl": "nl", "en": "en_GB"}
_TODAY = {"fr": "aujourd’hui à {time}", "nl": "vandaag om {time}", "en": "today at {time}"}
_WHEN = {"fr": "{date} à {time}", "nl": "{date} om {time}", "en": "{date} at {time}"}
_NOW = {"fr": "à l’instant", "nl": "zonet", "en": "just now"}
_INSTANT = {"fr": "moins d’une minute", "nl": "minder dan een minuut", "en": "less than a minute"}
_QUOTES = {"fr": ("«\u00a0", "\u00a0»"), "nl": ("“", "”"), "en": ("“", "”")}
_SPANS: dict[Span, int] = {"day": 86_400, "hour": 3_600, "minute": 60}


def N_(message: str) -> str:  # noqa: N802  the name gettext tools know
    """Marks a message that is translated where it is shown."""
    return message


class Translator:
    """One language: its catalogue, and its ways with dates, numbers and lists."""

    def __init__(self, language: str, catalogue: gettext.NullTranslations) -> None:
        self.language = language
        self._catalogue = catalogue
        self._locale = _LOCALES[language]

    def __call__(self, message: str, /, **values: "Value | ByReader") -> Piece:
        """A value may be a function of the translator, for what differs by language."""
        template = self._catalogue.gettext(message)
        return content.fill(template, **{key: _for(self, each) for key, each in values.items()})

    def plural(self, one: str, many: str, n: int, /, **values: "Value | ByReader") -> Piece:
        """The form this language uses for `n`, which stands as `{n}` in the texts."""
        template = self._catalogue.ngettext(one, many, n)
        counted = {"n": self.number(n)} if "n" in content.placeholders(template) else {}
        said = {key: _for(self, each) for key, each in values.items()}
        return content.fill(template, **counted, **said)

    def plain(self, message: str, /, **values: "Value | ByReader") -> str:
        return self(message, **values).body

    def date(self, instant: datetime, zone: tzinfo) -> str:
        local = instant.astimezone(zone)
        first_in_french = self.language == "fr" and local.day == 1
        pattern = "EEEE d'er' MMMM y" if first_in_french else "EEEE d MMMM y"
        return dates.format_date(local, pattern, locale=self._locale)

    def month(self, year: int, month: int) -> str:
        """“November 2026”."""
        return dates.format_date(datetime(year, month, 1), "MMMM y", locale=self._locale)  # noqa: DTZ001

    def weekday(self, iso: int) -> str:
        """“Mon” for 1."""
        names = dates.get_day_names("abbreviated", locale=self._locale)
        return str(names[iso - 1])

    def time(self, instant: datetime, zone: tzinfo) -> str:
        return f"{instant.astimezone(zone):%H:%M}"

    def when(self, instant: datetime, zone: tzinfo, now: datetime | None = None) -> str:
        """“Tuesday 24 November 2026 at 14:00”; with ``now``, “today at 14:00” on the same day."""
        if now is not None and instant.astimezone(zone).date() == now.astimezone(zone).date():
            return _TODAY[self.language].format(time=self.time(instant, zone))
        return _WHEN[self.language].format(
            date=self.date(instant, zone), time=self.time(instant, zone)
        )

    def ago(self, delta: timedelta) -> str:
        """“2 hours ago”, roughly."""
        if delta < timedelta(minutes=1):
            return _NOW[self.language]
        return dates.format_timedelta(-delta, add_direction=True, locale=self._locale)

    def duration(self, delta: timedelta) -> str:
        """“1 hour and 30 minutes”: exact to the minute below a day, to the hour above."""
        parts = [(unit, count) for unit, count in list(_spans(delta))[:2] if count]
        if not parts:
            return _INSTANT[self.language]
        return self.listing(self._counted(*part) for part in parts).body

    def quoted(self, text: str) -> str:
        opened, closed = _QUOTES[self.language]
        return f"{opened}{text}{closed}"

    def number(self, value: int | float) -> str:
        return numbers.format_decimal(value, locale=self._locale)

    def language_name(self, language: str) -> str:
        """“French” for "fr"."""
        names = Locale.parse(self._locale).languages
        return str(names.get(language, language))

    def listing(self, pieces: Iterable[Piece | str]) -> Piece:
        """“a, b and c”."""
        named = {f"p{position}": piece for position, piece in enumerate(pieces)}
        template = lists.format_list([f"{{{key}}}" for key in named], locale=self._locale)
        return content.fill(template, **named)

    def _counted(self, unit: Span, count: int) -> str:
        # Not format_unit: Babel 2.18 writes "2 duration-hour" in Dutch.
        delta = timedelta(seconds=count * _SPANS[unit])
        return dates.format_timedelta(delta, unit, threshold=inf, locale=self._locale)


ByReader: TypeAlias = Callable[[Translator], Value]


class Texts:
    """A translator for each language of the network."""

    def __init__(self, translators: Mapping[str, Translator]) -> None:
        self._translators = dict(translators)
        self.languages = tuple(self._translators)

    def __getitem__(self, language: str) -> Translator:
        """Falls back to the first: a language may leave the network, its speakers stay."""
        return self._translators.get(language) or self._translators[self.languages[0]]

    def each(
        self,
        languages: Iterable[str],
        message: str,
        /,
        **values: Value | ByReader,
    ) -> Piece:
        """The message once per language, a line each, for rooms that all share.

        A value may be a function of the translator, as in ``Translator``. Lines that come out the
        same are written once.
        """
        said = (self[language](message, **values) for language in languages)
        return content.lines(*dict.fromkeys(said))


def load(languages: Iterable[str]) -> Texts:
    return Texts({language: Translator(language, _catalogue(language)) for language in languages})


def compiled(catalogue: IO[bytes], language: str) -> gettext.GNUTranslations:
    """A catalogue as translators write it, made ready for use in memory."""
    binary = BytesIO()
    write_mo(binary, read_po(catalogue, locale=language))
    binary.seek(0)
    return gettext.GNUTranslations(binary)


@cache
def _catalogue(language: str) -> gettext.NullTranslations:
    if language == SOURCE_LANGUAGE:
        return gettext.NullTranslations()
    with (files("config") / "locales" / language / CATALOGUE).open("rb") as file:
        return compiled(file, language)


def _for(tr: Translator, value: Value | ByReader) -> Value:
    return value(tr) if callable(value) else value


def _spans(delta: timedelta) -> Iterable[tuple[Span, int]]:
    """The length by unit, from its largest down."""
    rest, begun = round(delta.total_seconds() / 60) * 60, False
    for unit, seconds in _SPANS.items():
        count, rest = divmod(rest, seconds)
        begun = begun or count > 0
        if begun:
            yield unit, count
