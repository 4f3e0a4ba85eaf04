"""What is wrong with a configuration, said so that the operator can mend it.

Every fault becomes a `Problem`: where it is, a sentence, and a remedy. Values are repeated only by
validators that know them to be harmless, so a secret can never end up in a message.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError


@dataclass(frozen=True, slots=True)
class Problem:
    where: str
    sentence: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: {self.sentence} {self.remedy}"


class ConfigError(Exception):
    """The configuration or the network file cannot be used; `problems` says why, all at once."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems: tuple[Problem, ...] = problems


def fault(sentence: str, remedy: str) -> PydanticCustomError:
    """What a validator raises; `problems_in` adds where it is."""
    return PydanticCustomError(
        "problem", "{sentence} {remedy}", {"sentence": sentence, "remedy": remedy}
    )


def suggestion(name: str, known: Iterable[str], otherwise: str) -> str:
    """The nearest known name, or all of them if none comes near."""
    known = sorted(known)
    nearest = get_close_matches(name, known, n=1)
    return f"Did you mean “{nearest[0]}”?" if nearest else f"{otherwise} {', '.join(known)}."


def unknown_key(where: str, key: str, known: Iterable[str]) -> Problem:
    return Problem(
        where, f"“{key}” is not a known key.", suggestion(key, known, "The keys known here are:")
    )


def problems_in(
    error: ValidationError, model: type[BaseModel], data: Any, source: str
) -> list[Problem]:
    """The faults pydantic found in `data`, which was read from `source`."""
    return [_problem(detail, model, data, source) for detail in error.errors(include_input=False)]


def _problem(detail: ErrorDetails, model: type[BaseModel], data: Any, source: str) -> Problem:
    path = detail["loc"]
    if detail["type"] == "extra_forbidden":
        return unknown_key(
            _where(source, path[:-1], data), str(path[-1]), _model_at(model, path).model_fields
        )
    where = _where(source, path, data)
    if detail["type"] == "missing":
        return Problem(where, "This key is missing.", _example(model, path))
    sentence, remedy = _words(detail)
    return Problem(where, sentence, remedy)


def _words(detail: ErrorDetails) -> tuple[str, str]:
    context = detail.get("ctx", {})
    if detail["type"] == "problem":
        return context["sentence"], context["remedy"]
    if detail["type"] == "literal_error":
        return "This is not one of the values it can have.", f"Write {context['expected']}."
    return _SENTENCES.get(detail["type"], (f"{detail['msg']}.", "Correct the value."))


_LIST = ("This must be a list.", "Write one item per line, each after “- ”.")
_MAP = ("This must hold keys of its own.", "Write them below it, indented, as “key: value”.")
_YES_NO = ("This must be true or false.", "Write true or false, without quotes.")
_NUMBER = ("This must be a number.", "Write digits alone, without quotes or a unit.")
_SENTENCES = {
    "string_type": ("This must be text.", 'Put it in quotes: "…".'),
    "bool_type": _YES_NO,
    "bool_parsing": _YES_NO,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "tuple_type": _LIST,
    "list_type": _LIST,
    "dict_type": _MAP,
    "model_type": _MAP,
    "model_attributes_type": _MAP,
    "too_short": ("This must not be empty.", "Add at least one item."),
    "string_too_short": ("This must not be empty.", "Write something, or remove the key."),
}


def _where(source: str, path: Sequence[int | str], data: Any) -> str:
    """`network.yaml, clusters.logistics.name`: an item of a list goes by its key if it has one."""
    named = ""
    for part in path:
        if part == "[key]":  # the fault is in the key of a map, which stands before
            break
        data = _inside(data, part)
        if isinstance(part, str):
            named += f".{part}"
        elif isinstance(data, dict) and isinstance(data.get("key"), str):
            named += f".{data['key']}"
        else:
            named += f" no. {part + 1}"
    return f"{source}, {named.lstrip('.')}" if named else source


def _inside(data: Any, part: int | str) -> Any:
    try:
        return data[part]
    except (KeyError, IndexError, TypeError):
        return None


def _model_at(model: type[BaseModel], path: Sequence[int | str]) -> type[BaseModel]:
    """The model whose field is the last part of the path."""
    for part in path[:-1]:
        if isinstance(part, str) and part in model.model_fields:
            model = next(_models_in(model.model_fields[part].annotation), model)
    return model


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


def _example(model: type[BaseModel], path: Sequence[int | str]) -> str:
    field = _model_at(model, path).model_fields.get(str(path[-1]))
    example = field.examples[0] if field and field.examples else "…"
    return f"Add it: “{path[-1]}: {example}”."
