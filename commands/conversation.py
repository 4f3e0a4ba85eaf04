"""Plain messages: an answer in a card's thread, an addition in the asker's, a question to take.

Most people never type a command. What is not for the bot is left alone.
"""

from dataclasses import dataclass

from bot.domain import content
from bot.domain.content import Piece
from bot.domain.incoming import Message
from bot.domain.language import is_question_like
from bot.services import activity, members
from bot.services.questions import asking, relaying
from bot.services.questions.common import is_open, label
from bot.services.speech import linked
from commands.context import Context
from storage import jobs, links, questions
from storage.questions import Question
from storage.rooms import Room

EXPERT_ROOTS = ("question.card", "question.offer")
EXPERT_SIDE = (*EXPERT_ROOTS, "question.followup")
ASKER_SIDE = ("question.ack", "question.answer", "question.helped")
# Fewer words than this in a desk's room or a direct room are a courtesy, not a question.
COURTESY = 4


@dataclass(frozen=True, slots=True)
class Side:
    """Which end of which question's conversation a message belongs to."""

    question: Question
    is_experts: bool


async def converse(context: Context, message: Message, said: str | None = None) -> None:
    """``said``: the words after a mention of the bot, when it was addressed."""
    side = await _side(context, message)
    if side is not None:
        await activity.spoke(context.uow, context.instance, message, context.room)
        await _within(context, message, side)
    elif context.is_direct:
        await _direct(context, message)
    elif said is not None:
        await _addressed(context, message, said)
    elif context.room is not None:
        await _in_a_room(context, message)


async def _side(context: Context, message: Message) -> Side | None:
    session = context.uow.session
    root = await links.find(session, message.thread)
    if root is not None and root.role in (*EXPERT_ROOTS, "question.ack"):
        question = await questions.get(session, root.subject)
        return Side(question, root.role != "question.ack") if question else None
    if message.thread is not None:
        question = await questions.at_root(session, message.thread)
        return Side(question, False) if question else None
    replied = await links.find(session, message.reply_to)
    if replied is None or replied.role not in EXPERT_SIDE + ASKER_SIDE:
        return None
    question = await questions.get(session, replied.subject)
    return Side(question, replied.role in EXPERT_SIDE) if question else None


async def _within(context: Context, message: Message, side: Side) -> None:
    uow, instance, question = context.uow, context.instance, side.question
    if side.is_experts:
        if not await relaying.answered(uow, instance, question, message, context.lane):
            await _not_carried(context, question)
    elif not await relaying.followed_up(uow, instance, question, message):
        closed = message.sender == question.asker and not is_open(question)
        if closed and is_question_like(message.body):
            context.reply(_is_closed(context, question))


def _is_closed(context: Context, question: Question) -> Piece:
    number = label(question.id)
    return context.tr(
        "{number} is closed, so I did not pass that on. To open it again: {command}",
        number=number,
        command=context.instance.typed(f"{context.tr.plain('reopen')} {number}"),
    )


async def _not_carried(context: Context, question: Question) -> None:
    """Somebody wrote where experts answer and it went nowhere: say so, once."""
    if context.sender == question.asker:
        return
    slot = f"{question.id}:{question.status}:{context.sender}"
    if not await jobs.claim(context.uow.session, "not-carried", slot, context.uow.now):
        return
    if not is_open(question):
        context.reply(
            context.tr(
                "{number} is closed: the person who asked did not get this.",
                number=label(question.id),
            )
        )
    else:
        context.reply(
            context.tr(
                "This stays between us here: only answers of the desk’s experts go to who asked."
            )
        )


async def _direct(context: Context, message: Message) -> None:
    """In a direct room, a question is taken; what may be one is shown back first."""
    if is_question_like(message.body):
        await _ask(context, message, message.body)
    elif len(message.body.split()) < COURTESY:
        context.reply(
            context.tr(
                "To ask something, just write it here as a question. {help} shows the rest.",
                help=content.code(f"{context.instance.prefix}{context.tr.plain('help')}"),
            )
        )
    else:
        _confirm(context, message, message.body)


async def _addressed(context: Context, message: Message, said: str) -> None:
    if is_question_like(said):
        await _ask(context, message, said)
    else:
        _confirm(context, message, said)


def _confirm(context: Context, message: Message, text: str) -> None:
    """Show back what was understood; ✅ by its author makes it a question."""
    piece = content.lines(
        context.tr("Shall I find an expert for this? React ✅, and I’ll ask:"),
        content.quote(text),
    )
    data = {"text": text, "event_id": message.event_id, "root": message.root}
    link = linked(context.uow, "question.draft", 0, author=message.sender, data=data)
    row = context.reply(piece, link=link)
    context.uow.outbox.react(context.lane, row.ref, "✅")


async def _in_a_room(context: Context, message: Message) -> None:
    room = context.room
    assert room is not None
    if room.kind == "desk":
        await activity.spoke(context.uow, context.instance, message, room)
        await _in_a_desk(context, message, room)
    elif room.kind in ("cluster", "forum"):
        await activity.heard(context.uow, context.instance, message, room)


async def _in_a_desk(context: Context, message: Message, room: Room) -> None:
    """A top-level message of somebody who does not serve the desk is a question to it."""
    if message.thread is None and message.reply_to is None and message.msgtype == "m.text":
        served = await members.serves(context.uow, context.instance, message.sender, room.key)
        asks = is_question_like(message.body) or len(message.body.split()) >= COURTESY
        if asks and not served:
            await _ask(context, message, message.body, desk=room.key)


async def _ask(context: Context, message: Message, text: str, desk: str | None = None) -> None:
    asked = asking.Asked(
        asker=message.sender,
        text=text,
        lane=context.lane,
        event_id=message.event_id,
        root=message.root,
        desk=desk,
    )
    await asking.ask(context.uow, context.instance, asked)
