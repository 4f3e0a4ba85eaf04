"""Which private questions may be meant by what somebody writes in their direct room."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from storage.questions import OPEN_STATUSES, Offer, Question


async def private_asked(session: AsyncSession, asker: str, lane: str) -> Sequence[Question]:
    """Open private questions that somebody asked in this room, by number."""
    query = select(Question).where(
        Question.asker == asker,
        Question.lane == lane,
        Question.private.is_(True),
        Question.status.in_(OPEN_STATUSES),
    )
    return (await session.scalars(query.order_by(Question.id))).all()


async def private_offered(session: AsyncSession, expert: str) -> Sequence[Question]:
    """Open private questions that wait for this expert or were taken by them, by number."""
    query = (
        select(Question)
        .join(Offer, Offer.question_id == Question.id)
        .where(
            Offer.expert == expert,
            Offer.state.in_(("open", "claimed")),
            Question.private.is_(True),
            Question.status.in_(OPEN_STATUSES),
        )
    )
    return (await session.scalars(query.order_by(Question.id))).all()
