"""What is to be said: rows written in the transaction that decided it, sent later by the relay.

A row's transaction id derives from its cause (the inbox event or the job's slot that led to it)
and its place among the effects of that cause. Deciding the same thing twice therefore meets a
unique key here and the homeserver's deduplication there.

Other rows and links may point to a message before it has an event id: they use its ``ref``, a
string of the form ``~txn:<transaction id>``, which the relay replaces wherever it stands in
content, and which ``sent`` replaces in the links.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from urllib.parse import quote

from sqlalchemy import Index, Table, UniqueConstraint, bindparam, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from storage.base import Base
from storage.links import Link

# Within a matrix.to address a ref stands percent-encoded, and so must the event id.
REF = re.compile(r"~txn(:|%3A)([0-9a-f]{32})")


class Action(StrEnum):
    SEND = "send"
    REDACT = "redact"
    JOIN = "join"
    LEAVE = "leave"


class OutboxRow(Base):
    """``lane`` is a room id, or ``dm:<user id>`` for the direct room with somebody.

    Rows of one lane go out in the order of their ids; a row with ``not_before`` in the future
    lets later ones pass. ``content`` is cleared once the row is sent.
    """

    __tablename__ = "outbox"
    __table_args__ = (
        UniqueConstraint("cause", "ordinal"),
        Index("ix_outbox_status_lane_id", "status", "lane", "id"),
        Index("ix_outbox_collapse", "collapse"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    cause: Mapped[str]
    ordinal: Mapped[int]
    txn_id: Mapped[str] = mapped_column(unique=True)
    lane: Mapped[str]
    action: Mapped[str]
    type: Mapped[str]
    content: Mapped[dict[str, Any] | None]
    collapse: Mapped[str | None]
    status: Mapped[str] = mapped_column(default="pending")
    attempts: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    not_before: Mapped[datetime | None]
    first_attempt_at: Mapped[datetime | None]
    next_attempt_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    event_id: Mapped[str | None] = mapped_column(index=True)
    error: Mapped[str | None]

    @property
    def ref(self) -> str:
        return f"~txn:{self.txn_id}"


_outbox: Table = OutboxRow.metadata.tables[OutboxRow.__tablename__]
_links: Table = Link.metadata.tables[Link.__tablename__]

# Stated once, and in terms of the tables, because every message passes through: see storage.inbox.
_DUE = (
    select(OutboxRow)
    .where(
        OutboxRow.status == "pending",
        OutboxRow.not_before.is_(None) | (OutboxRow.not_before <= bindparam("now")),
        OutboxRow.lane.not_in(bindparam("busy", expanding=True)),
    )
    .order_by(OutboxRow.id)
    .limit(bindparam("limit"))
)
_SENT = (
    update(_outbox)
    .where(_outbox.c.id == bindparam("row"))
    .values(status="sent", sent_at=bindparam("now"), content=None, error=None)
    .values(event_id=bindparam("event"))
)
_LINKED = (
    update(_links).where(_links.c.event_id == bindparam("ref")).values(event_id=bindparam("event"))
)
_UNSENT = select(_outbox.c.id, _outbox.c.txn_id).where(
    _outbox.c.txn_id.in_(bindparam("txns", expanding=True)), _outbox.c.status != "sent"
)
_NEXT_MOMENT = select(func.min(_outbox.c.not_before)).where(
    _outbox.c.status == "pending", _outbox.c.not_before > bindparam("now")
)


def txn_id(cause: str, ordinal: int) -> str:
    return hashlib.sha256(f"{cause}#{ordinal}".encode()).hexdigest()[:32]


def direct(user_id: str) -> str:
    """The lane of the direct room with ``user_id``."""
    return f"dm:{user_id}"


class Outbox:
    """The outbox as one unit of work sees it. ``added`` counts the rows of the transaction."""

    def __init__(
        self, session: AsyncSession, cause: str, now: datetime, *, part_of: "Outbox | None" = None
    ) -> None:
        self._session = session
        self._cause = cause
        self._now = now
        self._part_of = part_of
        self._ordinal = 0
        self.added = 0

    def send(
        self,
        lane: str,
        content: Mapping[str, Any],
        *,
        type: str = "m.room.message",
        link: Link | None = None,
        not_before: datetime | None = None,
        collapse: str | None = None,
    ) -> OutboxRow:
        """Queue an event. ``link`` is stored with it, so that reactions and replies find it."""
        row = self._add(lane, Action.SEND, type, dict(content))
        row.not_before, row.collapse = not_before, collapse
        if link is not None:
            link.event_id, link.lane = row.ref, lane
            self._session.add(link)
        return row

    def react(self, lane: str, event_id: str, key: str) -> OutboxRow:
        relation = {"rel_type": "m.annotation", "event_id": event_id, "key": key}
        return self._add(lane, Action.SEND, "m.reaction", {"m.relates_to": relation})

    def redact(self, lane: str, event_id: str) -> OutboxRow:
        """Queue the redaction of one of the bot's own events (an event id or a ref)."""
        return self._add(lane, Action.REDACT, "m.room.redaction", {"redacts": event_id})

    def join(self, room_id: str, *, direct_with: str | None = None) -> OutboxRow:
        content = {"direct_with": direct_with} if direct_with else {}
        return self._add(room_id, Action.JOIN, "m.room.member", content)

    def leave(self, room_id: str) -> OutboxRow:
        return self._add(room_id, Action.LEAVE, "m.room.member", {})

    async def collapsing(
        self, lane: str, content: Mapping[str, Any], *, collapse: str, not_before: datetime
    ) -> OutboxRow:
        """Queue an edit that replaces a queued one of the same ``collapse`` key not yet tried."""
        waiting = await self._session.scalar(
            select(OutboxRow).where(
                OutboxRow.collapse == collapse,
                OutboxRow.status == "pending",
                OutboxRow.first_attempt_at.is_(None),
            )
        )
        if waiting is None:
            return self.send(lane, content, not_before=not_before, collapse=collapse)
        waiting.content = dict(content)
        return waiting

    def _add(self, lane: str, action: Action, type: str, content: dict[str, Any]) -> OutboxRow:
        row = OutboxRow(
            cause=self._cause,
            ordinal=self._ordinal,
            txn_id=txn_id(self._cause, self._ordinal),
            lane=lane,
            action=action,
            type=type,
            content=content,
            created_at=self._now,
        )
        self._session.add(row)
        self._ordinal += 1
        self._count()
        return row

    def _count(self) -> None:
        self.added += 1
        if self._part_of is not None:
            self._part_of._count()


