"""Who comes: answers by reaction or command, and the count that announcements show."""

from dataclasses import dataclass
from datetime import datetime

from bot.domain import content
from bot.domain.calendar import Answer, Tally, count_at
from bot.services.calendar import texts
from bot.services.calendar.common import closed, event_of, homes, tally_of
from bot.services.instance import Instance
from storage import calendar
from storage.calendar import CalendarEvent, Rsvp
from storage.database import Uow
from storage.links import Link


@dataclass(frozen=True, slots=True)
class Saying:
    """``event_id`` is the reaction or message with which somebody answered."""

    by: str
    answer: Answer
    event_id: str
    at: datetime


async def answer(uow: Uow, instance: Instance, number: int, saying: Saying) -> None:
    """Note an answer to an event that people know of. What comes too late changes nothing."""
    row = await calendar.get(uow.session, number, to_change=True)
    if row is None or closed(row, uow.now) is not None:
        return
    before = await tally_of(uow, instance, number)
    rsvp = Rsvp(
        event=number,
        user_id=saying.by,
        answer=saying.answer,
        event_id=saying.event_id,
        at=saying.at,
        withdrawn=False,
    )
    uow.session.add(rsvp)
    await uow.session.flush()
    await _recount(uow, instance, row, before)


async def withdrawn(uow: Uow, instance: Instance, event_id: str) -> None:
    """Something was redacted: if it was an answer, it is taken back."""
    rsvp = await calendar.rsvp_said_by(uow.session, event_id)
    if rsvp is None or rsvp.withdrawn:
        return
    row = await calendar.get(uow.session, rsvp.event, to_change=True)
    assert row is not None, "an answer goes with its event"
    before = await tally_of(uow, instance, row.id)
    rsvp.withdrawn = True
    await uow.session.flush()
    if closed(row, uow.now) is None:
        await _recount(uow, instance, row, before)


async def _recount(uow: Uow, instance: Instance, row: CalendarEvent, before: Tally) -> None:
    """Show the new count, at most once in the time that the network sets."""
    if (await tally_of(uow, instance, row.id)).counts == before.counts:
        return
    row.counted_at = count_at(row.counted_at, uow.now, instance.network.events.counter_every)
    await refresh(uow, instance, row, not_before=row.counted_at)


async def refresh(
    uow: Uow, instance: Instance, row: CalendarEvent, *, not_before: datetime | None = None
) -> None:
    """Bring the announcements up to date. Edits that still wait are out of date now."""
    piece = texts.announcement(instance, event_of(row), await tally_of(uow, instance, row.id))
    for home in await homes(uow, instance, row):
        if home.announcement is not None:
            await _edit(uow, row, home.announcement, piece, not_before)


async def _edit(
    uow: Uow,
    row: CalendarEvent,
    announced: Link,
    piece: content.Piece,
    not_before: datetime | None,
) -> None:
    message = content.tagged(
        content.message(piece), "event.announcement", event=row.id, sequence=row.sequence
    )
    collapse = f"event:{row.id}:{announced.lane}"
    await calendar.drop_waiting(uow.session, collapse)
    uow.outbox.send(
        announced.lane,
        content.replacing(message, announced.event_id),
        not_before=not_before,
        collapse=collapse,
    )
