"""Who did what with a power that others lack."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from storage.base import Base


class AuditRow(Base):
    __tablename__ = "audit"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    actor: Mapped[str]
    act: Mapped[str]
    details: Mapped[dict[str, Any] | None]


def note(session: AsyncSession, now: datetime, actor: str, act: str, **details: Any) -> None:
    session.add(AuditRow(at=now, actor=actor, act=act, details=details))


async def latest(session: AsyncSession, limit: int) -> Sequence[AuditRow]:
    query = select(AuditRow).order_by(AuditRow.id.desc()).limit(limit)
    return (await session.scalars(query)).all()
