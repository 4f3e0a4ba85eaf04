"""What every part of the questions feature needs: texts, people and places of one question."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from bot.domain.content import Piece
from bot.domain.errors import UserError
from bot.domain.hours import Calendar, WorkingHours
from bot.domain.questions import Patience
from bot.domain.roles import Role
from bot.services.holidays import public_holidays
from bot.services.instance import Instance
from bot.services.members import is_away, is_here, name
from bot.services.speech import say
from config import network
from config.locales import N_, Translator
from storage import links, members, questions, rooms
from storage.database import Uow
from storage.links import Link
from storage.outbox import OutboxRow
from storage.questions import OPEN_STATUSES, Question

EXCERPT = 80
"""Characters of a question shown in a list."""


def label(number: int) -> str:
    return f"Q{number}"


def is_open(question: Question) -> bool:
    return question.status in OPEN_STATUSES


def excerpt(question: Question) -> str:
    return short(question.text)


def short(text: str, most: int = EXCERPT) -> str:
    words = " ".join(text.split())
    return words if len(words) <= most else words[: most - 1].rstrip() + "…"


def to_asker(
    uow: Uow,
    question: Question,
    piece: Piece,
    kind: str,
    *,
    signs: Sequence[str] = (),
    rings: bool = False,
    link: Link | None = None,
    **fields: Any,
) -> OutboxRow:
    """Say it in the asker's thread, with ``signs`` to react with."""
    row = say(
        uow,
        question.lane,
        piece,
        kind,
        thread=question.root or None,
        rings=rings,
        link=link,
        question=question.id,
        **fields,
    )
    for sign in signs:
        uow.outbox.react(question.lane, row.ref, sign)
    return row


async def existing(uow: Uow, instance: Instance, number: int) -> Question:
    question = await questions.held(uow.session, number)
    if question is None:
        raise UserError(
            "question-unknown",
            N_("There is no question {number}. Type {command} to see those that are open."),
            number=label(number),
            command=instance.typed("questions open"),
        )
    return question


def desk_name(instance: Instance, desk: str, language: str) -> str:
    found = instance.network.desk(desk)
    return instance.network.text(found.name, language) if found else desk


def desk_names(instance: Instance, desk: str) -> str:
    """The desk's name in each of the network's languages, for rooms shared by all."""
    named = (desk_name(instance, desk, each) for each in instance.network.languages)
    return " · ".join(dict.fromkeys(named))


def cluster_names(instance: Instance, cluster: str) -> str:
    found = instance.network.cluster(cluster)
    if found is None:
        return cluster
    named = (instance.network.text(found.name, each) for each in instance.network.languages)
    return " / ".join(dict.fromkeys(named))


async def desk_room(uow: Uow, desk: str) -> str:
    """The id of the desk's room; raises ``UserError`` while it is being made."""
    room = await rooms.find(uow.session, "desk", desk)
    if room is None:
        raise UserError(
            "desk-not-ready",
            N_("The desk’s room is still being made. Please try again in a few minutes."),
        )
    return room.room_id


async def desk_people(uow: Uow, desk: str, without: str) -> tuple[list[str], list[str]]:
    """Coordinators and experts of a desk who are there, both without the asker."""

    async def there(role: Role) -> list[str]:
        rows = await members.roles(uow.session, role, desk)
        people = [each.user_id for each in rows if each.user_id != without]
        return [
            each
            for each in people
            if await is_here(uow, each)
            and not is_away(await members.find(uow.session, each), uow.now)
        ]

    return await there(Role.COORDINATOR), await there(Role.EXPERT)


def patience(instance: Instance, question: Question) -> Patience:
    """The desk's own times before the network's; those of urgent questions before both."""
    knobs = instance.network.questions
    desk = instance.network.desk(question.desk)
    layers = [knobs.urgent, network.URGENT] if question.urgent else []
    layers += [desk.times] if desk else []

    def span(which: str) -> timedelta:
        found: list[timedelta | None] = [getattr(each, which) for each in (*layers, knobs)]
        return next(each for each in found if each is not None)

    return Patience(
        offer=span("offer_time"),
        reminder=span("reminder_time"),
        wave=span("wave_time"),
        claim=span("claim_time"),
        coordinator=span("coordinator_time"),
        ask_help=knobs.ask_help_after,
        close=knobs.close_after - knobs.ask_help_after,
        second_wave=knobs.second_wave,
        max_offers=knobs.max_offers,
    )


def calendar(instance: Instance, desk: str) -> Calendar:
    """The desk's; ordinary hours for a desk that has left the network file."""
    found = instance.network.desk(desk)
    hours = found.hours if found else network.WorkingHours()
    days = frozenset(day + 1 for day in hours.days)
    opening = WorkingHours(days, hours.start, hours.end)
    return Calendar(opening, instance.zone, public_holidays(*hours.holidays))


async def card(uow: Uow, question: Question) -> Link | None:
    """The newest card: a question that was routed to another desk has one there. None while its
    desk is not chosen."""
    return await links.latest(uow.session, question.id, "question.card")


async def asker_shown(uow: Uow, question: Question, tr: Translator) -> Piece:
    """The asker as experts may see them."""
    if question.named:
        return await name(uow, question.asker)
    return tr("somebody who prefers not to be named")


async def names(uow: Uow, user_ids: Sequence[str]) -> list[Piece]:
    return [await name(uow, each) for each in user_ids]


async def claimed_by(uow: Uow, question: Question) -> list[str]:
    """The experts who took this question, in the order of their offers."""
    offers = await questions.offers(uow.session, question.id)
    return [each.expert for each in offers if each.state == "claimed"]
