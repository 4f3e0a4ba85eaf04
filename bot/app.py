"""The composition root: the only place that builds real parts and puts them together.

``Bot.run`` takes the network's lock, migrates, signs in, and then keeps its loops going: sync
fills the inbox, the worker empties it, the relay sends what was decided, jobs tick, provisioning
makes the rooms. A loop that fails is started again after a pause. A rejected token stops all of
them but the web side, which says so; they go on when the configuration holds a new one.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import structlog

from bot.domain.backoff import Backoff
from bot.encoders.choice import encoding_for
from bot.jobs import EVERY, Jobs, Tick
from bot.matrix.client import MatrixClient
from bot.matrix.session import NoCredentials, WrongAccount, sign_in
from bot.matrix.sync import Sync
from bot.matrix.worker import Worker
from bot.outbox import Relay
from bot.services import activity, calendar, control, housekeeping
from bot.services.direct import DirectRooms
from bot.services.health import Health, Part
from bot.services.homeserver import HomeserverError, TokenRejected
from bot.services.instance import Instance
from bot.services.metrics import Metrics
from bot.services.questions import reports, timekeeping
from bot.services.rooms import Provisioner
from bot.services.routing import loading, training
from bot.services.routing.knowledge import settle
from bot.services.routing.rebuilding import Rebuilding
from bot.services.routing.router import Router
from bot.web.app import Application, make_app, serve
from commands import calendar as calendar_commands
from commands import general as general_commands
from commands import network as network_commands
from commands import people as people_commands
from commands import pulse as pulse_commands
from commands import questions as question_commands
from commands.dispatch import Dispatcher, OnReaction
from commands.registry import Registry
from config import locales
from config.network import Network, load_network
from config.settings import Settings, load
from storage.database import Database
from storage.lock import Lock, lock_for
from storage.migrate import upgrade_engine

log = structlog.get_logger()

COMMANDS: tuple[ModuleType, ...] = (
    general_commands,
    question_commands,
    calendar_commands,
    people_commands,
    network_commands,
    pulse_commands,
)
TICKS: Mapping[str, Tick] = {
    "questions": timekeeping.tick,
    "calendar": calendar.tick,
    "activity": activity.tick,
    "housekeeping": housekeeping.tick,
    "reports": reports.tick,
    "training": training.tick,
}
STANDBY_SECONDS = 5.0
# A loop that has run for so long works: it is told of as well again, and later its pauses are
# short again.
RUNS_AGAIN_SECONDS = 5.0
RUNS_WELL_SECONDS = 60.0
TOKEN_POLL_SECONDS = 15.0
ROOMS_AT_ONCE = 4


class AnotherBotRuns(Exception):
    def __init__(self) -> None:
        super().__init__(
            "another clusterdesk already runs this network with this database; stop it first, "
            "or set standby: true with PostgreSQL to wait for it to end"
        )


class LockLost(Exception):
    def __init__(self) -> None:
        super().__init__("the database connection that holds the network's lock is gone")


def now_utc() -> datetime:
    return datetime.now(UTC)


def registry() -> Registry:
    return Registry.collect(*COMMANDS)


def reactions() -> dict[str, OnReaction]:
    handlers: dict[str, OnReaction] = {}
    for module in COMMANDS:
        handlers |= getattr(module, "REACTIONS", {})
    return handlers


def instance_of(settings: Settings, network: Network, router: Router | None = None) -> Instance:
    return Instance(
        router=router or Router(network),
        user_id=settings.user_id,
        network=network,
        texts=locales.load(network.languages),
        admins=frozenset(settings.admins),
        prefix=settings.command_prefix,
        public_url=settings.web.public_url if settings.web else None,
        spell=registry().spell,
    )


@dataclass(frozen=True, slots=True)
class Pace:
    """How often the bot looks at the clock. Tests and the demo are in more of a hurry."""

    tick: timedelta = EVERY


class Bot:
    """One bot of one network. ``settings_path`` is read again for a new token; None: never."""

    def __init__(
        self,
        settings: Settings,
        *,
        settings_path: Path | None = None,
        clock: Callable[[], datetime] = now_utc,
        pace: Pace | None = None,
        progress: Callable[[str], None] | None = None,
    ) -> None:
        self._settings = settings
        self._settings_path = settings_path
        self._clock = clock
        self._pace = pace or Pace()
        self.network = load_network(settings.network)
        self.encoding = encoding_for(settings.routing, time.monotonic)
        self.router = Router(self.network, self.encoding)
        self.instance = instance_of(settings, self.network, self.router)
        self.health = Health()
        self.metrics = Metrics()
        url = settings.database_url
        self.database = Database(url.render_as_string(hide_password=False))
        self._lock: Lock = lock_for(url, self.network.key, settings.user_id)
        self._client = MatrixClient(settings.homeserver, settings.user_id)
        self._token_version = 0
        self._token_lock = asyncio.Lock()
        self.provisioned = asyncio.Event()
        self._build(progress)

    def _build(self, progress: Callable[[str], None] | None) -> None:
        instance, database, clock = self.instance, self.database, self._clock
        directs = DirectRooms(self._client, database, instance, clock)
        dispatcher = Dispatcher(instance, registry(), reactions(), self.metrics)
        self.relay = Relay(
            self._client,
            database,
            clock,
            directs=directs,
            bury=lambda uow, row: control.send_buried(uow, instance, row),
            watch=self.metrics,
        )
        self.worker = Worker(
            database,
            self._client,
            dispatcher.handle,
            clock,
            explain=dispatcher.explain,
            bury=lambda uow, row: control.event_buried(uow, instance, row),
            encode=self.encoding.vectors,
            rooms_at_once=1 if database.is_sqlite else ROOMS_AT_ONCE,
        )
        self.sync = Sync(
            self._client,
            database,
            instance.user_id,
            clock,
            recorded=lambda _count: self.worker.wake(),
            healthy=self.health.synced,
        )
        self.rebuilding = Rebuilding(self.router, database, clock)
        self.provisioner = Provisioner(self._client, database, instance, clock, progress=progress)
        self.jobs = Jobs(database, instance, clock, TICKS, self._pace.tick)
        database.on_outbox(self.relay.wake)

    async def run(self, stop: asyncio.Event) -> None:
        """Until ``stop`` is set. Raises ``AnotherBotRuns``, ``LockLost``, ``WrongAccount``,
        ``NoCredentials``, ``DatabaseTooNew`` or ``CannotListen``."""
        await self._take_lock(stop)
        if stop.is_set():
            return await self.close()
        try:
            await upgrade_engine(self.database.engine)
            async with self.database.uow("load", self._clock()) as uow:
                await loading.load(self.router, uow)
            settle()
            async with serve(self._web_app(), self._listen()):
                await self._until(stop, self._work())
        finally:
            await self.close()

    async def close(self) -> None:
        await self._client.close()
        await self.encoding.close()
        await self.database.close()
        await self._lock.release()

    async def _until(self, stop: asyncio.Event, work: Awaitable[None]) -> None:
        """Work until told to stop, or until one of the loops ends with an error."""
        stopping = asyncio.ensure_future(stop.wait())
        lost = asyncio.ensure_future(self._lock.lost())
        working = asyncio.ensure_future(work)
        tasks = {stopping, lost, working}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if working in done:
                working.result()
            if lost in done:
                raise LockLost
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.jobs.stop()
            await self.relay.drain()
            log.info("stopped")

    async def _take_lock(self, stop: asyncio.Event) -> None:
        announced = False
        while not await self._lock.take():
            if not self._settings.standby:
                raise AnotherBotRuns
            if not announced:
                log.info("standing_by")
                announced = True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STANDBY_SECONDS):
                    await stop.wait()
            if stop.is_set():
                return

    async def _work(self) -> None:
        await self._sign_in()
        async with asyncio.TaskGroup() as group:
            for name, run in self._loops().items():
                group.create_task(self._keep(name, run))

    def _loops(self) -> dict[str, Callable[[], Awaitable[None]]]:
        return {
            "sync": self.sync.run,
            "worker": self.worker.run,
            "relay": self._relay,
            "provision": self._provision,
            "jobs": self._jobs,
            "vectors": self.rebuilding.run,
        }

    async def _relay(self) -> None:
        # What was sent before a crash comes back with the first sync: only then is it known.
        await self.sync.caught_up.wait()
        await self.relay.run()

    async def _provision(self) -> None:
        await self.sync.caught_up.wait()
        await self.provisioner.apply()
        self.provisioned.set()
        log.info("provisioned", network=self.network.key)
        await self.provisioner.watch()

    async def _jobs(self) -> None:
        await self.sync.caught_up.wait()
        await self.provisioned.wait()
        await self.jobs.run_all()
        self.jobs.start()
        await asyncio.Event().wait()

    async def _keep(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Run a loop for ever: whatever ends it, it is started again."""
        backoff = Backoff()
        while True:
            version = self._token_version
            started = time.monotonic()
            well = self._when_it_runs(name)
            try:
                await run()
                return
            except Exception as error:
                if _is_token_trouble(error):
                    await self._renew_token(version)
                    continue
                if time.monotonic() - started > RUNS_WELL_SECONDS:
                    backoff.reset()
                seconds = backoff.next()
                self.health.set(name, f"the {name} loop fails ({_kind(error)})")
                log.error("loop_failed", loop=name, error=_kind(error), retry_in=round(seconds, 1))
                log.debug("loop_failed_because", exc_info=error)
            finally:
                well.cancel()
            await asyncio.sleep(seconds)

    def _when_it_runs(self, name: str) -> asyncio.TimerHandle:
        """Takes back that a loop fails once it has run for a while. That sync runs, only an answer
        of the homeserver tells: see ``Health.synced``."""

        def clear() -> None:
            if name != Part.SYNC:
                self.health.set(name, None)

        return asyncio.get_running_loop().call_later(RUNS_AGAIN_SECONDS, clear)

    async def _sign_in(self) -> None:
        """Waits for a homeserver that is down; a wrong token is waited out like a lost one."""
        backoff = Backoff()
        while True:
            try:
                identity = await sign_in(self._client, self._settings)
            except TokenRejected:
                await self._renew_token(self._token_version)
                return
            except HomeserverError as error:
                self.health.set("homeserver", str(error))
                seconds = backoff.next()
                log.warning("sign_in_failed", error=str(error), retry_in=round(seconds, 1))
                await asyncio.sleep(seconds)
            else:
                self.health.set("token", None)
                self.health.set("homeserver", None)
                log.info("signed_in", user=identity.user_id, device=identity.device_id)
                return

    async def _renew_token(self, version: int) -> None:
        """Wait until the configuration gives a token that works. Nothing queued is lost."""
        async with self._token_lock:
            if self._token_version != version:
                return
            self.health.set("token", "the homeserver rejects the access token")
            log.critical(
                "token_rejected",
                remedy="put a new access token into the configuration; it is read by itself",
            )
            # A file that somebody edits gives no event to wait for.
            while not await self._try_new_token():  # noqa: ASYNC110
                await asyncio.sleep(TOKEN_POLL_SECONDS)
            self._token_version += 1
            self.health.set("token", None)

    async def _try_new_token(self) -> bool:
        try:
            if self._settings_path is not None:
                self._settings = load(self._settings_path)
            await sign_in(self._client, self._settings)
        except (HomeserverError, WrongAccount, NoCredentials, ValueError) as error:
            log.debug("token_still_rejected", error=str(error))
            return False
        return True

    def _web_app(self) -> Application:
        return make_app(self.health, self.metrics, self.database, self.instance, self._clock)

    def _listen(self) -> tuple[str, int] | None:
        web = self._settings.web
        return (web.host, web.port) if web else None


def _is_token_trouble(error: Exception) -> bool:
    if isinstance(error, ExceptionGroup):
        return error.subgroup(TokenRejected) is not None
    return isinstance(error, TokenRejected)


def _kind(error: Exception) -> str:
    if isinstance(error, ExceptionGroup):
        return ", ".join(_kind(each) for each in error.exceptions)
    return type(error).__name__
