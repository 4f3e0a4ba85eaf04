"""Experts and coordinators: who serves which desk."""

from bot.domain import content
from bot.domain.roles import Role
from bot.services import people
from bot.services.members import is_here
from bot.services.questions import comfort
from bot.services.speech import say
from commands.context import Context
from commands.parameters import (
    Ceiling,
    ClusterKeys,
    DeskKey,
    Flag,
    HolidayPlace,
    Hours,
    Languages,
    Rest,
    Text,
    UserId,
    Weekdays,
    YesOrNo,
)
from commands.registry import command
from config.locales import N_
from storage.outbox import direct


@command(
    "expert add",
    fr="expert ajouter",
    nl="expert toevoegen",
    role=Role.ADMIN,
    summary=N_("Make somebody an expert of a desk"),
    examples=(
        N_('expert add @anna:example.org --desk funding --lang fr,nl --topics "Interreg, ERDF"'),
    ),
    options={
        "cluster": N_("the clusters they know"),
        "lang": N_("the languages they answer in"),
        "topics": N_("what they know best, in quotes"),
    },
)
async def expert_add(
    ctx: Context,
    person: UserId,
    *,
    desk: DeskKey,
    cluster: ClusterKeys | None = None,
    lang: Languages | None = None,
    topics: Rest | None = None,
) -> None:
    profile = people.Profile(desk, cluster, lang, topics)
    await people.appoint(ctx.uow, ctx.instance, person, Role.EXPERT, profile, by=ctx.sender)
    if await is_here(ctx.uow, person):
        ctx.done()
    else:
        who = content.code(person)
        ctx.reply(
            ctx.tr(
                "Done. {who} is not in the network yet and will be asked questions once they join.",
                who=who,
            )
        )


@command(
    "expert remove",
    fr="expert retirer",
    nl="expert verwijderen",
    role=Role.ADMIN,
    summary=N_("Somebody is no longer an expert"),
    options={"desk": N_("only of this desk")},
)
async def expert_remove(ctx: Context, person: UserId, *, desk: DeskKey | None = None) -> None:
    await people.dismiss(ctx.uow, ctx.instance, person, Role.EXPERT, desk, by=ctx.sender)
    ctx.done()


@command(
    "expert me",
    fr="expert moi",
    nl="expert ik",
    role=Role.EXPERT,
    summary=N_("What I believe about you as an expert, and how to correct it"),
    examples=(
        N_('expert me --topics "flax, composites" --lang fr,nl'),
        N_("expert me --days mon-thu --hours 9h-16h --country BE --ceiling 3"),
    ),
    options={
        "topics": N_("what you know best, in quotes"),
        "about": N_("a few sentences about your work, in any language, in quotes"),
        "lang": N_("the languages you answer in"),
        "cluster": N_("the clusters you know"),
        "days": N_("the days you may be asked"),
        "hours": N_("the hours you may be asked"),
        "country": N_("the country whose holidays you keep"),
        "ceiling": N_("how many questions a week, at most"),
        "summary": N_("whether you get a summary of your week: yes or no"),
        "reset": N_("hours, holidays and ceiling as the desk has them again"),
    },
)
async def expert_me(
    ctx: Context,
    *,
    topics: Text | None = None,
    about: Text | None = None,
    lang: Languages | None = None,
    cluster: ClusterKeys | None = None,
    days: Weekdays | None = None,
    hours: Hours | None = None,
    country: HolidayPlace | None = None,
    ceiling: Ceiling | None = None,
    summary: YesOrNo | None = None,
    reset: Flag = False,
) -> None:
    if reset:
        await comfort.reset(ctx.uow, ctx.sender)
    correction = comfort.Correction(
        topics, about, lang, cluster, days, hours, country, ceiling, summary
    )
    if not correction.is_empty:
        await comfort.correct(ctx.uow, ctx.instance, ctx.sender, correction)
    piece = await comfort.shown(ctx.uow, ctx.instance, ctx.sender, ctx.tr)
    if ctx.is_direct:
        ctx.reply(piece)
    else:
        # Nobody else has to know.
        say(ctx.uow, direct(ctx.sender), piece, "reply")
        ctx.done()


@command(
    "expert list",
    fr="expert liste",
    nl="expert lijst",
    role=Role.COORDINATOR,
    summary=N_("Who serves which desk"),
)
async def expert_list(ctx: Context) -> None:
    ctx.reply(await people.listing(ctx.uow, ctx.instance, ctx.tr))


@command(
    "coordinator add",
    fr="coordinateur ajouter",
    nl="coördinator toevoegen",
    role=Role.ADMIN,
    summary=N_("Make somebody the coordinator of a desk"),
)
async def coordinator_add(ctx: Context, person: UserId, *, desk: DeskKey) -> None:
    profile = people.Profile(desk)
    await people.appoint(ctx.uow, ctx.instance, person, Role.COORDINATOR, profile, by=ctx.sender)
    ctx.done()


@command(
    "coordinator remove",
    fr="coordinateur retirer",
    nl="coördinator verwijderen",
    role=Role.ADMIN,
    summary=N_("Somebody is no longer a coordinator"),
)
async def coordinator_remove(ctx: Context, person: UserId, *, desk: DeskKey | None = None) -> None:
    await people.dismiss(ctx.uow, ctx.instance, person, Role.COORDINATOR, desk, by=ctx.sender)
    ctx.done()


@command(
    "erase",
    fr="effacer",
    nl="wissen",
    role=Role.ADMIN,
    summary=N_("Erase what I know about somebody"),
)
async def erase(ctx: Context, person: UserId) -> None:
    erased = await people.erase(ctx.uow, ctx.instance, person, by=ctx.sender)
    ctx.reply(
        ctx.tr.plural(
            "Done: {who} is erased, with {n} question.",
            "Done: {who} is erased, with {n} questions.",
            erased,
            who=content.code(person),
        )
    )
