"""Questions and offers."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, Select, UniqueConstraint, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from storage.base import Base

OPEN_STATUSES = ("open", "answered")


class Question(Base):
    """``id`` is the number people see: Q12.

    ``lane`` and ``root`` say where the conversation with the asker is: a room id or direct lane,
    and the root of the thread there. ``step`` says whose turn it is (bot.domain.questions.Step),
    ``due_at`` when that turn is over, ``wave`` how many waves of offers there have been. ``helped``
    is what the asker said of the answer. ``merged_into`` is the question whose answers theirs are.
    """

    __tablename__ = "questions"
    __table_args__ = (
        Index("ix_questions_status_due_at", "status", "due_at"),
        Index("ix_questions_asker", "asker"),
        Index("ix_questions_desk_status", "desk", "status"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    asker: Mapped[str]
    text: Mapped[str]
    language: Mapped[str]
    cluster: Mapped[str | None]
    desk: Mapped[str]
    choice: Mapped[dict[str, Any] | None]
    private: Mapped[bool] = mapped_column(default=False)
    named: Mapped[bool] = mapped_column(default=True)
    lane: Mapped[str]
    root: Mapped[str]
    status: Mapped[str] = mapped_column(default="open")
    step: Mapped[str] = mapped_column(default="none")
    due_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    first_offer_at: Mapped[datetime | None]
    first_answer_at: Mapped[datetime | None]
    last_answer_at: Mapped[datetime | None]
    last_activity_at: Mapped[datetime]
    help_asked_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    closed_as: Mapped[str | None]
    urgent: Mapped[bool] = mapped_column(default=False)
    wave: Mapped[int] = mapped_column(default=0)
    helped: Mapped[bool | None]
    merged_into: Mapped[int | None] = mapped_column(index=True)
    kept_at: Mapped[datetime | None]


class Offer(Base):
    """``state`` is one of bot.domain.questions.OfferState. ``wave`` is 0 for what was asked before
    the question went to another desk. ``until`` is None for who was not asked:
    not yet, or they took or answered it unasked. ``passed_because`` is "field", "time", "referral"
    or None; ``referred_by`` who passed it on to this expert; ``reasons`` and ``parts`` say why they
    were asked (bot.domain.routing.ranking)."""

    __tablename__ = "offers"
    __table_args__ = (
        UniqueConstraint("question_id", "expert"),
        Index("ix_offers_expert_state", "expert", "state"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    question_id: Mapped[int] = mapped_column(ForeignKey("questions.id", ondelete="CASCADE"))
    expert: Mapped[str]
    state: Mapped[str] = mapped_column(default="open")
    reasons: Mapped[list[dict[str, Any]]]
    offered_at: Mapped[datetime]
    until: Mapped[datetime | None]
    answered_at: Mapped[datetime | None]
    wave: Mapped[int] = mapped_column(default=1)
    passed_because: Mapped[str | None]
    referred_by: Mapped[str | None]
    parts: Mapped[dict[str, Any] | None]

    @property
    def was_asked(self) -> bool:
        return self.until is not None

    @property
    def counts(self) -> bool:
        """Asked since the question came to its desk."""
        return self.was_asked and self.wave > 0


_WAS_ASKED = Offer.until.is_not(None)
_TAKEN = (Offer.state == "claimed") & Offer.answered_at.is_(None)


async def get(session: AsyncSession, number: int) -> Question | None:
    return await session.get(Question, number)


async def held(session: AsyncSession, number: int) -> Question | None:
    """As it is now, and nobody else changes it before this transaction ends."""
    if session.get_bind().dialect.name == "sqlite":  # which has one writer
        return await get(session, number)
    await session.flush()
    return await session.get(Question, number, with_for_update=True, populate_existing=True)


async def offers(session: AsyncSession, number: int) -> Sequence[Offer]:
    query = select(Offer).where(Offer.question_id == number).order_by(Offer.id)
    return (await session.scalars(query)).all()


async def due(session: AsyncSession, now: datetime) -> list[tuple[int, str, datetime]]:
    """Number, status and due time of open questions whose turn is over."""
    query = (
        select(Question.id, Question.status, Question.due_at)
        .where(Question.status.in_(OPEN_STATUSES), Question.due_at <= now)
        .order_by(Question.due_at)
    )
    rows = (await session.execute(query)).all()
    return [(number, status, due_at) for number, status, due_at in rows if due_at is not None]


async def open_load(session: AsyncSession) -> dict[str, int]:
    """For each expert, how many open questions they were offered or claimed."""
    query = (
        select(Offer.expert, func.count())
        .join(Question, Question.id == Offer.question_id)
        .where(Question.status.in_(OPEN_STATUSES), Offer.state.in_(("open", "claimed")))
        .group_by(Offer.expert)
    )
    return {each[0]: each[1] for each in (await session.execute(query)).all()}


async def asked_ever(
    session: AsyncSession, experts: Sequence[str]
) -> dict[str, tuple[int, datetime]]:
    """For each of these who was asked at all: how often, and when the last time."""
    query = (
        select(Offer.expert, func.count(), func.max(Offer.offered_at))
        .where(Offer.expert.in_(experts), _WAS_ASKED)
        .group_by(Offer.expert)
    )
    return {each[0]: (each[1], each[2]) for each in (await session.execute(query)).all()}


async def asked_since(session: AsyncSession, since: datetime) -> dict[str, list[datetime]]:
    """For each expert, when they were asked since then."""
    query = select(Offer.expert, Offer.offered_at).where(Offer.offered_at >= since, _WAS_ASKED)
    moments: dict[str, list[datetime]] = {}
    for expert, at in (await session.execute(query.order_by(Offer.id))).all():
        moments.setdefault(expert, []).append(at)
    return moments


async def asked_among_last(session: AsyncSession, desk: str, last: int) -> dict[str, int]:
    """For each expert, how many of the desk's newest ``last`` questions they were offered."""
    newest = select(Question.id).where(Question.desk == desk).order_by(Question.id.desc())
    query = (
        select(Offer.expert, func.count())
        .where(Offer.question_id.in_(newest.limit(last).scalar_subquery()), _WAS_ASKED)
        .group_by(Offer.expert)
    )
    return {each[0]: each[1] for each in (await session.execute(query)).all()}


