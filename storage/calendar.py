"""Calendar events and who comes to them."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ForeignKey, Index, delete, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from storage.base import Base
from storage.outbox import OutboxRow


class CalendarEvent(Base):
    """``starts_local`` ("2026-12-03T14:00") and ``zone`` are the truth; ``starts_at`` follows.

    ``clusters`` empty means the whole network. ``status``: draft, published, cancelled.
    ``updated_at`` is when people were last told of it: announced, moved or cancelled. Its
    announcements show who comes as of ``counted_at``, which may still lie ahead.
    """

    __tablename__ = "calendar_events"
    __table_args__ = (
        Index("ix_calendar_events_status_starts_at", "status", "starts_at"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    description: Mapped[str]
    place: Mapped[str]
    starts_local: Mapped[str]
    zone: Mapped[str]
    starts_at: Mapped[datetime]
    duration_minutes: Mapped[int]
    clusters: Mapped[list[str]]
    status: Mapped[str] = mapped_column(default="draft")
    sequence: Mapped[int] = mapped_column(default=0)
    organiser: Mapped[str]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    counted_at: Mapped[datetime | None]


class Rsvp(Base):
    """One thing somebody said about coming; the last one not withdrawn counts.

    ``event_id`` is the Matrix event that said it: a reaction or a command.
    """

    __tablename__ = "rsvps"
    __table_args__ = (Index("ix_rsvps_event_user_id", "event", "user_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    event: Mapped[int] = mapped_column(ForeignKey("calendar_events.id", ondelete="CASCADE"))
    user_id: Mapped[str]
    answer: Mapped[str]
    event_id: Mapped[str] = mapped_column(unique=True)
    at: Mapped[datetime]
    withdrawn: Mapped[bool] = mapped_column(default=False)


async def get(
    session: AsyncSession, number: int, *, to_change: bool = False
) -> CalendarEvent | None:
    """``to_change``: until this transaction ends, others who would change it have to wait."""
    if not to_change:
        return await session.get(CalendarEvent, number)
    return await session.get(CalendarEvent, number, with_for_update=True, populate_existing=True)


async def rsvps(session: AsyncSession, number: int) -> Sequence[Rsvp]:
    query = select(Rsvp).where(Rsvp.event == number).order_by(Rsvp.at, Rsvp.id)
    return (await session.scalars(query)).all()


async def rsvp_said_by(session: AsyncSession, event_id: str) -> Rsvp | None:
    """What this Matrix event of a person said about coming."""
    return await session.scalar(select(Rsvp).where(Rsvp.event_id == event_id))


async def upcoming(session: AsyncSession, now: datetime) -> Sequence[CalendarEvent]:
    """Published events that have not begun, soonest first."""
    query = (
        select(CalendarEvent)
        .where(CalendarEvent.status == "published", CalendarEvent.starts_at > now)
        .order_by(CalendarEvent.starts_at, CalendarEvent.id)
    )
    return (await session.scalars(query)).all()


async def announced(session: AsyncSession, since: datetime) -> Sequence[CalendarEvent]:
    """All that begin then or later and people were told of, cancelled or not, soonest first."""
    query = (
        select(CalendarEvent)
        .where(CalendarEvent.status != "draft", CalendarEvent.starts_at >= since)
        .order_by(CalendarEvent.starts_at, CalendarEvent.id)
    )
    return (await session.scalars(query)).all()


async def forget_drafts(session: AsyncSession, now: datetime) -> None:
    """Drop drafts whose time has come: nobody can announce them any more."""
    await session.execute(
        delete(CalendarEvent).where(CalendarEvent.status == "draft", CalendarEvent.starts_at <= now)
    )


async def drop_waiting(session: AsyncSession, collapse: str) -> None:
    """Take back an edit of this ``collapse`` key that has not been tried, for a newer one.

    Not ``Outbox.collapsing``, which writes the newer content into the waiting row: the relay may
    be sending that row just now, from a copy it read before, and the newer content would be marked
    as sent with it. A row that is gone is sent once more at worst, and the newer one after it.
    """
    await session.execute(
        delete(OutboxRow).where(
            OutboxRow.collapse == collapse,
            OutboxRow.status == "pending",
            OutboxRow.first_attempt_at.is_(None),
        )
    )
