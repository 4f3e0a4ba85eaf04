"""Whose turn it is: offers, claims, passes, escalation, and the coordinator's own moves.

``bot.domain.questions.next_turn`` decides; this makes it so. Every turn happens once: it is taken
in the transaction that moves ``step`` and ``due_at``.
"""

from datetime import datetime
from typing import Any

from bot.domain import content
from bot.domain.content import Piece
from bot.domain.errors import UserError
from bot.domain.questions import (
    AskCoordinators,
    AskDesk,
    OfferState,
    OfferTo,
    Step,
    TellAdmins,
    Turn,
    next_turn,
)
from bot.services import control
from bot.services.instance import Instance
from bot.services.members import coordinates, pill, serves, tr_for
from bot.services.questions import experts
from bot.services.questions.cards import move_card, refresh_acknowledgement
from bot.services.questions.common import (
    asker_shown,
    calendar,
    card,
    desk_name,
    desk_people,
    existing,
    is_open,
    label,
    patience,
)
from bot.services.speech import edit, linked, say
from config.locales import N_
from storage import audit, links, questions
from storage.database import Uow
from storage.links import Link
from storage.outbox import direct
from storage.questions import Offer, Question

CLAIM = "✋"
PASS = "⏭️"


async def advance(uow: Uow, instance: Instance, question: Question) -> None:
    """Give the turn to whoever is next."""
    offers = await questions.offers(uow.session, question.id)
    for offer in offers:
        if offer.state == OfferState.OPEN:
            await _end_offer(uow, instance, offer, OfferState.EXPIRED)
    ranked = await experts.rank(uow, instance, question, [each.expert for each in offers])
    coordinators, desk_experts = await desk_people(uow, question.desk, without=question.asker)
    turn = next_turn(
        Step(question.step),
        len([each for each in offers if each.state != OfferState.WITHDRAWN]),
        [each.user_id for each in ranked],
        coordinators,
        desk_experts,
        patience(instance),
        calendar(instance, question.desk),
        uow.now,
    )
    reasons = {each.user_id: experts.reasons_of(each) for each in ranked}
    await _take(uow, instance, question, turn, reasons)


async def _take(
    uow: Uow,
    instance: Instance,
    question: Question,
    turn: Turn,
    reasons: dict[str, list[dict[str, Any]]],
) -> None:
    match turn:
        case OfferTo(expert, until):
            question.step, question.due_at = Step.OFFER, until
            await offer_to(uow, instance, question, expert, until, reasons.get(expert, []))
        case AskCoordinators(people, until):
            question.step, question.due_at = Step.COORDINATOR, until
            await _call_in(uow, instance, question, people, Step.COORDINATOR)
            await _tell_asker_of_delay(uow, instance, question)
        case AskDesk(people, until):
            question.step, question.due_at = Step.DESK, until
            await _call_in(uow, instance, question, people, Step.DESK)
            await _tell_asker_of_delay(uow, instance, question)
        case TellAdmins():
            question.step, question.due_at = Step.ADMINS, None
            await _tell_admins(uow, instance, question)


async def offer_to(
    uow: Uow,
    instance: Instance,
    question: Question,
    expert: str,
    until: datetime,
    reasons: list[dict[str, Any]],
) -> Offer:
    """Ask one expert, in the card's thread, or alone when the question is private."""
    offer = await _offer_row(uow, question, expert)
    offer.state, offer.reasons = OfferState.OPEN, reasons
    offer.offered_at, offer.until = uow.now, until
    question.first_offer_at = question.first_offer_at or uow.now
    await uow.session.flush()
    if question.private:
        await _offer_alone(uow, instance, question, offer)
        return offer
    home = await card(uow, question)
    link = linked(uow, "question.offer", question.id, author=expert)
    row = say(
        uow,
        home.lane,
        await _offer_text(uow, instance, question, offer),
        "question.offer",
        thread=home.event_id,
        rings=True,
        link=link,
        **_offer_fields(offer),
    )
    uow.outbox.react(home.lane, row.ref, CLAIM)
    uow.outbox.react(home.lane, row.ref, PASS)
    return offer


async def _offer_row(uow: Uow, question: Question, expert: str) -> Offer:
    for offer in await questions.offers(uow.session, question.id):
        if offer.expert == expert:
            return offer
    offer = Offer(question_id=question.id, expert=expert, reasons=[], offered_at=uow.now)
    uow.session.add(offer)
    return offer


def _offer_fields(offer: Offer) -> dict[str, Any]:
    until = offer.until.isoformat() if offer.until else None
    return {"question": offer.question_id, "expert": offer.expert, "until": until}


async def _offer_text(uow: Uow, instance: Instance, question: Question, offer: Offer) -> Piece:
    tr = await tr_for(uow, instance, offer.expert)
    assert offer.until is not None
    return tr(
        "{expert}, can you take {number}? Just answer in this thread. "
        "✋ I’m on it · ⏭️ somebody else (before {until})",
        expert=await pill(uow, offer.expert),
        number=label(question.id),
        until=tr.when(offer.until, instance.zone),
    )


