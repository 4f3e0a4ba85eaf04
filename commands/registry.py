"""What people may say to the bot: commands, and the registry that recognises them.

A command is written where its feature is::

    @command("ask", fr="demander", nl="vraag", summary=N_("Put a question to the network"))
    async def ask(ctx: Context, text: Rest, *, desk: DeskKey | None = None) -> None: ...

The function becomes a `Command`, which is called like the function. Nothing is registered by being
imported: `Registry.collect(questions, calendar)` gathers the commands of the modules it is given.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, product
from types import ModuleType
from typing import Any, Generic, ParamSpec, TypeAlias, TypeVar

from bot.domain.roles import Role, allows
from commands.names import Name, fold, nearest
from commands.signature import Parameter, parameters_of

P = ParamSpec("P")
R = TypeVar("R")

_WORD = re.compile(r"\S+")
_PUNCTUATION = ",:;.!?…"


@dataclass(frozen=True, eq=False)
class Command(Generic[P, R]):
    """``role`` is what one must hold to use it; None: nothing. ``options`` explains options by
    name. Summary, explanations and examples (without prefix) are texts still to be translated."""

    function: Callable[P, Awaitable[R]]
    name: Name
    role: Role | None
    summary: str
    examples: tuple[str, ...]
    options: Mapping[str, str]
    parameters: tuple[Parameter, ...]

    @property
    def takes_text(self) -> bool:
        return any(each.is_text for each in self.parameters)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Awaitable[R]:
        return self.function(*args, **kwargs)


AnyCommand: TypeAlias = Command[..., Any]


@dataclass(frozen=True, slots=True)
class Match:
    command: AnyCommand
    rest: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """``word`` is what was typed in the place of a name, ``nearest`` the name it most resembles."""

    word: str
    nearest: str | None


def command(
    name: str,
    /,
    *,
    fr: str,
    nl: str,
    summary: str,
    role: Role | None = Role.MEMBER,
    aliases: Sequence[str] = (),
    examples: Sequence[str] = (),
    options: Mapping[str, str] | None = None,
) -> Callable[[Callable[P, Awaitable[R]]], Command[P, R]]:
    """Make an async function a command. Names of two words are subcommands: "event new"."""

    def decorate(function: Callable[P, Awaitable[R]]) -> Command[P, R]:
        parameters = parameters_of(function)
        _check_explained(function, parameters, options or {})
        return Command(
            function=function,
            name=Name(name, fr=fr, nl=nl, also=tuple(aliases)),
            role=role,
            summary=summary,
            examples=tuple(examples),
            options=options or {},
            parameters=parameters,
        )

    return decorate


class Registry:
    def __init__(self, commands: Iterable[AnyCommand]) -> None:
        self._commands = tuple(dict.fromkeys(commands))
        self._by_spelling: dict[str, AnyCommand] = {}
        for each in self._commands:
            self._add(each)
        self._longest = max((len(spelling.split()) for spelling in self._by_spelling), default=0)

    @classmethod
    def collect(cls, *modules: ModuleType) -> "Registry":
        values = (value for module in modules for value in vars(module).values())
        return cls(value for value in values if isinstance(value, Command))

    def __iter__(self) -> Iterator[AnyCommand]:
        return iter(self._commands)

    def match(
        self, text: str, *, language: str = "en", roles: frozenset[Role] = frozenset(Role)
    ) -> Match | Unknown:
        """The command with the longest name that the text begins with.

        ``language`` and ``roles`` are the asker's: only commands they may use are suggested. A
        match says nothing about roles.
        """
        words = list(_first_words(text, self._longest))
        for count in range(len(words), 0, -1):
            typed = " ".join(word.group().rstrip(_PUNCTUATION) for word in words[:count])
            if found := self._by_spelling.get(fold(typed)):
                return Match(found, text[words[count - 1].end() :].strip())
        return self._unknown(text, language, roles)

    def spell(self, typed: str, language: str) -> str:
        """A command with the names of a language: its own, and those of the choices it offers."""
        found = self.match(typed)
        if isinstance(found, Unknown):
            return typed
        choices = {
            fold(spelling): choice.in_language(language)
            for parameter in found.command.parameters
            for choice in parameter.kind.choices
            for spelling in choice.spellings
        }
        words = [choices.get(fold(word), word) for word in found.rest.split(" ") if word]
        return " ".join([found.command.name.in_language(language), *words])

    def _add(self, each: AnyCommand) -> None:
        for spelling in _spellings(each.name):
            other = self._by_spelling.setdefault(spelling, each)
            if other is not each:
                raise ValueError(f"{each.name.en!r} and {other.name.en!r} share {spelling!r}")

    def _unknown(self, text: str, language: str, roles: frozenset[Role]) -> Unknown:
        names = [each.name for each in self if allows(roles, each.role)]
        own = [name.in_language(language) for name in names]
        others = [spelling for name in names for spelling in name.spellings]
        suggestion = nearest(text, dict.fromkeys(own + others))
        length = len(suggestion.split()) if suggestion else 1
        return Unknown(" ".join(w.group() for w in _first_words(text, length)), suggestion)


def _first_words(text: str, count: int) -> Iterator[re.Match[str]]:
    return (word for _, word in zip(range(count), _WORD.finditer(text), strict=False))


def _spellings(name: Name) -> Iterator[str]:
    """Folded. Each word may be in another language: "event nouveau" is understood too."""
    phrases = sorted((fold(phrase).split() for phrase in (name.en, name.fr, name.nl)), key=len)
    for _, alike in groupby(phrases, key=len):
        yield from map(" ".join, product(*zip(*alike, strict=True)))
    yield from map(fold, name.also)


def _check_explained(
    function: Callable[..., Any], parameters: Sequence[Parameter], explained: Mapping[str, str]
) -> None:
    known = {each.option for each in parameters if each.is_option}
    if strange := explained.keys() - known:
        raise TypeError(f"{function.__qualname__} has no options {sorted(strange)}")
