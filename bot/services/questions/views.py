"""Questions as people look at them: lists, a desk's board, and why an expert was asked."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from bot.domain import content
from bot.domain.content import Piece
from bot.domain.questions import OfferState, Status, Step
from bot.domain.roles import Role
from bot.services.instance import Instance
from bot.services.members import name
from bot.services.questions.common import (
    calendar,
    claimed_by,
    desk_name,
    excerpt,
    label,
    names,
)
from bot.services.questions.experts import reason_texts, spoken_for
from config.locales import N_, Translator
from storage import links, members, questions
from storage.database import Uow
from storage.questions import Offer, Question

LISTED = 10
WORKING_DAY = timedelta(hours=8)
TOO_SMALL = 0.05
PARTS = {
    "active": N_("activity"),
    "fits": N_("knowledge"),
    "language": N_("language"),
    "cluster": N_("cluster"),
    "load": N_("open questions"),
    "asked": N_("asked lately"),
    "field": N_("not their field"),
}
"""The parts of an expert's score (bot.domain.routing.ranking) in words."""

STATES = {
    "open": N_("waiting"),
    "answered": N_("answered"),
    "closed": N_("closed"),
    "merged": N_("asked together with another"),
    "withdrawn": N_("taken back"),
}


async def listing(
    uow: Uow, instance: Instance, viewer: str, which: str, tr: Translator, *, alone: bool
) -> Piece:
    """``which``: mine, open (the network's), or waiting (for the viewer's answer). Others read it
    too, unless the viewer is ``alone``."""
    found = await _chosen(uow, viewer, which)
    if not found and which == "waiting":
        return tr("Nothing waits for your answer.")
    if not found:
        return tr(
            "Nothing here. To ask something: {command}",
            command=content.code(f"{instance.prefix}{tr.plain('ask')} …"),
        )
    shown = [await line(uow, instance, each, tr, viewer, alone=alone) for each in found[:LISTED]]
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
    uow: Uow,
    instance: Instance,
    question: Question,
    tr: Translator,
    viewer: str,
    *,
    alone: bool = False,
) -> Piece:
    number = await numbered(uow, instance, question, viewer)
    hidden = question.private and not (alone and viewer == question.asker)
    facts = [
        content.join(" ", ["📚", number]) if question.kept_at else number,
        tr(STATES[question.status]),
        content.text(tr.ago(uow.now - question.created_at)),
        tr("🔒 private") if hidden else content.text(excerpt(question)),
    ]
    return content.join(" · ", [each for each in facts if each.body])


async def board(uow: Uow, instance: Instance, desk: str, tr: Translator, viewer: str) -> Piece:
    """What is waiting at a desk, since when and with whom, what is overdue, and who is loaded."""
    title = content.bold(desk_name(instance, desk, tr.language))
    found = await questions.open_in(uow.session, desk)
    if not found:
        return content.lines(title, tr("Nothing is waiting."))
    overdue: list[Piece] = []
    others: list[Piece] = []
    for each in found:
        row = await _board_line(uow, instance, each, tr, viewer)
        (overdue if _is_overdue(instance, each, uow.now) else others).append(row)
    return content.lines(
        title,
        content.lines(tr("⚠️ Overdue"), content.bullets(overdue)) if overdue else None,
        content.bullets(others) if others else None,
        await _load(uow, desk, tr),
    )


def _is_overdue(instance: Instance, question: Question, now: datetime) -> bool:
    """Without an answer that helps, and experts have not been enough or a working day has
    passed."""
    if question.status == Status.ANSWERED:
        return False
    late = calendar(instance, question.desk).after(question.created_at, WORKING_DAY) < now
    return late or question.step in (Step.COORDINATOR, Step.DESK, Step.ADMINS)


async def _load(uow: Uow, desk: str, tr: Translator) -> Piece | None:
    """How many open questions each expert of the desk has, by name: not by number."""
    load = await questions.open_load(uow.session)
    rows = await members.roles(uow.session, Role.EXPERT, desk)
    told = [
        content.join(" ", [await name(uow, each.user_id), str(load[each.user_id])])
        for each in rows
        if load.get(each.user_id)
    ]
    return tr("Open questions: {people}", people=content.join(" · ", told)) if told else None


