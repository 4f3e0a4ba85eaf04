"""Which slot of which job has run: the row, not the scheduler, makes it happen once."""

from datetime import datetime

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from storage.base import Base


class JobRun(Base):
    __tablename__ = "job_runs"

    job: Mapped[str] = mapped_column(primary_key=True)
    slot: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]


async def claim(session: AsyncSession, job: str, slot: str, now: datetime) -> bool:
    """Take the slot in this transaction; False when it was taken before."""
    dialect = (await session.connection()).dialect.name
    insert = sqlite.insert if dialect == "sqlite" else postgresql.insert
    taken = await session.execute(
        insert(JobRun)
        .values(job=job, slot=slot, at=now)
        .on_conflict_do_nothing()
        .returning(JobRun.job)
    )
    return taken.scalar_one_or_none() is not None
