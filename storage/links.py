"""Which Matrix event stands for what: how a reaction, a reply or an edit finds its subject."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Index, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from storage.base import Base


class Link(Base):
    """``event_id`` of a message of the bot's is a ref until it has been sent (storage.outbox).

    ``role`` names what the event is to its subject, in the words of the message kinds
    (``question.card``, ``event.announcement``, ...; ``question.source`` is what was asked).
    ``source`` is the person's event of which this one is the bot's copy. ``lane`` is where it
    stands: a room id, or ``dm:<user id>``. ``author`` is who wrote it, or for a copy, who wrote
    what was copied.
    """

    __tablename__ = "links"
    __table_args__ = (
        Index("ix_links_role_subject", "role", "subject"),
        Index("ix_links_source", "source"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    role: Mapped[str]
    subject: Mapped[int]
    event_id: Mapped[str] = mapped_column(unique=True)
    lane: Mapped[str]
    author: Mapped[str | None]
    source: Mapped[str | None]
    data: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime]


async def find(session: AsyncSession, event_id: str | None) -> Link | None:
    if event_id is None:
        return None
    return await session.scalar(select(Link).where(Link.event_id == event_id))


async def copies(session: AsyncSession, source: str) -> Sequence[Link]:
    """The bot's copies of a person's message."""
    return (await session.scalars(select(Link).where(Link.source == source))).all()


async def of(session: AsyncSession, subject: int, *roles: str) -> Sequence[Link]:
    """The events that play one of ``roles`` for ``subject``, oldest first."""
    query = select(Link).where(Link.subject == subject, Link.role.in_(roles)).order_by(Link.id)
    return (await session.scalars(query)).all()


async def latest(session: AsyncSession, subject: int, role: str) -> Link | None:
    found = await of(session, subject, role)
    return found[-1] if found else None
