"""``clusterdesk db``: migrations and copies."""

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import URL

from config.network import load_network
from config.problems import ConfigError
from config.settings import Settings, load
from storage import erasure, migrate
from storage.database import Database
from storage.lock import lock_for

DEFAULT_FILE = Path("clusterdesk.yaml")
ConfigFile = Annotated[
    Path, typer.Option("--config", "-c", help="The configuration file.", envvar="CLUSTERDESK_FILE")
]
CopyFile = Annotated[Path, typer.Argument(help="The file of the copy.")]

app = typer.Typer(help="Migrations and copies of the database.", no_args_is_help=True)


class Impossible(Exception):
    """What was asked of the database cannot be done; the message says why."""


def _doing(config: Path, act: Callable[[Settings], str], mark: str = "✓ ") -> None:
    try:
        typer.echo(f"{mark}{act(load(config))}")
    except ConfigError as error:
        typer.echo("\n".join(f"✗ {problem}" for problem in error.problems), err=True)
        raise typer.Exit(1) from error
    except (Impossible, migrate.DatabaseTooNew, OSError, ValueError) as error:
        typer.echo(f"✗ {error}", err=True)
        raise typer.Exit(1) from error


@app.command()
def upgrade(config: ConfigFile = DEFAULT_FILE) -> None:
    """Bring the database to what this version needs. `run` does it by itself."""
    _doing(config, lambda settings: asyncio.run(_upgrade(settings)))


@app.command()
def current(config: ConfigFile = DEFAULT_FILE) -> None:
    """Which revision the database is at."""
    _doing(config, lambda settings: asyncio.run(_current(settings)))


@app.command()
def backup(file: CopyFile, config: ConfigFile = DEFAULT_FILE) -> None:
    """Write a consistent copy; the bot may be running."""
    _doing(config, lambda settings: _backup(settings, file))


@app.command()
def restore(file: CopyFile, config: ConfigFile = DEFAULT_FILE) -> None:
    """Put a copy in the place of the database; the bot must be stopped."""
    _doing(config, lambda settings: asyncio.run(_restore(settings, file)))


@app.command()
def export(
    user: Annotated[str, typer.Argument(help="The person's full Matrix ID.")],
    config: ConfigFile = DEFAULT_FILE,
) -> None:
    """Print, as JSON, everything kept about one person."""
    _doing(config, lambda settings: asyncio.run(_export(settings, user)), mark="")


async def _export(settings: Settings, user: str) -> str:
    database = _database(settings)
    try:
        async with database.uow("export", datetime.now(UTC)) as uow:
            return json.dumps(await erasure.export(uow.session, user), indent=2, ensure_ascii=False)
    finally:
        await database.close()


def _database(settings: Settings) -> Database:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    return Database(settings.database_url.render_as_string(hide_password=False))


async def _upgrade(settings: Settings) -> str:
    database = _database(settings)
    try:
        await migrate.upgrade_engine(database.engine)
    finally:
        await database.close()
    return f"the database is at revision {migrate.head()}"


async def _current(settings: Settings) -> str:
    database = _database(settings)
    try:
        revision = await migrate.current_of(database.engine)
    finally:
        await database.close()
    if revision is None:
        return "the database is empty"
    needed = "" if revision == migrate.head() else f"; this version needs {migrate.head()}"
    return f"the database is at revision {revision}{needed}"


def _backup(settings: Settings, file: Path) -> str:
    if file.exists():
        raise Impossible(f"{file} exists already; choose another name")
    if settings.uses_sqlite:
        migrate.backup_sqlite(_sqlite_path(settings), file)
    else:
        _postgres_tool("pg_dump", settings.database_url, ["--format=custom", f"--file={file}"])
    return f"wrote {file}"


async def _restore(settings: Settings, file: Path) -> str:
    network = load_network(settings.network)
    lock = lock_for(settings.database_url, network.key, settings.user_id)
    if not await lock.take():
        raise Impossible("the bot is running with this database; stop it first")
    try:
        if settings.uses_sqlite:
            migrate.restore_sqlite(file, _sqlite_path(settings))
            return f"restored {file}; the earlier database is kept beside it as .before-restore"
        options = ["--clean", "--if-exists", "--single-transaction", str(file)]
        _postgres_tool("pg_restore", settings.database_url, options)
        return f"restored {file}"
    finally:
        await lock.release()


def _sqlite_path(settings: Settings) -> Path:
    database = settings.database_url.database
    assert database is not None
    return Path(database)


def _postgres_tool(tool: str, url: URL, options: list[str]) -> None:
    """Run PostgreSQL's own tool; the password goes through its environment, never a command."""
    if shutil.which(tool) is None:
        raise Impossible(f"{tool} is not installed; install PostgreSQL's client programs")
    address = url.set(drivername="postgresql", password=None).render_as_string()
    environment = {"PGPASSWORD": str(url.password)} if url.password else {}
    done = subprocess.run(
        [tool, f"--dbname={address}", *options],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Impossible(f"{tool} failed: {done.stderr.strip()}")
