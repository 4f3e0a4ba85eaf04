"""How an event is written: in a room once for all languages, to one reader in theirs.

What needs no words (title, place, numbers) stands once; only dates and sentences are repeated.
"""

from zoneinfo import ZoneInfo

from bot.domain import content
from bot.domain.calendar import SIGNS, Answer, Event, Status, Tally
from bot.domain.content import Piece
from bot.services.instance import Instance
from config.locales import N_, Translator
from storage.links import Link


def announcement(instance: Instance, event: Event, tally: Tally) -> Piece:
    if event.status is Status.CANCELLED:
        return _cancelled(instance, event)
    return content.lines(
        content.bold(f"📅 {event.title}"),
        _spans(instance, event),
        place(event),
        event.description or None,
        _footer(instance, event, tally),
    )


def _footer(instance: Instance, event: Event, tally: Tally) -> Piece:
    command = content.code(f"{instance.prefix}event {event.number}")
    return content.join(" · ", [counts(tally), command])


def _cancelled(instance: Instance, event: Event) -> Piece:
    sentence = instance.texts.each(
        instance.network.languages,
        N_("Cancelled. It was planned for {when}."),
        when=lambda tr: when(event, tr),
    )
    return content.lines(content.bold(f"🚫 {event.title}"), sentence)


def _spans(instance: Instance, event: Event) -> Piece:
    spans = (span(event, instance.tr(each)) for each in instance.network.languages)
    return content.lines(*dict.fromkeys(spans))


def span(event: Event, tr: Translator) -> Piece:
    """From when to when, in the event's own time zone."""
    zone = ZoneInfo(event.zone)
    first, last = event.starts_at.astimezone(zone), event.ends_at.astimezone(zone)
    if first.date() == last.date():
        return tr(
            "{date}, {start} to {end}",
            date=tr.date(first, zone),
            start=tr.time(first, zone),
            end=tr.time(last, zone),
        )
    return tr("{when}, for {length}", when=when(event, tr), length=tr.duration(event.duration))


def when(event: Event, tr: Translator) -> str:
    return tr.when(event.starts_at, ZoneInfo(event.zone))


def place(event: Event) -> Piece | None:
    return content.text(f"📍 {event.place}") if event.place else None


def counts(tally: Tally) -> str:
    numbers = zip(Answer, tally.counts, strict=True)
    return " · ".join(f"{SIGNS[answer]} {number}" for answer, number in numbers)


def moved(instance: Instance, before: Event, after: Event) -> Piece:
    sentence = instance.texts.each(
        instance.network.languages,
        N_("Moved to {new} (before: {old})."),
        new=lambda tr: when(after, tr),
        old=lambda tr: when(before, tr),
    )
    return content.lines(content.bold(f"🔄 {after.title}"), sentence)


def called_off(instance: Instance, event: Event) -> Piece:
    sentence = instance.texts.each(instance.network.languages, N_("This event is cancelled."))
    return content.lines(content.bold(f"🚫 {event.title}"), sentence)


def titled(instance: Instance, event: Event, announced: Link | None) -> Piece:
    """The title in bold, linked to an announcement."""
    title = content.bold(event.title)
    if announced is None:
        return title
    url = content.event_link(announced.lane, announced.event_id, [instance.server])
    return content.link(title, url)


def room_names(instance: Instance, clusters: tuple[str, ...], tr: Translator) -> Piece:
    """The rooms an event with these clusters is announced in, by their names."""
    network = instance.network
    if not clusters and network.forum:
        return tr("the rooms of all clusters and of the forum")
    named = [each for each in network.clusters if not clusters or each.key in clusters]
    return tr.listing(network.text(each.name, tr.language) for each in named)
