"""Asking one expert to take one question: the offer's messages, from the first word to the end.

An offer stands in the card's thread, where the desk sees it. That of a private question is a direct
message to the one who is asked, and holds the question.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from bot.domain import content
from bot.domain.content import Piece
from bot.domain.questions import OfferState
from bot.services.instance import Instance
from bot.services.members import pill, tr_for
from bot.services.questions.common import asker_shown, card, desk_name, label
from bot.services.questions.experts import reason_texts, spoken_for
from bot.services.speech import edit, linked, say
from config.locales import N_, Translator
from storage import links, members, questions
from storage.database import Uow
from storage.links import Link
from storage.outbox import direct
from storage.questions import Offer, Question

CLAIM = "✋"
NOT_MY_FIELD = "🚫"
NO_TIME = "⏳"
SEEDS = (CLAIM, NOT_MY_FIELD, NO_TIME)
CALLED = (OfferState.OPEN, OfferState.CLAIMED)
STANDING = (OfferState.PLANNED, *CALLED)
REASONS_SHOWN = 3


async def offer_to(
    uow: Uow,
    instance: Instance,
    question: Question,
    expert: str,
    until: datetime,
    reasons: Sequence[Mapping[str, Any]],
    *,
    wave: int,
    parts: Mapping[str, float] | None = None,
    referred_by: str | None = None,
) -> None:
    """Ask one expert, in the card's thread, or alone when the question is private."""
    offer = await offer_row(uow, question, expert)
    offer.state, offer.reasons = OfferState.OPEN, [dict(each) for each in reasons]
    offer.parts = {name: round(value, 3) for name, value in (parts or {}).items()}
    offer.offered_at, offer.until = uow.now, until
    offer.wave, offer.referred_by = wave, referred_by
    offer.passed_because = None
    question.first_offer_at = question.first_offer_at or uow.now
    await uow.session.flush()
    if question.private:
        await _say_alone(uow, instance, question, offer)
    else:
        await _say_in_thread(uow, instance, question, offer)


async def plan(
    uow: Uow,
    question: Question,
    expert: str,
    reasons: Sequence[Mapping[str, Any]],
    *,
    wave: int,
    referred_by: str | None,
) -> None:
    """They will be asked; until then nothing is said."""
    offer = await offer_row(uow, question, expert)
    offer.state, offer.reasons = OfferState.PLANNED, [dict(each) for each in reasons]
    offer.offered_at, offer.until, offer.passed_because = uow.now, None, None
    offer.wave, offer.referred_by = wave, referred_by
    await uow.session.flush()


async def offer_row(uow: Uow, question: Question, expert: str) -> Offer:
    for offer in await questions.offers(uow.session, question.id):
        if offer.expert == expert:
            return offer
    offer = Offer(question_id=question.id, expert=expert, reasons=[], offered_at=uow.now)
    uow.session.add(offer)
    return offer


async def _say_in_thread(uow: Uow, instance: Instance, question: Question, offer: Offer) -> None:
    home = await card(uow, question)
    assert home is not None, "a question is offered when its desk is chosen"
    link = linked(uow, "question.offer", question.id, author=offer.expert)
    row = say(
        uow,
        home.lane,
        await _text(uow, instance, question, offer),
        "question.offer",
        thread=home.event_id,
        rings=True,
        link=link,
        **_fields(offer),
    )
    _seed(uow, home.lane, row.ref)
    if not await members.is_in(uow.session, home.lane, offer.expert):
        await _point_there(uow, instance, question, offer, home.lane)


async def _point_there(
    uow: Uow, instance: Instance, question: Question, offer: Offer, room_id: str
) -> None:
    """Whoever is not in the desk's room cannot see that they are asked there."""
    tr = await tr_for(uow, instance, offer.expert)
    named = desk_name(instance, question.desk, tr.language)
    where = content.link(named, content.room_link(room_id, [instance.server]))
    piece = tr(
        "{number} waits for you in the {desk}. Please join its room to read it.",
        number=label(question.id),
        desk=where,
    )
    say(uow, direct(offer.expert), piece, "question.offer", rings=True, **_fields(offer))


async def show_private(uow: Uow, instance: Instance, question: Question, offer: Offer) -> None:
    """Who took a private question reads it, whatever became of the message that asked them."""
    link = await link_of(uow, offer)
    if link is None:
        await _say_alone(uow, instance, question, offer)
        return
    text = await _private_text(uow, instance, question, offer)
    await edit(uow, link, text, "question.offer", **_fields(offer))


async def _say_alone(uow: Uow, instance: Instance, question: Question, offer: Offer) -> None:
    lane = direct(offer.expert)
    source = await links.latest(uow.session, question.id, "question.source")
    link = linked(
        uow,
        "question.offer",
        question.id,
        author=offer.expert,
        source=source.event_id if source else None,
    )
    row = say(
        uow,
        lane,
        await _private_text(uow, instance, question, offer),
        "question.offer",
        rings=True,
        link=link,
        **_fields(offer),
    )
    _seed(uow, lane, row.ref)


def _seed(uow: Uow, lane: str, event_id: str) -> None:
    for key in SEEDS:
        uow.outbox.react(lane, event_id, key)


def _fields(offer: Offer) -> dict[str, Any]:
    until = offer.until.isoformat() if offer.until else None
    return {
        "question": offer.question_id,
        "expert": offer.expert,
        "until": until,
        "wave": offer.wave,
    }


