"""Asking, following, answering and looking after questions."""

from datetime import datetime
from typing import Annotated

from bot.domain import content
from bot.domain.errors import UserError
from bot.domain.incoming import Message, bare_emoji
from bot.domain.questions import Because, Status
from bot.domain.roles import Role
from bot.services import finding
from bot.services.questions import (
    asking,
    choosing,
    closing,
    copying,
    correcting,
    keeping,
    merging,
    relaying,
    reports,
    turns,
    views,
)
from bot.services.questions.common import existing
from commands.context import Context
from commands.names import Name
from commands.parameters import (
    ClusterKey,
    DeskKey,
    Flag,
    LanguageCode,
    MonthOfYear,
    Passed,
    PassedBecause,
    QuestionNumber,
    QuestionOrReason,
    Rest,
    UserId,
    Words,
    choice,
)
from commands.registry import command
from config.locales import N_
from storage import questions
from storage.links import Link
from storage.questions import Question

Which = Annotated[
    str,
    choice(
        Name("mine", fr="miennes", nl="mijne"),
        Name("open", fr="ouvertes", nl="open"),
        Name("waiting", fr="attente", nl="wachtend"),
    ),
]


@command(
    "ask",
    fr="demander",
    nl="vraag",
    aliases=("question",),
    summary=N_("Put a question to the network’s experts"),
    examples=(
        N_("ask Who knows a funding scheme for a cross-border pilot?"),
        N_("ask --desk funding Is VAT eligible in Interreg?"),
    ),
    options={
        "desk": N_("the desk to ask; without it I choose"),
        "private": N_("only the expert reads it, in a direct message"),
        "to": N_("with --private: the expert who may read it"),
        "urgent": N_("everybody gets less time; the number of urgent questions is limited"),
    },
)
async def ask(
    ctx: Context,
    text: Rest = "",
    *,
    desk: DeskKey | None = None,
    private: Flag = False,
    to: UserId | None = None,
    urgent: Flag = False,
) -> None:
    message = ctx.incoming
    assert isinstance(message, Message)
    asker, event_id, root = message.sender, message.event_id, message.root
    if not text.strip() and message.reply_to is not None:
        original = ctx.event(message.reply_to)
        if original.sender == ctx.instance.user_id:
            raise UserError("ask-bot", N_("I wrote that myself. Reply to a person’s message."))
        asker, text, event_id, root = (
            original.sender,
            original.body,
            original.event_id,
            original.root,
        )
    asked = asking.Asked(
        asker=asker,
        text=text,
        lane=ctx.lane,
        event_id=event_id,
        root=root,
        desk=desk,
        private=private,
        urgent=urgent,
        to=to,
    )
    taken = await asking.ask(ctx.uow, ctx.instance, asked)
    if taken is None:
        raise UserError("already-asked", N_("This has already been asked: see its thread."))


@command(
    "questions",
    fr="questions",
    nl="vragen",
    summary=N_("Questions: yours, all that are open, or those that wait for you"),
)
async def list_questions(ctx: Context, which: Which = "mine") -> None:
    shown = await views.listing(
        ctx.uow, ctx.instance, ctx.sender, which, ctx.tr, alone=ctx.is_direct
    )
    ctx.reply(shown)


@command(
    "find",
    fr="chercher",
    nl="zoeken",
    summary=N_("What has been asked and announced about something"),
    examples=(N_("find Interreg bike delivery"),),
)
async def find(ctx: Context, sought: Words) -> None:
    ctx.reply(await finding.find(ctx.uow, ctx.instance, sought, ctx.tr, ctx.sender))


@command("close", fr="fermer", nl="sluiten", summary=N_("Close a question of yours"))
async def close(ctx: Context, question: QuestionNumber | None = None) -> None:
    await closing.close(ctx.uow, ctx.instance, await _meant(ctx, question), ctx.sender)


