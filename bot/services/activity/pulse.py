"""The pulse: how alive the network is, in figures about the network and never about one person."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from bot.domain import content
from bot.domain.activity import first_day, median_time, midnight
from bot.domain.content import Piece
from bot.services.instance import Instance
from bot.services.members import SPACE
from config.locales import Translator
from storage import activity, members, rooms
from storage.calendar import CalendarEvent
from storage.database import Uow


@dataclass(frozen=True, slots=True)
class Figures:
    """Of the network or of one cluster. ``active`` are the people who wrote; ``answered`` are the
    questions first answered in the time, whenever they were asked."""

    active: int
    asked: int
    answered: int
    held: int
    coming: int


@dataclass(frozen=True, slots=True)
class Pulse:
    """``clusters`` by key, in the network's order. ``answer_time`` is a median."""

    days: int
    members: int
    answer_time: timedelta | None
    network: Figures
    clusters: Mapping[str, Figures]


async def read_pulse(uow: Uow, instance: Instance, days: int) -> Pulse:
    """Of the last ``days`` days, of which today is the last."""
    day = first_day(uow.now, instance.zone, days)
    since = midnight(day, instance.zone)
    asked = await activity.asked_by_cluster(uow.session, since)
    answers = await activity.first_answers(uow.session, since)
    answered = Counter(cluster for cluster, _, _ in answers)
    events = await activity.events_from(uow.session, since)
    active = await _active(uow, instance, day)
    return Pulse(
        days=days,
        members=await _members(uow, instance),
        answer_time=median_time(answered_at - asked_at for _, asked_at, answered_at in answers),
        network=Figures(
            await activity.people_active(uow.session, day),
            sum(asked.values()),
            answered.total(),
            *_held_and_coming(events, uow.now),
        ),
        clusters={
            each.key: Figures(
                active.get(each.key, 0),
                asked.get(each.key, 0),
                answered[each.key],
                *_held_and_coming(_of(each.key, events), uow.now),
            )
            for each in instance.network.clusters
        },
    )


async def _members(uow: Uow, instance: Instance) -> int:
    space = await rooms.find(uow.session, SPACE, SPACE)
    found = await members.members_of(uow.session, space.room_id) if space else set()
    return len(found - {instance.user_id})


async def _active(uow: Uow, instance: Instance, since: date) -> dict[str, int]:
    """How many wrote in each cluster's room, by the cluster's key."""
    by_room = await activity.people_active_by_room(uow.session, since)
    found = await rooms.of_kind(uow.session, "cluster")
    return {each.key: by_room.get(each.room_id, 0) for each in found}


def _of(cluster: str, events: Sequence[CalendarEvent]) -> list[CalendarEvent]:
    return [each for each in events if not each.clusters or cluster in each.clusters]


def _held_and_coming(events: Sequence[CalendarEvent], now: datetime) -> tuple[int, int]:
    held = sum(each.starts_at <= now for each in events)
    return held, len(events) - held


def show_pulse(pulse: Pulse, instance: Instance, tr: Translator) -> Piece:
    """The signs of the first lines stand for the same in the lines of the clusters."""
    network = pulse.network
    title = tr.plural("Pulse of today", "Pulse of the last {n} days", pulse.days)
    return content.lines(
        content.bold(title),
        tr("👥 Active: {active} (members: {all})", active=network.active, all=pulse.members),
        tr("❓ Asked: {n}", n=network.asked),
        _answered(pulse, tr),
        tr("📅 Events: {held} held, {coming} to come", held=network.held, coming=network.coming),
        content.bullets(
            _cluster(instance, key, figures, tr) for key, figures in pulse.clusters.items()
        ),
    )


def _answered(pulse: Pulse, tr: Translator) -> Piece:
    if pulse.answer_time is None:
        return tr("✅ Answered: {n}", n=pulse.network.answered)
    if pulse.answer_time < timedelta(minutes=1):
        return tr("✅ Answered: {n}, half of them within a minute", n=pulse.network.answered)
    return tr(
        "✅ Answered: {n}, half of them within {time}",
        n=pulse.network.answered,
        time=tr.duration(pulse.answer_time),
    )


def _cluster(instance: Instance, key: str, figures: Figures, tr: Translator) -> Piece:
    cluster = instance.network.cluster(key)
    named = instance.network.text(cluster.name, tr.language) if cluster else key
    counted = f"👥 {figures.active} ❓ {figures.asked} ✅ {figures.answered} 📅 {figures.coming}"
    return content.join(" · ", [content.bold(named), counted])
