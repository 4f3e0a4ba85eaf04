"""The end of a question, by its asker or by silence, and its beginning anew."""

from bot.domain import content
from bot.domain.errors import UserError
from bot.domain.questions import OfferState, Quiet, Status, Step, after_silence, may_reopen
from bot.services.instance import Instance
from bot.services.members import coordinates, is_here, pill, tr_for
from bot.services.questions import offers, turns
from bot.services.questions.cards import ensure_card, refresh_acknowledgement
from bot.services.questions.common import (
    card,
    claimed_by,
    existing,
    is_open,
    label,
    names,
    patience,
    to_asker,
)
from bot.services.questions.merging import sharing, unmerge
from bot.services.questions.suggesting import judged, remember_helped
from bot.services.speech import linked, say
from config.locales import N_
from storage import answers, links
from storage.database import Uow
from storage.questions import Question

HELPED = "👍"
NOT_YET = "👎"
FOR_ITSELF = ("withdrawn", "left", "dropped", "known")
"""Ends that say nothing of an answer: who joined the question still waits for one."""


async def close(
    uow: Uow, instance: Instance, question: Question, by: str, *, helped: bool = False
) -> None:
    """The asker, or the desk's coordinator, says it is done; ``helped`` when the asker says so of
    the answer."""
    if not is_open(question) and question.status != Status.MERGED:
        raise UserError(
            "already-closed", N_("{number} is already closed."), number=label(question.id)
        )
    if by != question.asker and not await coordinates(uow, instance, by, question.desk):
        raise UserError(
            "not-asker",
            N_("Only who asked {number}, or the desk’s coordinator, can close it."),
            number=label(question.id),
        )
    if helped:
        remember_helped(uow, instance, question, True)
    await judged(uow, question, helped=False)
    await shut(uow, instance, question, Status.CLOSED, _closed_as(question, by, helped))


def _closed_as(question: Question, by: str, helped: bool) -> str:
    if helped:
        return "solved"
    if by != question.asker:
        return "coordinator"
    return "done" if question.first_answer_at else "dropped"


async def known_helped(uow: Uow, instance: Instance, question: Question) -> None:
    """👍 on the earlier answers: its asker needs nobody any more."""
    if not is_open(question):
        return
    await judged(uow, question, helped=True)
    await shut(uow, instance, question, Status.CLOSED, "known")


async def shut(
    uow: Uow, instance: Instance, question: Question, status: Status, closed_as: str
) -> None:
    question.status, question.step, question.due_at = status, Step.NONE, None
    question.closed_at, question.closed_as = uow.now, closed_as
    await offers.end_all(uow, instance, question, OfferState.WITHDRAWN)
    if question.merged_into is None:
        await _tell_desk(uow, instance, question)
    if status is Status.CLOSED:
        await _tell_asker(uow, instance, question)
    for merged in await sharing(uow, question):
        if merged is question:
            continue
        if closed_as in FOR_ITSELF:
            await unmerge(uow, instance, merged)
        else:
            await shut(uow, instance, merged, Status.CLOSED, closed_as)


async def _tell_desk(uow: Uow, instance: Instance, question: Question) -> None:
    """In the card's thread, where the experts are; alone, to those who were asked alone."""
    sentences = {
        "solved": N_("✅ {number} is closed: the answer helped. Thank you!"),
        "done": N_("✅ {number} is closed by who asked it. Thank you!"),
        "coordinator": N_("✅ {number} is closed by the desk’s coordinator."),
        "silence": N_("✅ {number} is closed: nothing more was said."),
        "dropped": N_("{number} is closed by who asked it. Nothing more to do."),
        "withdrawn": N_("{number} was taken back by who asked it. Nothing more to do."),
        "left": N_("{number} is closed: who asked it has left. Nothing more to do."),
        "known": N_("💡 {number} is closed: an earlier answer helped. Nothing more to do."),
    }
    sentence = sentences[question.closed_as or "dropped"]
    languages = instance.network.languages
    given = dict.fromkeys(each.expert for each in await answers.of(uow.session, question.id))
    thanked = await names(uow, list(given))
    for lane, root in await _desk_sides(uow, question):
        alone = lane.startswith("dm:")
        tr = await tr_for(uow, instance, lane.removeprefix("dm:")) if alone else None
        number = label(question.id)
        piece = (
            tr(sentence, number=number)
            if tr
            else instance.texts.each(languages, sentence, number=number)
        )
        if question.helped and thanked and not alone:
            piece = content.lines(content.join("", ["👍 → ", content.join(", ", thanked)]), piece)
        say(
            uow,
            lane,
            piece,
            "question.closed",
            thread=root,
            link=linked(uow, "question.closed", question.id),
            question=question.id,
            status=question.closed_as,
        )


