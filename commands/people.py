"""Experts and coordinators: who serves which desk."""

from bot.domain import content
from bot.domain.roles import Role
from bot.services import people
from commands.context import Context
from commands.parameters import ClusterKeys, DeskKey, Languages, Rest, UserId
from commands.registry import command
from config.locales import N_


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
    cluster: ClusterKeys = (),
    lang: Languages = (),
    topics: Rest = "",
) -> None:
    profile = people.Profile(desk, cluster, lang, topics)
    await people.appoint(ctx.uow, ctx.instance, person, Role.EXPERT, profile, by=ctx.sender)
    ctx.done()


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
    profile = people.Profile(desk, (), (), "")
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
