"""What is kept about one person: found, exported, erased."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, String, cast, delete, literal, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from storage.activity import LooseQuestion, SpokenDay
from storage.answers import Answer, Consent
from storage.audit import AuditRow
from storage.calendar import CalendarEvent, Rsvp
from storage.jobs import JobRun
from storage.links import Link
from storage.members import Member, Membership, RoleRow, profile
from storage.outbox import OutboxRow, direct
from storage.profiles import Profile, exported
from storage.questions import Offer, Question
from storage.rooms import DIRECT, ProvisionRequest, Room

ERASED = "@erased:invalid"
"""Stands for a person who was erased, where a row has to stay for the others in it."""


COPIES = ("question.answer", "question.followup", "question.draft", "question.merged")
CALLS = (
    "question.offer",
    "question.planned",
    "question.reminder",
    "question.keep",
    "question.helped",
)
PROPOSAL = "question.whom"


async def messages_about(session: AsyncSession, user_id: str) -> Sequence[Link]:
    """The bot's copies of what they wrote in conversations, and its messages that call them or
    propose them by name. Cards go with their questions."""
    theirs = (Link.author == user_id) & Link.role.in_((*COPIES, *CALLS))
    proposed = (Link.role == PROPOSAL) & _holds(Link.data, user_id)
    return (await session.scalars(select(Link).where(theirs | proposed))).all()


def _holds(column: InstrumentedAttribute[Any], user_id: str) -> ColumnElement[bool]:
    """Whether the identifier stands somewhere in a column of JSON."""
    return cast(column, String).contains(json.dumps(user_id), autoescape=True)


async def is_known(session: AsyncSession, user_id: str) -> bool:
    """Whether anything at all is kept of this address."""
    for column in (
        Member.user_id,
        RoleRow.user_id,
        Membership.user_id,
        Question.asker,
        Rsvp.user_id,
        SpokenDay.user_id,
        LooseQuestion.author,
        Offer.expert,
        Link.author,
    ):
        if await session.scalar(select(column).where(column == user_id).limit(1)) is not None:
            return True
    return False


async def forget(session: AsyncSession, user_id: str) -> None:
    """Delete what is theirs alone, and empty what others take part in."""
    for table, column in (
        (Member, Member.user_id),
        (RoleRow, RoleRow.user_id),
        (Membership, Membership.user_id),
        (Rsvp, Rsvp.user_id),
        (SpokenDay, SpokenDay.user_id),
        (LooseQuestion, LooseQuestion.author),
        (Offer, Offer.expert),
        (Answer, Answer.expert),
        (Consent, Consent.user_id),
        (Profile, Profile.user_id),
    ):
        await session.execute(delete(table).where(column == user_id))
    await _forget_direct_room(session, user_id)
    await session.execute(
        update(Question).where(Question.asker == user_id).values(asker=ERASED, text="")
    )
    await session.execute(
        update(CalendarEvent).where(CalendarEvent.organiser == user_id).values(organiser=ERASED)
    )
    await session.execute(update(AuditRow).where(AuditRow.actor == user_id).values(actor=ERASED))
    await session.execute(
        update(RoleRow).where(RoleRow.added_by == user_id).values(added_by=ERASED)
    )
    await session.execute(
        update(ProvisionRequest).where(ProvisionRequest.asked_by == user_id).values(asked_by=ERASED)
    )
    await session.execute(
        update(Offer).where(Offer.referred_by == user_id).values(referred_by=ERASED)
    )
    await _forget_mentions(session, user_id)
    await _forget_places(session, user_id)
    await session.execute(update(Link).where(Link.author == user_id).values(author=None, data=None))


async def _forget_direct_room(session: AsyncSession, user_id: str) -> None:
    """What is still to be said or redacted there goes to the room as it is: its name is theirs,
    and by that name a new one would be made for them."""
    named = (Room.kind == DIRECT, Room.key == user_id)
    room_id = await session.scalar(select(Room.room_id).where(*named))
    waiting = OutboxRow.lane == direct(user_id)
    if room_id is None:
        await session.execute(delete(OutboxRow).where(waiting))
    else:
        await session.execute(update(OutboxRow).where(waiting).values(lane=room_id))
    await session.execute(delete(Room).where(*named))


async def _forget_places(session: AsyncSession, user_id: str) -> None:
    """Conversations in their direct room, and what was done for them once."""
    lane = direct(user_id)
    await session.execute(delete(Link).where(Link.lane == lane))
    await session.execute(update(Question).where(Question.lane == lane).values(lane=direct(ERASED)))
    await session.execute(delete(JobRun).where(JobRun.slot.contains(user_id, autoescape=True)))
    caused = OutboxRow.cause.contains(user_id, autoescape=True)
    anonymous = literal("erased:") + cast(OutboxRow.id, String)
    await session.execute(update(OutboxRow).where(caused).values(cause=anonymous))


async def _forget_mentions(session: AsyncSession, user_id: str) -> None:
    """Where an identifier stands inside JSON: acts upon them, and why they were asked."""
    for row in await session.scalars(select(AuditRow).where(_holds(AuditRow.details, user_id))):
        row.details = {
            key: ERASED if value == user_id else value for key, value in (row.details or {}).items()
        }
    for offer in await session.scalars(select(Offer).where(_holds(Offer.reasons, user_id))):
        offer.reasons = [each for each in offer.reasons if each.get("value") != user_id]
    proposals = select(Link).where(Link.role == PROPOSAL, _holds(Link.data, user_id))
    for link in await session.scalars(proposals):
        link.data = None


async def export(session: AsyncSession, user_id: str) -> dict[str, Any]:
    """JSON-ready; instants in ISO 8601, UTC."""
    member = await session.get(Member, user_id)
    asked = await session.scalars(select(Question).where(Question.asker == user_id))
    roles = await session.scalars(select(RoleRow).where(RoleRow.user_id == user_id))
    offers = await session.scalars(select(Offer).where(Offer.expert == user_id))
    coming = await session.scalars(select(Rsvp).where(Rsvp.user_id == user_id))
    given = await session.scalars(select(Answer).where(Answer.expert == user_id))
    agreed = await session.scalars(select(Consent).where(Consent.user_id == user_id))
    about = await session.get(Profile, user_id)
    return {
        "user_id": user_id,
        "display_name": member.display_name if member else None,
        "language": member.language if member else None,
        "roles": [{"role": each.role, **profile(each)} for each in roles],
        "questions": [
            {"number": each.id, "text": each.text, "asked": each.created_at.isoformat()}
            for each in asked
        ],
        "offers": [
            {
                "question": each.question_id,
                "state": each.state,
                "passed_because": each.passed_because,
                "at": each.offered_at.isoformat(),
            }
            for each in offers
        ],
        "answers": [
            {"question": each.question_id, "text": each.text, "at": each.at.isoformat()}
            for each in given
        ],
        "consents": [{"question": each.question_id, "answer": each.answer} for each in agreed],
        "profile": exported(about) if about else None,
        "events": [{"event": each.event, "answer": each.answer} for each in coming],
    }
