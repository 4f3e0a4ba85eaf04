"""Questions as people look at them: lists, a desk's board, and why an expert was asked."""

from collections.abc import Sequence

from bot.domain import content
from bot.domain.content import Piece
from bot.domain.questions import Step
from bot.services.instance import Instance
from bot.services.members import name
from bot.services.questions.common import claimed_by, desk_name, excerpt, label, names
from bot.services.questions.experts import reason_texts
from config.locales import N_, Translator
from storage import links, questions
from storage.database import Uow
from storage.questions import Question

LISTED = 10

STATES = {
    "open": N_("waiting"),
    "answered": N_("answered"),
    "closed": N_("closed"),
    "withdrawn": N_("taken back"),
}


async def listing(uow: Uow, instance: Instance, viewer: str, which: str, tr: Translator) -> Piece:
    """``which``: mine, open (the network's), or waiting (for the viewer's answer)."""
    found = await _chosen(uow, viewer, which)
    if not found:
        return tr(
            "Nothing here. To ask something: {command}",
            command=content.code(f"{instance.prefix}{tr.plain('ask')} …"),
        )
    shown = [await line(uow, instance, each, tr, viewer) for each in found[:LISTED]]
    rest = len(found) - LISTED
    more = tr.plural("… and {n} more.", "… and {n} more.", rest) if rest > 0 else None
    return content.lines(content.bullets(shown), more)


async def _chosen(uow: Uow, viewer: str, which: str) -> Sequence[Question]:
    if which == "open":
        return await questions.open_in(uow.session)
    if which == "waiting":
        return await questions.waiting_for(uow.session, viewer)
    return await questions.of_asker(uow.session, viewer)


async def numbered(uow: Uow, instance: Instance, question: Question, viewer: str) -> Piece:
    """Q12, linked to where the viewer can read it."""
    roles = ("question.source", "question.ack") if viewer == question.asker else ("question.card",)
    for link in await links.of(uow.session, question.id, *roles):
        if link.lane.startswith("!"):
            url = content.event_link(link.lane, link.event_id, [instance.server])
            return content.link(content.bold(label(question.id)), url)
    return content.bold(label(question.id))


async def line(
    uow: Uow, instance: Instance, question: Question, tr: Translator, viewer: str
) -> Piece:
    number = await numbered(uow, instance, question, viewer)
    hidden = question.private and viewer != question.asker
    facts = [
        number,
        tr(STATES[question.status]),
        content.text(tr.ago(uow.now - question.created_at)),
        tr("🔒 private") if hidden else content.text(excerpt(question)),
    ]
    return content.join(" · ", facts)


async def board(uow: Uow, instance: Instance, desk: str, tr: Translator, viewer: str) -> Piece:
    """What is waiting at a desk, since when, and with whom."""
    title = content.bold(desk_name(instance, desk, tr.language))
    found = await questions.open_in(uow.session, desk)
    if not found:
        return content.lines(title, tr("Nothing is waiting."))
    rows = [await _board_line(uow, instance, each, tr, viewer) for each in found]
    return content.lines(title, content.bullets(rows))


async def _board_line(
    uow: Uow, instance: Instance, question: Question, tr: Translator, viewer: str
) -> Piece:
    number = await numbered(uow, instance, question, viewer)
    age = content.text(tr.ago(uow.now - question.created_at))
    return content.join(" · ", [number, age, await _with_whom(uow, question, tr)])


async def _with_whom(uow: Uow, question: Question, tr: Translator) -> Piece:
    claimed = await claimed_by(uow, question)
    if question.first_answer_at is not None:
        return tr("answered by {people}", people=tr.listing(await names(uow, claimed)))
    if claimed:
        return tr("taken by {people}", people=tr.listing(await names(uow, claimed)))
    offered = [
        each.expert
        for each in await questions.offers(uow.session, question.id)
        if each.state == "open"
    ]
    if offered:
        return tr("offered to {people}", people=tr.listing(await names(uow, offered)))
    turns = {
        Step.COORDINATOR: N_("with the coordinator"),
        Step.DESK: N_("with the whole desk"),
        Step.ADMINS: N_("nobody found: please name somebody"),
    }
    return tr(turns.get(Step(question.step), N_("waiting")))


async def why(uow: Uow, instance: Instance, question: Question, tr: Translator) -> Piece:
    """Why this desk, and why these experts, in the order they were asked."""
    lines = [
        tr(
            "{number} went to the {desk}: {reason}.",
            number=content.bold(label(question.id)),
            desk=desk_name(instance, question.desk, tr.language),
            reason=_desk_reason(question, tr),
        )
    ]
    offers = await questions.offers(uow.session, question.id)
    for offer in offers:
        reasons = await reason_texts(uow, instance, offer.reasons, tr)
        who = await name(uow, offer.expert)
        lines.append(content.join(": ", [who, content.join(" · ", reasons)]) if reasons else who)
    if not offers:
        lines.append(tr("Nobody could be asked: no expert of this desk is available."))
    return content.lines(*lines)


def _desk_reason(question: Question, tr: Translator) -> Piece:
    by = (question.choice or {}).get("by")
    reasons = {
        "explicit": N_("it was asked there"),
        "words": N_("its words speak of what this desk does"),
        "default": N_("no word pointed to another desk"),
        "coordinator": N_("a coordinator sent it there"),
    }
    return tr(reasons.get(str(by), reasons["default"]))
