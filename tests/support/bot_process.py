"""A bot as operators have it, for tests on a real homeserver: an account, files, and a process.

`settle` opens the accounts and writes the files of a small network whose addresses are its own, so
that many may share a homeserver. `BotProcess` runs it.
"""

import asyncio
import contextlib
import json
import multiprocessing
import os
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import aiohttp
import yaml

from bot.demo.homeserver import Account, PrivateSynapse
from bot.demo.person import Event, Person
from bot.domain.content import KEY
from tests.support import crashing_bot

CLUSTERDESK = str(Path(sys.executable).with_name("clusterdesk"))
MODEL = "innov-eurometropolis"
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
PATIENCE = 60.0
"""Seconds; generous, because a busy machine needs several to start a process."""

NURSERY = multiprocessing.get_context("forkserver")
NURSERY.set_forkserver_preload(["tests.support.crashing_bot"])

LogEntry = dict[str, Any]


class BotError(Exception):
    """The bot's process did not do what was awaited; the message ends with its log."""

    def __init__(self, what: str, log: str) -> None:
        super().__init__(f"{what}. The end of its log:\n{log}")


@dataclass(frozen=True, slots=True)
class Premises:
    """What one bot needs: its account and an admin's, a folder, a network file, a configuration."""

    synapse: PrivateSynapse
    folder: Path
    bot: Account
    admin: Account
    alias_prefix: str
    config: Path = field(init=False)

    def __post_init__(self) -> None:
        self.give_token(self.bot.access_token)
        object.__setattr__(self, "config", self.configure())

    def configure(self, name: str = "clusterdesk.yaml", **changes: Any) -> Path:
        """Write a configuration file that differs from the usual one in `changes`."""
        path = self.folder / name
        settings = {
            "homeserver": self.synapse.base_url,
            "user_id": self.bot.user_id,
            "access_token_file": "token",
            "data_dir": "var",
            "network": "./network.yaml",
            "admins": [self.admin.user_id],
            "web": {"listen": "127.0.0.1:0"},
            # Models take a second and 100 MB of each of many processes.
            "routing": {"encoder": "lexical"},
        }
        path.write_text(json.dumps(settings | changes), encoding="utf-8")
        return path

    @property
    def token(self) -> str:
        return (self.folder / "token").read_text("utf-8")

    def give_token(self, token: str) -> None:
        """Whole or not at all: a running bot may be reading it."""
        fresh = self.folder / "token.new"
        fresh.write_text(token, encoding="utf-8")
        fresh.replace(self.folder / "token")

    def alias(self, key: str) -> str:
        return f"#{self.alias_prefix}{key}:{self.synapse.server_name}"

    def person(self, account: Account, *, listen: bool = True) -> Person:
        return Person(
            self.synapse.base_url, account.user_id, access_token=account.access_token, listen=listen
        )

    async def newcomer(self, name: str) -> Account:
        return await self.synapse.register(
            f"{name}-{secrets.token_hex(4)}", secrets.token_urlsafe()
        )

    async def enters(self, person: Person, *keys: str) -> list[str]:
        """Somebody comes into the space, and from there into these rooms; their ids."""
        await person.join(self.alias("space"))
        return [await person.join(self.alias(key)) for key in keys]

    async def command(self, *commands: str) -> None:
        """Said by the admin in the control room, each of them until it is done (✅)."""
        async with self.person(self.admin) as admin:
            control = await admin.join(self.alias("control"))
            for each in commands:
                sent = await admin.say(control, each)
                await admin.wait_for(_is_done(sent), timeout=PATIENCE)


