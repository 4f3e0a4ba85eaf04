"""The engine and the unit of work.

One unit of work is one transaction. Leaving it without ``commit()`` rolls it back, so a use case
either happens whole (its rows, its outbox rows, its inbox row done) or not at all.

SQLite has one writer. Units of work of this process take turns on an asyncio lock instead of
meeting in SQLite's busy handler, which sleeps in steps that grow to 100 ms. WAL with
``synchronous=NORMAL`` may forget the newest commits when the *machine* loses power, never when the
process dies; what is left is always a prefix of what was committed, and because transaction ids
derive from causes (see ``storage.outbox``) working through the forgotten part again says nothing
twice.

SQLite is called in the thread of the event loop. A statement of ours takes it microseconds;
aiosqlite's way to a thread and back, four times a statement, took most of the processor time of
the whole bot. What blocks the loop is writing the log back into the database file, once in a
thousand pages, for as long as the disk takes.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from copy import copy
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import aiosqlite
from aiosqlite.core import _STOP_RUNNING_SENTINEL
from sqlalchemy import event
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from storage.outbox import Outbox

SQLITE_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=NORMAL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA busy_timeout=10000",
)


class Database:
    """The network's memory: hands out units of work and says when outbox rows were committed."""

    def __init__(self, url: str) -> None:
        self.engine = _engine(url)
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        self._turn: asyncio.Lock | None = asyncio.Lock() if self.is_sqlite else None
        self._on_outbox: list[Callable[[], None]] = []

    def on_outbox(self, wake: Callable[[], None]) -> None:
        """Call ``wake`` after every commit that left rows in the outbox."""
        self._on_outbox.append(wake)

    def uow(self, cause: str, now: datetime) -> "Uow":
        """A unit of work; ``cause`` names what it answers to, uniquely and for ever."""
        return Uow(self, cause, now)

    def turn(self) -> AbstractAsyncContextManager[Any]:
        return self._turn if self._turn is not None else nullcontext()

    def outbox_committed(self) -> None:
        for wake in self._on_outbox:
            wake()

    async def close(self) -> None:
        await self.engine.dispose()


class Uow:
    """One transaction, what caused it, and its instant.

    ``session`` is SQLAlchemy's; ``outbox`` takes what is to be said if the transaction commits.
    """

    def __init__(self, database: Database, cause: str, now: datetime) -> None:
        self._database = database
        self.cause = cause
        self.now = now
        self.session = AsyncSession(
            database.engine, sync_session_class=_Attentive, expire_on_commit=False
        )
        self.outbox = Outbox(self.session, cause, now)
        self._turn = database.turn()
        self._then: list[Callable[[], None]] = []

    def answering(self, cause: str) -> "Uow":
        """This same transaction, as it answers to a cause of its own among several. Only the whole
        is entered, left and committed."""
        part = copy(self)
        part.cause = cause
        part.outbox = Outbox(self.session, cause, self.now, part_of=self.outbox)
        return part

    def then(self, act: Callable[[], None]) -> None:
        """Call it once this is committed; what is undone is not counted, and tried again is not
        counted twice."""
        self._then.append(act)

    async def __aenter__(self) -> Self:
        await self._turn.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            await _to_the_end(self.session.close())
        finally:
            await self._turn.__aexit__(exc_type, exc, traceback)

    async def commit(self) -> None:
        await _to_the_end(self.session.commit(), self._committed)

    def _committed(self) -> None:
        for act in self._then:
            act()
        if self.outbox.added:
            self._database.outbox_committed()


class _Attentive(Session):
    """Keeps in mind what it has read, so that asking for the same row again costs nothing."""


@event.listens_for(_Attentive, "loaded_as_persistent")
def _keep_in_mind(session: Session, row: object) -> None:
    # SQLAlchemy, "Creating a Strong Referencing Identity Map": by itself it forgets what nobody
    # else holds.
    session.info.setdefault("read", []).append(row)


async def _to_the_end(work: Awaitable[None], then: Callable[[], None] | None = None) -> None:
    """Whoever is cancelled meanwhile waits for it: a connection that is given back half-way is
    thrown away, with the lock it may hold. ``then`` is called once it has been done."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        [outcome] = await asyncio.gather(task, return_exceptions=True)
        if then is not None and outcome is None:
            then()
        raise
    if then is not None:
        then()


class _InPlace(aiosqlite.Connection):
    """Does its work where it is called. Its thread only waits for its end: what a thread tells an
    event loop that has been closed meanwhile is an exception that nobody catches."""

    async def _execute(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return fn(*args, **kwargs)

    async def _connect(self) -> "_InPlace":
        if self._connection is None:
            try:
                self._connection = self._connector()
            except BaseException:
                self.stop()
                raise
        return self

    def stop(self) -> None:
        self._running = False
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
        self._tx.put_nowait((None, lambda: _STOP_RUNNING_SENTINEL))


def _engine(url: str) -> AsyncEngine:
    is_sqlite = make_url(url).get_backend_name() == "sqlite"
    engine = create_async_engine(
        url,
        # Parameters hold what people wrote; errors end up in logs.
        hide_parameters=True,
        pool_pre_ping=not is_sqlite,
        async_creator=_sqlite_creator(url) if is_sqlite else None,
    )
    if is_sqlite:
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
        event.listen(engine.sync_engine, "begin", _begin_immediate)
        event.listen(engine.sync_engine, "invalidate", _roll_back)
    return engine


def _sqlite_creator(url: str) -> Callable[[], Awaitable[aiosqlite.Connection]]:
    path = make_url(url).database
    assert path is not None, "clusterdesk keeps its memory in a file"

    async def connect() -> aiosqlite.Connection:
        connection = _InPlace(lambda: sqlite3.connect(path, check_same_thread=False), 64)
        # As SQLAlchemy does with the connections it makes: an idle thread holds up no exit.
        connection._thread.daemon = True
        return await connection

    return connect


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # The driver must not begin transactions by itself: it would begin them deferred, and a
    # transaction that reads first and writes later can then fail instead of waiting.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in SQLITE_PRAGMAS:
        cursor.execute(pragma)
    cursor.close()


def _roll_back(connection: Any, _record: Any, _error: BaseException | None) -> None:
    # Cancelled in the middle of a statement. SQLite keeps a closed connection, and its lock, for
    # as long as anything refers to an open cursor: a traceback is enough.
    connection.rollback()


def _begin_immediate(connection: Any) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
