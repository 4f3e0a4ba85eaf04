"""People who are asked because somebody named them: the asker, the coordinator, or a colleague.

They are asked in their own hours. Out of these they are planned, and nothing is said to them yet.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from bot.domain.errors import UserError
from bot.domain.hours import Calendar
from bot.domain.questions import FIRST_WAVE, TAKEN_BACK, OfferState, Status, Step
from bot.services.instance import Instance
from bot.services.members import is_away, is_here
from bot.services.questions import escalating, experts, offers
from bot.services.questions.cards import ensure_card, refresh_acknowledgement
from bot.services.questions.common import calendar, label, patience
from config.locales import N_
from storage import members, questions
from storage.database import Uow
from storage.questions import Offer, Question

NAMED = ("named", "assigned", "referred")
"""Their reasons."""


async def name_expert(
    uow: Uow, instance: Instance, question: Question, expert: str, reasons: list[dict[str, Any]]
) -> datetime | None:
    """Somebody was named, by the asker or the coordinator: nobody else is asked. Returns when they
    are, None when at once."""
    await ensure_card(uow, instance, question)
    made = await questions.offers(uow.session, question.id)
    was_taken = any(each.state == OfferState.CLAIMED for each in made)
    for each in made:
        if offers.owes_word(each):
            await offers.end(uow, instance, each, OfferState.WITHDRAWN)
    question.status, question.wave = Status.OPEN, FIRST_WAVE
    later = await call(uow, instance, question, expert, reasons)
    if was_taken:
        await refresh_acknowledgement(uow, instance, question)
    return later


async def call(
    uow: Uow,
    instance: Instance,
    question: Question,
    expert: str,
    reasons: Sequence[Mapping[str, Any]],
    *,
    referred_by: str | None = None,
) -> datetime | None:
    """Ask somebody by name: now, or when their hours begin, which is returned. Who else was asked
    has their time all the same."""
    wave = max(question.wave, FIRST_WAVE)
    made = await questions.offers(uow.session, question.id)
    others_wait = any(each.state == OfferState.OPEN for each in made)
    free = await experts.free_from(uow, instance, question, expert)
    assert free is not None, "who is away or gone is not named"
    if free > uow.now:
        await offers.plan(uow, question, expert, reasons, wave=wave, referred_by=referred_by)
        if others_wait and question.due_at is not None:
            free = await experts.free_from(uow, instance, question, expert, question.due_at) or free
        else:
            planned = any(each.state == OfferState.PLANNED for each in made)
            before = question.due_at if planned else None
            question.step, question.due_at = Step.OPENING, min(free, before or free)
        await escalating.tell_planned(uow, instance, question, expert, free)
        return free
    hours = await experts.hours_of(uow, instance, question, expert)
    until = hours.after(uow.now, patience(instance, question).offer)
    if others_wait and question.due_at is not None:
        question.due_at = max(question.due_at, until)
    else:
        question.step, question.due_at = Step.OFFER, until
    await offers.offer_to(
        uow, instance, question, expert, until, reasons, wave=wave, referred_by=referred_by
    )
    return None


async def ask_planned(
    uow: Uow, instance: Instance, question: Question, made: Sequence[Offer]
) -> bool:
    """Who was named out of their hours is asked when these have begun, unless they have gone
    since."""
    free: list[tuple[datetime, Offer]] = []
    for each in made:
        if each.state != OfferState.PLANNED:
            continue
        begins = await experts.free_from(uow, instance, question, each.expert)
        if begins is None:
            each.state = OfferState.WITHDRAWN
        else:
            free.append((begins, each))
    if not free:
        return False
    for each in made:
        if each.state == OfferState.OPEN:
            await offers.end(uow, instance, each, OfferState.EXPIRED)
    question.step, question.due_at = Step.OPENING, min(begins for begins, _ in free)
    for begins, each in free:
        if begins <= uow.now:
            by = each.referred_by
            await call(uow, instance, question, each.expert, each.reasons, referred_by=by)
    return True


async def hours(
    uow: Uow, instance: Instance, question: Question, made: Sequence[Offer]
) -> Calendar:
    """The desk's; but those of somebody who was named, while they alone are waited for."""
    waiting = [each for each in made if each.state == OfferState.OPEN]
    named = len(waiting) == 1 and any(each.get("reason") in NAMED for each in waiting[0].reasons)
    if question.step == Step.OFFER and question.wave == FIRST_WAVE and named:
        return await experts.hours_of(uow, instance, question, waiting[0].expert)
    return calendar(instance, question.desk)


async def check_referral(
    uow: Uow, instance: Instance, question: Question, person: str, made: dict[str, Offer]
) -> None:
    if question.private:
        raise UserError(
            "private-referral",
            N_(
                "{number} is private: only who asked it, or the desk’s coordinator, says who may "
                "read it. Pass it on without a name."
            ),
            number=label(question.id),
        )
    await check_named(uow, instance, question, person, made)


async def check_present(uow: Uow, person: str) -> None:
    if not await is_here(uow, person):
        raise UserError(
            "not-a-member", N_("That person is not in the network. Name one of its members.")
        )
    if is_away(await members.find(uow.session, person), uow.now):
        raise UserError("named-away", N_("They are away. Name somebody else."))


async def check_named(
    uow: Uow, instance: Instance, question: Question, person: str, made: dict[str, Offer]
) -> None:
    if person == question.asker:
        raise UserError("assign-asker", N_("That is the person who asked. Name somebody else."))
    if person == instance.user_id:
        raise UserError("appoint-bot", N_("I can’t be that myself. Name a person."))
    await check_present(uow, person)
    known = made.get(person)
    if known is not None and known.state not in TAKEN_BACK:
        raise UserError(
            "already-asked-person", N_("They have been asked already. Name somebody else.")
        )
