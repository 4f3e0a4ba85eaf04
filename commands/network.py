"""The network itself: its rooms, its state, what was done with power."""

from bot.domain.roles import Role
from bot.services import status
from bot.services.routing import status as routing_status
from commands.context import Context
from commands.parameters import Flag
from commands.registry import command
from config.locales import N_


@command(
    "provision",
    fr="déployer",
    nl="inrichten",
    role=Role.ADMIN,
    summary=N_("Make the rooms what the network file says"),
    options={"dry-run": N_("only say what would be done")},
)
async def provision(ctx: Context, *, dry_run: Flag = False) -> None:
    """The rooms are read and changed by the provisioner, which answers in the control room."""
    await status.request_provisioning(ctx.uow, ctx.sender, ctx.lane, dry_run)
    ctx.done()


@command(
    "status",
    fr="état",
    nl="toestand",
    role=Role.ADMIN,
    summary=N_("What is waiting, and what went wrong"),
)
async def show_status(ctx: Context) -> None:
    ctx.reply(await status.summary(ctx.uow, ctx.instance, ctx.tr))


@command(
    "audit",
    fr="journal",
    nl="logboek",
    role=Role.ADMIN,
    summary=N_("The latest acts of admins and coordinators"),
)
async def show_audit(ctx: Context) -> None:
    ctx.reply(await status.audit_trail(ctx.uow, ctx.instance, ctx.tr))


@command(
    "routing",
    fr="aiguillage",
    nl="routering",
    role=Role.ADMIN,
    summary=N_("How questions find their experts: encoder, memory, learning"),
)
async def routing(ctx: Context) -> None:
    ctx.reply(await routing_status.summary(ctx.uow, ctx.instance, ctx.tr))
