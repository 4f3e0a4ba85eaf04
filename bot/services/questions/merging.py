"""Several people who ask the same: one question is answered, and all of them get the answers.

The merged question keeps its number and its asker's thread. Answers to the other one arrive there
too, those that were given before as well; what its asker adds goes under the other one's card.
"""

from functools import partial

from bot.domain.errors import UserError
from bot.domain.questions import OfferState, Status, Step
from bot.services.instance import Instance
from bot.services.members import tr_for
from bot.services.questions import copying, offers, turns
from bot.services.questions.cards import refresh_acknowledgement
from bot.services.questions.common import asker_shown, card, label, to_asker
from bot.services.routing.loading import keep_meaning
from bot.services.speech import linked, say
from config.locales import N_
from storage import answers, audit, links, questions
from storage.database import Uow
from storage.questions import OPEN_STATUSES, Question


async def merge(uow: Uow, instance: Instance, question: Question, into: Question, by: str) -> None:
    await turns.check_coordinates(uow, instance, question, by)
    await _check(uow, question, into)
    await offers.end_all(uow, instance, question, OfferState.MOVED, claimed=True)
    question.status, question.step, question.due_at = Status.MERGED, Step.NONE, None
    question.merged_into = into.id
    audit.note(uow.session, uow.now, by, "merge", question=question.id, into=into.id)
    # One of the two is enough to be found again.
    uow.then(partial(instance.router.memory.drop, question.id))
    await refresh_acknowledgement(uow, instance, question)
    await _tell_desks(uow, instance, question, into)
    await _tell_asker(uow, instance, question, into)
    await _bring_earlier_answers(uow, instance, question, into)


async def _check(uow: Uow, question: Question, into: Question) -> None:
    number, other = label(question.id), label(into.id)
    if question.id == into.id:
        raise UserError("merge-itself", N_("Name two different questions, like Q14 and Q12."))
    for each in (question, into):
        if each.status not in OPEN_STATUSES:
            raise UserError(
                "merge-closed",
                N_("{number} is not open. Both questions have to be."),
                number=label(each.id),
            )
    if question.private or into.private:
        raise UserError(
            "merge-private",
            N_("{number} or {other} is private: they are not merged."),
            number=number,
            other=other,
        )
    if await questions.merged_into(uow.session, question.id):
        raise UserError(
            "merge-has-merged",
            N_(
                "Other questions have joined {number}. Do it the other way round: "
                "merge {other} into {number}."
            ),
            number=number,
            other=other,
        )


async def _tell_desks(uow: Uow, instance: Instance, question: Question, into: Question) -> None:
    texts, languages = instance.texts, instance.network.languages
    mine, theirs = await card(uow, question), await card(uow, into)
    gone = texts.each(
        languages,
        N_("🔗 {number} is the same question as {other}. Please answer there."),
        number=label(question.id),
        other=label(into.id),
    )
    came = texts.each(
        languages,
        N_("🔗 {asker} asks the same ({number}) and gets the answers as well."),
        asker=await asker_shown(uow, question, instance.tr(None)),
        number=label(question.id),
    )
    for home, piece in ((mine, gone), (theirs, came)):
        if home is not None:
            say(
                uow,
                home.lane,
                piece,
                "question.merged",
                thread=home.event_id,
                link=linked(uow, "question.merged", question.id, author=question.asker),
                question=question.id,
                into=into.id,
            )


async def _tell_asker(uow: Uow, instance: Instance, question: Question, into: Question) -> None:
    tr = await tr_for(uow, instance, question.asker)
    piece = tr(
        "🔗 Somebody has asked the same question: {other}. You get its answers here, too.",
        other=label(into.id),
    )
    to_asker(
        uow,
        question,
        piece,
        "question.merged",
        link=linked(uow, "question.merged", question.id),
        into=into.id,
    )


async def _bring_earlier_answers(
    uow: Uow, instance: Instance, question: Question, into: Question
) -> None:
    """What was answered before, as copies that follow their originals like any other."""
    had = {each.source for each in await links.of(uow.session, question.id, "question.answer")}
    for answer in await answers.of(uow.session, into.id):
        if answer.event_id in had:
            continue
        await copying.again(uow, instance, answer, question)
        question.first_answer_at = question.first_answer_at or uow.now
        question.last_answer_at = uow.now


async def unmerge(uow: Uow, instance: Instance, question: Question) -> None:
    """It stands for itself again, and is looked for anew."""
    question.merged_into = None
    question.status, question.step, question.wave = Status.OPEN, Step.NONE, 0
    question.last_activity_at = uow.now
    await turns.advance(uow, instance, question)
    await keep_meaning(uow, instance.router, question)
    tr = await tr_for(uow, instance, question.asker)
    to_asker(
        uow,
        question,
        tr(
            "🔗 {number} stands by itself again, and I go on looking for an answer.",
            number=label(question.id),
        ),
        "question.merged",
        into=None,
    )


async def sharing(uow: Uow, question: Question) -> list[Question]:
    """The questions that get the answers of this one, itself first."""
    merged = await questions.merged_into(uow.session, question.id)
    return [question, *(each for each in merged if each.status == Status.MERGED)]


async def shared(uow: Uow, question: Question) -> Question:
    """The question whose card the conversation of this one stands under."""
    if question.status == Status.MERGED and question.merged_into is not None:
        return await questions.get(uow.session, question.merged_into) or question
    return question