@dataclass(frozen=True, slots=True)
class Sent:
    row_id: int
    txn_id: str
    event_id: str


async def due(
    session: AsyncSession, now: datetime, limit: int, busy: Iterable[str] = ()
) -> Sequence[OutboxRow]:
    """Pending rows whose time has come, oldest first; lanes in ``busy`` are left out."""
    values = {"now": now, "busy": list(busy), "limit": limit}
    return (await session.scalars(_DUE, values)).all()


async def next_moment(session: AsyncSession, now: datetime) -> datetime | None:
    """When the next row that is held back by ``not_before`` may go."""
    moment: datetime | None = await session.scalar(_NEXT_MOMENT, {"now": now})
    return moment


async def sent(session: AsyncSession, done: Sequence[Sent], now: datetime) -> None:
    """Store the event ids, in the rows and in the links, and clear the contents.

    The relay and the sync loop may do this with the same rows at once: in one order, or PostgreSQL
    finds them waiting for each other.
    """
    done = sorted(done, key=lambda each: each.row_id)
    await session.execute(
        _SENT, [{"row": each.row_id, "event": each.event_id, "now": now} for each in done]
    )
    await session.execute(
        _LINKED, [{"ref": f"~txn:{each.txn_id}", "event": each.event_id} for each in done]
    )


