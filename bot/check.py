"""``clusterdesk check``: everything that can be wrong before the bot runs, each with a remedy.

✓ is well, ✗ keeps the bot from running, ! it can do without.
"""

import asyncio
import os
import socket
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from bot.encoders.choice import LOADING, choose
from bot.matrix.client import MatrixClient
from bot.matrix.session import NoCredentials, WrongAccount, sign_in
from bot.services.encoding import Closing, Encoder, EncoderFault, Text
from bot.services.homeserver import HomeserverError, TokenRejected
from config.network import load_network
from config.problems import ConfigError, Problem
from config.settings import Settings, load
from storage import migrate
from storage.database import Database

Say = Callable[[str], None]


async def check(path: Path, say: Say) -> int:
    """0 when nothing is wrong, else 1."""
    try:
        settings = load(path)
    except ConfigError as error:
        return _report("configuration", list(error.problems), say)
    failed = _report("configuration", [], say)
    for name, find in _CHECKS.items():
        failed |= _report(name, await find(settings), say)
    for name, find in _WARNINGS.items():
        _report(name, await find(settings), say, sign="!")
    return failed


def _report(name: str, problems: list[Problem], say: Say, sign: str = "✗") -> int:
    if not problems:
        say(f"✓ {name}")
    for problem in problems:
        say(f"{sign} {problem}")
    return 1 if problems else 0


async def _network(settings: Settings) -> list[Problem]:
    try:
        load_network(settings.network)
    except ConfigError as error:
        return list(error.problems)
    return []


async def _data_dir(settings: Settings) -> list[Problem]:
    folder = settings.data_dir
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return []
    except OSError as error:
        remedy = f"Let the user that runs clusterdesk ({os.geteuid()}) write there."
        return [Problem("data_dir", f"{folder} cannot be written: {error.strerror}.", remedy)]


async def _database(settings: Settings) -> list[Problem]:
    if not _database_exists(settings):
        return []  # made at the first start
    database = Database(settings.database_url.render_as_string(hide_password=False))
    try:
        async with database.engine.connect() as connection:
            await connection.run_sync(migrate.refuse_newer)
    except migrate.DatabaseTooNew as error:
        return [Problem("database", f"{error}.", "")]
    except (SQLAlchemyError, OSError) as error:
        reason = type(getattr(error, "orig", None) or error).__name__
        remedy = "Is it running, and are its host, name, user and password right?"
        return [Problem("database", f"It cannot be reached ({reason}).", remedy)]
    finally:
        await database.close()
    return []


def _database_exists(settings: Settings) -> bool:
    return not settings.uses_sqlite or Path(str(settings.database_url.database)).exists()


async def _homeserver(settings: Settings) -> list[Problem]:
    async with MatrixClient(settings.homeserver, settings.user_id) as client:
        try:
            await sign_in(client, settings)
        except TokenRejected:
            remedy = "Log the bot's account in again and put its new token into the configuration."
            return [Problem("access_token", "The homeserver rejects it.", remedy)]
        except (WrongAccount, NoCredentials) as error:
            return [Problem("access_token", f"{str(error)[:1].upper()}{str(error)[1:]}.", "")]
        except HomeserverError as error:
            remedy = f"Does {settings.homeserver}/_matrix/client/versions answer from here?"
            return [Problem("homeserver", f"It cannot be used: {error}.", remedy)]
    return []


async def _web(settings: Settings) -> list[Problem]:
    web = settings.web
    if web is None:
        return []
    try:
        family = socket.AF_INET6 if ":" in web.host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((web.host, web.port))
    except OSError as error:
        remedy = "Choose another port, or stop what uses it (a running clusterdesk does)."
        return [Problem("web.listen", f"{web.listen} is not free: {error.strerror}.", remedy)]
    return []


async def _encoder(settings: Settings) -> list[Problem]:
    routing = settings.routing
    choice = choose(routing)
    if choice.encoder is None:
        return [_lexical(str(choice.reason), _INSTALL)] if choice.reason else []
    seconds = routing.timeout if routing.is_endpoint else max(LOADING, routing.timeout)
    if fault := await _fault_of(choice.encoder, seconds):
        there = f"Does {routing.encoder}/embeddings answer from here, with this model and key?"
        return [_lexical(fault, there if routing.is_endpoint else _INSTALL)]
    if choice.reason:
        sentence = f"{choice.encoder.name} stands in: {choice.reason}."
        return [Problem("encoder", sentence, "Install the extra “e5”, or write encoder: use.")]
    return []


async def _fault_of(encoder: Encoder, seconds: float) -> str | None:
    try:
        async with asyncio.timeout(seconds):
            await encoder.encode([Text("network")])
    except TimeoutError:
        return f"no answer within {seconds:g} seconds"
    except EncoderFault as error:
        return str(error)
    finally:
        if isinstance(encoder, Closing):
            await encoder.close()
    return None


def _lexical(fault: str, remedy: str) -> Problem:
    return Problem("encoder", f"Questions are routed by words alone: {fault}.", remedy)


_INSTALL = "Install clusterdesk with what it depends on, or write encoder: lexical."
_CHECKS: dict[str, Callable[[Settings], Awaitable[list[Problem]]]] = {
    "network": _network,
    "data_dir": _data_dir,
    "database": _database,
    "homeserver": _homeserver,
    "web": _web,
}
_WARNINGS: dict[str, Callable[[Settings], Awaitable[list[Problem]]]] = {"encoder": _encoder}
"""What the bot can do without."""
