"""Offering help under a question that stays without an answer, and taking it to a desk."""

from datetime import datetime, timedelta

from bot.domain.activity import Fate, Loose, fate, first_day, today
from bot.domain.errors import UserError
from bot.services.activity.listening import drop
from bot.services.instance import Instance
from bot.services.members import pill, tr_for
from bot.services.questions import asking
from bot.services.questions.common import calendar
from bot.services.speech import linked, say
from config.locales import N_
from storage import activity, jobs, rooms
from storage.activity import LooseQuestion
from storage.database import Database, Uow

YES = "✅"
OFFER_STANDS = timedelta(days=14)
"""So long after it was asked a question may be taken with ✅; then its text is forgotten."""
DAYS_KEPT = 400
"""Who spoke on which day is kept a little longer than the pulse looks back."""


async def tick(database: Database, instance: Instance, now: datetime) -> None:
    """Each nudge is a transaction of its own."""
    async with database.uow("activity", now) as uow:
        due = await _due(uow, instance)
        await _forget(uow, instance)
        await uow.commit()
    for number in due:
        async with database.uow(f"nudge:{number}", now) as uow:
            await _nudge(uow, instance, number)
            await uow.commit()


async def _due(uow: Uow, instance: Instance) -> list[int]:
    """The question of each room that has been due longest; those past help are dropped."""
    if not instance.network.desks:
        return []
    due: dict[str, int] = {}
    # Working time never runs faster than the clock on the wall.
    asked_before = uow.now - instance.network.activity.nudge_after
    for loose in await activity.waiting(uow.session, asked_before):
        match _fate(instance, loose, uow.now):
            case Fate.DROP:
                drop(loose)
            case Fate.NUDGE:
                due.setdefault(loose.room_id, loose.id)
    return list(due.values())


def _fate(instance: Instance, loose: LooseQuestion, now: datetime) -> Fate:
    """By the hours of the first desk: those of the network."""
    office = calendar(instance, instance.network.desks[0].key)
    nudge_after = instance.network.activity.nudge_after
    return fate(loose.asked_at, nudge_after, office, now)


async def _forget(uow: Uow, instance: Instance) -> None:
    """Once a day."""
    day = today(uow.now, instance.zone).isoformat()
    if await jobs.claim(uow.session, "activity", day, uow.now):
        oldest = first_day(uow.now, instance.zone, DAYS_KEPT)
        await activity.forget(uow.session, uow.now - OFFER_STANDS, oldest)


async def _nudge(uow: Uow, instance: Instance, number: int) -> None:
    """At most one a day in a room; the others wait for their turn."""
    loose = await activity.loose(uow.session, number)
    if loose is None or loose.state != Loose.WAITING:
        return
    room = await rooms.by_id(uow.session, loose.room_id)
    if room is None or await asking.of_source(uow, loose.event_id) is not None:
        drop(loose)
        return
    day = today(uow.now, instance.zone).isoformat()
    if await jobs.claim(uow.session, "nudge", f"{room.key}:{day}", uow.now):
        await _offer(uow, instance, loose)


async def _offer(uow: Uow, instance: Instance, loose: LooseQuestion) -> None:
    """It does not claim that nobody answered: people also answer without replying."""
    loose.state = Loose.NUDGED
    tr = await tr_for(uow, instance, loose.author)
    row = say(
        uow,
        loose.room_id,
        tr(
            "{person}, still looking? React ✅ and I’ll take your question to one of the desks.",
            person=await pill(uow, loose.author),
        ),
        "nudge",
        thread=loose.event_id,
        rings=True,
        link=linked(uow, "nudge", loose.id, author=loose.author),
        nudge=loose.id,
    )
    uow.outbox.react(loose.room_id, row.ref, YES)


async def take(uow: Uow, instance: Instance, number: int) -> None:
    """The author of a loose question accepts the offer to take it to a desk."""
    loose = await activity.loose(uow.session, number)
    if loose is None:
        raise UserError(
            "nudge-lapsed",
            N_("That was a while ago, and I no longer have your question. Please write it again."),
        )
    if loose.state != Loose.NUDGED or loose.text is None:
        return
    asked = asking.Asked(
        asker=loose.author,
        text=loose.text,
        lane=loose.room_id,
        event_id=loose.event_id,
        root=loose.event_id,
    )
    question = await asking.ask(uow, instance, asked)
    loose.state = Loose.TAKEN if question else Loose.DROPPED
    loose.text = None
