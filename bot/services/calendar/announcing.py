"""An event from its draft to its end: shown to its author, announced, moved, cancelled."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from bot.domain import calendar as rules
from bot.domain import content
from bot.domain.calendar import SIGNS, Event, NonexistentTime, Status, Tally
from bot.domain.content import Piece
from bot.domain.errors import UserError
from bot.services.calendar import texts
from bot.services.calendar.coming import refresh
from bot.services.calendar.common import (
    Home,
    calls,
    event_of,
    homes,
    open_to_change,
    ready_rooms,
    tally_of,
)
from bot.services.instance import Instance
from bot.services.members import tr_for
from bot.services.speech import edit, linked, say
from config.locales import N_, Translator
from storage import audit, calendar
from storage.calendar import CalendarEvent
from storage.database import Uow
from storage.links import Link

MOST_LETTERS = {"title": 120, "place": 200, "description": 2_000}
LONGEST = timedelta(days=30)
FARTHEST = timedelta(days=5 * 366)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """An event as somebody typed it, in the network's time zone. No clusters: all of them."""

    title: str
    day: date
    at: time
    place: str = ""
    clusters: tuple[str, ...] = ()
    duration: timedelta = timedelta(hours=1)
    description: str = ""


async def draft(uow: Uow, instance: Instance, plan: Plan, by: str) -> CalendarEvent:
    """Keep an event that nobody is told of yet; raises ``UserError`` for one that cannot be."""
    title = " ".join(plan.title.split())
    _check_lengths(title, plan)
    await ready_rooms(uow, instance, plan.clusters)
    local, moment = _moment(instance, plan.day, plan.at, uow.now)
    row = CalendarEvent(
        title=title,
        description=plan.description.strip(),
        place=" ".join(plan.place.split()),
        starts_local=local.isoformat(timespec="minutes"),
        zone=instance.network.timezone,
        starts_at=moment,
        duration_minutes=int(plan.duration.total_seconds() // 60),
        clusters=[each.key for each in instance.network.clusters if each.key in plan.clusters],
        status=Status.DRAFT,
        sequence=0,
        organiser=by,
        created_at=uow.now,
        updated_at=uow.now,
    )
    uow.session.add(row)
    await uow.session.flush()
    return row


def _check_lengths(title: str, plan: Plan) -> None:
    if not title:
        raise UserError("title-empty", N_("What is the event called? Write its title in quotes."))
    lengths = {"title": title, "place": plan.place, "description": plan.description}
    for part, most in MOST_LETTERS.items():
        if len(lengths[part]) > most:
            raise _too_long(part, most)
    if plan.duration > LONGEST:
        raise UserError(
            "event-too-long",
            N_("An event lasts at most {days} days. Please make one event of each part."),
            days=LONGEST.days,
        )


def _too_long(part: str, most: int) -> UserError:
    sentences = {
        "title": N_("The title is too long: {most} characters at most. More fits in {option}."),
        "place": N_("The place is too long: {most} characters at most. More fits in {option}."),
        "description": N_("What {option} says is too long: {most} characters at most."),
    }
    return UserError(f"{part}-too-long", sentences[part], most=most, option=content.code("--desc"))


def _moment(instance: Instance, day: date, at: time, now: datetime) -> tuple[datetime, datetime]:
    """What is on the wall then, and its instant in UTC."""
    local = datetime.combine(day, at)
    today = now.astimezone(instance.zone).date()
    if day > today + FARTHEST:
        raise UserError(
            "event-far",
            N_("{day} is many years away. Please check the year."),
            day=lambda tr: tr.date(_on_the_wall(local, instance.zone), instance.zone),
        )
    if day < today:
        raise _past(local, instance.zone)
    moment = _instant(local, instance.zone)
    if moment <= now:
        raise _past(local, instance.zone)
    return local, moment


def _instant(local: datetime, zone: ZoneInfo) -> datetime:
    try:
        return rules.starts_at(local, zone)
    except NonexistentTime as error:
        raise UserError(
            "time-nonexistent",
            N_(
                "On {day}, {time} does not exist: that night the clocks go forward. "
                "Please write another time."
            ),
            time=f"{local:%H:%M}",
            day=lambda tr: tr.date(_on_the_wall(local, zone), zone),
        ) from error


def _on_the_wall(local: datetime, zone: ZoneInfo) -> datetime:
    return local.replace(tzinfo=zone)


def _past(local: datetime, zone: ZoneInfo) -> UserError:
    return UserError(
        "event-past",
        N_("{when} has passed. Please write a day and a time to come."),
        when=lambda tr: tr.when(_on_the_wall(local, zone), zone),
    )


def preview(instance: Instance, row: CalendarEvent, tr: Translator) -> Piece:
    event = event_of(row)
    return content.lines(
        tr(
            "React ✅, and I announce event {number} in {rooms}, like this:",
            number=event.number,
            rooms=texts.room_names(instance, event.clusters, tr),
        ),
        content.quote(texts.announcement(instance, event, Tally())),
    )


async def publish(uow: Uow, instance: Instance, shown: Link, by: str) -> None:
    """Announce the event whose preview is ``shown``, unless that has been done."""
    row = await calendar.get(uow.session, shown.subject, to_change=True)
    if row is not None and row.status != Status.DRAFT:
        return
    if row is None or row.starts_at <= uow.now:
        raise UserError(
            "draft-past", N_("The time of this event has passed. Please make a new one.")
        )
    found = await ready_rooms(uow, instance, row.clusters)
    row.status, row.updated_at = Status.PUBLISHED, uow.now
    event = event_of(row)
    for room in found:
        _announce(uow, instance, event, room.room_id)
    audit.note(uow.session, uow.now, by, "event-announce", event=row.id)
    tr = await tr_for(uow, instance, by)
    done = tr(
        "📅 Event {number}, {title}, is announced in {rooms}.",
        number=event.number,
        title=content.bold(event.title),
        rooms=texts.room_names(instance, event.clusters, tr),
    )
    await edit(uow, shown, done, "reply", event=event.number)


def _announce(uow: Uow, instance: Instance, event: Event, room_id: str) -> None:
    row = say(
        uow,
        room_id,
        texts.announcement(instance, event, Tally()),
        "event.announcement",
        link=linked(uow, "event.announcement", event.number),
        event=event.number,
        sequence=event.sequence,
    )
    for sign in SIGNS.values():
        uow.outbox.react(room_id, row.ref, sign)


async def move(uow: Uow, instance: Instance, number: int, day: date, at: time, by: str) -> None:
    """To another day or time. What people said about coming stands until they say otherwise."""
    row = await open_to_change(uow, instance, number)
    before = event_of(row)
    local, moment = _moment(instance, day, at, uow.now)
    if moment == before.starts_at:
        raise UserError(
            "event-unmoved", N_("Event {number} is already at that time."), number=row.id
        )
    row.starts_local, row.starts_at = local.isoformat(timespec="minutes"), moment
    row.zone = instance.network.timezone
    await _change(uow, instance, row)
    text = texts.moved(instance, before, event_of(row))
    await _tell(uow, instance, row, text, "event.update")
    audit.note(uow.session, uow.now, by, "event-move", event=row.id, to=row.starts_local)


async def cancel(uow: Uow, instance: Instance, number: int, by: str) -> None:
    row = await open_to_change(uow, instance, number)
    row.status = Status.CANCELLED
    await _change(uow, instance, row)
    text = texts.called_off(instance, event_of(row))
    await _tell(uow, instance, row, text, "event.cancelled")
    audit.note(uow.session, uow.now, by, "event-cancel", event=row.id)


async def _change(uow: Uow, instance: Instance, row: CalendarEvent) -> None:
    row.sequence += 1
    row.updated_at = row.counted_at = uow.now
    await refresh(uow, instance, row)


async def _tell(uow: Uow, instance: Instance, row: CalendarEvent, text: Piece, kind: str) -> None:
    """In the thread of each announcement, calling who comes or may come."""
    where = await homes(uow, instance, row)
    people = (await tally_of(uow, instance, row.id)).concerned
    called = await calls(uow, where, people)
    for home in where:
        _notify(uow, row, home, called[home.room_id], text, kind)


def _notify(
    uow: Uow, row: CalendarEvent, home: Home, called: Piece | None, text: Piece, kind: str
) -> None:
    say(
        uow,
        home.room_id,
        content.lines(called, text),
        kind,
        thread=home.thread,
        rings=called is not None,
        link=linked(uow, kind, row.id),
        event=row.id,
        sequence=row.sequence,
    )
