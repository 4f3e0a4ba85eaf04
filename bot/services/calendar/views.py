"""Events as people look at them: what is planned, and one event in full."""

from bot.domain import content
from bot.domain.calendar import SIGNS, Event, Status, Tally
from bot.domain.content import Piece
from bot.services.calendar import texts
from bot.services.calendar.common import event_of, tally_of
from bot.services.instance import Instance
from config.locales import Translator
from storage import calendar, links, members
from storage.calendar import CalendarEvent
from storage.database import Uow

LISTED = 10


async def listing(uow: Uow, instance: Instance, viewer: str, tr: Translator) -> Piece:
    found = await calendar.upcoming(uow.session, uow.now)
    if not found:
        return tr("Nothing is planned.")
    shown = [await _line(uow, instance, event_of(each), viewer, tr) for each in found[:LISTED]]
    rest = len(found) - LISTED
    more = tr.plural("… and {n} more.", "… and {n} more.", rest) if rest > 0 else None
    return content.lines(content.bullets(shown), more, _subscription(instance, tr))


async def _line(uow: Uow, instance: Instance, event: Event, viewer: str, tr: Translator) -> Piece:
    tally = await tally_of(uow, instance, event.number)
    facts: list[Piece | str] = [
        str(event.number),
        await _title(uow, instance, event, viewer),
        texts.when(event, tr),
        *([event.place] if event.place else []),
        texts.counts(tally),
    ]
    return content.lines(content.join(" · ", facts), _own_answer(tally, viewer, tr))


def _subscription(instance: Instance, tr: Translator) -> Piece | None:
    if instance.public_url is None:
        return None
    address = f"{instance.public_url.rstrip('/')}/calendar/all.ics"
    return tr("🗓️ For your own calendar: {address}", address=content.link(address, address))


async def details(
    uow: Uow, instance: Instance, row: CalendarEvent, viewer: str, tr: Translator
) -> Piece:
    event, tally = event_of(row), await tally_of(uow, instance, row.id)
    title = await _title(uow, instance, event, viewer)
    cancelled = event.status is Status.CANCELLED
    return content.lines(
        content.join(" · ", [f"📅 {event.number}", title]),
        tr("🚫 Cancelled") if cancelled else None,
        texts.span(event, tr),
        texts.place(event),
        texts.room_names(instance, event.clusters, tr) if event.clusters else None,
        event.description or None,
        texts.counts(tally),
        _own_answer(tally, viewer, tr),
    )


def _own_answer(tally: Tally, viewer: str, tr: Translator) -> Piece | None:
    answer = tally.answer(viewer)
    return tr("You said {answer}", answer=SIGNS[answer]) if answer else None


async def _title(uow: Uow, instance: Instance, event: Event, viewer: str) -> Piece:
    """Linked to an announcement that the viewer can read."""
    readable = await members.rooms_of(uow.session, viewer)
    found = await links.of(uow.session, event.number, "event.announcement")
    announced = next((each for each in found if each.lane in readable), None)
    return texts.titled(instance, event, announced)