async def _board_line(
    uow: Uow, instance: Instance, question: Question, tr: Translator, viewer: str
) -> Piece:
    number = await numbered(uow, instance, question, viewer)
    sign = "🔥 " if question.urgent else ""
    age = content.text(sign + tr.ago(uow.now - question.created_at))
    return content.join(" · ", [number, age, await _with_whom(uow, question, tr)])


async def _with_whom(uow: Uow, question: Question, tr: Translator) -> Piece:
    claimed = await claimed_by(uow, question)
    if question.status == Status.ANSWERED and claimed:
        return tr("answered by {people}", people=tr.listing(await names(uow, claimed)))
    made = await questions.offers(uow.session, question.id)
    # Whose answer did not help has done their part.
    answered = {each.expert for each in made if each.answered_at is not None}
    taken = [each for each in claimed if each not in answered]
    if taken:
        return tr("taken by {people}", people=tr.listing(await names(uow, taken)))
    offered = [each.expert for each in made if each.state == OfferState.OPEN]
    if offered:
        return tr("offered to {people}", people=tr.listing(await names(uow, offered)))
    planned = [each.expert for each in made if each.state == OfferState.PLANNED]
    if planned:
        return tr("goes to {people} when they work", people=tr.listing(await names(uow, planned)))
    turns = {
        Step.CHOOSING: N_("who asked chooses the desk"),
        Step.NAMING: N_("who asked names who may read it"),
        Step.OPENING: N_("waits for the desk to open"),
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
            reason=_desk_reason(instance, question, tr),
        )
    ]
    offers = await questions.offers(uow.session, question.id)
    lines += [await _why_expert(uow, instance, each, tr) for each in offers]
    if not offers:
        lines.append(tr("Nobody could be asked: no expert of this desk is available."))
    return content.lines(*lines)


async def _why_expert(uow: Uow, instance: Instance, offer: Offer, tr: Translator) -> Piece:
    """“Anna: answered 3 similar questions, the last one 2 days ago and answers in French.
    (knows 5.1, load −0.4)”"""
    who = await name(uow, offer.expert)
    speaking = spoken_for(offer.reasons)
    against = [each for each in offer.reasons if each not in speaking]
    what = tr.listing(await reason_texts(uow, instance, speaking, tr))
    but = tr.listing(await reason_texts(uow, instance, against, tr))
    if speaking and against:
        what = tr("{what}, but {but}", what=what, but=but)
    sentence = (
        tr("{who}: {what}", who=who, what=what if speaking else but) if offer.reasons else who
    )
    if offer.state == OfferState.PLANNED:
        sentence = content.join(" ", [sentence, tr("(not asked yet)")])
    parts = [
        tr("{part} {value}", part=tr(PARTS[part]), value=tr.number(round(value, 1)))
        for part, value in (offer.parts or {}).items()
        if part in PARTS and abs(value) >= TOO_SMALL
    ]
    if not parts:
        return sentence
    return content.join(" ", [sentence, content.join("", ["(", content.join(", ", parts), ")"])])


def _desk_reason(instance: Instance, question: Question, tr: Translator) -> Piece:
    choice = question.choice or {}
    reasons = {
        "explicit": N_("that is whom it was put to"),
        "meaning": N_("that is what this desk is for"),
        "words": N_("its words speak of what this desk does"),
        "corrections": N_("questions like it were sent there"),
        "default": N_("no word pointed to another desk"),
        "coordinator": N_("a coordinator sent it there"),
        "asker": N_("the asker chose it"),
    }
    reason = tr(reasons.get(str(choice.get("by")), reasons["default"]))
    second = choice.get("runner_up")
    if second is None or choice.get("by") not in ("meaning", "words", "corrections"):
        return reason
    next_best = desk_name(instance, second, tr.language)
    return tr("{reason} (next best: {desk})", reason=reason, desk=next_best)
