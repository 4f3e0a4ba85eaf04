"""The weekly digest of a cluster's room: what was answered, what is open, what is coming.

A room is read in every language of the network, so the headings are words in each of them, and
every item is written once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.domain import content
from bot.domain.activity import Edition, edition_due, shares
from bot.domain.content import Piece
from bot.services.instance import Instance
from bot.services.members import name
from bot.services.questions.common import excerpt
from bot.services.questions.views import numbered
from bot.services.speech import say
from config.locales import N_
from storage import activity, calendar, jobs, links, questions, rooms
from storage.calendar import CalendarEvent
from storage.database import Database, Uow
from storage.questions import Question
from storage.rooms import Room

AHEAD = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Contents:
    answered: Sequence[Question]
    open: Sequence[Question]
    coming: Sequence[CalendarEvent]

    def has_news(self, since: datetime) -> bool:
        """What has been open for longer than a week makes no digest by itself."""
        asked = any(each.created_at >= since for each in self.open)
        return bool(self.answered or self.coming or asked)


async def tick(database: Database, instance: Instance, now: datetime) -> None:
    knobs = instance.network.activity.digest
    edition = edition_due(now, instance.zone, knobs.weekday, knobs.time)
    if edition is None:
        return
    async with database.uow("digest", now) as uow:
        found = await rooms.of_kind(uow.session, "cluster")
    for room in found:
        if instance.network.cluster(room.key) is not None:
            await _publish(database, instance, room, edition, now)


async def _publish(
    database: Database, instance: Instance, room: Room, edition: Edition, now: datetime
) -> None:
    slot = f"{room.key}:{edition.slot}"
    async with database.uow(f"digest:{slot}", now) as uow:
        if not await jobs.claim(uow.session, "digest", slot, now):
            return
        found = await _contents(uow, room, edition)
        if found.has_news(edition.since):
            piece = await _text(uow, instance, room, found)
            say(uow, room.room_id, piece, "digest", slot=edition.slot)
        await uow.commit()


async def _contents(uow: Uow, room: Room, edition: Edition) -> Contents:
    session, lane = uow.session, room.room_id
    upcoming = await calendar.upcoming(session, uow.now)
    return Contents(
        answered=await activity.answered_in(session, lane, edition.since, edition.until),
        open=await activity.open_in(session, lane, edition.until),
        coming=[
            each
            for each in upcoming
            if each.starts_at <= edition.until + AHEAD
            and (not each.clusters or room.key in each.clusters)
        ],
    )


async def _text(uow: Uow, instance: Instance, room: Room, found: Contents) -> Piece:
    sizes = [len(found.answered), len(found.open), len(found.coming)]
    answered, still_open, coming = shares(sizes)
    rest = sum(sizes) - answered - still_open - coming
    return content.lines(
        _heading(instance, "🗞️", N_("This week")),
        *_section(
            _heading(instance, "✅", N_("Answered")),
            [await _answered(uow, instance, each) for each in found.answered[:answered]],
        ),
        *_section(
            _heading(instance, "⏳", N_("Still open")),
            [await _open(uow, instance, each) for each in found.open[:still_open]],
        ),
        *_section(
            _heading(instance, "📅", N_("Coming up")),
            [await _coming(uow, instance, room, each) for each in found.coming[:coming]],
        ),
        f"… +{rest}" if rest else None,
    )


def _section(heading: Piece, items: Sequence[Piece]) -> list[Piece]:
    return [heading, content.bullets(items)] if items else []


def _heading(instance: Instance, sign: str, message: str) -> Piece:
    """“This week” in each language, side by side; words that are the same are written once."""
    words = dict.fromkeys(instance.tr(each)(message) for each in instance.network.languages)
    return content.join(" ", [sign, content.bold(content.join(" · ", words))])


async def _answered(uow: Uow, instance: Instance, question: Question) -> Piece:
    """With thanks to those who answered, who are not rung for it."""
    offers = await questions.offers(uow.session, question.id)
    thanked = [await name(uow, each.expert) for each in offers if each.answered_at is not None]
    item = await _open(uow, instance, question)
    return content.join(" · ", [item, content.join(", ", thanked)]) if thanked else item


async def _open(uow: Uow, instance: Instance, question: Question) -> Piece:
    number = await numbered(uow, instance, question, question.asker)
    return content.join(" · ", [number, excerpt(question)])


async def _coming(uow: Uow, instance: Instance, room: Room, event: CalendarEvent) -> Piece:
    """Day before month, as all three languages have it; at the time of the place itself."""
    local = datetime.fromisoformat(event.starts_local)
    title = content.text(event.title)
    for link in await links.of(uow.session, event.id, "event.announcement"):
        if link.lane == room.room_id:
            url = content.event_link(link.lane, link.event_id, [instance.server])
            title = content.link(title, url)
    facts = [content.bold(f"{local:%d/%m %H:%M}"), title]
    return content.join(" · ", [*facts, event.place] if event.place else facts)