@command("reopen", fr="rouvrir", nl="heropenen", summary=N_("Open a closed question again"))
async def reopen(ctx: Context, question: QuestionNumber | None = None) -> None:
    await closing.reopen(ctx.uow, ctx.instance, await _meant(ctx, question), ctx.sender)
    ctx.done()


@command("claim", fr="prendre", nl="nemen", role=Role.MEMBER, summary=N_("Take a question on"))
async def claim(ctx: Context, question: QuestionNumber | None = None) -> None:
    await turns.claim(ctx.uow, ctx.instance, await _meant(ctx, question), ctx.sender)
    ctx.done()


@command(
    "pass",
    fr="passer",
    nl="doorgeven",
    summary=N_("Pass a question on, and say why if you like"),
    examples=(N_("pass Q12 field"), N_("pass Q12 time"), N_("pass Q12 @anna:example.org")),
)
async def pass_on(
    ctx: Context,
    question: QuestionOrReason | None = None,
    because: PassedBecause | None = None,
) -> None:
    """In the thread of a question the number may be left out."""
    if isinstance(question, Passed):
        question, because = None, question
    found = await _meant(ctx, question)
    reason, to = (None, None) if because is None else (because.reason, because.to)
    later = await turns.pass_on(ctx.uow, ctx.instance, found, ctx.sender, reason, to)
    _named(ctx, later)


@command(
    "assign",
    fr="confier",
    nl="toewijzen",
    role=Role.COORDINATOR,
    summary=N_("Ask one person to answer a question"),
)
async def assign(ctx: Context, question: QuestionNumber, person: UserId) -> None:
    found = await existing(ctx.uow, ctx.instance, question)
    later = await turns.assign(ctx.uow, ctx.instance, found, person, ctx.sender)
    _named(ctx, later)


def _named(ctx: Context, later: datetime | None) -> None:
    """Done; and when who was named will be asked, if not at once."""
    if later is None:
        ctx.done()
        return
    when = ctx.tr.when(later, ctx.instance.zone, ctx.uow.now)
    ctx.reply(ctx.tr("Done. I’ll ask them when they work again: {when}.", when=when))


@command(
    "route",
    fr="orienter",
    nl="doorsturen",
    role=Role.COORDINATOR,
    summary=N_("Send a question to another desk"),
)
async def route(ctx: Context, question: QuestionNumber, desk: DeskKey) -> None:
    found = await existing(ctx.uow, ctx.instance, question)
    await turns.route(ctx.uow, ctx.instance, found, desk, ctx.sender)
    ctx.done()


@command(
    "merge",
    fr="fusionner",
    nl="samenvoegen",
    role=Role.COORDINATOR,
    summary=N_("Two people ask the same: answer both at once"),
    examples=(N_("merge Q14 Q12"),),
)
async def merge(ctx: Context, question: QuestionNumber, into: QuestionNumber) -> None:
    found = await existing(ctx.uow, ctx.instance, question)
    other = await existing(ctx.uow, ctx.instance, into)
    await merging.merge(ctx.uow, ctx.instance, found, other, ctx.sender)
    ctx.done()


@command(
    "keep",
    fr="garder",
    nl="bewaren",
    summary=N_("Keep a question and its answer for everybody, if both sides agree"),
)
async def keep(ctx: Context, question: QuestionNumber | None = None) -> None:
    await keeping.keep(ctx.uow, ctx.instance, await _meant(ctx, question), ctx.sender)
    ctx.done()


@command(
    "correct",
    fr="corriger",
    nl="verbeteren",
    summary=N_("Correct what I understood of a question"),
    examples=(N_("correct Q12 --lang nl --cluster logistics"),),
    options={
        "lang": N_("the language it is in"),
        "cluster": N_("the cluster it is about"),
        "desk": N_("the desk it belongs to"),
    },
)
async def correct(
    ctx: Context,
    question: QuestionNumber | None = None,
    *,
    lang: LanguageCode | None = None,
    cluster: ClusterKey | None = None,
    desk: DeskKey | None = None,
) -> None:
    found = await _meant(ctx, question)
    await correcting.correct(
        ctx.uow, ctx.instance, found, ctx.sender, language=lang, cluster=cluster, desk=desk
    )
    ctx.done()


