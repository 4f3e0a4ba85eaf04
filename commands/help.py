"""What the bot says about its commands, made from their signatures."""

from itertools import groupby

from bot.domain.content import Piece, bold, bullets, code, join, lines
from bot.domain.roles import Role, allows
from commands.registry import AnyCommand, Registry
from commands.signature import Parameter
from commands.tokens import Takes
from config.locales import N_, Translator

_HEADINGS: dict[Role | None, str] = {
    None: N_("For everyone"),
    Role.MEMBER: N_("For members"),
    Role.EXPERT: N_("For experts"),
    Role.COORDINATOR: N_("For coordinators"),
    Role.ADMIN: N_("For admins"),
}


def overview(
    registry: Registry, held: frozenset[Role], tr: Translator, *, prefix: str = "!"
) -> Piece:
    """What somebody with these roles may use, a line for each command."""
    ranks = list(_HEADINGS)
    usable = sorted(
        (each for each in registry if allows(held, each.role)),
        key=lambda each: ranks.index(each.role),
    )
    groups = groupby(usable, key=lambda each: each.role)
    blocks = [
        block
        for role, commands in groups
        for block in (
            bold(tr(_HEADINGS[role])),
            bullets(_line(each, tr, prefix) for each in commands),
        )
    ]
    more = code(prefix + tr.plain("help ask"))
    return lines(*blocks, tr("More about one of them: {example}", example=more))


def detail(command: AnyCommand, tr: Translator, *, prefix: str = "!") -> Piece:
    """How to write one command, what it does, its options and some examples."""
    options = [_option_line(command, each, tr) for each in command.parameters if each.is_option]
    examples = [code(prefix + tr.plain(each)) for each in command.examples]
    return lines(
        code(usage(command, tr, prefix=prefix)),
        tr(command.summary),
        bullets(options) if options else None,
        tr.plural("Example:", "Examples:", len(examples)) if examples else None,
        bullets(examples) if examples else None,
    )


def usage(command: AnyCommand, tr: Translator, *, prefix: str = "!") -> str:
    """The command as it is typed: words, options, and the text that comes last."""
    parameters = sorted(command.parameters, key=lambda each: (each.is_text, each.is_option))
    name = f"{prefix}{command.name.in_language(tr.language)}"
    return " ".join([name, *(_part(each, tr) for each in parameters)])


def label(parameter: Parameter, tr: Translator) -> str:
    choices = [each.in_language(tr.language) for each in parameter.kind.choices]
    return "|".join(choices) or tr.plain(parameter.label)


def _part(parameter: Parameter, tr: Translator) -> str:
    part = _option(parameter, tr) if parameter.is_option else label(parameter, tr)
    return part if parameter.required else f"[{part}]"


def _option(parameter: Parameter, tr: Translator) -> str:
    name = f"--{parameter.option}"
    return name if parameter.kind.takes is Takes.NOTHING else f"{name} {label(parameter, tr)}"


def _line(command: AnyCommand, tr: Translator, prefix: str) -> Piece:
    name = code(f"{prefix}{command.name.in_language(tr.language)}")
    return join(" – ", [name, tr(command.summary)])


def _option_line(command: AnyCommand, parameter: Parameter, tr: Translator) -> Piece:
    explained = command.options.get(parameter.option) or parameter.kind.hint
    written = code(_option(parameter, tr))
    return join(" – ", [written, tr(explained)]) if explained else written
