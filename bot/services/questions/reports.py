"""What a desk did in a month, in figures, and an expert's own week. Nobody is ranked in public:
of the busiest expert, only the share is told."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from statistics import median
from zoneinfo import ZoneInfo

from bot.domain import content
from bot.domain.content import Piece
from bot.domain.hours import instant
from bot.domain.questions import Status
from bot.domain.roles import Role
from bot.services.instance import Instance
from bot.services.members import is_here, tr_for
from bot.services.questions.common import desk_name
from bot.services.questions.views import numbered
from bot.services.speech import say
from config.locales import Translator
from storage import jobs, members, profiles, questions
from storage.database import Database, Uow
from storage.outbox import direct
from storage.questions import Offer, Question


@dataclass(frozen=True, slots=True)
class Month:
    """``first_answer`` is the median time until it, None without any; ``busiest`` the largest share
    of the asks that went to one expert."""

    asked: int
    answered: int
    first_answer: timedelta | None
    asks: int
    busiest: float


def figures(asked: Sequence[Question], offers: Sequence[Offer]) -> Month:
    """Of the questions of one desk and month, without those that were taken back."""
    counted = [each for each in asked if each.status != Status.WITHDRAWN]
    numbers = {each.id for each in counted}
    seconds = [
        (each.first_answer_at - each.created_at).total_seconds()
        for each in counted
        if each.first_answer_at is not None
    ]
    by_expert: dict[str, int] = {}
    for offer in offers:
        if offer.question_id in numbers and offer.was_asked:
            by_expert[offer.expert] = by_expert.get(offer.expert, 0) + 1
    asks = sum(by_expert.values())
    return Month(
        asked=len(counted),
        answered=len(seconds),
        first_answer=timedelta(seconds=median(seconds)) if seconds else None,
        asks=asks,
        busiest=max(by_expert.values(), default=0) / asks if asks else 0.0,
    )


async def month(uow: Uow, instance: Instance, desk: str, first: date) -> Month:
    since, until = _bounds(first, instance.zone)
    asked = await questions.of_desk_between(uow.session, desk, since, until)
    offers = await questions.offers_of(uow.session, [each.id for each in asked])
    return figures(asked, offers)


def _bounds(first: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    following = (first + timedelta(days=32)).replace(day=1)
    return instant(first, time(0), zone), instant(following, time(0), zone)


def last_month(now: datetime, zone: ZoneInfo) -> date:
    """The first day of the month before this one."""
    today = now.astimezone(zone).date()
    return (today.replace(day=1) - timedelta(days=1)).replace(day=1)


def shown(found: Month, instance: Instance, desk: str, first: date, tr: Translator) -> Piece:
    title = content.bold(
        f"{desk_name(instance, desk, tr.language)} · {tr.month(first.year, first.month)}"
    )
    if not found.asked:
        return content.lines(title, tr("No questions."))
    return content.lines(
        title,
        tr(
            "Questions answered: {answered} of {asked} ({share}%)",
            answered=found.answered,
            asked=found.asked,
            share=round(100 * found.answered / found.asked),
        ),
        tr("Median time to the first answer: {time}", time=tr.duration(found.first_answer))
        if found.first_answer is not None
        else None,
        tr("Experts asked per answer: {n}", n=tr.number(round(found.asks / found.answered, 1)))
        if found.answered
        else None,
        tr("Share of the most asked expert: {share}%", share=round(100 * found.busiest))
        if found.asks
        else None,
    )


async def tick(database: Database, instance: Instance, now: datetime) -> None:
    """Once a month to the coordinators, once a week to each expert who wants it."""
    local = now.astimezone(instance.zone)
    if local.hour < _MORNING:
        return
    first = last_month(now, instance.zone)
    async with database.uow(f"month:{first.isoformat()}", now) as uow:
        if local.day <= _GRACE and await jobs.claim(uow.session, "month", first.isoformat(), now):
            await _tell_coordinators(uow, instance, first)
            await uow.commit()
    monday = local.date() - timedelta(days=local.weekday())
    if local.weekday() < _GRACE:
        await _tell_experts(database, instance, monday, now)


_MORNING = 8
_GRACE = 3
"""Days after which a report that was missed is not worth sending any more."""


async def _tell_coordinators(uow: Uow, instance: Instance, first: date) -> None:
    for desk in instance.network.desks:
        found = await month(uow, instance, desk.key, first)
        if not found.asked:
            continue
        for row in await members.roles(uow.session, Role.COORDINATOR, desk.key):
            if not await is_here(uow, row.user_id):
                continue
            tr = await tr_for(uow, instance, row.user_id)
            piece = shown(found, instance, desk.key, first, tr)
            say(uow, direct(row.user_id), piece, "digest", slot=first.isoformat())


async def _tell_experts(
    database: Database, instance: Instance, monday: date, now: datetime
) -> None:
    async with database.uow("weeks", now) as uow:
        experts = {row.user_id for row in await members.roles(uow.session, Role.EXPERT)}
    for expert in sorted(experts):
        slot = f"{expert}:{monday.isoformat()}"
        async with database.uow(f"week:{slot}", now) as uow:
            if await jobs.claim(uow.session, "week", slot, now):
                await _tell_expert(uow, instance, expert, monday)
                await uow.commit()


async def _tell_expert(uow: Uow, instance: Instance, expert: str, monday: date) -> None:
    """Nothing when nothing happened and nothing waits."""
    profile = await profiles.find(uow.session, expert)
    unwanted = profile is not None and not profile.wants_summary
    if unwanted or not await is_here(uow, expert):
        return
    since = instant(monday - timedelta(days=7), time(0), instance.zone)
    until = instant(monday, time(0), instance.zone)
    asked = await questions.asked_between(uow.session, expert, since, until)
    answered = await questions.answered_between(uow.session, expert, since, until)
    waiting = await questions.waiting_for(uow.session, expert)
    if not asked and not answered and not waiting:
        return
    thanked = await questions.helped_among(uow.session, answered)
    tr = await tr_for(uow, instance, expert)
    lines = [
        content.bold(tr("Your week as an expert")),
        tr.plural("You were asked {n} question.", "You were asked {n} questions.", asked)
        if asked
        else None,
        tr.plural("You answered {n}.", "You answered {n}.", len(answered))
        if answered
        else tr("You answered none."),
    ]
    if thanked:
        lines.append(
            tr.plural("👍 {n} of your answers helped.", "👍 {n} of your answers helped.", thanked)
        )
    if waiting:
        numbers = [await numbered(uow, instance, each, expert) for each in waiting[:5]]
        lines.append(tr("Waiting for you: {questions}", questions=tr.listing(numbers)))
    stop = instance.typed(f"{tr.plain('expert me')} --summary {tr.plain('no')}")
    lines.append(tr("No more of this: {command}", command=stop))
    say(uow, direct(expert), content.lines(*lines), "digest", slot=monday.isoformat())
