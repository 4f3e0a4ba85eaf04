"""From a line somebody typed to words, options and text.

People write commands on telephones, between two meetings, in three languages. So nothing here is
an error: what cannot be read as grammar is read as words.

- Quotes group words: " ' “ ” „ ” ‘ ’ « ». A quote opens at the beginning of a word (or after
  ``name=`` or ``@``) and closes at the end of one; one that does not close, or stands inside a
  word (l'appel, d’innovation, 's avonds), is a letter like any other.
- Options are ``--name value``, ``--name=value`` or ``name=value``, for names the command knows.
  Keyboards that turn two hyphens into a dash (``—name``, ``–name``) are understood.
- Trailing text begins at the first word that is neither an option nor one of the words the command
  takes, and keeps its spaces and lines. Options may follow it with their hyphens: somebody who
  ends a question with ``--private`` must not see it published.
"""

import re
from bisect import bisect_right
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from commands.names import fold

_QUOTES = {'"': '"', "'": "'", "“": "”", "„": "”", "‘": "’", "«": "»"}
_WORD = re.compile(r"\S+")
_BEFORE_QUOTE = re.compile(rf"(?:[^\s={''.join(_QUOTES)}]*=)?@?")
_CLOSING = re.compile(rf"[{''.join(_QUOTES.values())}](?!\S)")
_NAME = r"(?P<name>[^\W\d_][\w-]*)"
_DASHED = re.compile(rf"(?:--|[–—―]-?){_NAME}(?:=(?P<value>.*))?", re.DOTALL)
_ASSIGNED = re.compile(rf"{_NAME}=(?P<value>.*)", re.DOTALL)


class Takes(Enum):
    """What an option takes of what follows its name."""

    NOTHING = auto()
    WORD = auto()
    LIST = auto()
    TEXT = auto()


@dataclass(frozen=True, slots=True)
class Grammar:
    """``options`` by folded name. ``words`` is how many stand before the text; None: no text."""

    options: Mapping[str, Takes]
    words: int | None = None


@dataclass(frozen=True, slots=True)
class Token:
    """``text`` without its quotes, and where it stood with them. A literal one is no option."""

    text: str
    start: int
    end: int
    literal: bool = False


@dataclass(slots=True)
class Arguments:
    """``options`` has None where no value was given. ``strange`` are names with hyphens in the
    place of an option that are none; they are words or text as well."""

    words: list[str] = field(default_factory=list)
    options: dict[str, str | None] = field(default_factory=dict)
    text: str = ""
    strange: list[str] = field(default_factory=list)


def tokenise(text: str, phrases: Collection[str] = ()) -> list[Token]:
    """``phrases`` are kept together without quotes: the names in mentions."""
    phrase = _any_of(phrases)
    closings = _closings(text)
    tokens: list[Token] = []
    at = 0
    while word := _WORD.search(text, at):
        start, end = word.span()
        token = (
            _phrase(phrase, text, start)
            or _quoted(text, start, closings)
            or Token(word.group(), start, end)
        )
        tokens.append(token)
        at = token.end
    return tokens


def read(text: str, grammar: Grammar, phrases: Collection[str] = ()) -> Arguments:
    return _Reader(text, grammar, phrases).read()


def _any_of(phrases: Collection[str]) -> re.Pattern[str] | None:
    longest_first = sorted(filter(None, phrases), key=len, reverse=True)
    if not longest_first:
        return None
    return re.compile(rf"({'|'.join(map(re.escape, longest_first))})(?:[:,]|(?!\S))")


def _phrase(phrase: re.Pattern[str] | None, text: str, start: int) -> Token | None:
    found = phrase.match(text, start) if phrase else None
    return Token(found.group(1), *found.span(), literal=True) if found else None


def _closings(text: str) -> dict[str, list[int]]:
    """Where each closing quote stands: looking it up once keeps hostile lines cheap."""
    closings: dict[str, list[int]] = {quote: [] for quote in _QUOTES.values()}
    for found in _CLOSING.finditer(text):
        closings[found.group()].append(found.start())
    return closings


def _quoted(text: str, start: int, closings: Mapping[str, list[int]]) -> Token | None:
    before = _BEFORE_QUOTE.match(text, start)
    opening = before.end() if before else start
    closing = _QUOTES.get(text[opening : opening + 1])
    if closing is None:
        return None
    places = closings[closing]
    index = bisect_right(places, opening)
    if index == len(places):
        return None
    end = places[index]
    inside = text[opening + 1 : end].strip()
    return Token(text[start:opening] + inside, start, end + 1, literal=opening == start)


class _Reader:
    def __init__(self, text: str, grammar: Grammar, phrases: Collection[str]) -> None:
        self.source = text
        self.grammar = grammar
        self.tokens = tokenise(text, phrases)
        self.at = 0
        self.arguments = Arguments()

    def read(self) -> Arguments:
        while self.at < len(self.tokens):
            if found := self._option(self.tokens[self.at]):
                self._take_option(*found)
            elif len(self.arguments.words) == self.grammar.words:
                self.arguments.text = self._take_text()
            else:
                self._note_strange(self.tokens[self.at])
                self.arguments.words.append(self._next())
        return self.arguments

    def _next(self) -> str:
        self.at += 1
        return self.tokens[self.at - 1].text

    def _option(self, token: Token, *, dashed: bool = False) -> tuple[str, str | None] | None:
        """The name and the value, if any, of the option that the token is."""
        found = _named(_DASHED, token) or (None if dashed else _named(_ASSIGNED, token))
        return found if found and found[0] in self.grammar.options else None

    def _take_option(self, name: str, value: str | None) -> None:
        self.at += 1
        takes = self.grammar.options[name]
        if value is None and takes is not Takes.NOTHING and self._word_follows():
            value = self._take_value(takes)
        self.arguments.options[name] = value

    def _take_value(self, takes: Takes) -> str:
        if takes is Takes.TEXT and not self.tokens[self.at].literal:
            return self._take_text()
        value = self._next()
        while takes is Takes.LIST and value.endswith(",") and self._word_follows():
            value += self._next()
        return value

    def _word_follows(self) -> bool:
        return self.at < len(self.tokens) and self._option(self.tokens[self.at]) is None

    def _take_text(self) -> str:
        start, end = self.at, self._end_of_text()
        self._note_strange(self.tokens[start])
        self._note_strange(self.tokens[end - 1])
        self.at = end
        return self.source[self.tokens[start].start : self.tokens[end - 1].end]

    def _end_of_text(self) -> int:
        """Where the options begin with which the line ends."""
        end = len(self.tokens)
        while end > self.at + 1:
            if self._is_option(end - 1, complete=True):
                end -= 1
            elif end > self.at + 2 and self._is_option(end - 2, complete=False):
                end -= 2
            else:
                break
        return end

    def _is_option(self, index: int, *, complete: bool) -> bool:
        found = self._option(self.tokens[index], dashed=True)
        if found is None:
            return False
        name, value = found
        return complete == (value is not None or self.grammar.options[name] is Takes.NOTHING)

    def _note_strange(self, token: Token) -> None:
        found = _named(_DASHED, token)
        if found and found[0] not in self.grammar.options:
            self.arguments.strange.append(found[0])


def _named(pattern: re.Pattern[str], token: Token) -> tuple[str, str | None] | None:
    found = None if token.literal else pattern.fullmatch(token.text)
    return (fold(found["name"]).replace("_", "-"), found["value"]) if found else None