async def settle(
    synapse: PrivateSynapse,
    folder: Path,
    *,
    clusters: Collection[str] = ("logistics",),
    desks: Collection[str] = ("funding",),
    forum: bool = False,
    questions: Mapping[str, Any] | None = None,
) -> Premises:
    """The built-in network, reduced to these rooms and the space and control room.

    Its desks never close: a test may run at any hour. ``questions`` are knobs that differ.
    """
    unique = secrets.token_hex(4)
    network = yaml.safe_load((files("config") / "networks" / f"{MODEL}.yaml").read_text("utf-8"))
    network["key"], network["alias_prefix"] = f"test-{unique}", f"test-{unique}-"
    network["clusters"] = [each for each in network["clusters"] if each["key"] in clusters]
    network["desks"] = [each for each in network["desks"] if each["key"] in desks]
    for desk in network["desks"]:
        desk["hours"] = {"days": list(WEEKDAYS), "start": "00:00", "end": "23:59"}
    knobs = {"default_desk": min(desks), "quiet_hours": False, "weekly_ceiling": 100}
    network["questions"] = {**knobs, **(questions or {})}
    if not forum:
        del network["forum"]
    (folder / "network.yaml").write_text(json.dumps(network), encoding="utf-8")
    bot = await synapse.register(f"bot-{unique}", f"the-bot-{unique}")
    admin = await synapse.register(f"admin-{unique}", secrets.token_urlsafe())
    return Premises(synapse, folder, bot, admin, network["alias_prefix"])


class Process(Protocol):
    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        ...

    def terminate(self) -> None: ...

    def kill(self) -> None: ...


class Forked:
    """A process that begins where all modules have been imported: in a tenth of the time."""

    def __init__(self, *args: object) -> None:
        self._process = NURSERY.Process(target=crashing_bot.be_born, args=args)
        self._process.start()
        self.terminate = self._process.terminate
        self.kill = self._process.kill

    def poll(self) -> int | None:
        return self._process.exitcode


class BotProcess:
    """`async with BotProcess(premises.config) as bot: await bot.ready()`

    It runs in a hurry, and if wanted to the point `crash_at` (tests/support/crashing_bot.py), and
    is not survived by its process. `as_installed` runs the console script instead.
    """

    def __init__(
        self, config: Path, *, crash_at: str | None = None, as_installed: bool = False
    ) -> None:
        self._config = config
        self._crash_at = crash_at
        self._as_installed = as_installed
        self._log = config
        self._process: Process | None = None

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.kill()

    def start(self) -> None:
        """Also once more, after it was stopped or killed; the log begins anew."""
        self._log = self._config.parent / f"log-{time.monotonic_ns()}"
        self._log.touch()
        self._process = self._installed() if self._as_installed else self._forked()

    def _forked(self) -> Process:
        return Forked(self._config, self._crash_at, self._log, environment(self._config.parent))

    def _installed(self) -> Process:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [CLUSTERDESK, "run", "--config", str(self._config), "--log-format", "json"],
                env=environment(self._config.parent),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def process(self) -> Process:
        assert self._process is not None, "the bot has not been started"
        return self._process

    async def kill(self) -> None:
        """SIGKILL: it has no time for a last word."""
        self.process.kill()
        await self.ended()

    async def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.terminate()
        return await self.ended()

    async def ended(self) -> int:
        """The exit code; -9 when it was killed or killed itself."""
        deadline = time.monotonic() + PATIENCE
        while (code := self.process.poll()) is None:
            if time.monotonic() > deadline:
                raise self.error(f"The bot runs on after {PATIENCE:g} seconds")
            await asyncio.sleep(0.02)
        return code

    async def ready(self) -> None:
        """Until it has caught up with the homeserver and says so."""
        await self.until_ready_is(True)
        assert "clusterdesk_database_up 1.0" in await self.metrics()

    async def until_ready_is(self, wanted: bool, patience: float = PATIENCE) -> dict[str, Any]:
        """What `/readyz` says once it is green, or red."""
        await self.logged("web_listens", patience)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            status, answer = await self.readyz()
            if status == (200 if wanted else 503):
                return answer
            await self.breathe()
        raise self.error(f"The bot is not {'ready' if wanted else 'red'}: {answer}")

    async def readyz(self) -> tuple[int, dict[str, Any]]:
        status, text = await self._get("readyz")
        answer: dict[str, Any] = json.loads(text)
        return status, answer

    async def metrics(self) -> str:
        return (await self._get("metrics"))[1]

    async def figure(self, name: str) -> float:
        found = re.search(rf"^{name} (\S+)$", await self.metrics(), re.MULTILINE)
        assert found is not None, f"{name} is not among the metrics"
        return float(found[1])

    async def quiet(self, patience: float = PATIENCE) -> None:
        """Until what came in is handled and what was decided is sent."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            waiting = [await self.figure(f"clusterdesk_{box}_depth") for box in ("inbox", "outbox")]
            if waiting == [0, 0]:
                return
            await self.breathe()
        raise self.error(f"Inbox and outbox hold {waiting} after {patience:g} seconds")

    async def provisioned(self) -> None:
        """Until its rooms are as they should be."""
        await self.logged("provisioned")

    async def logged(self, event: str, patience: float = PATIENCE) -> LogEntry:
        """The first entry of that name in its log, once there is one."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if found := self.log(event):
                return found[0]
            await self.breathe()
        raise self.error(f"The bot has not logged {event} in {patience:g} seconds")

    def log(self, event: str | None = None) -> list[LogEntry]:
        lines = self.text().splitlines()
        entries = [json.loads(line) for line in lines if line.startswith("{")]
        return [entry for entry in entries if event in (None, entry["event"])]

    def text(self) -> str:
        return self._log.read_text("utf-8", errors="replace")

    async def breathe(self) -> None:
        """A moment's pause; raises when there is nobody to wait for any more."""
        if (code := self.process.poll()) is not None:
            raise self.error(f"The bot ended with {code}")
        await asyncio.sleep(0.05)

    def error(self, what: str) -> BotError:
        return BotError(what, "\n".join(self.text().splitlines()[-30:]))

    async def _get(self, path: str) -> tuple[int, str]:
        url = self.log("web_listens")[-1]["url"]
        async with aiohttp.ClientSession() as client, client.get(f"{url}/{path}") as response:
            return response.status, await response.text()


