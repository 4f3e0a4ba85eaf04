"""What routing has learned: vectors of texts, and rankers fitted to the network's own history."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from storage.base import Base


class VectorRow(Base):
    """The vector of a text that is stored elsewhere, as half-precision floats.

    ``kind`` is "question" or "profile", ``subject`` the question's number or the expert's id.
    ``digest`` is that of the text: another digest or another encoder's name, and it is made anew.
    """

    __tablename__ = "vectors"

    kind: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(primary_key=True)
    encoder: Mapped[str]
    digest: Mapped[str]
    vector: Mapped[bytes]


class RankerRow(Base):
    """One nightly fit: its weights, the figures it was judged by, and whether it is used."""

    __tablename__ = "rankers"

    id: Mapped[int] = mapped_column(primary_key=True)
    fitted_at: Mapped[datetime]
    weights: Mapped[dict[str, Any]]
    figures: Mapped[dict[str, Any]]
    used: Mapped[bool]


async def save_vector(
    session: AsyncSession, kind: str, subject: str, encoder: str, digest: str, vector: bytes
) -> None:
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    made = insert(VectorRow).values(
        kind=kind, subject=subject, encoder=encoder, digest=digest, vector=vector
    )
    await session.execute(
        made.on_conflict_do_update(
            index_elements=["kind", "subject"],
            set_={
                "encoder": made.excluded.encoder,
                "digest": made.excluded.digest,
                "vector": made.excluded.vector,
            },
        )
    )


async def vectors(session: AsyncSession, kind: str, encoder: str) -> dict[str, tuple[str, bytes]]:
    """By subject: the digest of the text and its vector."""
    query = select(VectorRow.subject, VectorRow.digest, VectorRow.vector).where(
        VectorRow.kind == kind, VectorRow.encoder == encoder
    )
    return {each[0]: (each[1], each[2]) for each in (await session.execute(query)).all()}


async def vector(
    session: AsyncSession, kind: str, subject: str, encoder: str
) -> tuple[str, bytes] | None:
    """The digest of the text and its vector."""
    row = await session.get(VectorRow, (kind, subject))
    return (row.digest, row.vector) if row is not None and row.encoder == encoder else None


async def forget_vectors(session: AsyncSession, kind: str, subjects: Collection[str]) -> None:
    await session.execute(
        delete(VectorRow).where(VectorRow.kind == kind, VectorRow.subject.in_(subjects))
    )


async def newest_ranker(session: AsyncSession) -> RankerRow | None:
    return await session.scalar(select(RankerRow).order_by(RankerRow.id.desc()).limit(1))


async def rankers(session: AsyncSession, limit: int) -> Sequence[RankerRow]:
    return (
        await session.scalars(select(RankerRow).order_by(RankerRow.id.desc()).limit(limit))
    ).all()
