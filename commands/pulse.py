"""The network's pulse for admins, and the answer to a nudge."""

import re
from typing import Annotated

from bot.domain.content import code
from bot.domain.errors import UserError
from bot.domain.roles import Role
from bot.services import activity
from commands.context import Context
from commands.parameters import Kind, ParseEnvironment
from commands.registry import command
from config.locales import N_
from storage.links import Link

MOST_DAYS = 365
_DAYS = re.compile(r"([0-9]{1,4}) ?[dj]?", re.IGNORECASE)


def _days(typed: str, env: ParseEnvironment) -> int:
    """“30”, “30d”, “30j”."""
    found = _DAYS.fullmatch(typed)
    days = int(found[1]) if found else 0
    if not 1 <= days <= MOST_DAYS:
        raise UserError(
            "days-unknown",
            N_("Please write a number of days from 1 to {most} instead of {typed}."),
            most=MOST_DAYS,
            typed=code(typed[:60]),
        )
    return days


Days = Annotated[int, Kind(_days, N_("DAYS"), N_("how many days to look back, like 30"))]


@command(
    "pulse",
    fr="pouls",
    nl="polsslag",
    role=Role.ADMIN,
    summary=N_("How alive the network is"),
    examples=(N_("pulse 7"),),
)
async def pulse(ctx: Context, days: Days = 30) -> None:
    figures = await activity.read_pulse(ctx.uow, ctx.instance, days)
    ctx.reply(activity.show_pulse(figures, ctx.instance, ctx.tr))


async def on_nudge(ctx: Context, link: Link | None, key: str) -> None:
    """✅ by the author of a question takes it to a desk."""
    assert link is not None
    if key == "✅" and ctx.sender == link.author:
        await activity.take(ctx.uow, ctx.instance, link.subject)


REACTIONS = {"nudge": on_nudge}