async def passed_because(session: AsyncSession, expert: str, because: str) -> Sequence[Question]:
    """What an expert passed on for this reason, the newest first."""
    query = (
        select(Question)
        .join(Offer, Offer.question_id == Question.id)
        .where(Offer.expert == expert, Offer.passed_because == because)
        .order_by(Question.id.desc())
    )
    return (await session.scalars(query)).all()


async def of_desk_between(
    session: AsyncSession, desk: str, since: datetime, until: datetime
) -> Sequence[Question]:
    query = select(Question).where(
        Question.desk == desk, Question.created_at >= since, Question.created_at < until
    )
    return (await session.scalars(query)).all()


async def offers_of(session: AsyncSession, numbers: Sequence[int]) -> Sequence[Offer]:
    return (await session.scalars(select(Offer).where(Offer.question_id.in_(numbers)))).all()


async def asked_between(
    session: AsyncSession, expert: str, since: datetime, until: datetime
) -> int:
    """How many questions they were asked."""
    query = select(func.count(Offer.id)).where(
        Offer.expert == expert, Offer.offered_at >= since, Offer.offered_at < until, _WAS_ASKED
    )
    return (await session.scalar(query)) or 0


async def answered_between(
    session: AsyncSession, expert: str, since: datetime, until: datetime
) -> Sequence[int]:
    """The questions they first answered then, whenever they were asked."""
    query = select(Offer.question_id).where(
        Offer.expert == expert, Offer.answered_at >= since, Offer.answered_at < until
    )
    return (await session.scalars(query.order_by(Offer.id))).all()


async def helped_among(session: AsyncSession, numbers: Sequence[int]) -> int:
    query = select(func.count(Question.id)).where(
        Question.id.in_(numbers), Question.helped.is_(True)
    )
    return (await session.scalar(query)) or 0


async def urgent_since(session: AsyncSession, asker: str, since: datetime) -> int:
    query = select(func.count(Question.id)).where(
        Question.asker == asker, Question.urgent.is_(True), Question.created_at >= since
    )
    return (await session.scalar(query)) or 0


async def merged_into(session: AsyncSession, number: int) -> Sequence[Question]:
    """Questions that share the answers of this one."""
    query = select(Question).where(Question.merged_into == number).order_by(Question.id)
    return (await session.scalars(query)).all()


async def of_asker(session: AsyncSession, user_id: str, limit: int = 10) -> Sequence[Question]:
    query = (
        select(Question).where(Question.asker == user_id).order_by(Question.id.desc()).limit(limit)
    )
    return (await session.scalars(query)).all()


async def open_of_asker(session: AsyncSession, user_id: str) -> Sequence[Question]:
    """Also those that have joined another: their answers still come."""
    unfinished = Question.status.in_((*OPEN_STATUSES, "merged"))
    query = select(Question).where(Question.asker == user_id, unfinished)
    return (await session.scalars(query.order_by(Question.id))).all()


async def open_in(session: AsyncSession, desk: str | None = None) -> Sequence[Question]:
    query = select(Question).where(Question.status.in_(OPEN_STATUSES)).order_by(Question.id)
    if desk is not None:
        query = query.where(Question.desk == desk)
    return (await session.scalars(query)).all()


def _offered(expert: str) -> Select[Question]:
    joined = select(Question).join(Offer, Offer.question_id == Question.id)
    return joined.where(Offer.expert == expert).order_by(Question.id)


async def waiting_for(session: AsyncSession, expert: str) -> Sequence[Question]:
    """Open questions this expert was offered or took, and has not answered."""
    waits = (Offer.state == "open") | _TAKEN
    query = _offered(expert).where(Question.status.in_(OPEN_STATUSES), waits)
    return (await session.scalars(query)).all()


async def offered_to(session: AsyncSession, expert: str) -> Sequence[Question]:
    """Those of others that this expert was ever asked, took or answered, also when they are
    over."""
    return (await session.scalars(_offered(expert).where(Question.asker != expert))).all()


async def standing_with(session: AsyncSession, expert: str) -> Sequence[Question]:
    """Open questions this expert was offered, will be offered or took, and has not answered."""
    stands = Offer.state.in_(("planned", "open")) | _TAKEN
    query = _offered(expert).where(Question.status.in_(OPEN_STATUSES), stands)
    return (await session.scalars(query)).all()


async def at_root(session: AsyncSession, root: str) -> Question | None:
    """The question whose conversation with the asker is the thread of ``root``."""
    query = select(Question).where(Question.root == root).order_by(Question.id.desc()).limit(1)
    return await session.scalar(query)
