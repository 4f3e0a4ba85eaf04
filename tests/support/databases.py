"""Migrated, empty databases for the tests, had in a few milliseconds.

The migrations run once per session. On SQLite each test then gets a copy of the file. On
PostgreSQL one database is emptied before each test: ``CREATE DATABASE ... TEMPLATE`` takes a third
of a second, ``TRUNCATE`` half of that, ``DELETE`` six milliseconds.
"""

import asyncio
import shutil
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import asyncpg
from sqlalchemy.engine import make_url

from storage.database import Database
from storage.migrate import upgrade_engine
from storage.tables import Base
from tests.support.postgres import Server

_EMPTY = [
    # Whoever a failed test left connected must not stand in the way.
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    *(f'DELETE FROM "{table.name}"' for table in reversed(Base.metadata.sorted_tables)),
    "SELECT setval(oid::regclass, 1, false) FROM pg_class WHERE relkind = 'S'",
]


def make_sqlite_template(path: Path) -> Path:
    migrate(sqlite_url(path))
    return path


def fresh_sqlite(template: Path, path: Path) -> str:
    """The URL of a copy of the template."""
    shutil.copyfile(template, path)
    return sqlite_url(path)


def sqlite_url(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"


@contextmanager
def new_postgres(server: Server) -> Iterator[str]:
    """The URL of a database that no migration has touched."""
    url = server.create_database()
    try:
        yield url
    finally:
        server.drop_database(url)


def migrate(url: str) -> None:
    _run(_migrate(url))


def empty_postgres(url: str) -> None:
    """Delete all rows of a migrated database, and count from one again."""
    _run(_empty(url))


def _run(work: Coroutine[object, object, None]) -> None:
    """From plain code, in a loop of its own that the test's loop never meets."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        pool.submit(asyncio.run, work).result()


async def _migrate(url: str) -> None:
    database = Database(url)
    try:
        await upgrade_engine(database.engine)
    finally:
        await database.close()


async def _empty(url: str) -> None:
    dsn = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(";".join(_EMPTY))
    finally:
        await connection.close()
