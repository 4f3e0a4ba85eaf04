"""Whose turn it is: waves of offers, claims, passes, escalation, and the coordinator's own moves.

``bot.domain.questions.next_turn`` decides; this makes it so. Every turn happens once: it is taken
in the transaction that moves ``step`` and ``due_at``.
"""

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from functools import partial

from bot.domain.errors import UserError
from bot.domain.hours import instant
from bot.domain.questions import (
    ASKING,
    TAKEN_BACK,
    AskCoordinators,
    AskDesk,
    Because,
    OfferState,
    OfferTo,
    Remind,
    State,
    Status,
    Step,
    TellAdmins,
    Turn,
    WaitForOpening,
    next_turn,
    replacement,
)
from bot.services.instance import Instance
from bot.services.members import coordinates, is_here, serves
from bot.services.questions import escalating, experts, naming, offers
from bot.services.questions.cards import ensure_card, move_card, refresh_acknowledgement
from bot.services.questions.common import (
    calendar,
    desk_people,
    existing,
    is_open,
    label,
    patience,
)
from bot.services.questions.experts import Pool
from bot.services.routing.loading import keep_correction
from config.locales import N_
from storage import audit, members, profiles, questions
from storage.database import Uow
from storage.questions import Offer, Question

WEEK = timedelta(days=7)
LEARNED_LATE = (Because.FIELD, Because.TIME)
"""Reasons that say something also when nobody waits for it any more."""


async def advance(uow: Uow, instance: Instance, question: Question) -> None:
    """Give the turn to whoever is next."""
    await ensure_card(uow, instance, question)
    made = await questions.offers(uow.session, question.id)
    if await naming.ask_planned(uow, instance, question, made):
        return
    pool = await _left(uow, instance, question, made)
    coordinators, desk_experts = await desk_people(uow, question.desk, without=question.asker)
    # Who did not choose a desk leaves it to the coordinator of the likelier one.
    unchosen = question.step == Step.CHOOSING and bool(coordinators)
    turn = next_turn(
        _state(question, made),
        0 if unchosen else len(pool.ranked),
        coordinators,
        # What is private is not for everybody at the desk.
        [] if question.private else desk_experts,
        patience(instance, question),
        await naming.hours(uow, instance, question, made),
        uow.now,
        quiet_hours=instance.network.questions.quiet_hours,
    )
    was_choosing = question.step == Step.CHOOSING
    await _take(uow, instance, question, turn, pool)
    if was_choosing:
        await refresh_acknowledgement(uow, instance, question)


async def _left(uow: Uow, instance: Instance, question: Question, made: Sequence[Offer]) -> Pool:
    """Who may still be asked."""
    barred = [each.expert for each in made if not _may_be_asked_again(each)]
    return await experts.pool(uow, instance, question, barred)


def _may_be_asked_again(offer: Offer) -> bool:
    """They were asked before the question came back to their desk, or were to be and were not."""
    if offer.answered_at is not None or offer.passed_because is not None:
        return False
    unasked = offer.state == OfferState.WITHDRAWN and not offer.was_asked
    return offer.state == OfferState.MOVED or unasked


def _state(question: Question, made: Sequence[Offer]) -> State:
    return State(
        Step(question.step),
        question.wave,
        asked=sum(each.counts and each.state not in TAKEN_BACK for each in made),
        waiting=sum(each.state == OfferState.OPEN for each in made),
    )


async def _take(uow: Uow, instance: Instance, question: Question, turn: Turn, pool: Pool) -> None:
    match turn:
        case WaitForOpening(until):
            await _wait(uow, instance, question, until)
        case Remind(until):
            question.step, question.due_at = Step.REMINDED, until
            await offers.remind(uow, instance, question, until)
        case OfferTo():
            await _offer(uow, instance, question, turn, pool)
        case AskCoordinators(people, until):
            await _escalate(uow, instance, question, Step.COORDINATOR, people, until)
        case AskDesk(people, until):
            await _escalate(uow, instance, question, Step.DESK, people, until)
        case TellAdmins():
            await offers.end_all(uow, instance, question, OfferState.EXPIRED)
            await _tell_admins(uow, instance, question)