async def _text(uow: Uow, instance: Instance, question: Question, offer: Offer) -> Piece:
    tr = await tr_for(uow, instance, offer.expert)
    assert offer.until is not None
    return content.lines(
        tr(
            "{expert}, can you take {number}? Just answer in this thread ({until} at the latest).",
            expert=await pill(uow, offer.expert),
            number=_numbered(question),
            until=tr.when(offer.until, instance.zone, uow.now),
        ),
        await _because(uow, instance, offer, tr),
        _signs(tr),
    )


async def _private_text(uow: Uow, instance: Instance, question: Question, offer: Offer) -> Piece:
    tr = await tr_for(uow, instance, offer.expert)
    return content.lines(
        tr(
            "🔒 {number}, a private question from {asker}:",
            number=content.bold(_numbered(question)),
            asker=await asker_shown(uow, question, tr),
        ),
        content.quote(question.text),
        *_private_request(uow, instance, offer, tr),
    )


def _private_request(uow: Uow, instance: Instance, offer: Offer, tr: Translator) -> list[Piece]:
    """Who has taken it is pressed no more."""
    if offer.state == OfferState.CLAIMED or offer.until is None:
        return [tr("Answer in a thread or reply to this message.")]
    asked = tr(
        "Can you take it? Answer in a thread or reply to this message ({until} at the latest).",
        until=tr.when(offer.until, instance.zone, uow.now),
    )
    return [asked, _signs(tr)]


def _numbered(question: Question) -> str:
    return f"🔥 {label(question.id)}" if question.urgent else label(question.id)


def _signs(tr: Translator) -> Piece:
    return tr("✋ I’m on it · 🚫 not my field · ⏳ no time")


async def _because(uow: Uow, instance: Instance, offer: Offer, tr: Translator) -> Piece | None:
    """Why this expert, in a few words: whoever is asked should know."""
    texts = await reason_texts(uow, instance, spoken_for(offer.reasons)[:REASONS_SHOWN], tr)
    return content.join("", ["ℹ️ ", content.join(" · ", texts)]) if texts else None  # noqa: RUF001


async def refresh_private(uow: Uow, instance: Instance, question: Question) -> None:
    """The question or what is said of its asker changed: so do the offers that hold it."""
    if not question.private:
        return
    offers = {each.expert: each for each in await questions.offers(uow.session, question.id)}
    for link in await links.of(uow.session, question.id, "question.offer"):
        offer = offers.get(link.author or "")
        if offer is not None and offer.state in CALLED:
            text = await _private_text(uow, instance, question, offer)
            await edit(uow, link, text, "question.offer", rings=True, **_fields(offer))


async def end(uow: Uow, instance: Instance, offer: Offer, state: OfferState) -> None:
    """The offer is over; its message says how."""
    offer.state = state
    link = await link_of(uow, offer)
    if link is None:
        return
    tr = await tr_for(uow, instance, offer.expert)
    who = content.name(offer.expert, (await pill(uow, offer.expert)).body)
    sentences = {
        OfferState.CLAIMED: tr("✋ {expert} is on it.", expert=who),
        OfferState.PASSED: tr("⏭️ {expert} passed.", expert=who),
        OfferState.EXPIRED: tr("⌛ No answer from {expert} in time.", expert=who),
        OfferState.WITHDRAWN: tr("{expert} is no longer needed here.", expert=who),
        OfferState.MOVED: tr("{expert} is no longer needed here.", expert=who),
    }
    if link.lane.startswith("dm:") and state is OfferState.CLAIMED:
        return  # the private offer holds the question: the expert still needs it
    await edit(uow, link, sentences[state], "question.offer", **_fields(offer), state=state)


def owes_word(offer: Offer) -> bool:
    """Who took it and has answered owes nothing, also when that did not help."""
    if offer.state == OfferState.CLAIMED:
        return offer.answered_at is None
    return offer.state in STANDING


async def end_all(
    uow: Uow, instance: Instance, question: Question, state: OfferState, *, claimed: bool = False
) -> None:
    """Every offer that still stands; with ``claimed`` also those that were taken."""
    standing = STANDING if claimed else (OfferState.PLANNED, OfferState.OPEN)
    for offer in await questions.offers(uow.session, question.id):
        if offer.state in standing:
            await end(uow, instance, offer, state)


async def link_of(uow: Uow, offer: Offer) -> Link | None:
    found = await links.of(uow.session, offer.question_id, "question.offer")
    return next((each for each in reversed(found) if each.author == offer.expert), None)


async def remind(uow: Uow, instance: Instance, question: Question, until: datetime) -> None:
    """One friendly word to those who were asked and said nothing."""
    for offer in await questions.offers(uow.session, question.id):
        link = await link_of(uow, offer) if offer.state == OfferState.OPEN else None
        if link is None:
            continue
        tr = await tr_for(uow, instance, offer.expert)
        offer.until = until
        sentence = N_(
            "{expert}, a small reminder of {number}: a word is enough. "
            "If I hear nothing ({until} at the latest), I’ll ask others as well."
        )
        if question.private:
            sentence = N_(
                "{expert}, a small reminder of {number}: a word is enough. If I hear nothing "
                "({until} at the latest), the coordinator will name somebody else."
            )
        say(
            uow,
            link.lane,
            tr(
                sentence,
                expert=await pill(uow, offer.expert),
                number=label(question.id),
                until=tr.when(until, instance.zone, uow.now),
            ),
            "question.reminder",
            thread=await _thread(uow, question, link),
            rings=True,
            link=linked(uow, "question.reminder", question.id, author=offer.expert),
            question=question.id,
            expert=offer.expert,
            until=until.isoformat(),
        )


async def _thread(uow: Uow, question: Question, offer: Link) -> str:
    """A reminder stands where the offer does: under the card, or under the direct message."""
    home = await card(uow, question)
    return home.event_id if home and not question.private else offer.event_id
