"""Everything that comes in: raw events and the sync token, written in one transaction.

A crash before the commit replays the batch; a crash after it loses nothing. Event ids are
unique, so a replayed or back-filled event is stored once. The content is cleared when the row is
done; the event id stays, for deduplication.

What every event passes through is stated once, below the tables, and in terms of the tables: to
build a statement anew, or to have the session look for objects that it may concern, takes several
times as long as SQLite takes to carry it out.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Index, Table, bindparam, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from storage.base import Base


class InboxRow(Base):
    __tablename__ = "inbox"
    __table_args__ = (
        Index("ix_inbox_status_id", "status", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    event_id: Mapped[str] = mapped_column(unique=True)
    room_id: Mapped[str]
    content: Mapped[dict[str, Any] | None]
    status: Mapped[str] = mapped_column(default="pending")
    attempts: Mapped[int] = mapped_column(default=0)
    received_at: Mapped[datetime]
    next_attempt_at: Mapped[datetime | None]
    error: Mapped[str | None]


class SyncState(Base):
    __tablename__ = "sync_state"

    user_id: Mapped[str] = mapped_column(primary_key=True)
    next_batch: Mapped[str]
    saved_at: Mapped[datetime]


@dataclass(frozen=True, slots=True)
class Arrival:
    """One raw event of one room, as the homeserver gave it."""

    room_id: str
    event_id: str
    content: dict[str, Any]


_inbox: Table = InboxRow.metadata.tables[InboxRow.__tablename__]
_state: Table = SyncState.metadata.tables[SyncState.__tablename__]

_RECORD = {
    "sqlite": sqlite.insert(_inbox).on_conflict_do_nothing(index_elements=["event_id"]),
    "postgresql": postgresql.insert(_inbox).on_conflict_do_nothing(index_elements=["event_id"]),
}
_SAVE_TOKEN = {
    dialect: insert.on_conflict_do_update(
        index_elements=["user_id"],
        set_={"next_batch": insert.excluded.next_batch, "saved_at": insert.excluded.saved_at},
    )
    for dialect, insert in (
        ("sqlite", sqlite.insert(_state)),
        ("postgresql", postgresql.insert(_state)),
    )
}
_WAITING = select(_inbox.c.room_id).where(
    _inbox.c.status == "pending", _inbox.c.next_attempt_at > bindparam("now")
)
_READY = (
    select(InboxRow)
    .where(
        InboxRow.status == "pending",
        InboxRow.room_id.not_in(_WAITING),
        InboxRow.room_id.not_in(bindparam("busy", expanding=True)),
    )
    .order_by(InboxRow.id)
    .limit(bindparam("limit"))
)
_DONE = (
    update(_inbox)
    .where(_inbox.c.id.in_(bindparam("ids", expanding=True)), _inbox.c.status == "pending")
    .values(status="done", content=None, error=None, next_attempt_at=None)
    .returning(_inbox.c.id)
)
_NEXT_MOMENT = select(func.min(_inbox.c.next_attempt_at)).where(_inbox.c.status == "pending")


async def token(session: AsyncSession, user_id: str) -> str | None:
    state = await session.get(SyncState, user_id)
    return state.next_batch if state else None


async def save_token(session: AsyncSession, user_id: str, next_batch: str, now: datetime) -> None:
    await session.execute(
        _SAVE_TOKEN[session.get_bind().dialect.name],
        {"user_id": user_id, "next_batch": next_batch, "saved_at": now},
    )


async def record(session: AsyncSession, arrivals: Sequence[Arrival], now: datetime) -> None:
    """Store events in the order given; those already known are passed over."""
    if not arrivals:
        return
    values = [
        {
            "event_id": each.event_id,
            "room_id": each.room_id,
            "content": each.content,
            "received_at": now,
            "status": "pending",
            "attempts": 0,
        }
        for each in arrivals
    ]
    await session.execute(_RECORD[session.get_bind().dialect.name], values)


async def known(session: AsyncSession, event_ids: Collection[str]) -> set[str]:
    query = select(InboxRow.event_id).where(InboxRow.event_id.in_(event_ids))
    return set((await session.scalars(query)).all())


async def ready(
    session: AsyncSession, now: datetime, limit: int, busy: Collection[str] = ()
) -> Sequence[InboxRow]:
    """Pending rows in order, without rooms in ``busy`` and rooms whose oldest row waits."""
    values = {"now": now, "busy": list(busy), "limit": limit}
    return (await session.scalars(_READY, values)).all()


async def done(session: AsyncSession, row_id: int) -> bool:
    """Mark a row done; False when somebody else did it first."""
    return await all_done(session, [row_id]) == {row_id}


async def all_done(session: AsyncSession, row_ids: Collection[int]) -> set[int]:
    """Mark rows done; those that somebody else did first are missing in what is returned."""
    return set(await session.scalars(_DONE, {"ids": list(row_ids)}))


async def failed(session: AsyncSession, row_id: int, error: str, retry_at: datetime | None) -> None:
    """Note a failure: to be tried again at ``retry_at``, or kept as a dead letter when None."""
    await session.execute(
        update(InboxRow)
        .where(InboxRow.id == row_id)
        .values(
            status="pending" if retry_at else "dead",
            attempts=InboxRow.attempts + 1,
            next_attempt_at=retry_at,
            error=error,
        )
    )


async def next_moment(session: AsyncSession) -> datetime | None:
    """When the next postponed row may be tried."""
    moment: datetime | None = await session.scalar(_NEXT_MOMENT)
    return moment


async def dead(session: AsyncSession) -> Sequence[InboxRow]:
    query = select(InboxRow).where(InboxRow.status == "dead").order_by(InboxRow.id)
    return (await session.scalars(query)).all()


async def pending_count(session: AsyncSession) -> int:
    query = select(func.count(InboxRow.id)).where(InboxRow.status == "pending")
    return (await session.scalar(query)) or 0


async def forget(session: AsyncSession, before: datetime) -> None:
    """Drop done rows received before ``before``: nothing that old is delivered again."""
    await session.execute(
        delete(InboxRow).where(InboxRow.status == "done", InboxRow.received_at < before)
    )