@command(
    "desk",
    fr="desk",
    nl="desk",
    role=Role.EXPERT,
    summary=N_("What is waiting at a desk, since when and with whom"),
    options={"month": N_("instead, its figures of a month, like 2026-11")},
)
async def desk_board(
    ctx: Context, desk: DeskKey | None = None, *, month: MonthOfYear | None = None
) -> None:
    key = desk or (ctx.room.key if ctx.room is not None and ctx.room.kind == "desk" else None)
    if key is None:
        keys = ", ".join(each.key for each in ctx.instance.network.desks)
        raise UserError(
            "which-desk",
            N_("Which desk? Write one of these after the command: {keys}."),
            keys=keys,
        )
    if month is not None:
        found = await reports.month(ctx.uow, ctx.instance, key, month)
        ctx.reply(reports.shown(found, ctx.instance, key, month, ctx.tr))
        return
    ctx.reply(await views.board(ctx.uow, ctx.instance, key, ctx.tr, ctx.sender))


@command(
    "why",
    fr="pourquoi",
    nl="waarom",
    role=Role.EXPERT,
    summary=N_("Why a question went to this desk and these experts"),
)
async def why(ctx: Context, question: QuestionNumber | None = None) -> None:
    found = await _meant(ctx, question)
    ctx.reply(await views.why(ctx.uow, ctx.instance, found, ctx.tr))


async def _meant(ctx: Context, number: int | None) -> Question:
    """The question named, or the one whose thread this is."""
    if number is not None:
        return await existing(ctx.uow, ctx.instance, number)
    message = ctx.incoming
    if ctx.about is not None and ctx.about.role.startswith("question."):
        return await existing(ctx.uow, ctx.instance, ctx.about.subject)
    if isinstance(message, Message) and message.thread is not None:
        found = await questions.at_root(ctx.uow.session, message.thread)
        if found is not None:
            return found
    raise UserError(
        "which-question",
        N_("Which question? Write its number, like {example}."),
        example=content.code("Q12"),
    )


def is_answered(question: Question) -> bool:
    """A merged question is answered with the other one."""
    merged = question.status == Status.MERGED and question.first_answer_at is not None
    return question.status == Status.ANSWERED or merged


async def _of(ctx: Context, link: Link) -> Question | None:
    return await questions.held(ctx.uow.session, link.subject)


async def on_offer(ctx: Context, link: Link | None, key: str) -> None:
    """✋ takes a question, 🚫 ⏳ ⏭️ pass it on: on its card, on an offer or on its reminder."""
    assert link is not None
    question = await _of(ctx, link)
    if question is None or not await turns.is_concerned(
        ctx.uow, ctx.instance, question, ctx.sender
    ):
        return
    if key == "✋":
        await turns.claim(ctx.uow, ctx.instance, question, ctx.sender)
    elif key in PASSES:
        await turns.pass_on(ctx.uow, ctx.instance, question, ctx.sender, PASSES[key])


PASSES = {"🚫": Because.FIELD, "⏳": Because.TIME, "⏭": None}


async def on_answer(ctx: Context, link: Link | None, key: str) -> None:
    """✅ or 👍 by the asker on an answer closes the question."""
    assert link is not None
    question = await _of(ctx, link)
    if question is None or ctx.sender != question.asker or not is_answered(question):
        return
    if key in ("✅", "👍", "✔"):
        await closing.close(ctx.uow, ctx.instance, question, ctx.sender, helped=True)


async def on_helped(ctx: Context, link: Link | None, key: str) -> None:
    assert link is not None
    question = await _of(ctx, link)
    if question is None or ctx.sender != question.asker:
        return
    if key == "👎":
        await closing.not_helped(ctx.uow, ctx.instance, question)
    else:
        await on_answer(ctx, link, key)


