"""Events: making them, changing them, saying who comes; and news."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, get_args

from bot.domain import calendar as rules
from bot.domain.calendar import SIGNS
from bot.domain.errors import UserError
from bot.domain.roles import Role, allows
from bot.services.calendar import announcing, coming, common, news, views
from bot.services.speech import linked
from commands.context import Context
from commands.parameters import (
    Answer,
    ClusterKeys,
    Day,
    Duration,
    EventNumber,
    Kind,
    ParseEnvironment,
    Place,
    Rest,
    RoomKey,
    Text,
    TimeOfDay,
)
from commands.registry import command
from config.locales import N_
from storage.links import Link

YES = SIGNS[rules.Answer.YES]


@dataclass(frozen=True, slots=True)
class Coming:
    """``event`` is None where the thread says which one is meant."""

    event: int | None
    said: rules.Answer


def _attendance(typed: str, env: ParseEnvironment) -> Coming:
    """“7 yes”, or “yes”."""
    first, _, rest = typed.partition(" ")
    number = _read(EventNumber, first, env) if rest else None
    return Coming(number, rules.Answer(_read(Answer, rest.strip() or first, env)))


def _read(parameter: Any, typed: str, env: ParseEnvironment) -> Any:
    kind: Kind = get_args(parameter)[1]
    return kind.read(typed, env)


Attendance = Annotated[Coming, Kind(_attendance, N_("[7] yes|maybe|no"))]


@command(
    "event new",
    fr="événement nouveau",
    nl="evenement nieuw",
    role=Role.ADMIN,
    summary=N_("Make an event: I show it to you before I announce it"),
    examples=(
        N_('event new "Textile and design day" 2027-03-12 14:00 @"Kortrijk Xpo" --for 3h'),
        N_('event new "Logistics online" Friday 9h30 --cluster logistics --desc "Link to follow"'),
    ),
    options={
        "cluster": N_("the clusters it is for; without it, the whole network"),
        "for": N_("how long it lasts; without it, one hour"),
        "desc": N_("more about it, in quotes"),
    },
)
async def event_new(
    ctx: Context,
    title: Annotated[Text, N_('"TITLE"')],
    day: Day,
    at: TimeOfDay,
    place: Place = "",
    *,
    cluster: ClusterKeys = (),
    for_: Duration = timedelta(hours=1),
    desc: Rest = "",
) -> None:
    plan = announcing.Plan(
        title=title,
        day=day,
        at=at,
        place=place,
        clusters=cluster,
        duration=for_,
        description=desc,
    )
    row = await announcing.draft(ctx.uow, ctx.instance, plan, ctx.sender)
    preview = announcing.preview(ctx.instance, row, ctx.tr)
    link = linked(ctx.uow, "event.draft", row.id, author=ctx.sender)
    shown = ctx.reply(preview, link=link, event=row.id)
    ctx.uow.outbox.react(ctx.lane, shown.ref, YES)


@command(
    "event move",
    fr="événement déplacer",
    nl="evenement verplaatsen",
    role=Role.ADMIN,
    summary=N_("Move an event to another day or time, and tell who comes"),
    examples=(N_("event move 7 2027-03-19 14:00"),),
)
async def event_move(ctx: Context, event: EventNumber, day: Day, at: TimeOfDay) -> None:
    await announcing.move(ctx.uow, ctx.instance, event, day, at, ctx.sender)
    ctx.done()


@command(
    "event cancel",
    fr="événement annuler",
    nl="evenement annuleren",
    role=Role.ADMIN,
    summary=N_("Cancel an event, and tell who was coming"),
)
async def event_cancel(ctx: Context, event: EventNumber) -> None:
    await announcing.cancel(ctx.uow, ctx.instance, event, ctx.sender)
    ctx.done()


@command("event", fr="événement", nl="evenement", summary=N_("One event in full"))
async def event(ctx: Context, event: EventNumber | None = None) -> None:
    row = await common.existing(ctx.uow, ctx.instance, _meant(ctx, event))
    ctx.reply(await views.details(ctx.uow, ctx.instance, row, ctx.sender, ctx.tr))


@command(
    "events",
    fr="événements",
    nl="evenementen",
    aliases=("agenda", "calendar", "calendrier", "kalender"),
    summary=N_("What is planned"),
)
async def events(ctx: Context) -> None:
    ctx.reply(await views.listing(ctx.uow, ctx.instance, ctx.sender, ctx.tr))


@command(
    "rsvp",
    fr="participer",
    nl="deelnemen",
    summary=N_("Say whether you come to an event"),
    examples=(N_("rsvp 7 yes"),),
)
async def rsvp(ctx: Context, answer: Attendance) -> None:
    """In the thread of an event it needs no number."""
    number, said = _meant(ctx, answer.event), answer.said
    refusal = common.closed(await common.existing(ctx.uow, ctx.instance, number), ctx.uow.now)
    if refusal is not None:
        raise refusal
    await coming.answer(ctx.uow, ctx.instance, number, _saying(ctx, said))
    ctx.uow.outbox.react(ctx.lane, ctx.incoming.event_id, SIGNS[said])


@command(
    "announce",
    fr="annoncer",
    nl="aankondigen",
    role=Role.ADMIN,
    summary=N_("Tell the network some news"),
    examples=(N_("announce --room logistics The call for projects is open until March."),),
    options={"room": N_("a room, or all; without it, those of the clusters and of the forum")},
)
async def announce(ctx: Context, text: Rest, *, room: RoomKey | None = None) -> None:
    await news.announce(ctx.uow, ctx.instance, text, room, ctx.sender)
    ctx.done()


def _meant(ctx: Context, number: int | None) -> int:
    """The event named, or the one whose thread this is."""
    if number is not None:
        return number
    if ctx.about is not None and ctx.about.role.startswith("event."):
        return ctx.about.subject
    raise UserError(
        "which-event",
        N_("Which event? Write its number, like {example}."),
        example=ctx.instance.typed("event 7"),
    )


def _saying(ctx: Context, answer: rules.Answer) -> coming.Saying:
    return coming.Saying(ctx.sender, answer, ctx.incoming.event_id, ctx.incoming.at)


async def on_draft(ctx: Context, link: Link | None, key: str) -> None:
    """✅ by its author announces an event, if they still may."""
    assert link is not None
    if key == YES and ctx.sender == link.author and allows(ctx.roles, Role.ADMIN):
        await announcing.publish(ctx.uow, ctx.instance, link, ctx.sender)


async def on_event(ctx: Context, link: Link | None, key: str) -> None:
    """✅ 🤔 ❌ on anything that tells of an event says whether one comes."""
    assert link is not None
    answer = rules.answer_of(key)
    if answer is not None:
        await coming.answer(ctx.uow, ctx.instance, link.subject, _saying(ctx, answer))


REACTIONS = {
    "event.draft": on_draft,
    "event.announcement": on_event,
    "event.update": on_event,
    "event.reminder": on_event,
}
