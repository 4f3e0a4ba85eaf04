"""Plain messages: an answer in a card's thread, an addition in the asker's, a question to take.

Most people never type a command. What is not for the bot is left alone.
"""

import re
from dataclasses import dataclass

from bot.domain import content
from bot.domain.content import Piece
from bot.domain.incoming import Message
from bot.domain.language import is_question_like
from bot.services import activity, members
from bot.services.instance import Instance
from bot.services.questions import asking, relaying
from bot.services.questions.common import card, desk_name, is_open, label
from bot.services.speech import edit, linked
from commands.context import Context
from config.locales import Translator
from storage import conversations, jobs, links, questions
from storage.database import Uow
from storage.questions import Question
from storage.rooms import Room

EXPERT_ROOTS = ("question.card", "question.offer")
EXPERT_SIDE = (*EXPERT_ROOTS, "question.followup")
ASKER_SIDE = ("question.ack", "question.answer", "question.helped")
# Fewer words than this in a direct room or a desk's room are a courtesy, not a question. In a
# desk's room, where people talk with each other, even a longer one may open with thanks.
COURTESY = 4
DESK_COURTESY = 6
THANKS = re.compile(
    r"\W*(?:(?:un )?(?:grand |tout grand )?merci|bedankt|dank|dankjewel|dankuwel|hartelijk dank|"
    r"thanks|thank you|many thanks)\b",
    re.IGNORECASE,
)


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
        await _direct(context, message, message.body if said is None else said)
    elif said is not None and is_question_like(said):
        await _ask(context, message, said)
    elif context.room is not None:
        await _in_a_room(context, message, to_us=said is not None)


async def goes_on(context: Context, message: Message) -> bool:
    """Whether the message belongs to the conversation of a question, or to an expert who has
    been asked something private here."""
    if await _side(context, message) is not None:
        return True
    return bool(await conversations.private_offered(context.uow.session, message.sender))


async def _side(context: Context, message: Message) -> Side | None:
    session = context.uow.session
    root = await links.find(session, message.thread)
    if root is not None and root.role in (*EXPERT_ROOTS, "question.ack"):
        question = await questions.held(session, root.subject)
        return Side(question, root.role != "question.ack") if question else None
    if message.thread is not None:
        question = await questions.at_root(session, message.thread)
        return Side(question, False) if question else None
    replied = await links.find(session, message.reply_to)
    if replied is None or replied.role not in EXPERT_SIDE + ASKER_SIDE:
        return None
    question = await questions.held(session, replied.subject)
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
    home = await card(context.uow, question)
    moved = not question.private and home is not None and home.lane != context.lane
    slot = f"{question.id}:{question.desk if moved else question.status}:{context.sender}"
    if not await jobs.claim(context.uow.session, "not-carried", slot, context.uow.now):
        return
    if not is_open(question):
        context.reply(
            context.tr(
                "{number} is closed: the person who asked did not get this.",
                number=label(question.id),
            )
        )
    elif moved:
        desk = desk_name(context.instance, question.desk, context.tr.language)
        context.reply(
            context.tr(
                "{number} is now with the {desk}: this is not passed on from here.",
                number=label(question.id),
                desk=desk,
            )
        )
    else:
        context.reply(
            context.tr(
                "This stays between us here: only answers of the desk’s experts go to who asked."
            )
        )


async def _direct(context: Context, message: Message, said: str) -> None:
    """In a direct room, a question is taken; what may be one is shown back first. But nobody's
    private words may become a question that all can read: who has such a conversation goes on with
    it."""
    if await _in_private(context, message):
        return
    if is_question_like(said):
        await _ask(context, message, said)
    elif len(said.split()) < COURTESY:
        context.reply(
            context.tr(
                "To ask something, just write it here as a question. {help} shows the rest.",
                help=content.code(f"{context.instance.prefix}{context.tr.plain('help')}"),
            )
        )
    else:
        _confirm(context, message, said)