async def confirm(session: AsyncSession, echoes: Mapping[str, str], now: datetime) -> None:
    """The homeserver has these transactions, whether or not its answer reached us."""
    if not echoes:
        return
    rows = (await session.execute(_UNSENT, {"txns": list(echoes)})).all()
    if rows:
        await sent(session, [Sent(each.id, each.txn_id, echoes[each.txn_id]) for each in rows], now)


async def failed(session: AsyncSession, row_id: int, error: str, now: datetime) -> None:
    """Note an attempt whose outcome is unknown or that may succeed later."""
    await session.execute(
        update(OutboxRow)
        .where(OutboxRow.id == row_id)
        .values(
            attempts=OutboxRow.attempts + 1,
            error=error,
            first_attempt_at=func.coalesce(OutboxRow.first_attempt_at, now),
        )
    )


async def bury(session: AsyncSession, row_id: int, error: str) -> None:
    """The homeserver refuses this row: keep it as a dead letter and let the lane go on."""
    await session.execute(
        update(OutboxRow)
        .where(OutboxRow.id == row_id, OutboxRow.status == "pending")
        .values(status="dead", error=error)
    )


async def known(session: AsyncSession, txn_ids: Iterable[str]) -> dict[str, OutboxRow]:
    rows = await session.scalars(select(OutboxRow).where(OutboxRow.txn_id.in_(list(txn_ids))))
    return {row.txn_id: row for row in rows}


async def depth(session: AsyncSession) -> tuple[int, datetime | None]:
    """How many rows wait, and since when the oldest does."""
    row = (
        await session.execute(
            select(func.count(OutboxRow.id), func.min(OutboxRow.created_at)).where(
                OutboxRow.status == "pending"
            )
        )
    ).one()
    return row[0], row[1]


async def dead_count(session: AsyncSession) -> int:
    query = select(func.count(OutboxRow.id)).where(OutboxRow.status == "dead")
    return (await session.scalar(query)) or 0


async def forget(session: AsyncSession, before: datetime) -> None:
    """Drop rows that were sent before ``before``."""
    await session.execute(
        delete(OutboxRow).where(OutboxRow.status == "sent", OutboxRow.sent_at < before)
    )


async def moved(session: AsyncSession, old_lane: str, new_lane: str) -> None:
    """A room was upgraded: what waits for the old one goes to its successor.

    A relation to an event of the old room would be refused there. Messages lose it; what is
    nothing without it (edits, reactions, redactions) stays with the old room.
    """
    query = select(OutboxRow).where(OutboxRow.lane == old_lane, OutboxRow.status == "pending")
    for row in await session.scalars(query):
        content = dict(row.content or {})
        relation = content.pop("m.relates_to", {})
        if row.action == Action.SEND and relation.get("rel_type") in (None, "m.thread"):
            row.lane, row.content = new_lane, content


def refs(value: Any) -> set[str]:
    """The transaction ids that ``value`` points to, at any depth."""
    if isinstance(value, str):
        return {txn for _, txn in REF.findall(value)}
    if isinstance(value, Mapping):
        return set().union(*(refs(each) for each in value.values()))
    if isinstance(value, list):
        return set().union(*(refs(each) for each in value))
    return set()


def resolve(value: Any, events: Mapping[str, str]) -> Any:
    """``value`` with every ref replaced by its event id."""
    if isinstance(value, str):
        return REF.sub(lambda match: _event_id(match, events), value)
    if isinstance(value, Mapping):
        return {key: resolve(each, events) for key, each in value.items()}
    if isinstance(value, list):
        return [resolve(each, events) for each in value]
    return value


def _event_id(match: re.Match[str], events: Mapping[str, str]) -> str:
    event_id = events[match[2]]
    return event_id if match[1] == ":" else quote(event_id, safe="")
