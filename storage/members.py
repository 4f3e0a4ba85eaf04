"""People: their language, availability and roles, and who is in which room."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Index, Table, UniqueConstraint, bindparam, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from storage.base import Base, insert_missing


class Member(Base):
    """``language`` is chosen by the person; ``guessed_language`` read off their messages."""

    __tablename__ = "members"

    user_id: Mapped[str] = mapped_column(primary_key=True)
    display_name: Mapped[str | None]
    language: Mapped[str | None]
    guessed_language: Mapped[str | None]
    away_since: Mapped[datetime | None]
    away_until: Mapped[datetime | None]
    welcomed_at: Mapped[datetime | None]
    hinted_at: Mapped[datetime | None]
    first_seen_at: Mapped[datetime]
    last_spoke_at: Mapped[datetime | None]


class RoleRow(Base):
    """An expert or a coordinator of one desk. Admins are named in the configuration."""

    __tablename__ = "roles"
    __table_args__ = (UniqueConstraint("user_id", "role", "desk"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(index=True)
    role: Mapped[str]
    desk: Mapped[str]
    clusters: Mapped[list[str]]
    languages: Mapped[list[str]]
    topics: Mapped[str]
    added_by: Mapped[str]
    added_at: Mapped[datetime]


class Membership(Base):
    """Who is joined to which managed room, kept from member events."""

    __tablename__ = "memberships"
    __table_args__ = (Index("ix_memberships_user_id", "user_id"),)

    room_id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(primary_key=True)


# Stated once, because every message passes through: see storage.inbox.
_memberships: Table = Membership.metadata.tables[Membership.__tablename__]
_JOINED = {
    "sqlite": sqlite.insert(_memberships).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(_memberships).on_conflict_do_nothing(),
}
_ROLES_OF = select(RoleRow).where(RoleRow.user_id == bindparam("user_id")).order_by(RoleRow.id)


async def get(session: AsyncSession, user_id: str, now: datetime) -> Member:
    """The member's row, made when it does not exist yet."""
    member = await session.get(Member, user_id)
    if member is not None:
        return member
    await insert_missing(session, Member, user_id=user_id, first_seen_at=now)
    return await session.get_one(Member, user_id)


async def find(session: AsyncSession, user_id: str) -> Member | None:
    return await session.get(Member, user_id)


async def display_name(session: AsyncSession, user_id: str) -> str:
    """What to call somebody: their display name, else the local part of their id."""
    member = await session.get(Member, user_id)
    chosen = member.display_name if member else None
    return chosen or user_id.removeprefix("@").split(":", 1)[0]


async def roles(session: AsyncSession, role: str, desk: str | None = None) -> Sequence[RoleRow]:
    query = select(RoleRow).where(RoleRow.role == role).order_by(RoleRow.id)
    if desk is not None:
        query = query.where(RoleRow.desk == desk)
    return (await session.scalars(query)).all()


async def roles_of(session: AsyncSession, user_id: str) -> Sequence[RoleRow]:
    return (await session.scalars(_ROLES_OF, {"user_id": user_id})).all()


async def joined(session: AsyncSession, room_id: str, user_id: str) -> bool:
    """Note that somebody is in a room; True when they were not."""
    insert = _JOINED[session.get_bind().dialect.name].returning(_memberships.c.user_id)
    made = await session.execute(insert, {"room_id": room_id, "user_id": user_id})
    return made.scalar_one_or_none() is not None


async def left(session: AsyncSession, room_id: str, user_id: str) -> bool:
    """Note that somebody is not in a room any more; True when they were."""
    gone = await session.execute(
        delete(Membership)
        .where(Membership.room_id == room_id, Membership.user_id == user_id)
        .returning(Membership.user_id)
    )
    return gone.scalar_one_or_none() is not None


async def moved(
    session: AsyncSession, user_id: str, entered: Collection[str], quit: Collection[str]
) -> None:
    """Note many rooms that one person entered and left; some may be known from elsewhere."""
    values = [{"room_id": each, "user_id": user_id} for each in entered]
    if values:
        await session.execute(_JOINED[session.get_bind().dialect.name], values)
    await session.execute(
        delete(Membership).where(Membership.user_id == user_id, Membership.room_id.in_(quit))
    )


async def is_in(session: AsyncSession, room_id: str, user_id: str) -> bool:
    return await session.get(Membership, (room_id, user_id)) is not None


async def members_of(session: AsyncSession, room_id: str) -> set[str]:
    query = select(Membership.user_id).where(Membership.room_id == room_id)
    return set((await session.scalars(query)).all())


async def rooms_of(session: AsyncSession, user_id: str) -> set[str]:
    query = select(Membership.room_id).where(Membership.user_id == user_id)
    return set((await session.scalars(query)).all())


async def counts(session: AsyncSession, room_ids: Collection[str]) -> dict[str, int]:
    query = (
        select(Membership.room_id, func.count())
        .where(Membership.room_id.in_(room_ids))
        .group_by(Membership.room_id)
    )
    return {each[0]: each[1] for each in (await session.execute(query)).all()}


def profile(row: RoleRow) -> dict[str, Any]:
    """What an expert declared, for export."""
    return {
        "desk": row.desk,
        "clusters": row.clusters,
        "languages": row.languages,
        "topics": row.topics,
    }