async def _in_private(context: Context, message: Message) -> bool:
    """Carry what belongs to the one private conversation that goes on here; ask, where there are
    several. False where there is none."""
    session = context.uow.session
    asked = await conversations.private_asked(session, message.sender, context.lane)
    offered = await conversations.private_offered(session, message.sender)
    sides = [Side(each, False) for each in asked] + [Side(each, True) for each in offered]
    if len(sides) == 1:
        await _within(context, message, sides[0])
        await _say_where_it_went(context, sides[0].question)
    elif sides:
        numbers = context.tr.listing(label(side.question.id) for side in sides)
        context.reply(
            context.tr(
                "I have not passed this on: it may be about {numbers}. Please answer in the "
                "thread of the one you mean, or reply to it.",
                numbers=numbers,
            )
        )
    return bool(sides)


async def _say_where_it_went(context: Context, question: Question) -> None:
    """Once for each question."""
    slot = f"{question.id}:{context.sender}"
    if is_open(question) and await jobs.claim(
        context.uow.session, "kept-private", slot, context.uow.now
    ):
        context.reply(
            context.tr(
                "I take what you write here as part of {number}. To ask something else: {command}",
                number=label(question.id),
                command=context.instance.typed("ask …"),
            )
        )


def _confirm(context: Context, message: Message, text: str, desk: str | None = None) -> None:
    """Show back what was understood; ✅ by its author makes it a question."""
    data = {
        "text": text,
        "event_id": message.event_id,
        "root": message.root,
        "desk": desk,
        "private": False,
    }
    link = linked(
        context.uow,
        "question.draft",
        0,
        author=message.sender,
        source=message.event_id,
        data=data,
    )
    row = context.reply(_draft(context.tr, text), link=link)
    context.uow.outbox.react(context.lane, row.ref, "✅")


def _draft(tr: Translator, text: str) -> Piece:
    return content.lines(
        tr("Shall I find an expert for this? React ✅, and I’ll ask:"), content.quote(text)
    )


async def reworded(uow: Uow, instance: Instance, message: Message, words: str) -> bool:
    """An edit of what waits for its author's ✅ is shown back in its new words. False where nothing
    waits."""
    assert message.edits is not None
    found = [
        link
        for link in await links.copies(uow.session, message.edits)
        if link.role == "question.draft" and link.author == message.sender and link.data
    ]
    for link in found:
        link.data = {**(link.data or {}), "text": words}
        tr = await members.tr_for(uow, instance, message.sender)
        await edit(uow, link, _draft(tr, words), "reply")
    return bool(found)


async def _in_a_room(context: Context, message: Message, *, to_us: bool) -> None:
    """``to_us``: it mentions us, and asks nothing."""
    room = context.room
    assert room is not None
    if room.kind == "desk":
        await activity.spoke(context.uow, context.instance, message, room)
        if not to_us:
            await _in_a_desk(context, message, room)
    elif room.kind in ("cluster", "forum"):
        await activity.heard(context.uow, context.instance, message, room)


async def _in_a_desk(context: Context, message: Message, room: Room) -> None:
    """A top-level message of somebody who does not serve the desk is a question to it; one that
    only may be a question is shown back first."""
    if message.thread is not None or message.reply_to is not None or message.msgtype != "m.text":
        return
    if await members.serves(context.uow, context.instance, message.sender, room.key):
        return
    if is_question_like(message.body):
        await _ask(context, message, message.body, desk=room.key)
    elif not _is_courtesy(context, message.body):
        _confirm(context, message, message.body, desk=room.key)


def _is_courtesy(context: Context, body: str) -> bool:
    """Or, with a prefix, a remark that is marked as something: “!important: …”."""
    marked = body.lstrip().startswith(context.instance.prefix)
    return marked or len(body.split()) < DESK_COURTESY or THANKS.match(body) is not None


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
