"""What every part of the calendar needs: an event, who comes, and the rooms it concerns."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.domain import calendar as rules
from bot.domain import content
from bot.domain.calendar import Answer, Event, Said, Status, Tally
from bot.domain.content import Piece
from bot.domain.errors import UserError
from bot.services.instance import Instance
from bot.services.members import pill
from config.locales import N_
from storage import calendar, links, members, rooms
from storage.calendar import CalendarEvent
from storage.database import Uow
from storage.links import Link
from storage.rooms import Room


@dataclass(frozen=True, slots=True)
class Home:
    """A room that an event concerns. It has no announcement when it has come later, or has taken
    the place of the one that was announced in."""

    room_id: str
    announcement: Link | None

    @property
    def thread(self) -> str | None:
        return self.announcement.event_id if self.announcement else None


def event_of(row: CalendarEvent) -> Event:
    return Event(
        number=row.id,
        title=row.title,
        starts_local=datetime.fromisoformat(row.starts_local),
        zone=row.zone,
        duration=timedelta(minutes=row.duration_minutes),
        changed_at=row.updated_at,
        place=row.place,
        clusters=tuple(row.clusters),
        description=row.description,
        sequence=row.sequence,
        status=Status(row.status),
    )


async def existing(
    uow: Uow, instance: Instance, number: int, *, to_change: bool = False
) -> CalendarEvent:
    """An event that people were told of, cancelled or not."""
    row = await calendar.get(uow.session, number, to_change=to_change)
    if row is None:
        raise UserError(
            "event-unknown",
            N_("There is no event {number}. Type {command} to see what is planned."),
            number=number,
            command=instance.typed("events"),
        )
    if row.status == Status.DRAFT:
        raise UserError(
            "event-draft",
            N_("Event {number} has not been announced yet: react ✅ to its preview first."),
            number=number,
        )
    return row


async def open_to_change(uow: Uow, instance: Instance, number: int) -> CalendarEvent:
    """An event that is still to come, or at least going on."""
    row = await existing(uow, instance, number, to_change=True)
    refusal = closed(row, uow.now)
    if refusal is not None:
        raise refusal
    return row


def closed(row: CalendarEvent, now: datetime) -> UserError | None:
    """Why nothing more can be said or done about an event."""
    event = event_of(row)
    if event.status is Status.CANCELLED:
        return UserError("event-cancelled", N_("Event {number} is cancelled."), number=row.id)
    if event.ends_at <= now:
        return UserError("event-over", N_("Event {number} is over."), number=row.id)
    return None


async def tally_of(uow: Uow, instance: Instance, number: int) -> Tally:
    rows = await calendar.rsvps(uow.session, number)
    said = [Said(each.user_id, Answer(each.answer), each.withdrawn) for each in rows]
    return rules.tally(said, besides={instance.user_id})


async def rooms_for(uow: Uow, instance: Instance, clusters: Collection[str]) -> list[Room]:
    """The rooms of these clusters; without any, those of all clusters and of the forum."""
    network = instance.network
    chosen = [each.key for each in network.clusters if not clusters or each.key in clusters]
    places = [("cluster", key) for key in chosen]
    if network.forum and not clusters:
        places.append(("forum", network.forum.key))
    found = [await rooms.find(uow.session, *place) for place in places]
    return [room for room in found if room is not None]


async def ready_rooms(uow: Uow, instance: Instance, clusters: Collection[str]) -> list[Room]:
    """Raises ``UserError`` while there are none."""
    found = await rooms_for(uow, instance, clusters)
    if not found:
        raise UserError(
            "rooms-not-ready",
            N_("The rooms for this are still being made. Please try again in a few minutes."),
        )
    return found


async def homes(uow: Uow, instance: Instance, row: CalendarEvent) -> list[Home]:
    found = await links.of(uow.session, row.id, "event.announcement")
    by_room = {link.lane: link for link in found}
    concerned = await rooms_for(uow, instance, row.clusters)
    return [Home(room.room_id, by_room.get(room.room_id)) for room in concerned]


async def calls(uow: Uow, where: Sequence[Home], people: Sequence[str]) -> dict[str, Piece | None]:
    """For each room the line that mentions people there, each of them in one room only."""
    if not where:
        return {}
    present = {each.room_id: await members.members_of(uow.session, each.room_id) for each in where}
    return {
        room_id: content.join(", ", [await pill(uow, each) for each in called]) if called else None
        for room_id, called in rules.callings(people, present).items()
    }
