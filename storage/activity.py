"""How alive the network is: who spoke on which day, questions nobody has answered yet, and what
the digest and the pulse read of the other tables."""

from collections.abc import Collection, Sequence
from datetime import date, datetime

from sqlalchemy import Date, Index, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from bot.domain.activity import Loose
from bot.domain.questions import Status
from storage.base import Base
from storage.calendar import CalendarEvent
from storage.questions import Question


class SpokenDay(Base):
    """How many messages a person wrote in a managed room on one day (the network's zone)."""

    __tablename__ = "spoken_days"

    day: Mapped[date] = mapped_column(Date, primary_key=True)
    room_id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(primary_key=True)
    messages: Mapped[int] = mapped_column(default=0)


class LooseQuestion(Base):
    """A question-like message in a cluster room that the network has not taken charge of.

    ``state``: waiting, nudged, taken, dropped. ``text`` is kept only while it may be taken.
    """

    __tablename__ = "loose_questions"
    __table_args__ = (Index("ix_loose_questions_state_asked_at", "state", "asked_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    event_id: Mapped[str] = mapped_column(unique=True)
    room_id: Mapped[str]
    author: Mapped[str]
    text: Mapped[str | None]
    asked_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(default=Loose.WAITING.value)


async def count_message(session: AsyncSession, day: date, room_id: str, user_id: str) -> None:
    dialect = (await session.connection()).dialect.name
    insert = sqlite.insert if dialect == "sqlite" else postgresql.insert
    await session.execute(
        insert(SpokenDay)
        .values(day=day, room_id=room_id, user_id=user_id, messages=1)
        .on_conflict_do_update(
            index_elements=["day", "room_id", "user_id"],
            set_={"messages": SpokenDay.messages + 1},
        )
    )


async def loose(session: AsyncSession, number: int) -> LooseQuestion | None:
    return await session.get(LooseQuestion, number)


async def loose_by_event(session: AsyncSession, event_id: str) -> LooseQuestion | None:
    return await session.scalar(select(LooseQuestion).where(LooseQuestion.event_id == event_id))


async def answered_by(session: AsyncSession, event_ids: Collection[str], user_id: str) -> None:
    """Somebody answered under these messages; to one's own question one is no answer."""
    await session.execute(
        update(LooseQuestion)
        .where(
            LooseQuestion.event_id.in_(event_ids),
            LooseQuestion.state == Loose.WAITING,
            LooseQuestion.author != user_id,
        )
        .values(state=Loose.DROPPED, text=None)
    )


async def waiting(session: AsyncSession, asked_before: datetime) -> Sequence[LooseQuestion]:
    """Oldest first."""
    query = (
        select(LooseQuestion)
        .where(LooseQuestion.state == Loose.WAITING, LooseQuestion.asked_at <= asked_before)
        .order_by(LooseQuestion.asked_at, LooseQuestion.id)
    )
    return (await session.scalars(query)).all()


async def forget(session: AsyncSession, asked_before: datetime, day: date) -> None:
    """Drop loose questions asked before that instant, and who spoke before that day."""
    await session.execute(
        delete(LooseQuestion).where(
            LooseQuestion.state != Loose.WAITING, LooseQuestion.asked_at < asked_before
        )
    )
    await session.execute(delete(SpokenDay).where(SpokenDay.day < day))


async def answered_in(
    session: AsyncSession, lane: str, since: datetime, until: datetime
) -> Sequence[Question]:
    """Questions asked for all to read in this room and first answered in that time, newest first.

    What its asker took back is left out, and what was erased.
    """
    query = (
        select(Question)
        .where(
            Question.lane == lane,
            Question.private.is_(False),
            Question.text != "",
            Question.status.in_((Status.ANSWERED, Status.CLOSED)),
            Question.first_answer_at >= since,
            Question.first_answer_at < until,
        )
        .order_by(Question.first_answer_at.desc(), Question.id.desc())
    )
    return (await session.scalars(query)).all()


async def open_in(session: AsyncSession, lane: str, until: datetime) -> Sequence[Question]:
    """Questions asked for all to read in this room before that instant and not answered, newest
    first."""
    query = (
        select(Question)
        .where(
            Question.lane == lane,
            Question.private.is_(False),
            Question.text != "",
            Question.status == Status.OPEN,
            Question.created_at < until,
        )
        .order_by(Question.id.desc())
    )
    return (await session.scalars(query)).all()


async def people_active(session: AsyncSession, since: date) -> int:
    """How many different people wrote anywhere."""
    query = select(func.count(SpokenDay.user_id.distinct())).where(SpokenDay.day >= since)
    return (await session.scalar(query)) or 0


async def people_active_by_room(session: AsyncSession, since: date) -> dict[str, int]:
    query = (
        select(SpokenDay.room_id, func.count(SpokenDay.user_id.distinct()))
        .where(SpokenDay.day >= since)
        .group_by(SpokenDay.room_id)
    )
    return {each[0]: each[1] for each in (await session.execute(query)).all()}


async def asked_by_cluster(session: AsyncSession, since: datetime) -> dict[str | None, int]:
    """How many questions were put; those without a cluster under None."""
    query = (
        select(Question.cluster, func.count())
        .where(Question.created_at >= since)
        .group_by(Question.cluster)
    )
    return {each[0]: each[1] for each in (await session.execute(query)).all()}


async def first_answers(
    session: AsyncSession, since: datetime
) -> Sequence[tuple[str | None, datetime, datetime]]:
    """Cluster, when asked and when first answered, of questions first answered since then."""
    query = select(Question.cluster, Question.created_at, Question.first_answer_at).where(
        Question.first_answer_at >= since
    )
    rows = (await session.execute(query)).all()
    return [(cluster, asked, answered) for cluster, asked, answered in rows if answered is not None]


async def events_from(session: AsyncSession, since: datetime) -> Sequence[CalendarEvent]:
    """Published events that begin then or later, soonest first."""
    query = (
        select(CalendarEvent)
        .where(CalendarEvent.status == "published", CalendarEvent.starts_at >= since)
        .order_by(CalendarEvent.starts_at, CalendarEvent.id)
    )
    return (await session.scalars(query)).all()