async def _offer_alone(uow: Uow, instance: Instance, question: Question, offer: Offer) -> None:
    lane = direct(offer.expert)
    source = await links.latest(uow.session, question.id, "question.source")
    link = linked(
        uow,
        "question.offer",
        question.id,
        author=offer.expert,
        source=source.event_id if source else None,
    )
    row = say(
        uow,
        lane,
        await _private_offer_text(uow, instance, question, offer),
        "question.offer",
        rings=True,
        link=link,
        **_offer_fields(offer),
    )
    uow.outbox.react(lane, row.ref, CLAIM)
    uow.outbox.react(lane, row.ref, PASS)


async def _private_offer_text(
    uow: Uow, instance: Instance, question: Question, offer: Offer
) -> Piece:
    tr = await tr_for(uow, instance, offer.expert)
    assert offer.until is not None
    return content.lines(
        tr(
            "🔒 {number}, a private question from {asker}:",
            number=content.bold(label(question.id)),
            asker=await asker_shown(uow, question, tr),
        ),
        content.quote(question.text),
        tr(
            "Can you take it? Answer in a thread or reply to this message. "
            "✋ I’m on it · ⏭️ somebody else (before {until})",
            until=tr.when(offer.until, instance.zone),
        ),
    )


async def refresh_private_offers(uow: Uow, instance: Instance, question: Question) -> None:
    """The question or what is said of its asker changed: so do the offers that hold it."""
    if not question.private:
        return
    offers = {each.expert: each for each in await questions.offers(uow.session, question.id)}
    for link in await links.of(uow.session, question.id, "question.offer"):
        offer = offers.get(link.author or "")
        if offer is not None and offer.state in (OfferState.OPEN, OfferState.CLAIMED):
            text = await _private_offer_text(uow, instance, question, offer)
            edit(uow, link, text, "question.offer", rings=True, **_offer_fields(offer))


async def _end_offer(uow: Uow, instance: Instance, offer: Offer, state: OfferState) -> None:
    """The offer is over; its message says how."""
    offer.state = state
    link = await _offer_link(uow, offer)
    if link is None:
        return
    tr = await tr_for(uow, instance, offer.expert)
    who = content.name(offer.expert, (await pill(uow, offer.expert)).body)
    sentences = {
        OfferState.CLAIMED: tr("✋ {expert} is on it.", expert=who),
        OfferState.PASSED: tr("⏭️ {expert} passed.", expert=who),
        OfferState.EXPIRED: tr("⌛ No answer from {expert} in time.", expert=who),
        OfferState.WITHDRAWN: tr("{expert} is no longer needed here.", expert=who),
    }
    if link.lane.startswith("dm:") and state is OfferState.CLAIMED:
        return  # the private offer holds the question: the expert still needs it
    edit(uow, link, sentences[state], "question.offer", **_offer_fields(offer), state=state)


async def _offer_link(uow: Uow, offer: Offer) -> Link | None:
    found = await links.of(uow.session, offer.question_id, "question.offer")
    return next((each for each in reversed(found) if each.author == offer.expert), None)


async def claim(uow: Uow, instance: Instance, question: Question, expert: str) -> None:
    """``expert`` takes the question; whoever else was asked is left in peace."""
    _check_open(instance, question)
    await _check_may_answer(uow, instance, question, expert)
    offer = await _offer_row(uow, question, expert)
    if offer.state == OfferState.CLAIMED:
        return
    await uow.session.flush()
    await _end_offer(uow, instance, offer, OfferState.CLAIMED)
    for other in await questions.offers(uow.session, question.id):
        if other.state == OfferState.OPEN:
            await _end_offer(uow, instance, other, OfferState.WITHDRAWN)
    if question.first_answer_at is None:
        question.step = Step.CLAIMED
        span = patience(instance).claim
        question.due_at = calendar(instance, question.desk).after(uow.now, span)
    await refresh_acknowledgement(uow, instance, question)


async def pass_on(uow: Uow, instance: Instance, question: Question, expert: str) -> None:
    """The expert does not take it: the next one's turn, at once."""
    _check_open(instance, question)
    offers = {each.expert: each for each in await questions.offers(uow.session, question.id)}
    offer = offers.get(expert)
    if offer is None or offer.state not in (OfferState.OPEN, OfferState.CLAIMED):
        raise UserError(
            "not-offered",
            N_("{number} is not waiting for you, so there is nothing to pass on."),
            number=label(question.id),
        )
    had_claimed = offer.state == OfferState.CLAIMED
    await _end_offer(uow, instance, offer, OfferState.PASSED)
    if question.first_answer_at is not None:
        return
    if had_claimed:
        question.step = Step.OFFER
        await refresh_acknowledgement(uow, instance, question)
    await advance(uow, instance, question)


