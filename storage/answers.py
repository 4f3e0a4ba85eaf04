"""What experts answered, what earlier answers were shown to askers, and who agreed to keep them."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ForeignKey, delete, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from storage.base import Base


class Answer(Base):
    """One message of an expert that was carried to the asker. ``event_id`` is the expert's own.

    ``text`` is empty for private questions: nobody else may ever be shown it.
    """

    __tablename__ = "answers"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    question_id: Mapped[int] = mapped_column(
        ForeignKey("questions.id", ondelete="CASCADE"), index=True
    )
    expert: Mapped[str] = mapped_column(index=True)
    event_id: Mapped[str] = mapped_column(unique=True)
    text: Mapped[str]
    at: Mapped[datetime]


class Suggestion(Base):
    """An earlier question whose answer was shown to who asked another. ``helped`` is None while
    they have not said."""

    __tablename__ = "suggestions"

    question_id: Mapped[int] = mapped_column(
        ForeignKey("questions.id", ondelete="CASCADE"), primary_key=True
    )
    known_id: Mapped[int] = mapped_column(
        ForeignKey("questions.id", ondelete="CASCADE"), primary_key=True
    )
    likeness: Mapped[float]
    helped: Mapped[bool | None]


class Consent(Base):
    """Whether one of those who wrote it agrees that a question and its answers are kept.

    ``answer`` is None (not yet said), "yes", "anonymous" or "no".
    """

    __tablename__ = "consents"

    question_id: Mapped[int] = mapped_column(
        ForeignKey("questions.id", ondelete="CASCADE"), primary_key=True
    )
    user_id: Mapped[str] = mapped_column(primary_key=True)
    answer: Mapped[str | None]


async def of(session: AsyncSession, number: int) -> Sequence[Answer]:
    """The answers to a question, oldest first."""
    query = select(Answer).where(Answer.question_id == number).order_by(Answer.id)
    return (await session.scalars(query)).all()


async def by_event(session: AsyncSession, event_id: str) -> Answer | None:
    return await session.scalar(select(Answer).where(Answer.event_id == event_id))


async def forget(session: AsyncSession, event_id: str) -> None:
    await session.execute(delete(Answer).where(Answer.event_id == event_id))


async def suggested(session: AsyncSession, number: int) -> Sequence[Suggestion]:
    query = select(Suggestion).where(Suggestion.question_id == number)
    return (await session.scalars(query.order_by(Suggestion.likeness.desc()))).all()


async def shown_with(session: AsyncSession, known: int) -> Sequence[int]:
    """The questions whose askers were shown what ``known`` was answered."""
    query = select(Suggestion.question_id).where(Suggestion.known_id == known)
    return (await session.scalars(query)).all()


async def answered_by(session: AsyncSession, expert: str) -> Sequence[int]:
    """The questions they have answered."""
    query = select(Answer.question_id).where(Answer.expert == expert).distinct()
    return (await session.scalars(query)).all()


async def consents(session: AsyncSession, number: int) -> Sequence[Consent]:
    query = select(Consent).where(Consent.question_id == number).order_by(Consent.user_id)
    return (await session.scalars(query)).all()