async def clusterdesk(config: Path, *arguments: str) -> tuple[int, str]:
    """One command of the installed program; its exit code and all it printed."""
    process = await asyncio.create_subprocess_exec(
        CLUSTERDESK,
        *arguments,
        "--config",
        str(config),
        env=environment(config.parent),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        printed, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    assert process.returncode is not None
    return process.returncode, printed.decode()


def environment(folder: Path) -> dict[str, str]:
    """Ours, without what would configure the bot. Bytecode is kept beside the test's own files:
    a process that compiles all it imports takes four times as long to start."""
    kept = {name: value for name, value in os.environ.items() if name[:12] != "CLUSTERDESK_"}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return kept | {"PYTHONPYCACHEPREFIX": str(folder.parent / "bytecode"), "PYTHONUTF8": "1"}


async def insist(person: Person, room: str, content: Mapping[str, Any]) -> str:
    """Send a message once, however often the homeserver goes away meanwhile; its event id."""
    path = ("rooms", room, "send", "m.room.message", secrets.token_hex(8))
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return str((await person.request("PUT", *path, body=content))["event_id"])
            except aiohttp.ClientError:
                await asyncio.sleep(0.2)


def key_of(event: Event) -> dict[str, Any]:
    """What the bot says of its message to other programs."""
    return event["content"].get(KEY) or {}


def is_edit(event: Event) -> bool:
    return "m.new_content" in event["content"]


def _is_done(sent: str) -> Callable[[Event], bool]:
    return lambda event: reacted(event) == (sent, "✅")


def reacted(event: Event) -> tuple[str, str] | None:
    """The event a reaction is on, and its key."""
    if event["type"] != "m.reaction":
        return None
    relation = event["content"].get("m.relates_to", {})
    return relation.get("event_id", ""), relation.get("key", "")
