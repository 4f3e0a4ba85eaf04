"""From the inbox to the handlers: in order per room, each event once and whole.

Events that are ready together share a transaction: beginning and ending one costs more than most
events do. Should anything be amiss with one of them, nothing has happened, and each gets a
transaction of its own. There, a handler that fails is tried again, its room waiting meanwhile, and
after ``MAX_ATTEMPTS`` its row is kept as a dead letter, the control room is told once, and the room
goes on.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from bot.domain.errors import UserError
from bot.domain.incoming import Incoming, Needed
from bot.matrix.events import parse, parse_fetched
from bot.services.encoding import Text, Unencoded
from bot.services.homeserver import TRANSIENT, Homeserver, Refused, TokenRejected
from storage import inbox
from storage.database import Database, Uow
from storage.inbox import InboxRow

log = structlog.get_logger()

MAX_ATTEMPTS = 5
BATCH = 200
# So many events share a transaction, at most: the first is answered when the last is handled.
TOGETHER = 20
# Seconds before the next attempt of a row that failed n times.
RETRY_SECONDS = (1, 5, 30, 120)

# The event is not to blame when the database or the homeserver does not answer.
DOWN = (OperationalError, InterfaceError, OSError, TokenRejected, *TRANSIENT)

Fetched = Mapping[str, Incoming | None]
Handler = Callable[[Uow, Incoming, Fetched], Awaitable[None]]
Explainer = Callable[[Uow, Incoming, UserError], Awaitable[None]]
Obituary = Callable[[Uow, InboxRow], Awaitable[None]]
Encode = Callable[[Sequence[Text]], Awaitable[object]]


class Worker:
    def __init__(
        self,
        database: Database,
        homeserver: Homeserver,
        handle: Handler,
        clock: Callable[[], datetime],
        *,
        explain: Explainer,
        bury: Obituary,
        encode: Encode | None = None,
        rooms_at_once: int = 1,
    ) -> None:
        """``explain`` answers a person's mistake, after everything it led to was undone. ``bury``
        tells the control room about a dead letter, in the transaction that makes it
        one. ``encode`` makes what a handler needs of a text before it can decide.
        ``rooms_at_once`` > 1 is for PostgreSQL: SQLite has one writer anyway, and its rooms go
        side by side only where one waits for the network."""
        self._database = database
        self._homeserver = homeserver
        self._handle = handle
        self._clock = clock
        self._explain = explain
        self._bury = bury
        self._encode = encode
        self._rooms_at_once = rooms_at_once
        self._limit = BATCH if rooms_at_once > 1 else TOGETHER
        self._wake = asyncio.Event()
        self._some_postponed = True

    def wake(self) -> None:
        self._wake.set()

    async def run(self) -> None:
        while True:
            self._wake.clear()
            while await self.once() == self._limit:
                pass
            await self._rest()

    async def once(self) -> int:
        """Work through one batch; returns how many rows were taken."""
        now = self._clock()
        async with self._database.uow("inbox", now) as uow:
            rows = await inbox.ready(uow.session, now, self._limit)
            uow.session.expunge_all()  # they outlive a transaction that fails
            settled = self._rooms_at_once == 1 and await self._settle_together(uow, rows)
        if self._rooms_at_once > 1:
            await self._side_by_side(rows)
        elif not settled:
            await _together(map(self._one_by_one, _by_room(rows)))
        return len(rows)

    async def work(self, row: InboxRow) -> bool:
        """Handle one row; False when its room has to wait for it."""
        with _named_in_logs(row):
            try:
                await self._attempt(row)
            except Exception as error:
                return await self._failed(row, error)
            return True

    async def _settle_together(self, uow: Uow, rows: Sequence[InboxRow]) -> bool:
        """Handle and commit them all; False when each needs a transaction of its own instead."""
        try:
            if len(await inbox.all_done(uow.session, [row.id for row in rows])) < len(rows):
                return False
            for row in rows:
                with _named_in_logs(row):
                    incoming = _parsed(row)
                    if incoming is not None:
                        await self._handle(uow.answering(row.event_id), incoming, {})
            await uow.commit()
        except Exception as error:
            # Whose fault it is, and what to do about it, shows when each is handled by itself.
            log.debug("handled_one_by_one", events=len(rows), error=type(error).__name__)
            return False
        return True

    async def _one_by_one(self, rows: Sequence[InboxRow]) -> bool:
        """Those of one room. False when one has to wait; what comes after it waits too."""
        for row in rows:
            if not await self.work(row):
                return False
        return True

    async def _attempt(self, row: InboxRow) -> None:
        incoming = _parsed(row)
        fetched: dict[str, Incoming | None] = {}
        while True:
            try:
                return await self._settle(row, incoming, fetched)
            except Needed as needed:
                if needed.event_id in fetched:
                    raise
                fetched[needed.event_id] = await self._fetch(needed)
            except Unencoded as missing:
                if self._encode is None:
                    raise
                await self._encode([missing.text])
            except UserError as error:
                assert incoming is not None
                return await self._settle(row, incoming, fetched, error)

    async def _settle(
        self,
        row: InboxRow,
        incoming: Incoming | None,
        fetched: Fetched,
        mistake: UserError | None = None,
    ) -> None:
        """One transaction: the row is done, and what it led to, or the mistake explained."""
        async with self._database.uow(row.event_id, self._clock()) as uow:
            if not await inbox.done(uow.session, row.id):
                return
            if incoming is not None and mistake is not None:
                await self._explain(uow, incoming, mistake)
            elif incoming is not None:
                await self._handle(uow, incoming, fetched)
            await uow.commit()

    async def _fetch(self, needed: Needed) -> Incoming | None:
        """None for what is gone, hidden from us, or malformed."""
        try:
            raw = await self._homeserver.event(needed.room_id, needed.event_id)
            return parse_fetched(needed.room_id, raw) if raw else None
        except (Refused, ValueError):
            return None

    async def _failed(self, row: InboxRow, error: Exception) -> bool:
        now = self._clock()
        kind = type(error).__name__
        attempt = row.attempts + 1
        gives_up = attempt >= MAX_ATTEMPTS and not _is_down(error)
        log.error("event_failed", attempt=attempt, error=kind, exc_info=error)
        wait = RETRY_SECONDS[min(row.attempts, len(RETRY_SECONDS) - 1)]
        retry_at = None if gives_up else now + timedelta(seconds=wait)
        self._some_postponed = True
        async with self._database.uow(f"dead:{row.event_id}", now) as uow:
            await inbox.failed(uow.session, row.id, kind, retry_at)
            if gives_up:
                await self._bury(uow, row)
            await uow.commit()
        return gives_up

    async def _side_by_side(self, rows: Sequence[InboxRow]) -> None:
        limit = asyncio.Semaphore(self._rooms_at_once)

        async def in_order(rows: Sequence[InboxRow]) -> None:
            async with limit:
                for start in range(0, len(rows), TOGETHER):
                    some = rows[start : start + TOGETHER]
                    async with self._database.uow("inbox", self._clock()) as uow:
                        settled = await self._settle_together(uow, some)
                    if not settled and not await self._one_by_one(some):
                        return

        await _together(map(in_order, _by_room(rows)))

    async def _rest(self) -> None:
        """Until somebody wakes us or a postponed row may be tried again."""
        seconds = await self._until_next() if self._some_postponed else None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()

    async def _until_next(self) -> float | None:
        """Seconds until a postponed row may be tried; None when there is none."""
        now = self._clock()
        async with self._database.uow("worker", now) as uow:
            moment = await inbox.next_moment(uow.session)
        self._some_postponed = moment is not None
        return None if moment is None else max(0.05, (moment - now).total_seconds())


async def _together(works: Iterable[Coroutine[Any, Any, object]]) -> None:
    """When one fails, none of the others goes on behind the back of whoever tries again."""
    async with asyncio.TaskGroup() as group:
        for work in works:
            group.create_task(work)


def _by_room(rows: Sequence[InboxRow]) -> list[list[InboxRow]]:
    found: dict[str, list[InboxRow]] = {}
    for row in rows:
        found.setdefault(row.room_id, []).append(row)
    return list(found.values())


def _named_in_logs(row: InboxRow) -> AbstractContextManager[object]:
    return structlog.contextvars.bound_contextvars(room=row.room_id, event_id=row.event_id)


def _parsed(row: InboxRow) -> Incoming | None:
    """None for what nobody acts on, or nobody could."""
    try:
        return parse(row.room_id, row.content or {})
    except ValueError as error:
        log.warning("event_skipped", reason=str(error))
        return None


def _is_down(error: Exception) -> bool:
    # A connection that breaks has no class of its own with asyncpg.
    lost = isinstance(error, DBAPIError) and error.connection_invalidated
    return lost or isinstance(error, DOWN)
