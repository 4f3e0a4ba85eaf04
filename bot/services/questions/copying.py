"""The bot's copy of what somebody wrote on one side of a question, for the other side to read.

An answer's copy keeps where its file is: whoever joins the question later gets it as well.
"""

from typing import Any

from bot.domain import content
from bot.domain.content import Piece
from bot.domain.incoming import Message
from bot.services.instance import Instance
from bot.services.members import name, pill, tr_for
from bot.services.questions.common import asker_shown, claimed_by
from bot.services.sanitise import people_html
from bot.services.speech import linked, replace
from storage import links, questions
from storage.answers import Answer
from storage.database import Uow
from storage.links import Link
from storage.questions import Question

MEDIA = frozenset({"m.image", "m.file", "m.audio", "m.video"})
MEDIA_KEYS = ("url", "info", "filename")


async def copy(
    uow: Uow,
    instance: Instance,
    question: Question,
    message: Message,
    role: str,
    lane: str,
    root: str,
) -> None:
    made = await _content(uow, instance, question, message, role)
    made = content.threaded(made, root, await _counterpart(uow, message.reply_to, lane))
    link = linked(
        uow,
        role,
        question.id,
        source=message.event_id,
        author=message.sender,
        data=_kept(message) if role == "question.answer" else None,
    )
    uow.outbox.send(lane, made, link=link)


async def _content(
    uow: Uow, instance: Instance, question: Question, message: Message, role: str
) -> dict[str, Any]:
    """The message as the other side gets it: who says it, and what they wrote."""
    speaker = await _speaker(uow, instance, question, message, role)
    said = people_html(message.body, message.html)
    attached = _attached(message)
    several = "\n" in said.body or "<p>" in said.html
    piece = content.lines(speaker, said) if several else content.join(" ", [speaker, said])
    made = content.message(piece, msgtype=message.msgtype if attached else "m.text")
    if attached:
        made |= {"filename": message.body} | attached
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
    # Those who have the question this one has joined.
    joined = (
        await questions.get(uow.session, question.merged_into) if question.merged_into else None
    )
    called = await claimed_by(uow, joined or question)
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


async def reword(
    uow: Uow, instance: Instance, question: Question, message: Message, link: Link
) -> None:
    """The original of the copy behind ``link`` was edited."""
    made = await _content(uow, instance, question, message, link.role)
    if link.role == "question.answer":
        link.data = _kept(message)
    everybody = frozenset(made["m.mentions"]["user_ids"])
    await replace(uow, link, content.replacing(made, link.event_id, everybody))


async def again(uow: Uow, instance: Instance, answer: Answer, question: Question) -> None:
    """An earlier answer to another question, copied to the asker of this one. From then on it
    follows its original like any other."""
    copied = await links.copies(uow.session, answer.event_id)
    kept = next((each.data for each in copied if each.role == "question.answer"), None) or {}
    message = Message(
        room_id="",
        event_id=answer.event_id,
        sender=answer.expert,
        at=answer.at,
        body=answer.text,
        msgtype=str(kept.get("msgtype", "m.text")),
        content=kept,
    )
    await copy(uow, instance, question, message, "question.answer", question.lane, question.root)


def _attached(message: Message) -> dict[str, Any]:
    """What makes a message show its file; empty without one, or when it is encrypted."""
    if message.msgtype not in MEDIA or not isinstance(message.content.get("url"), str):
        return {}
    return {key: message.content[key] for key in MEDIA_KEYS if key in message.content}


def _kept(message: Message) -> dict[str, Any] | None:
    attached = _attached(message)
    return {"msgtype": message.msgtype} | attached if attached else None
