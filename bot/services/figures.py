"""What the metrics show of the database: counts and ages, read in one short transaction.

Nothing here is remembered between two readings. How long questions took is counted from the
questions themselves, each of which has one first offer and one first answer; so each is counted
once, also after a restart, and by whichever process is asked.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from math import inf

from sqlalchemy import ColumnElement, Float, case, extract, func, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from bot.domain.questions import Status
from storage.database import Database
from storage.inbox import InboxRow
from storage.outbox import OutboxRow
from storage.questions import Question

MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0
BOUNDS = (
    *(10.0, MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE),
    *(HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR),
    *(DAY, 2 * DAY, 4 * DAY, 7 * DAY, 14 * DAY),
)
"""Seconds; a question is counted under the first bound it does not pass, or under infinity."""


@dataclass(frozen=True, slots=True)
class Queue:
    """``age`` is in seconds: since when the oldest row that may go has been waiting."""

    waiting: int = 0
    dead: int = 0
    age: float = 0.0


@dataclass(frozen=True, slots=True)
class Durations:
    """``counts`` by bound (not cumulative); ``total`` is the sum, in seconds."""

    counts: Mapping[float, int]
    total: float


@dataclass(frozen=True, slots=True)
class Figures:
    questions: Mapping[str, int]
    first_offer: Durations
    first_answer: Durations
    inbox: Queue
    outbox: Queue


async def read(database: Database, now: datetime) -> Figures:
    async with database.uow("figures", now) as uow:
        return Figures(
            questions=await _by_status(uow.session),
            first_offer=await _durations(uow.session, Question.first_offer_at),
            first_answer=await _durations(uow.session, Question.first_answer_at),
            inbox=await _queue(uow.session, InboxRow.status, InboxRow.received_at, now),
            outbox=await _queue(uow.session, OutboxRow.status, _may_go_since(now), now),
        )


async def _by_status(session: AsyncSession) -> dict[str, int]:
    """Every status, also those that no question has."""
    query = select(Question.status, func.count()).group_by(Question.status)
    counted = {each[0]: each[1] for each in (await session.execute(query)).all()}
    return {status.value: 0 for status in Status} | counted


async def _durations(
    session: AsyncSession, end: InstrumentedAttribute[datetime | None]
) -> Durations:
    """From being asked until ``end``, for the questions that got that far."""
    dialect = (await session.connection()).dialect.name
    # Materialized, or SQLite computes the seconds again for each bound they are held against.
    timed = (
        select(_seconds(dialect, Question.created_at, end).label("seconds"))
        .where(end.is_not(None))
        .cte("timed")
        .prefix_with("MATERIALIZED")
    )
    seconds = timed.c.seconds
    bound = case(*((seconds <= each, each) for each in BOUNDS), else_=None).label("bound")
    query = select(bound, func.count(), func.sum(seconds)).group_by(bound)
    rows = (await session.execute(query)).all()
    return Durations(
        counts={inf if each[0] is None else float(each[0]): each[1] for each in rows},
        total=sum(float(each[2]) for each in rows),
    )


def _seconds(
    dialect: str,
    start: InstrumentedAttribute[datetime],
    end: InstrumentedAttribute[datetime | None],
) -> ColumnElement[float]:
    if dialect == "sqlite":
        days = func.julianday(end) - func.julianday(start)
        return type_coerce(func.round(days * DAY, 3), Float)
    return type_coerce(extract("epoch", end - start), Float)


async def _queue(
    session: AsyncSession,
    status: InstrumentedAttribute[str],
    since: ColumnElement[datetime] | InstrumentedAttribute[datetime],
    now: datetime,
) -> Queue:
    """``since`` is when a row could first have gone; NULL for one that is held back."""
    query = (
        select(status, func.count(), func.min(since))
        .where(status.in_(("pending", "dead")))
        .group_by(status)
    )
    rows = {each[0]: (each[1], each[2]) for each in (await session.execute(query)).all()}
    waiting, oldest = rows.get("pending", (0, None))
    return Queue(
        waiting=waiting,
        dead=rows.get("dead", (0, None))[0],
        age=max(0.0, (now - oldest).total_seconds()) if oldest else 0.0,
    )


def _may_go_since(now: datetime) -> ColumnElement[datetime]:
    held_until = OutboxRow.not_before
    return case((held_until.is_(None), OutboxRow.created_at), (held_until <= now, held_until))
