"""Help, languages, and being away: what everybody may say."""

from datetime import datetime, time, timedelta
from typing import Annotated

from bot.domain import content
from bot.domain.errors import UserError
from bot.domain.roles import Role, allows
from bot.services import members
from bot.services.questions import turns
from commands import help as help_texts
from commands.context import Context
from commands.parameters import LanguageCode, Rest, Until
from commands.registry import Match, command
from config.locales import N_


@command(
    "help",
    fr="aide",
    nl="hulp",
    role=None,
    aliases=("help", "?"),
    summary=N_("What I understand"),
    examples=(N_("help ask"),),
)
async def help_(ctx: Context, about: Annotated[Rest, N_("COMMAND")] = "") -> None:
    if not about:
        piece = help_texts.overview(ctx.registry, ctx.roles, ctx.tr, prefix=ctx.instance.prefix)
        ctx.reply(piece, "help")
        return
    asked = about.removeprefix(ctx.instance.prefix)
    found = ctx.registry.match(asked, language=ctx.tr.language, roles=ctx.roles)
    if not isinstance(found, Match) or not allows(ctx.roles, found.command.role):
        raise UserError(
            "help-unknown",
            N_("I know no command {typed}. {help} shows them all."),
            typed=content.code(about[:40]),
            help=content.code(f"{ctx.instance.prefix}{ctx.tr.plain('help')}"),
        )
    ctx.reply(help_texts.detail(found.command, ctx.tr, prefix=ctx.instance.prefix), "help")


@command("about", fr="apropos", nl="over", role=None, summary=N_("Who I am"))
async def about(ctx: Context) -> None:
    network = ctx.instance.network
    ctx.reply(
        content.lines(
            ctx.tr(
                "I’m the receptionist of {network}: I find the expert for your question and "
                "bring the answer back.",
                network=content.bold(network.text(network.name, ctx.tr.language)),
            ),
            ctx.tr(
                "I keep your questions, your language and whether you come to events. An admin "
                "can show you or erase all of it."
            ),
        )
    )


@command(
    "language",
    fr="langue",
    nl="taal",
    role=None,
    summary=N_("The language I speak with you"),
    examples=(N_("language nl"),),
)
async def language(ctx: Context, language: LanguageCode) -> None:
    await members.prefer(ctx.uow, ctx.sender, language)
    ctx.reply(ctx.instance.tr(language)("From now on I speak English with you."))


@command(
    "away",
    fr="absent",
    nl="afwezig",
    role=Role.EXPERT,
    summary=N_("No questions for you until you are back"),
    examples=(N_("away until friday"),),
)
async def away(ctx: Context, until: Until | None = None) -> None:
    if until is None:
        await members.away(ctx.uow, ctx.sender, None)
        back = content.code(f"{ctx.instance.prefix}{ctx.tr.plain('back')}")
        ctx.reply(ctx.tr("Understood: no questions for you until you type {back}.", back=back))
        return
    # The day named is the first day back.
    moment = datetime.combine(until, time(0), ctx.instance.zone)
    if moment <= ctx.uow.now:
        moment += timedelta(days=1)
    await members.away(ctx.uow, ctx.sender, moment)
    day = ctx.tr.date(moment, ctx.instance.zone)
    ctx.reply(ctx.tr("Understood: no questions for you before {day}.", day=day))


@command("back", fr="retour", nl="terug", role=Role.EXPERT, summary=N_("You take questions again"))
async def back(ctx: Context) -> None:
    await members.back(ctx.uow, ctx.sender)
    await turns.back(ctx.uow, ctx.instance, ctx.sender)
    ctx.done()
