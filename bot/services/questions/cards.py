"""The two messages a question is seen by: its acknowledgement and its card."""

from typing import Any

from bot.domain import content
from bot.domain.content import Piece
from bot.domain.questions import Status, Step
from bot.services.instance import Instance
from bot.services.members import name, tr_for
from bot.services.questions.common import (
    asker_shown,
    card,
    claimed_by,
    cluster_names,
    desk_name,
    desk_names,
    desk_room,
    label,
    to_asker,
)
from bot.services.speech import edit, linked, say
from config.locales import N_, Translator
from storage import links
from storage.database import Uow
from storage.links import Link
from storage.questions import Question

CHOICES = ("1️⃣", "2️⃣")


async def acknowledge(uow: Uow, instance: Instance, question: Question) -> None:
    link = linked(uow, "question.ack", question.id)
    row = to_asker(
        uow,
        question,
        await acknowledgement(uow, instance, question),
        "question.ack",
        link=link,
        desk=question.desk,
    )
    if not question.root:
        question.root = row.ref
        await uow.session.flush()
    if question.step == Step.CHOOSING:
        for sign, _ in choices(question):
            uow.outbox.react(question.lane, row.ref, sign)


async def acknowledgement(uow: Uow, instance: Instance, question: Question) -> Piece:
    """What the asker reads while waiting; edited as things move."""
    tr = await tr_for(uow, instance, question.asker)
    if question.status == Status.WITHDRAWN:
        return tr("{number}: taken back.", number=label(question.id))
    if question.step == Step.CHOOSING:
        return _which_desk(instance, question, tr)
    taken_by = await claimed_by(uow, question)
    desk = desk_name(instance, question.desk, tr.language)
    number = content.bold(label(question.id))
    if question.status == Status.CLOSED and not taken_by:
        return tr("🙋 {number} · {desk}: closed.", number=number, desk=desk)
    if taken_by:
        who = tr.listing([await name(uow, each) for each in taken_by])
        first = tr("🙋 {number} · {desk}: taken by {expert}.", number=number, desk=desk, expert=who)
    else:
        first = tr(
            "🙋 {number} is with the {desk}. I’ll bring the answer here.", number=number, desk=desk
        )
    if question.private:
        second = tr("🔒 Only the expert reads it, without your name. React 👋 if they may know it.")
        if await _was_asked_in_public(uow, question):
            warned = tr("Your message itself stands in a room that all can read: delete it there.")
            second = content.lines(second, warned)
    else:
        second = tr("When it helps, react ✅ to the answer.")
    return content.lines(first, second)


async def _was_asked_in_public(uow: Uow, question: Question) -> bool:
    source = await links.latest(uow.session, question.id, "question.source")
    return source is not None and not source.lane.startswith("dm:")


def _which_desk(instance: Instance, question: Question, tr: Translator) -> Piece:
    desks = [f"{sign} {desk_name(instance, each, tr.language)}" for sign, each in choices(question)]
    return content.lines(
        tr("🙋 {number}: which desk shall I ask?", number=content.bold(label(question.id))),
        content.join(" · ", desks),
    )


def choices(question: Question) -> list[tuple[str, str]]:
    """The signs by which the asker chooses, and the desk each stands for; the likelier first."""
    second = (question.choice or {}).get("runner_up")
    return list(zip(CHOICES, [question.desk, second], strict=False)) if second else []


async def ensure_card(uow: Uow, instance: Instance, question: Question) -> None:
    """A card in the room of the question's desk, if there is none yet."""
    if await card(uow, question) is None:
        room_id = await desk_room(uow, question.desk)
        source = await links.latest(uow.session, question.id, "question.source")
        await post_card(uow, instance, question, room_id, source.event_id if source else None)


async def post_card(
    uow: Uow, instance: Instance, question: Question, room_id: str, source: str | None
) -> Link:
    link = linked(uow, "question.card", question.id, source=source, author=question.asker)
    say(
        uow,
        room_id,
        await card_text(uow, instance, question),
        "question.card",
        link=link,
        **card_fields(question),
    )
    await uow.session.flush()
    return link


def card_fields(question: Question) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "question": question.id,
        "desk": question.desk,
        "cluster": None if question.private else question.cluster,
        "language": question.language,
    }
    return fields if question.private else {**fields, "asker": question.asker}


async def card_text(uow: Uow, instance: Instance, question: Question) -> Piece:
    """Number, language, cluster and asker on one line, in signs more than in words: the desk's
    room is read in every language of the network."""
    sign = "🔥" if question.urgent else "❓"
    facts: list[Piece | str] = [
        content.bold(f"{sign} {label(question.id)}"),
        question.language.upper(),
    ]
    # Told from the words, a cluster would say something of what is private.
    if question.cluster and not question.private:
        facts.append(cluster_names(instance, question.cluster))
    if question.private:
        private = instance.texts.each(
            instance.network.languages, N_("🔒 Private: the expert gets it in a direct message.")
        )
        return content.lines(content.join(" · ", facts), private)
    facts.append(await asker_shown(uow, question, instance.tr(None)))
    return content.lines(content.join(" · ", facts), content.quote(question.text))


async def refresh_cards(uow: Uow, instance: Instance, question: Question) -> None:
    """Bring the cards up to date with the question."""
    for link in await links.of(uow.session, question.id, "question.card"):
        await edit(
            uow,
            link,
            await card_text(uow, instance, question),
            "question.card",
            **card_fields(question),
        )


async def move_card(uow: Uow, instance: Instance, question: Question, desk: str) -> None:
    """Another desk takes the question: a new card there, and the old one says so."""
    old = await card(uow, question)
    if old is not None and desk != question.desk:
        moved = instance.texts.each(
            instance.network.languages,
            N_("➡️ {number} is now with: {desk}"),
            number=label(question.id),
            desk=desk_names(instance, desk),
        )
        say(
            uow,
            old.lane,
            moved,
            "question.escalation",
            thread=old.event_id,
            question=question.id,
            step="moved",
        )
    elif old is not None:
        return
    question.desk, question.step = desk, Step.NONE
    source = await links.latest(uow.session, question.id, "question.source")
    room_id = await desk_room(uow, desk)
    await post_card(uow, instance, question, room_id, source.event_id if source else None)
    await refresh_acknowledgement(uow, instance, question)


async def refresh_acknowledgement(uow: Uow, instance: Instance, question: Question) -> None:
    link = await links.latest(uow.session, question.id, "question.ack")
    if link is not None:
        await edit(
            uow,
            link,
            await acknowledgement(uow, instance, question),
            "question.ack",
            question=question.id,
            desk=question.desk,
        )