async def _desk_sides(uow: Uow, question: Question) -> list[tuple[str, str]]:
    home = await card(uow, question)
    sides = [(home.lane, home.event_id)] if home else []
    if question.private:
        claimed = set(await claimed_by(uow, question))
        found = await links.of(uow.session, question.id, "question.offer")
        sides += [(each.lane, each.event_id) for each in found if each.author in claimed]
    return sides


async def _tell_asker(uow: Uow, instance: Instance, question: Question) -> None:
    tr = await tr_for(uow, instance, question.asker)
    number = label(question.id)
    within = instance.network.questions.reopen_within
    piece = tr(
        "✅ {number} is closed. To open it again within {days}: {command}",
        number=number,
        days=tr.duration(within),
        command=instance.typed(f"{tr.plain('reopen')} {number}"),
    )
    to_asker(
        uow,
        question,
        piece,
        "question.closed",
        link=linked(uow, "question.closed", question.id),
        status=question.closed_as,
    )


async def reopen(uow: Uow, instance: Instance, question: Question, by: str) -> None:
    """Within the time the network allows; the experts who had it are called again."""
    if is_open(question):
        raise UserError("already-open", N_("{number} is still open."), number=label(question.id))
    if by != question.asker and not await coordinates(uow, instance, by, question.desk):
        raise UserError(
            "not-asker-reopen",
            N_("Only who asked {number}, or the desk’s coordinator, can open it again."),
            number=label(question.id),
        )
    if question.status == Status.MERGED:
        await unmerge(uow, instance, question)
        return
    within = instance.network.questions.reopen_within
    if question.status == Status.WITHDRAWN or question.closed_at is None:
        raise UserError(
            "reopen-withdrawn",
            N_("{number} was taken back. Please ask again with {command}."),
            number=label(question.id),
            command=instance.typed("ask"),
        )
    if not may_reopen(question.closed_at, uow.now, within):
        raise UserError(
            "reopen-too-late",
            N_("{number} has been closed for too long. Please ask again with {command}."),
            number=label(question.id),
            command=instance.typed("ask"),
        )
    await _wake(uow, instance, question)


async def _wake(uow: Uow, instance: Instance, question: Question) -> None:
    """With those who took it; with nobody at work on it, it begins anew."""
    question.closed_at = question.closed_as = question.help_asked_at = None
    question.merged_into = None
    question.wave = 0
    remember_helped(uow, instance, question, None)
    await ensure_card(uow, instance, question)
    question.last_activity_at = uow.now
    claimed = await _at_work(uow, question)
    answered = question.first_answer_at is not None
    question.status = Status.ANSWERED if answered else Status.OPEN
    called = content.join(", ", [await pill(uow, each) for each in claimed])
    number = label(question.id)
    for lane, root in await _desk_sides(uow, question):
        piece = instance.texts.each(
            instance.network.languages, N_("🔄 {number} is open again."), number=number
        )
        if claimed and not (question.private and not lane.startswith("dm:")):
            piece = content.lines(called, piece)
        say(
            uow,
            lane,
            piece,
            "question.escalation",
            thread=root,
            rings=bool(claimed),
            question=question.id,
            step="reopened",
        )
    if claimed:
        question.step = Step.ANSWERED if answered else Step.CLAIMED
        question.due_at = uow.now + patience(instance, question).ask_help
    else:
        question.status, question.step = Status.OPEN, Step.NONE
        await turns.advance(uow, instance, question)
    await refresh_acknowledgement(uow, instance, question)