async def on_known(ctx: Context, link: Link | None, key: str) -> None:
    """👍 by the asker on what was answered before closes the question."""
    assert link is not None
    question = await _of(ctx, link)
    if question is not None and ctx.sender == question.asker and key == "👍":
        await closing.known_helped(ctx.uow, ctx.instance, question)


async def on_acknowledgement(ctx: Context, link: Link | None, key: str) -> None:
    """1️⃣ 2️⃣ by the asker choose the desk; 👋 tells the expert of a private question who they
    are."""
    assert link is not None
    question = await _of(ctx, link)
    if question is None or ctx.sender != question.asker:
        return
    if key == "👋":
        await asking.reveal(ctx.uow, ctx.instance, question)
    elif (sign := _sign(key)) is not None:
        await choosing.chosen(ctx.uow, ctx.instance, question, sign)


async def on_cluster(ctx: Context, link: Link | None, key: str) -> None:
    assert link is not None
    question = await _of(ctx, link)
    if question is not None and ctx.sender == link.author and (sign := _sign(key)):
        await choosing.cluster_chosen(ctx.uow, ctx.instance, question, link, sign)


async def on_whom(ctx: Context, link: Link | None, key: str) -> None:
    """A number by the asker names who may read a private question."""
    assert link is not None
    question = await _of(ctx, link)
    if question is not None and ctx.sender == link.author and (sign := _sign(key)):
        await choosing.whom_chosen(ctx.uow, ctx.instance, question, link, sign)


async def on_keep(ctx: Context, link: Link | None, key: str) -> None:
    """✅ 🕶️ ❌ by whom it is asked of."""
    assert link is not None
    question = await _of(ctx, link)
    answers = {bare_emoji(sign): answer for sign, answer in keeping.ANSWERS.items()}
    if question is not None and ctx.sender == link.author and key in answers:
        await keeping.answered(ctx.uow, ctx.instance, question, ctx.sender, answers[key])


def _sign(key: str) -> str | None:
    """The number that was reacted with, as it is written in full."""
    return next((each for each in choosing.SIGNS if bare_emoji(each) == key), None)


async def on_draft(ctx: Context, link: Link | None, key: str) -> None:
    """✅ by its author turns what was shown back into a question."""
    assert link is not None
    if key != "✅" or ctx.sender != link.author or not link.data:
        return
    asked = asking.Asked(
        asker=ctx.sender,
        text=link.data["text"],
        desk=link.data.get("desk"),
        private=bool(link.data.get("private")),
        lane=ctx.lane,
        event_id=link.data["event_id"],
        root=link.data["root"],
    )
    await asking.ask(ctx.uow, ctx.instance, asked)
    link.data = None


async def on_own_message(ctx: Context, link: Link | None, key: str) -> None:
    """❓ on a message of one's own puts it as a question."""
    if key not in ("❓", "❔") or ctx.room is None:
        return
    target = ctx.target
    message = ctx.event(target)
    if message.sender != ctx.sender or message.msgtype == "m.notice":
        return
    asked = asking.Asked(
        asker=ctx.sender,
        text=message.body,
        lane=ctx.lane,
        event_id=message.event_id,
        root=message.root,
        desk=ctx.room.key if ctx.room.kind == "desk" else None,
    )
    question = await asking.ask(ctx.uow, ctx.instance, asked)
    if question is not None and message.msgtype in copying.MEDIA:
        await relaying.attach(ctx.uow, ctx.instance, question, message)


REACTIONS = {
    "question.offer": on_offer,
    "question.card": on_offer,
    "question.reminder": on_offer,
    "question.known": on_known,
    "question.cluster": on_cluster,
    "question.whom": on_whom,
    "question.keep": on_keep,
    "question.answer": on_answer,
    "question.helped": on_helped,
    "question.ack": on_acknowledgement,
    "question.draft": on_draft,
    "*": on_own_message,
}