async def assign(uow: Uow, instance: Instance, question: Question, expert: str, by: str) -> None:
    """A coordinator names who should answer, also somebody who is not an expert of the desk."""
    _check_open(instance, question)
    await check_coordinates(uow, instance, question, by)
    if expert == question.asker:
        raise UserError("assign-asker", N_("That is the person who asked. Name somebody else."))
    for offer in await questions.offers(uow.session, question.id):
        if offer.state == OfferState.OPEN:
            await _end_offer(uow, instance, offer, OfferState.WITHDRAWN)
    until = calendar(instance, question.desk).after(uow.now, patience(instance).offer)
    question.step, question.due_at = Step.OFFER, until
    await offer_to(uow, instance, question, expert, until, [{"reason": "assigned", "value": by}])
    audit.note(uow.session, uow.now, by, "assign", question=question.id, expert=expert)


async def route(uow: Uow, instance: Instance, question: Question, desk: str, by: str) -> None:
    """A coordinator sends the question to another desk, where it begins anew."""
    _check_open(instance, question)
    await check_coordinates(uow, instance, question, by)
    if desk == question.desk:
        raise UserError(
            "same-desk", N_("{number} is already with that desk."), number=label(question.id)
        )
    for offer in await questions.offers(uow.session, question.id):
        if offer.state in (OfferState.OPEN, OfferState.CLAIMED):
            await _end_offer(uow, instance, offer, OfferState.WITHDRAWN)
    audit.note(uow.session, uow.now, by, "route", question=question.id, desk=desk)
    question.choice = {"sure": True, "by": "coordinator", "runner_up": question.desk}
    await move_card(uow, instance, question, desk)
    question.step = Step.NONE
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
    if user_id == question.asker:
        return False
    offers = await questions.offers(uow.session, question.id)
    if any(each.expert == user_id for each in offers):
        return True
    return not question.private and await serves(uow, instance, user_id, question.desk)


async def _check_may_answer(uow: Uow, instance: Instance, question: Question, user_id: str) -> None:
    if not await may_answer(uow, instance, question, user_id):
        raise UserError(
            "not-yours",
            N_("{number} can be taken by the experts of its desk, or by whom it was offered to."),
            number=label(question.id),
        )


def _check_open(instance: Instance, question: Question) -> None:
    if not is_open(question):
        raise UserError(
            "question-closed",
            N_("{number} is closed. Its asker can open it again with {command}."),
            number=label(question.id),
            command=instance.typed(f"reopen {label(question.id)}"),
        )


async def _call_in(
    uow: Uow, instance: Instance, question: Question, people: tuple[str, ...], step: Step
) -> None:
    """Nobody took it: the coordinator, or everybody in the desk, is asked in the thread."""
    home = await card(uow, question)
    mentioned = content.join(", ", [await pill(uow, each) for each in people])
    number = label(question.id)
    if step is Step.COORDINATOR:
        tr = await tr_for(uow, instance, people[0])
        piece = tr(
            "{people}, nobody has taken {number} yet. "
            "Can you answer, or name somebody with {command}?",
            people=mentioned,
            number=number,
            command=instance.typed(f"assign {number} @…"),
        )
    else:
        sentence = instance.texts.each(
            instance.network.languages,
            N_("{number} is still waiting. Who can answer? Just write in this thread."),
            number=number,
        )
        piece = content.lines(mentioned, sentence)
    link = linked(uow, "question.escalation", question.id)
    say(
        uow,
        home.lane,
        piece,
        "question.escalation",
        thread=home.event_id,
        rings=True,
        link=link,
        question=question.id,
        step=step.value,
    )


async def _tell_asker_of_delay(uow: Uow, instance: Instance, question: Question) -> None:
    tr = await tr_for(uow, instance, question.asker)
    if question.step == Step.COORDINATOR:
        piece = tr(
            "⏳ Nobody has taken {number} yet. I’ve asked the desk’s coordinator.",
            number=label(question.id),
        )
    else:
        piece = tr(
            "⏳ {number} takes longer than it should. Now the whole desk has been asked.",
            number=label(question.id),
        )
    say(
        uow,
        question.lane,
        piece,
        "question.escalation",
        thread=question.root,
        question=question.id,
        step=question.step,
    )


async def _tell_admins(uow: Uow, instance: Instance, question: Question) -> None:
    piece = instance.tr(None)(
        "⚠️ Nobody has taken {number} ({desk}). Name an expert with {command}.",
        number=label(question.id),
        desk=desk_name(instance, question.desk, instance.first_language),
        command=instance.typed(f"assign {label(question.id)} @…"),
    )
    await control.alert(uow, piece)


async def due(uow: Uow, instance: Instance, number: int) -> None:
    """The time of the present turn is up."""
    question = await existing(uow, instance, number)
    if is_open(question) and question.due_at is not None and question.due_at <= uow.now:
        await advance(uow, instance, question)
