"""Migrations, copies, and the refusal of a database newer than the code."""

import sqlite3
from contextlib import closing
from importlib.resources import files
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine


class DatabaseTooNew(Exception):
    """The database was migrated by a newer clusterdesk; this one must not touch it."""

    def __init__(self, revision: str) -> None:
        super().__init__(
            f"the database is at revision {revision}, which this version of clusterdesk does not "
            "know; start the newer version again, or restore a copy made before the upgrade"
        )


def alembic_config(connection: Connection | None = None) -> Config:
    configuration = Config()
    configuration.set_main_option("script_location", str(files("storage") / "migrations"))
    configuration.set_main_option("path_separator", "os")
    configuration.attributes["connection"] = connection
    return configuration


def head() -> str:
    """The revision this code needs."""
    revision = ScriptDirectory.from_config(alembic_config()).get_current_head()
    assert revision is not None, "the package has no migrations"
    return revision


def current(connection: Connection) -> str | None:
    """The revision the database is at; None when it is empty."""
    revision: str | None = MigrationContext.configure(connection).get_current_revision()
    return revision


def upgrade(connection: Connection) -> None:
    """Bring the database to ``head``; raises ``DatabaseTooNew``."""
    refuse_newer(connection)
    command.upgrade(alembic_config(connection), "head")


def refuse_newer(connection: Connection) -> None:
    at = current(connection)
    revisions = ScriptDirectory.from_config(alembic_config()).walk_revisions()
    known = {each.revision for each in revisions}
    if at is not None and at not in known:
        raise DatabaseTooNew(at)


async def upgrade_engine(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.run_sync(upgrade)


async def current_of(engine: AsyncEngine) -> str | None:
    async with engine.connect() as connection:
        return await connection.run_sync(current)


def backup_sqlite(source: Path, target: Path) -> None:
    """A consistent copy, also of a database in use. ``target`` must not exist."""
    if target.exists():
        raise FileExistsError(f"{target} exists; choose another name")
    with closing(sqlite3.connect(source)) as original, closing(sqlite3.connect(target)) as copy:
        original.backup(copy)


def restore_sqlite(copy: Path, target: Path) -> None:
    """Put a copy in the place of the database, which is kept beside it as ``.before-restore``."""
    check_sqlite(copy)
    fresh = target.with_name(target.name + ".restoring")
    fresh.unlink(missing_ok=True)
    backup_sqlite(copy, fresh)
    if target.exists():
        target.replace(target.with_name(target.name + ".before-restore"))
    for suffix in ("-wal", "-shm"):
        target.with_name(target.name + suffix).unlink(missing_ok=True)
    fresh.replace(target)


def check_sqlite(path: Path) -> None:
    """Raises ``ValueError`` unless ``path`` is a whole clusterdesk database."""
    if not path.is_file():
        raise ValueError(f"{path} is not a file")
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        try:
            verdict = connection.execute("PRAGMA integrity_check").fetchone()[0]
            connection.execute("SELECT version_num FROM alembic_version").fetchone()
        except sqlite3.DatabaseError as error:
            raise ValueError(f"{path} is not a clusterdesk database: {error}") from error
    if verdict != "ok":
        raise ValueError(f"{path} is damaged: {verdict}")
