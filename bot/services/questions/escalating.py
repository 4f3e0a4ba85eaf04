"""When offers have run out: the coordinator, then the whole desk, then the admins; and what the
asker is told meanwhile. Each of it once, and visible in the thread."""

from collections.abc import Sequence
from datetime import datetime

from bot.domain import content
from bot.domain.content import Piece
from bot.domain.questions import TAKEN_BACK, Because, OfferState, Step
from bot.services import control
from bot.services.instance import Instance
from bot.services.members import name, pill, tr_for
from bot.services.questions.common import card, desk_name, label, to_asker
from bot.services.speech import linked, say
from config.locales import N_, Translator
from storage import questions
from storage.database import Uow
from storage.questions import Offer, Question


async def call_in(
    uow: Uow,
    instance: Instance,
    question: Question,
    people: Sequence[str],
    step: Step,
    *,
    called_before: bool,
) -> None:
    """Nobody took it: the coordinator, or everybody in the desk, is asked in the thread."""
    home = await card(uow, question)
    assert home is not None, "a question has a card before anybody is called"
    mentioned = content.join(", ", [await pill(uow, each) for each in people])
    if step is Step.COORDINATOR:
        piece = await _to_coordinators(uow, instance, question, people[0], mentioned)
    else:
        asked = called_before or question.first_offer_at is not None
        sentence = instance.texts.each(
            instance.network.languages,
            N_("{number} is still waiting. Who can answer? Just write in this thread.")
            if asked
            else N_("Who can answer {number}? Just write in this thread."),
            number=label(question.id),
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


async def _to_coordinators(
    uow: Uow, instance: Instance, question: Question, reader: str, mentioned: Piece
) -> Piece:
    tr = await tr_for(uow, instance, reader)
    number = label(question.id)
    assign = instance.typed(f"{tr.plain('assign')} {number} @…")
    made = [each for each in await questions.offers(uow.session, question.id) if _is_told(each)]
    if question.private:
        return tr(
            "{people}, {number} is private and still has no answer. "
            "Please name an expert with {command}: nobody else will read it.",
            people=mentioned,
            number=number,
            command=assign,
        )
    if not made and not (question.choice or {}).get("sure", True):
        return tr(
            "{people}, I’m not sure that {number} is for this desk. Please answer, name somebody "
            "with {command}, or send it on with {route}.",
            people=mentioned,
            number=number,
            command=assign,
            route=instance.typed(f"{tr.plain('route')} {number} …"),
        )
    first = tr(
        "{people}, {number} has no answer yet. Can you answer, or name somebody with {command}?",
        people=mentioned,
        number=number,
        command=assign,
    )
    if not made:
        return content.lines(first, tr("No expert of this desk can be asked at the moment."))
    told = content.join(" · ", [await _outcome(uow, each, tr) for each in made])
    return content.lines(first, tr("Asked: {people}", people=told))


def _is_told(offer: Offer) -> bool:
    return offer.state not in TAKEN_BACK and offer.wave > 0


async def _outcome(uow: Uow, offer: Offer, tr: Translator) -> Piece:
    who = await name(uow, offer.expert)
    if offer.state == OfferState.PASSED:
        reasons = {
            Because.FIELD.value: N_("{expert} (not their field)"),
            Because.TIME.value: N_("{expert} (no time)"),
        }
        return tr(reasons.get(offer.passed_because or "", N_("{expert} (passed)")), expert=who)
    if offer.answered_at is not None:
        return tr("{expert} (answered)", expert=who)
    if offer.state == OfferState.CLAIMED:
        return tr("{expert} (took it, no answer)", expert=who)
    return tr("{expert} (no answer)", expert=who)


async def tell_asker(
    uow: Uow, instance: Instance, question: Question, *, called_before: bool
) -> None:
    """Honestly, when it takes longer: who is asked now. ``called_before``: the coordinator, in
    vain."""
    tr = await tr_for(uow, instance, question.asker)
    number = label(question.id)
    sentences = {
        Step.COORDINATOR: N_("⏳ {number} has no answer yet. I’ve asked the desk’s coordinator."),
        Step.DESK: N_(
            "⏳ {number} takes longer than it should. Now the whole desk has been asked."
        ),
        Step.ADMINS: N_("⏳ I have found nobody for {number} yet. The network’s admins know."),
    }
    sentence = sentences[Step(question.step)]
    if question.step == Step.COORDINATOR and question.private:
        sentence = N_("⏳ {number}: I’ve asked the desk’s coordinator to name an expert.")
    elif question.step == Step.DESK and not called_before and question.first_offer_at is None:
        sentence = N_(
            "⏳ No expert can be asked about {number} right now, so I’ve called the whole desk."
        )
    elif question.step == Step.COORDINATOR and question.first_offer_at is None:
        choice = question.choice or {}
        if choice.get("runner_up") and not choice.get("sure", True):
            sentence = N_(
                "⏳ No desk was chosen for {number}, so I’ve asked the coordinator of the likelier "
                "one."
            )
        else:
            sentence = N_(
                "⏳ No expert can be asked about {number} right now, so I’ve called the desk’s "
                "coordinator."
            )
    to_asker(
        uow,
        question,
        tr(sentence, number=number),
        "question.escalation",
        step=question.step,
    )


async def tell_opening(uow: Uow, instance: Instance, question: Question, opening: datetime) -> None:
    """The desk is closed: nobody is called before it opens."""
    tr = await tr_for(uow, instance, question.asker)
    sentence = N_("🌙 The {desk} opens {when}. I’ll ask its experts then.")
    if question.private:
        sentence = N_("🌙 The {desk} opens {when}. Its coordinator will name an expert then.")
    piece = tr(
        sentence,
        desk=desk_name(instance, question.desk, tr.language),
        when=tr.when(opening, instance.zone, uow.now),
    )
    to_asker(uow, question, piece, "question.escalation", step=Step.OPENING)


async def tell_planned(
    uow: Uow, instance: Instance, question: Question, expert: str, when: datetime
) -> None:
    """Somebody was named out of their hours."""
    tr = await tr_for(uow, instance, question.asker)
    piece = tr(
        "🌙 I’ll ask {expert} when they work again: {when}.",
        expert=await name(uow, expert),
        when=tr.when(when, instance.zone, uow.now),
    )
    link = linked(uow, "question.planned", question.id, author=expert)
    to_asker(uow, question, piece, "question.escalation", link=link, step=Step.OPENING)


async def tell_admins(uow: Uow, instance: Instance, question: Question) -> None:
    piece = instance.tr(None)(
        "⚠️ Nobody has taken {number} ({desk}). Name an expert with {command}.",
        number=label(question.id),
        desk=desk_name(instance, question.desk, instance.first_language),
        command=instance.typed(f"assign {label(question.id)} @…"),
    )
    await control.alert(uow, piece)
