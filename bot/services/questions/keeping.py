"""Keeping an answered question as knowledge of the network, if both sides agree.

Whoever asked and whoever answered is asked once, each where they are. One “no”, and it is neither
kept nor shown to those who ask something similar; “without my name” keeps it, and shows nobody's
name where that person's stood.
"""

from functools import partial

from bot.domain import content
from bot.domain.content import Piece
from bot.domain.errors import UserError
from bot.domain.questions import Status
from bot.services.instance import Instance
from bot.services.members import name, pill, serves, tr_for
from bot.services.questions.common import card, label
from bot.services.speech import edit, linked, say
from config.locales import N_, Translator
from storage import answers, links
from storage.answers import Consent
from storage.database import Uow
from storage.outbox import direct
from storage.questions import Question

YES, ANONYMOUS, NO = "✅", "🕶️", "❌"
ANSWERS = {YES: "yes", ANONYMOUS: "anonymous", NO: "no"}


async def keep(uow: Uow, instance: Instance, question: Question, by: str) -> None:
    """Ask both sides. Who proposes it agrees by that."""
    await _check(uow, instance, question, by)
    given = await answers.of(uow.session, question.id)
    people = dict.fromkeys([question.asker, *(each.expert for each in given)])
    for person in people:
        said = "yes" if person == by else None
        uow.session.add(Consent(question_id=question.id, user_id=person, answer=said))
    await uow.session.flush()
    for person in people:
        if person != by:
            await _ask(uow, instance, question, person)
    await _settle(uow, instance, question)


async def _check(uow: Uow, instance: Instance, question: Question, by: str) -> None:
    number = label(question.id)
    if by != question.asker and not await serves(uow, instance, by, question.desk):
        raise UserError(
            "keep-stranger",
            N_("Only who asked {number}, or the people of its desk, can propose to keep it."),
            number=number,
        )
    if question.private:
        raise UserError("keep-private", N_("{number} is private: it is not kept."), number=number)
    if question.first_answer_at is None or question.status == Status.WITHDRAWN:
        raise UserError(
            "keep-unanswered", N_("{number} has no answer that could be kept."), number=number
        )
    if await answers.consents(uow.session, question.id):
        raise UserError(
            "keep-asked", N_("It has been proposed already to keep {number}."), number=number
        )


async def _ask(uow: Uow, instance: Instance, question: Question, person: str) -> None:
    tr = await tr_for(uow, instance, person)
    is_asker = person == question.asker
    home = None if is_asker else await card(uow, question)
    lane = question.lane if is_asker else home.lane if home else direct(person)
    thread = question.root if is_asker else home.event_id if home else None
    sentence = (
        tr(
            "{person}, may I keep {number} and its answer for the whole network?",
            person=await pill(uow, person),
            number=label(question.id),
        )
        if is_asker
        else tr(
            "{person}, may I keep your answer to {number} for the whole network?",
            person=await pill(uow, person),
            number=label(question.id),
        )
    )
    piece = content.lines(sentence, tr("✅ yes · 🕶️ yes, without my name · ❌ no"))
    link = linked(uow, "question.keep", question.id, author=person)
    row = say(
        uow,
        lane,
        piece,
        "question.keep",
        thread=thread,
        rings=True,
        link=link,
        question=question.id,
    )
    for sign in ANSWERS:
        uow.outbox.react(lane, row.ref, sign)


async def answered(
    uow: Uow, instance: Instance, question: Question, person: str, answer: str
) -> None:
    """One of them has said; the last word decides, and may be changed at any time."""
    for consent in await answers.consents(uow.session, question.id):
        if consent.user_id == person:
            consent.answer = answer
            await uow.session.flush()
            await _settle(uow, instance, question)


async def _settle(uow: Uow, instance: Instance, question: Question) -> None:
    said = [each.answer for each in await answers.consents(uow.session, question.id)]
    agreed = all(each in ("yes", "anonymous") for each in said)
    if agreed and question.kept_at is None:
        question.kept_at = uow.now
        await _tell_kept(uow, instance, question)
    elif "no" in said:
        question.kept_at = None
    uow.then(partial(instance.router.memory.hide, question.id, hidden="no" in said))
    for link in await links.of(uow.session, question.id, "question.keep"):
        await _show(uow, instance, question, link.author or "")


async def _show(uow: Uow, instance: Instance, question: Question, person: str) -> None:
    """Their own answer stands where they were asked."""
    said = {each.user_id: each.answer for each in await answers.consents(uow.session, question.id)}
    link = next(
        (
            each
            for each in await links.of(uow.session, question.id, "question.keep")
            if each.author == person
        ),
        None,
    )
    if link is None or said.get(person) is None:
        return
    tr = await tr_for(uow, instance, person)
    sentences = {
        "yes": N_("📚 {number}: you agree to keep it."),
        "anonymous": N_("📚 {number}: you agree to keep it, without your name."),
        "no": N_("{number} is not kept."),
    }
    piece = tr(sentences[str(said[person])], number=label(question.id))
    await edit(uow, link, piece, "question.keep", question=question.id)


async def _tell_kept(uow: Uow, instance: Instance, question: Question) -> None:
    home = await card(uow, question)
    if home is None:
        return
    piece = instance.texts.each(
        instance.network.languages,
        N_("📚 {number} is kept: {command} finds it."),
        number=label(question.id),
        command=lambda tr: content.code(f"{instance.prefix}{tr.plain('find')} …"),
    )
    say(
        uow,
        home.lane,
        piece,
        "question.kept",
        thread=home.event_id,
        question=question.id,
    )


async def giver(
    uow: Uow, instance: Instance, question: Question, expert: str, tr: Translator
) -> Piece:
    """Who answered, as others may be shown: without the name of those who wished so."""
    for consent in await answers.consents(uow.session, question.id):
        if consent.user_id == expert and consent.answer == "anonymous":
            return tr("an expert")
    return await name(uow, expert)