async def _tell_admins(uow: Uow, instance: Instance, question: Question) -> None:
    """And tell them again every week: somebody waits."""
    is_new = question.step != Step.ADMINS
    question.step, question.due_at = Step.ADMINS, uow.now + WEEK
    await escalating.tell_admins(uow, instance, question)
    if is_new:
        await escalating.tell_asker(uow, instance, question, called_before=True)


async def _wait(uow: Uow, instance: Instance, question: Question, until: datetime) -> None:
    question.due_at = until
    if question.step in (Step.NONE, Step.NAMING):
        question.step = Step.OPENING
        await escalating.tell_opening(uow, instance, question, until)


async def _offer(
    uow: Uow, instance: Instance, question: Question, turn: OfferTo, pool: Pool
) -> None:
    await offers.end_all(uow, instance, question, OfferState.EXPIRED)
    await _ask_wave(uow, instance, question, turn, pool)


async def _ask_wave(
    uow: Uow, instance: Instance, question: Question, turn: OfferTo, pool: Pool
) -> None:
    question.step, question.wave, question.due_at = Step.OFFER, turn.wave, turn.until
    for each in pool.wave(turn.size, question.id):
        reasons = experts.reasons_of(each)
        await offers.offer_to(
            uow,
            instance,
            question,
            each.user_id,
            turn.until,
            reasons,
            wave=turn.wave,
            parts=instance.router.weighed(each.parts),
        )


async def _escalate(
    uow: Uow,
    instance: Instance,
    question: Question,
    step: Step,
    people: Sequence[str],
    until: datetime,
) -> None:
    await offers.end_all(uow, instance, question, OfferState.EXPIRED)
    before = question.step == Step.COORDINATOR
    question.step, question.due_at = step, until
    await escalating.call_in(uow, instance, question, people, step, called_before=before)
    await escalating.tell_asker(uow, instance, question, called_before=before)


async def expert_appointed(uow: Uow, instance: Instance, desk: str) -> None:
    """Questions that nobody could be found for have somebody to be offered to now."""
    for question in await questions.open_in(uow.session, desk):
        if question.step == Step.ADMINS and question.status != Status.ANSWERED:
            question.step, question.wave = Step.NONE, 0
            await advance(uow, instance, question)


async def back(uow: Uow, instance: Instance, user_id: str) -> None:
    """Somebody takes questions again: those that nobody could be found for have somebody."""
    for desk in {row.desk for row in await members.roles_of(uow.session, user_id)}:
        await expert_appointed(uow, instance, desk)


async def expert_gone(uow: Uow, instance: Instance, expert: str, desk: str | None = None) -> None:
    """They serve ``desk`` no more, or have left the network: what they were asked, or were to be
    asked, goes on to others."""
    for question in await questions.standing_with(uow.session, expert):
        if desk not in (None, question.desk):
            continue
        for offer in await questions.offers(uow.session, question.id):
            if offer.expert == expert:
                await offers.end(uow, instance, offer, OfferState.WITHDRAWN)
        if question.step not in (*ASKING, Step.CLAIMED):
            continue
        if await _asked_still(uow, question):
            continue
        question.step = Step.OFFER
        await advance(uow, instance, question)
        await refresh_acknowledgement(uow, instance, question)


async def _asked_still(uow: Uow, question: Question) -> bool:
    return any(offers.owes_word(each) for each in await questions.offers(uow.session, question.id))


async def claim(uow: Uow, instance: Instance, question: Question, expert: str) -> None:
    """``expert`` takes the question; whoever else was asked is left in peace."""
    check_open(instance, question)
    await _check_may_answer(uow, instance, question, expert)
    await ensure_card(uow, instance, question)
    offer = await offers.offer_row(uow, question, expert)
    has_it = question.step == Step.CLAIMED or question.status == Status.ANSWERED
    if offer.state == OfferState.CLAIMED and has_it:
        await offers.end_all(uow, instance, question, OfferState.WITHDRAWN)
        return
    was = offer.state
    if question.status != Status.ANSWERED:
        offer.answered_at = None
    if offer.passed_because is not None:
        await _learn_from_pass(uow, instance, question, expert, offer.passed_because, None)
    offer.passed_because = None
    await uow.session.flush()
    await offers.end(uow, instance, offer, OfferState.CLAIMED)
    if question.private and was not in offers.CALLED:
        await offers.show_private(uow, instance, question, offer)
    await offers.end_all(uow, instance, question, OfferState.WITHDRAWN)
    if question.status != Status.ANSWERED:
        question.step = Step.CLAIMED
        span = patience(instance, question).claim
        question.due_at = calendar(instance, question.desk).after(uow.now, span)
    await refresh_acknowledgement(uow, instance, question)


