"""``clusterdesk provision``: the rooms on the homeserver, planned and made without running the bot.

The dry run reads only: it works beside a running bot, and before there is a database.
"""

import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from bot.app import AnotherBotRuns, instance_of, now_utc
from bot.matrix.client import MatrixClient
from bot.matrix.session import sign_in
from bot.services.homeserver import HomeserverError
from bot.services.rooms import Provisioner, describe
from config.network import load_network
from config.settings import Settings
from storage.database import Database
from storage.lock import lock_for
from storage.migrate import backup_sqlite, current_of, upgrade_engine

Say = Callable[[str], None]
LANGUAGE = "en"


async def provision(settings: Settings, say: Say, *, dry_run: bool) -> int:
    """0 when the rooms are as they should be, or the plan is printed; 1 when that failed."""
    try:
        if dry_run:
            async with _read_only(settings) as database:
                await _plan(settings, database, say)
        else:
            await _locked_apply(settings, say)
    except HomeserverError as error:
        say(f"✗ {settings.homeserver} cannot be used: {error}")
        return 1
    return 0


async def _locked_apply(settings: Settings, say: Say) -> None:
    network = load_network(settings.network)
    lock = lock_for(settings.database_url, network.key, settings.user_id)
    if not await lock.take():
        raise AnotherBotRuns
    database = Database(settings.database_url.render_as_string(hide_password=False))
    try:
        await upgrade_engine(database.engine)
        if await _plan(settings, database, say):
            await _apply(settings, database, say)
    finally:
        await database.close()
        await lock.release()


async def _plan(settings: Settings, database: Database, say: Say) -> bool:
    """Print the plan; False when there is nothing to do."""
    instance = instance_of(settings, load_network(settings.network))
    async with MatrixClient(settings.homeserver, settings.user_id) as client:
        await sign_in(client, settings)
        plan = await Provisioner(client, database, instance, now_utc).plan()
    lines = describe(plan, instance.texts[LANGUAGE])
    for line in lines:
        say(f"• {line.body}")
    if not lines:
        say("✓ all rooms are as they should be")
    return bool(lines)


async def _apply(settings: Settings, database: Database, say: Say) -> None:
    instance = instance_of(settings, load_network(settings.network))
    async with MatrixClient(settings.homeserver, settings.user_id) as client:
        await sign_in(client, settings)
        provisioner = Provisioner(
            client, database, instance, now_utc, progress=lambda text: say(f"  {text}")
        )
        outcome = await provisioner.apply()
    for notice in outcome.notices:
        say(f"! {notice.said(instance.texts[LANGUAGE]).body}")
    say("✓ done")


@asynccontextmanager
async def _read_only(settings: Settings) -> AsyncIterator[Database]:
    """The database as it is; a copy where that is SQLite, an empty one where there is none yet."""
    database = Database(settings.database_url.render_as_string(hide_password=False))
    try:
        if settings.uses_sqlite or await current_of(database.engine) is None:
            async with _copy_of(settings) as copy:
                yield copy
        else:
            yield database
    finally:
        await database.close()


@asynccontextmanager
async def _copy_of(settings: Settings) -> AsyncIterator[Database]:
    with tempfile.TemporaryDirectory(prefix="clusterdesk-plan-") as folder:
        target = Path(folder) / "copy.db"
        _copy_sqlite(settings, target)
        database = Database(f"sqlite+aiosqlite:///{target}")
        try:
            await upgrade_engine(database.engine)
            yield database
        finally:
            await database.close()


def _copy_sqlite(settings: Settings, target: Path) -> None:
    source = Path(str(settings.database_url.database))
    if settings.uses_sqlite and source.exists():
        backup_sqlite(source, target)
