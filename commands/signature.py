"""What a function's signature says about the command it is; commands.parameters has the types."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, get_args, get_type_hints

from commands.parameters import Kind
from commands.tokens import Takes


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    kind: Kind
    label: str
    required: bool
    is_option: bool

    @property
    def option(self) -> str:
        return self.name.rstrip("_").replace("_", "-")

    @property
    def is_text(self) -> bool:
        return self.kind.takes is Takes.TEXT


def parameters_of(function: Callable[..., Any]) -> tuple[Parameter, ...]:
    """Those after the context. Raises `TypeError` for a signature that nobody could type."""
    hints = get_type_hints(function, include_extras=True)
    _, *accepted = inspect.signature(function).parameters.values()
    found = tuple(_parameter(function, each, hints[each.name]) for each in accepted)
    _check(function, [each for each in found if not each.is_option])
    return found


def _parameter(
    function: Callable[..., Any], declared: inspect.Parameter, hint: object
) -> Parameter:
    metadata = list(_metadata(hint))
    kind = next((each for each in metadata if isinstance(each, Kind)), None)
    plain = declared.kind in (declared.POSITIONAL_OR_KEYWORD, declared.KEYWORD_ONLY)
    if kind is None or not plain:
        raise TypeError(f"{function.__qualname__}: {declared} is no parameter of a command")
    labels = [each for each in metadata if isinstance(each, str)]
    return Parameter(
        name=declared.name,
        kind=kind,
        label=labels[-1] if labels else kind.label,
        required=declared.default is declared.empty,
        is_option=declared.kind is declared.KEYWORD_ONLY,
    )


def _metadata(hint: object) -> Iterator[object]:
    for part in get_args(hint):
        yield from _metadata(part)
    yield from getattr(hint, "__metadata__", ())


def _check(function: Callable[..., Any], words: Sequence[Parameter]) -> None:
    for position, each in enumerate(words):
        follows = words[position + 1 :]
        if each.kind.takes is Takes.NOTHING:
            raise TypeError(f"{function.__qualname__}: the flag {each.name} must be keyword-only")
        if follows and (each.is_text or (follows[-1].is_text and not each.required)):
            raise TypeError(f"{function.__qualname__}: text comes last, after required words")