async def pass_on(
    uow: Uow,
    instance: Instance,
    question: Question,
    expert: str,
    because: Because | None = None,
    to: str | None = None,
) -> datetime | None:
    """The expert does not take it: the next one's turn, at once, or that of whom they name. Returns
    when these are asked, None when at once."""
    made = {each.expert: each for each in await questions.offers(uow.session, question.id)}
    offer = made.get(expert)
    waited_for = offer is not None and offer.state in offers.STANDING
    if offer is not None and because in LEARNED_LATE and not (waited_for and is_open(question)):
        await _note_pass(uow, instance, question, offer, because)
        return None
    check_open(instance, question)
    if offer is None or not (waited_for or (to is not None and _is_free(question))):
        raise UserError(
            "not-offered",
            N_("{number} is not waiting for you, so there is nothing to pass on."),
            number=label(question.id),
        )
    if to is not None:
        await naming.check_referral(uow, instance, question, to, made)
    await _note_pass(uow, instance, question, offer, because)
    if question.status == Status.ANSWERED:
        return None
    owed = question.step == Step.CLAIMED and offer.answered_at is None
    if owed and not any(map(offers.owes_word, made.values())):
        question.step = Step.OFFER
        await refresh_acknowledgement(uow, instance, question)
    if to is not None:
        # Whatever desk they serve.
        reasons = [{"reason": "referred", "value": expert}]
        return await naming.call(uow, instance, question, to, reasons, referred_by=expert)
    if question.step in ASKING:
        await _replace(uow, instance, question, list(made.values()))
    return None


def _is_free(question: Question) -> bool:
    """Nobody has taken or answered it."""
    return question.status != Status.ANSWERED and question.step != Step.CLAIMED


async def _note_pass(
    uow: Uow, instance: Instance, question: Question, offer: Offer, because: Because | None
) -> None:
    """What was answered, taken back, or taken until the question was closed, stays so."""
    was, offer.passed_because = offer.passed_because, because
    stays = [OfferState.PASSED, *TAKEN_BACK]
    if offer.answered_at is not None or not is_open(question):
        stays.append(OfferState.CLAIMED)
    if offer.state not in stays:
        await offers.end(uow, instance, offer, OfferState.PASSED)
    await _learn_from_pass(uow, instance, question, offer.expert, was, because)


async def _replace(uow: Uow, instance: Instance, question: Question, made: Sequence[Offer]) -> None:
    """Somebody else is asked in the place of who has passed."""
    state = _state(question, made)
    if not state.waiting:
        await advance(uow, instance, question)
        return
    pool = await _left(uow, instance, question, made)
    turn = replacement(
        state,
        len(pool.ranked),
        patience(instance, question),
        calendar(instance, question.desk),
        uow.now,
        quiet_hours=instance.network.questions.quiet_hours,
    )
    if turn is not None:
        await _ask_wave(uow, instance, question, turn, pool)


async def _learn_from_pass(
    uow: Uow,
    instance: Instance,
    question: Question,
    expert: str,
    was: str | None,
    because: Because | None,
) -> None:
    """A later reason takes the place of what it ``was``; None: they take it after all."""
    is_field = because is Because.FIELD
    uow.then(partial(instance.router.memory.refused, question.id, expert, still=is_field))
    if was == Because.TIME:
        (await profiles.get(uow.session, expert)).busy_until = None
    if because is Because.TIME:
        profile = await profiles.get(uow.session, expert)
        tomorrow = uow.now.astimezone(instance.zone).date() + timedelta(days=1)
        morning = instant(tomorrow, time(0), instance.zone)
        profile.busy_until = calendar(instance, question.desk).next_opening(morning)


