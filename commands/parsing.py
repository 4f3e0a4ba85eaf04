"""From what followed a command's name to the arguments of its function."""

from collections.abc import Sequence
from typing import Any

from bot.domain.content import code
from bot.domain.errors import UserError
from commands.help import label, usage
from commands.names import nearest
from commands.parameters import ParseEnvironment
from commands.registry import AnyCommand
from commands.signature import Parameter
from commands.tokens import Arguments, Grammar, Takes, read
from config.locales import N_


def parse(command: AnyCommand, rest: str, env: ParseEnvironment) -> dict[str, Any]:
    """The keyword arguments that were given. Raises `UserError` for what cannot be understood."""
    arguments = read(rest, _grammar(command.parameters), env.pills)
    _refuse_strange_options(command, arguments.strange, env)
    typed = _typed_words(command, arguments, env) | _typed_options(command, arguments, env)
    for each in command.parameters:
        if each.required and each.name not in typed:
            raise _missing(command, each, env)
    return {
        each.name: each.kind.read(typed[each.name], env)
        for each in command.parameters
        if each.name in typed
    }


def _grammar(parameters: Sequence[Parameter]) -> Grammar:
    words = [each for each in parameters if not each.is_option]
    return Grammar(
        options={each.option: each.kind.takes for each in parameters if each.is_option},
        words=len(words) - 1 if words and words[-1].is_text else None,
    )


def _refuse_strange_options(
    command: AnyCommand, strange: Sequence[str], env: ParseEnvironment
) -> None:
    """Where text is expected, what resembles no option of the command is text."""
    known = [each.option for each in command.parameters if each.is_option]
    takes_text = any(each.is_text and not each.is_option for each in command.parameters)
    for option in strange:
        if meant := nearest(option, known):
            raise UserError(
                "option-unknown",
                N_("There is no option {typed}: did you mean {option}?"),
                typed=code(f"--{option[:60]}"),
                option=code(f"--{meant}"),
            )
        if not takes_text:
            raise _misread(command, env)


def _typed_words(
    command: AnyCommand, arguments: Arguments, env: ParseEnvironment
) -> dict[str, str]:
    """The last parameter takes all the words that remain: few people think of quotes."""
    parameters = [each for each in command.parameters if not each.is_option]
    if not parameters and arguments.words:
        raise _misread(command, env)
    last = len(parameters) - 1
    rest = arguments.text or " ".join(arguments.words[last:])
    values = [*arguments.words[:last], rest]
    return {each.name: value for each, value in zip(parameters, values, strict=False) if value}


def _typed_options(
    command: AnyCommand, arguments: Arguments, env: ParseEnvironment
) -> dict[str, str]:
    typed = {}
    for each in command.parameters:
        if each.is_option and each.option in arguments.options:
            value = arguments.options[each.option]
            if value is None and each.kind.takes is not Takes.NOTHING:
                raise _without_value(each, env)
            typed[each.name] = "yes" if value is None else value
    return typed


def _misread(command: AnyCommand, env: ParseEnvironment) -> UserError:
    line = usage(command, env.tr, prefix=env.prefix)
    return UserError("usage", N_("Please write it like this: {usage}"), usage=code(line))


def _missing(command: AnyCommand, parameter: Parameter, env: ParseEnvironment) -> UserError:
    written = label(parameter, env.tr)
    return UserError(
        "usage",
        N_("{missing} is missing. Please write it like this: {usage}"),
        missing=code(f"--{parameter.option} {written}" if parameter.is_option else written),
        usage=code(usage(command, env.tr, prefix=env.prefix)),
    )


def _without_value(parameter: Parameter, env: ParseEnvironment) -> UserError:
    return UserError(
        "option-without-value",
        N_("Please write a value after the option, like this: {option}"),
        option=code(f"--{parameter.option} {label(parameter, env.tr)}"),
    )
