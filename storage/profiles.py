"""What an expert says of themselves, and of when they may be asked; the same at every desk."""

from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from storage.base import Base, insert_missing


class Profile(Base):
    """None means: as the desk has it.

    ``country`` (ISO 3166, perhaps with a region) names whose holidays they keep, ``days`` are ISO
    weekdays, ``starts`` and ``ends`` times of day in the network's time zone ("09:00"), ``ceiling``
    how many questions a week they may be asked. ``busy_until`` is said by passing for lack of time.
    """

    __tablename__ = "profiles"

    user_id: Mapped[str] = mapped_column(primary_key=True)
    about: Mapped[str] = mapped_column(default="")
    country: Mapped[str | None]
    days: Mapped[list[int] | None]
    starts: Mapped[str | None]
    ends: Mapped[str | None]
    ceiling: Mapped[int | None]
    busy_until: Mapped[datetime | None]
    wants_summary: Mapped[bool] = mapped_column(default=True)


async def find(session: AsyncSession, user_id: str) -> Profile | None:
    return await session.get(Profile, user_id)


async def get(session: AsyncSession, user_id: str) -> Profile:
    """The person's row, made when it does not exist yet."""
    profile = await session.get(Profile, user_id)
    if profile is not None:
        return profile
    await insert_missing(session, Profile, user_id=user_id)
    return await session.get_one(Profile, user_id)


def exported(profile: Profile) -> dict[str, Any]:
    """What somebody said of themselves, for export."""
    return {
        "about": profile.about,
        "country": profile.country,
        "days": profile.days,
        "hours": [profile.starts, profile.ends],
        "ceiling": profile.ceiling,
        "summary": profile.wants_summary,
    }