async def assign(
    uow: Uow, instance: Instance, question: Question, expert: str, by: str
) -> datetime | None:
    """A coordinator names who should answer, also somebody who is not an expert of the desk.
    Returns when they are asked, None when at once."""
    check_open(instance, question)
    await check_coordinates(uow, instance, question, by)
    await naming.check_named(uow, instance, question, expert, {})
    audit.note(uow.session, uow.now, by, "assign", question=question.id, expert=expert)
    return await naming.name_expert(
        uow, instance, question, expert, [{"reason": "assigned", "value": by}]
    )


async def route(uow: Uow, instance: Instance, question: Question, desk: str, by: str) -> None:
    """A coordinator sends the question to another desk, where it begins anew."""
    check_open(instance, question)
    await _check_may_route(uow, instance, question, by)
    if desk == question.desk and question.step != Step.CHOOSING:
        raise same_desk(question)
    audit.note(uow.session, uow.now, by, "route", question=question.id, desk=desk)
    await send_to(uow, instance, question, desk, by="coordinator")


def same_desk(question: Question) -> UserError:
    return UserError(
        "same-desk", N_("{number} is already with that desk."), number=label(question.id)
    )


async def _check_may_route(uow: Uow, instance: Instance, question: Question, user_id: str) -> None:
    """Also whoever sent it there: a mistake can be taken back."""
    choice = question.choice or {}
    came_from = choice.get("runner_up") if choice.get("by") == "coordinator" else None
    if came_from and await coordinates(uow, instance, user_id, came_from):
        return
    await check_coordinates(uow, instance, question, user_id)


async def send_to(uow: Uow, instance: Instance, question: Question, desk: str, by: str) -> None:
    """The question begins anew at a desk. ``by`` whom it was chosen: what people choose is learned
    from."""
    await offers.end_all(uow, instance, question, OfferState.MOVED, claimed=True)
    for each in await questions.offers(uow.session, question.id):
        each.wave = 0
        if each.state == OfferState.EXPIRED:
            each.state = OfferState.MOVED
    question.choice = {"sure": True, "by": by, "runner_up": question.desk}
    await move_card(uow, instance, question, desk)
    question.status, question.step, question.wave = Status.OPEN, Step.NONE, 0
    await keep_correction(uow, instance.router, question)
    await advance(uow, instance, question)


async def check_coordinates(uow: Uow, instance: Instance, question: Question, user_id: str) -> None:
    if not await coordinates(uow, instance, user_id, question.desk):
        raise UserError(
            "not-coordinator",
            N_("Only the coordinator of this question’s desk can do that. Ask in the desk’s room."),
        )


async def may_answer(uow: Uow, instance: Instance, question: Question, user_id: str) -> bool:
    """Whom we carry answers for: the desk's people, and whoever was asked. What is private is
    for those who were asked alone."""
    if user_id == question.asker or not await is_here(uow, user_id):
        return False
    for offer in await questions.offers(uow.session, question.id):
        if offer.expert == user_id and offer.state not in TAKEN_BACK:
            return True
    return not question.private and await serves(uow, instance, user_id, question.desk)


async def is_concerned(uow: Uow, instance: Instance, question: Question, user_id: str) -> bool:
    """Who may answer it, and also who was asked once and has been left in peace since."""
    made = await questions.offers(uow.session, question.id)
    return any(each.expert == user_id for each in made) or await may_answer(
        uow, instance, question, user_id
    )


async def _check_may_answer(uow: Uow, instance: Instance, question: Question, user_id: str) -> None:
    if not await may_answer(uow, instance, question, user_id):
        raise UserError(
            "not-yours",
            N_("{number} can be taken by the experts of its desk, or by whom it was offered to."),
            number=label(question.id),
        )


def check_open(instance: Instance, question: Question) -> None:
    if question.status == Status.MERGED:
        raise UserError(
            "question-merged",
            N_("{number} has joined {other}: please do that with {other}."),
            number=label(question.id),
            other=label(question.merged_into or question.id),
        )
    if not is_open(question):
        raise UserError(
            "question-closed",
            N_("{number} is closed. Its asker can open it again with {command}."),
            number=label(question.id),
            command=instance.typed(f"reopen {label(question.id)}"),
        )


async def due(uow: Uow, instance: Instance, number: int) -> None:
    """The time of the present turn is up."""
    question = await existing(uow, instance, number)
    if is_open(question) and question.due_at is not None and question.due_at <= uow.now:
        await advance(uow, instance, question)