async def _at_work(uow: Uow, question: Question) -> list[str]:
    """Who took it and is still in the network."""
    return [each for each in await claimed_by(uow, question) if await is_here(uow, each)]


async def silent(uow: Uow, instance: Instance, number: int) -> None:
    """An answered question's silence has lasted: ask once whether it helped, later close it."""
    question = await existing(uow, instance, number)
    if question.status != Status.ANSWERED or question.due_at is None or question.due_at > uow.now:
        return
    assert question.last_answer_at is not None
    quiet = after_silence(Step(question.step), question.last_answer_at, question.last_activity_at)
    if quiet is Quiet.REMIND:
        await _remind(uow, instance, question)
    elif quiet is Quiet.ASK_HELPED and question.help_asked_at is None:
        await _ask_helped(uow, instance, question)
    else:
        await shut(uow, instance, question, Status.CLOSED, "silence")


async def _ask_helped(uow: Uow, instance: Instance, question: Question) -> None:
    question.help_asked_at = uow.now
    question.step = Step.HELPED
    question.due_at = uow.now + patience(instance, question).close
    tr = await tr_for(uow, instance, question.asker)
    piece = tr(
        "{asker}, did this help? 👍 closes {number}, 👎 goes on looking.",
        asker=await pill(uow, question.asker),
        number=label(question.id),
    )
    link = linked(uow, "question.helped", question.id, author=question.asker)
    to_asker(
        uow,
        question,
        piece,
        "question.helped",
        signs=(HELPED, NOT_YET),
        rings=True,
        link=link,
    )


async def not_helped(uow: Uow, instance: Instance, question: Question) -> None:
    """The answer did not help: the desk is told, and the next expert asked."""
    if question.status != Status.ANSWERED:
        return
    question.status, question.step = Status.OPEN, Step.OFFER
    question.last_activity_at, question.help_asked_at = uow.now, None
    remember_helped(uow, instance, question, False)
    home = await card(uow, question)
    assert home is not None, "what was answered has a card"
    piece = instance.texts.each(
        instance.network.languages,
        N_("👎 The answer to {number} did not help yet. Who can add to it?"),
        number=label(question.id),
    )
    say(
        uow,
        home.lane,
        piece,
        "question.escalation",
        thread=home.event_id,
        question=question.id,
        step="not-helped",
    )
    tr = await tr_for(uow, instance, question.asker)
    to_asker(
        uow,
        question,
        tr("I’ll keep looking for an answer to {number}.", number=label(question.id)),
        "question.escalation",
        step="not-helped",
    )
    await turns.advance(uow, instance, question)


async def _remind(uow: Uow, instance: Instance, question: Question) -> None:
    """The asker wrote last and nobody answered: call the experts once more; when all have left,
    others."""
    claimed = await _at_work(uow, question)
    if not claimed:
        question.status, question.step = Status.OPEN, Step.OFFER
        await turns.advance(uow, instance, question)
        return
    question.last_activity_at = question.last_answer_at or uow.now
    question.due_at = uow.now + patience(instance, question).ask_help
    for lane, root in await _desk_sides(uow, question):
        if question.private and not lane.startswith("dm:"):
            continue
        people = [await pill(uow, each) for each in claimed]
        piece = instance.texts.each(
            instance.network.languages,
            N_("⏰ {number}: who asked wrote again and waits for an answer."),
            number=label(question.id),
        )
        say(
            uow,
            lane,
            content.lines(content.join(", ", people), piece),
            "question.escalation",
            thread=root,
            rings=True,
            question=question.id,
            step="reminded",
        )
