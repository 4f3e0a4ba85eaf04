"""Carrying what is said between the asker's thread and the card's, both ways until it is closed.

A copy follows its original: edits as edits, redactions as redactions, replies as replies to the
other side's copy. Order is the inbox's and the outbox's.
"""

from typing import Any

from bot.domain import content
from bot.domain.content import Piece
from bot.domain.incoming import Message
from bot.domain.language import is_question_like
from bot.domain.questions import OfferState, Status, Step
from bot.services.instance import Instance
from bot.services.members import name, pill, tr_for
from bot.services.questions import offers, turns, wording
from bot.services.questions.common import asker_shown, card, claimed_by, is_open, patience
from bot.services.questions.merging import shared, sharing
from bot.services.questions.suggesting import unsay
from bot.services.routing.loading import drop_answer, keep_answer
from bot.services.sanitise import people_html
from bot.services.speech import linked, remember
from storage import answers, links, questions
from storage.answers import Answer
from storage.database import Uow
from storage.questions import Question

MEDIA = frozenset({"m.image", "m.file", "m.audio", "m.video"})
MEDIA_KEYS = ("url", "info", "filename")
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
        await _copy(uow, instance, each, message, "question.answer", each.lane, each.root)
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
        await _copy(uow, instance, question, message, "question.followup", lane, root)
    return True


def _waits_for_more(message: Message) -> bool:
    """“Thank you, that helps!” calls nobody back."""
    return message.msgtype in MEDIA or "?" in message.body or is_question_like(message.body)


async def attach(uow: Uow, instance: Instance, question: Question, message: Message) -> None:
    """A picture or a file that was asked about goes along with the question."""
    for lane, root in await _expert_sides(uow, question):
        await _copy(uow, instance, question, message, "question.followup", lane, root)


async def _expert_sides(uow: Uow, question: Question) -> list[tuple[str, str]]:
    """Where the experts read: the card's thread, or the private offers that stand."""
    if not question.private:
        home = await card(uow, question)
        return [(home.lane, home.event_id)] if home else []
    made = await questions.offers(uow.session, question.id)
    standing = {each.expert for each in made if each.state in offers.STANDING}
    found = await links.of(uow.session, question.id, "question.offer")
    return [(each.lane, each.event_id) for each in found if each.author in standing]


async def _copy(
    uow: Uow,
    instance: Instance,
    question: Question,
    message: Message,
    role: str,
    lane: str,
    root: str,
) -> None:
    made = await copy_content(uow, instance, question, message, role)
    made = content.threaded(made, root, await _counterpart(uow, message.reply_to, lane))
    link = linked(
        uow,
        role,
        question.id,
        source=message.event_id,
        author=message.sender,
        data={"expert": message.sender} if role == "question.answer" else None,
    )
    uow.outbox.send(lane, made, link=link)


async def copy_content(
    uow: Uow, instance: Instance, question: Question, message: Message, role: str
) -> dict[str, Any]:
    """The message as the other side gets it: who says it, and what they wrote."""
    speaker = await _speaker(uow, instance, question, message, role)
    said = people_html(message.body, message.html)
    attached = message.msgtype in MEDIA and isinstance(message.content.get("url"), str)
    several = "\n" in said.body or "<p>" in said.html
    piece = content.lines(speaker, said) if several else content.join(" ", [speaker, said])
    made = content.message(piece, msgtype=message.msgtype if attached else "m.text")
    if attached:
        made |= {key: message.content[key] for key in MEDIA_KEYS if key in message.content}
        made.setdefault("filename", message.body)
    fields: dict[str, Any] = {"question": question.id}
    if role == "question.answer":
        fields["expert"] = message.sender
    return content.tagged(made, role, **fields)


async def _speaker(
    uow: Uow, instance: Instance, question: Question, message: Message, role: str
) -> Piece:
    """«Anna → Pierre:», so that the one who waits is called, and nobody else."""
    if role == "question.answer":
        tr = await tr_for(uow, instance, question.asker)
        return tr(
            "{asker}, {expert} answers:",
            asker=await pill(uow, question.asker),
            expert=content.bold(await name(uow, message.sender)),
        )
    called = await claimed_by(uow, question)
    tr = await tr_for(uow, instance, called[0] if called else question.asker)
    asker = await asker_shown(uow, question, tr)
    if not called:
        return tr("{asker} adds:", asker=content.bold(asker))
    people = content.join(", ", [await pill(uow, each) for each in called])
    return tr("{experts}, {asker} adds:", experts=people, asker=content.bold(asker))


async def _counterpart(uow: Uow, event_id: str | None, lane: str) -> str | None:
    """The event in ``lane`` that a reply to ``event_id`` answers, on the other side."""
    link = await links.find(uow.session, event_id)
    if link is None:
        return None
    if link.source is not None:
        return link.source
    for copy in await links.copies(uow.session, link.event_id):
        if copy.lane == lane:
            return copy.event_id
    return None


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
        made = await copy_content(uow, instance, question, message, link.role)
        everybody = frozenset(made["m.mentions"]["user_ids"])
        uow.outbox.send(link.lane, content.replacing(made, link.event_id, everybody))
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
    for link in await links.copies(uow.session, target):
        if link.role in ("question.answer", "question.followup"):
            uow.outbox.redact(link.lane, link.event_id)
            done = True
    return done
