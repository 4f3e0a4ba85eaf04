"""The bot under measurement: ``clusterdesk run`` as a process of its own, with a small network."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from bench.processes import START_SECONDS, ChildFailed, cpu_seconds, logged, python, rss_kb, tail

ROOMS = 8
ALIAS_PREFIX = "bench-"
ADMIN = "admin"
BOT = "clusterdesk"
COMMAND = "!about"
MAIN = "from bot.cli import main; main()"


@dataclass(frozen=True, slots=True)
class Subject:
    """A running bot. ``ready_after`` is how many seconds it took to be ready since ``started``."""

    process: asyncio.subprocess.Process
    log: Path
    started: float
    ready_after: float

    @property
    def cpu_seconds(self) -> float:
        return cpu_seconds(self.process.pid)

    @property
    def rss_kb(self) -> int:
        return rss_kb(self.process.pid)

    async def provisioned(self) -> None:
        """Until all rooms are made."""
        await logged(self.process, self.log, '"event": "provisioned"')

    async def at_rest(self) -> None:
        """Until it has nothing left to do: idle ticks use less than a tenth of a second each."""
        used = -1.0
        while self.cpu_seconds - used > 0.05:
            used = self.cpu_seconds
            await asyncio.sleep(1.0)

    async def stop(self) -> None:
        self.process.terminate()
        await self.process.wait()


def alias(room: int, server: str) -> str:
    return f"#{ALIAS_PREFIX}c{room}:{server}"


@asynccontextmanager
async def running(
    folder: Path, homeserver: str, user_id: str, token: str, *, database: str = "sqlite"
) -> AsyncIterator[Subject]:
    """The bot, ready. Started again in the same folder it goes on where it was."""
    port = _free_port()
    configuration = _write_configuration(folder, homeserver, user_id, token, database, port)
    log = folder / "bot.log"
    log.unlink(missing_ok=True)
    arguments = ("-c", MAIN, "run", "-c", str(configuration), "--log-format", "json")
    started = time.perf_counter()
    async with python(*arguments, log=log) as process:
        await _until_ready(process, port, log)
        yield Subject(process, log, started, time.perf_counter() - started)


async def _until_ready(process: asyncio.subprocess.Process, port: int, log: Path) -> None:
    async with asyncio.timeout(START_SECONDS), aiohttp.ClientSession() as http:
        while not await _is_ready(http, f"http://127.0.0.1:{port}/readyz"):
            if process.returncode is not None:
                raise ChildFailed(tail(log))
            await asyncio.sleep(0.02)


async def _is_ready(http: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with http.get(url) as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False


def _write_configuration(
    folder: Path, homeserver: str, user_id: str, token: str, database: str, port: int
) -> Path:
    """JSON is YAML."""
    network = folder / "network.yaml"
    network.write_text(json.dumps(_network()))
    settings = {
        "homeserver": homeserver,
        "user_id": user_id,
        "access_token": token,
        "data_dir": "var",
        "database": database,
        "network": str(network),
        "admins": [f"@{ADMIN}:{user_id.partition(':')[2]}"],
        "web": {"listen": f"127.0.0.1:{port}"},
    }
    path = folder / "clusterdesk.yaml"
    path.write_text(json.dumps(settings))
    return path


def _network() -> dict[str, object]:
    return {
        "key": "bench",
        "name": {"en": "Benchmark"},
        "languages": ["en"],
        "timezone": "Europe/Brussels",
        "alias_prefix": ALIAS_PREFIX,
        "clusters": [
            {
                "key": f"c{number}",
                "name": {"en": f"Cluster {number}"},
                "topic": {"en": "A room to measure in"},
                "words": {"en": [f"word{number}"]},
            }
            for number in range(1, ROOMS + 1)
        ],
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
