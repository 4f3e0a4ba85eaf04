"""Carrying what is said between the asker's thread and the card's, both ways until it is closed.

A copy follows its original: edits as edits, redactions as redactions, replies as replies to the
other side's copy. Order is the inbox's and the outbox's.
"""

from bot.domain.incoming import Message
from bot.domain.language import is_question_like
from bot.domain.questions import OfferState, Status, Step
from bot.services.instance import Instance
from bot.services.questions import copying, offers, turns, wording
from bot.services.questions.common import calendar, card, is_open, patience
from bot.services.questions.merging import shared, sharing
from bot.services.questions.suggesting import unsay
from bot.services.routing.loading import drop_answer, keep_answer
from bot.services.speech import remember, take_back
from storage import answers, links, questions
from storage.answers import Answer
from storage.database import Uow
from storage.questions import Question

KEPT = 10_000
"""Characters of an answer that are kept to be found again."""


async def answered(
    uow: Uow, instance: Instance, question: Question, message: Message, lane: str
) -> bool:
    """An expert wrote to the asker. False when it is not for us to carry."""
    question = await shared(uow, question)
    if not is_open(question):
        return False
    if not await turns.may_answer(uow, instance, question, message.sender):
        return False
    await _note_answer(uow, instance, question, message)
    remember(uow, "question.said", question.id, message.event_id, lane, author=message.sender)
    for each in await sharing(uow, question):
        each.first_answer_at = each.first_answer_at or uow.now
        each.last_answer_at = uow.now
        await copying.copy(uow, instance, each, message, "question.answer", each.lane, each.root)
    return True


async def _note_answer(uow: Uow, instance: Instance, question: Question, message: Message) -> None:
    """Writing is claiming: nobody else is waited for any more."""
    expert = message.sender
    await turns.claim(uow, instance, question, expert)
    question.status, question.step = Status.ANSWERED, Step.ANSWERED
    question.first_answer_at = question.first_answer_at or uow.now
    question.last_answer_at = question.last_activity_at = uow.now
    question.due_at = uow.now + patience(instance, question).ask_help
    for offer in await questions.offers(uow.session, question.id):
        if offer.expert == expert:
            offer.state = OfferState.CLAIMED
            offer.answered_at = offer.answered_at or uow.now
    text = "" if question.private else message.body[:KEPT]
    row = Answer(
        question_id=question.id, expert=expert, event_id=message.event_id, text=text, at=uow.now
    )
    uow.session.add(row)
    await keep_answer(uow, instance.router, row)


async def followed_up(uow: Uow, instance: Instance, question: Question, message: Message) -> bool:
    """The asker added something. False when it is not for us to carry."""
    carried = await shared(uow, question)
    if not is_open(carried) or message.sender != question.asker:
        return False
    if _waits_for_more(message):
        question.last_activity_at = carried.last_activity_at = uow.now
    if carried.status == Status.ANSWERED:
        carried.step = Step.ANSWERED
        carried.due_at = uow.now + patience(instance, carried).ask_help
    sides = await _expert_sides(uow, carried)
    if not sides:
        await wording.add(uow, instance, question, message.event_id, question.lane, message.body)
        return True
    remember(
        uow, "question.said", question.id, message.event_id, question.lane, author=message.sender
    )
    for lane, root in sides:
        await copying.copy(uow, instance, question, message, "question.followup", lane, root)
    return True


def _waits_for_more(message: Message) -> bool:
    """“Thank you, that helps!” calls nobody back."""
    return message.msgtype in copying.MEDIA or "?" in message.body or is_question_like(message.body)


async def attach(uow: Uow, instance: Instance, question: Question, message: Message) -> None:
    """A picture or a file that was asked about goes along with the question."""
    for lane, root in await _expert_sides(uow, question):
        await copying.copy(uow, instance, question, message, "question.followup", lane, root)


async def _expert_sides(uow: Uow, question: Question) -> list[tuple[str, str]]:
    """Where the experts read: the card's thread, or the private offers that stand."""
    if not question.private:
        home = await card(uow, question)
        return [(home.lane, home.event_id)] if home else []
    made = await questions.offers(uow.session, question.id)
    standing = {each.expert for each in made if each.state in offers.CALLED}
    found = await links.of(uow.session, question.id, "question.offer")
    return [(each.lane, each.event_id) for each in found if each.author in standing]


async def edited(uow: Uow, instance: Instance, message: Message) -> bool:
    """The copies of an edited message are edited, whether or not the question is closed."""
    assert message.edits is not None
    done = await wording.change_added(uow, instance, message.edits, message.body, by=message.sender)
    for link in await links.copies(uow.session, message.edits):
        if link.role not in ("question.answer", "question.followup"):
            continue
        if link.author != message.sender:
            continue
        question = await questions.get(uow.session, link.subject)
        if question is None:
            continue
        await _reworded(uow, instance, message)
        await copying.reword(uow, instance, question, message, link)
        done = True
    return done


async def _reworded(uow: Uow, instance: Instance, message: Message) -> None:
    assert message.edits is not None
    answer = await answers.by_event(uow.session, message.edits)
    if answer is not None and answer.text:
        answer.text = message.body[:KEPT]
        await unsay(uow, answer.question_id)
        await keep_answer(uow, instance.router, answer)


async def redacted(uow: Uow, instance: Instance, target: str) -> bool:
    """The copies of a redacted message are redacted, and what is kept of it is forgotten."""
    done = await wording.change_added(uow, instance, target, None)
    answer = await answers.by_event(uow.session, target)
    if answer is not None:
        await drop_answer(uow, instance.router, answer)
        await unsay(uow, answer.question_id)
        if question := await questions.get(uow.session, answer.question_id):
            await unanswered(uow, instance, question)
    for link in await links.copies(uow.session, target):
        if link.role in ("question.answer", "question.followup", "question.draft"):
            await take_back(uow, link)
            await uow.session.delete(link)
            done = True
            if link.role == "question.followup":
                await _said_no_more(uow, link.subject)
    return done


async def unanswered(uow: Uow, instance: Instance, question: Question) -> None:
    """An answer was taken back. If it was the last, somebody is waited for again."""
    given = {each.expert for each in await answers.of(uow.session, question.id)}
    made = await questions.offers(uow.session, question.id)
    for offer in made:
        if offer.expert not in given:
            offer.answered_at = None
    if given:
        return
    for each in await sharing(uow, question):
        if not await answers.of(uow.session, each.id):
            each.first_answer_at = each.last_answer_at = each.help_asked_at = None
    if question.status != Status.ANSWERED:
        return
    question.status = Status.OPEN
    if any(each.state == OfferState.CLAIMED for each in made):
        question.step = Step.CLAIMED
        span = patience(instance, question).claim
        question.due_at = calendar(instance, question.desk).after(uow.now, span)
    else:
        question.step = Step.OFFER
        await turns.advance(uow, instance, question)


async def _said_no_more(uow: Uow, number: int) -> None:
    """What the asker added was deleted: unless they added more, nothing waits for the experts."""
    question = await questions.get(uow.session, number)
    question = await shared(uow, question) if question else None
    if question is None or question.last_answer_at is None:
        return
    await uow.session.flush()
    for each in await sharing(uow, question):
        for link in await links.of(uow.session, each.id, "question.followup"):
            if link.created_at > question.last_answer_at:
                return
    question.last_activity_at = question.last_answer_at
