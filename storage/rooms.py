"""Rooms the bot manages, and the direct rooms it has with people."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import UniqueConstraint, bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from storage.base import Base

DIRECT = "direct"


class Room(Base):
    """``kind`` and ``key`` as in the room's marker; for a direct room the key is the user id.

    ``applied``, ``overrides`` and ``successor`` are the bot's memory of a managed room
    (bot.domain.rooms): what each field held when it was as desired, the fields a human changed and
    that was told, and the room a tombstone names, while it has not been followed.
    """

    __tablename__ = "rooms"
    __table_args__ = (UniqueConstraint("kind", "key"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    key: Mapped[str]
    room_id: Mapped[str] = mapped_column(unique=True)
    applied: Mapped[dict[str, Any] | None]
    overrides: Mapped[list[str] | None]
    successor: Mapped[str | None]
    created_at: Mapped[datetime]
    ready_at: Mapped[datetime | None]


# Stated once, because every message passes through: see storage.inbox.
_BY_ID = select(Room).where(Room.room_id == bindparam("room_id"))


async def find(session: AsyncSession, kind: str, key: str) -> Room | None:
    return await session.scalar(select(Room).where(Room.kind == kind, Room.key == key))


async def by_id(session: AsyncSession, room_id: str) -> Room | None:
    room: Room | None = await session.scalar(_BY_ID, {"room_id": room_id})
    return room


async def managed(session: AsyncSession) -> Sequence[Room]:
    """All rooms but the direct ones."""
    query = select(Room).where(Room.kind != DIRECT).order_by(Room.id)
    return (await session.scalars(query)).all()


async def of_kind(session: AsyncSession, kind: str) -> Sequence[Room]:
    query = select(Room).where(Room.kind == kind).order_by(Room.id)
    return (await session.scalars(query)).all()


async def save(session: AsyncSession, kind: str, key: str, room_id: str, now: datetime) -> Room:
    """Remember that this room plays this part, in the place of any other that did."""
    room = await find(session, kind, key)
    if room is None:
        room = Room(kind=kind, key=key, room_id=room_id, created_at=now)
        session.add(room)
    elif room.room_id != room_id:
        room.room_id, room.applied, room.overrides = room_id, None, None
        room.successor = room.ready_at = None
    await session.flush()
    return room


async def replaced(session: AsyncSession) -> Sequence[Room]:
    """Rooms that somebody replaced by another, which has not been followed yet."""
    return (await session.scalars(select(Room).where(Room.successor.is_not(None)))).all()


class ProvisionRequest(Base):
    """An admin's wish, typed in a room, for the provisioner to fulfil and answer in ``lane``."""

    __tablename__ = "provision_requests"

    id: Mapped[int] = mapped_column(primary_key=True)
    asked_by: Mapped[str]
    lane: Mapped[str]
    dry_run: Mapped[bool]
    asked_at: Mapped[datetime]
    done_at: Mapped[datetime | None]


async def request(
    session: AsyncSession, asked_by: str, lane: str, dry_run: bool, now: datetime
) -> None:
    session.add(ProvisionRequest(asked_by=asked_by, lane=lane, dry_run=dry_run, asked_at=now))


async def requested(session: AsyncSession) -> ProvisionRequest | None:
    """The oldest wish not yet fulfilled."""
    query = (
        select(ProvisionRequest)
        .where(ProvisionRequest.done_at.is_(None))
        .order_by(ProvisionRequest.id)
        .limit(1)
    )
    return await session.scalar(query)
