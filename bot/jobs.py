"""The clock: APScheduler ticks, services decide.

Nobody schedules a job per reminder. A tick asks what is due; the unique row of the slot, or the
``due_at`` that the same transaction moves on, makes each thing happen once, however often it is
asked, restarted or late.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

from bot.services.instance import Instance
from storage.database import Database

log = structlog.get_logger()

EVERY = timedelta(minutes=1)
STOP_SECONDS = 5.0

Tick = Callable[[Database, Instance, datetime], Awaitable[None]]


class Jobs:
    def __init__(
        self,
        database: Database,
        instance: Instance,
        clock: Callable[[], datetime],
        ticks: Mapping[str, Tick],
        every: timedelta = EVERY,
    ) -> None:
        self._database = database
        self._instance = instance
        self._clock = clock
        self._ticks = ticks
        self._under_way: set[asyncio.Task[None]] = set()
        self._scheduler = AsyncIOScheduler(timezone="UTC")
        for name in ticks:
            self._scheduler.add_job(
                self._tick,
                IntervalTrigger(seconds=every.total_seconds(), timezone="UTC"),
                args=[name],
                id=name,
                coalesce=True,
                max_instances=1,
                misfire_grace_time=None,
            )

    def start(self) -> None:
        self._scheduler.start()

    async def stop(self) -> None:
        """No more ticks; those under way come to their end first.

        APScheduler would cancel them and not wait. A transaction that is cut off while the program
        ends leaves its connection open, and the connection's thread keeps the process from ending.
        """
        if not self._scheduler.running:
            return
        self._scheduler.pause()
        await asyncio.sleep(0)  # what was submitted just now gets as far as ``run``
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=STOP_SECONDS)
        self._scheduler.shutdown(wait=False)

    async def _tick(self, name: str) -> None:
        tick = asyncio.create_task(self.run(name), name=f"tick of {name}")
        self._under_way.add(tick)
        tick.add_done_callback(self._under_way.discard)
        await asyncio.shield(tick)

    async def run_all(self) -> None:
        """What was missed while we were away, if it still makes sense."""
        for name in self._ticks:
            await self.run(name)

    async def run(self, name: str) -> None:
        """A tick that fails is logged; the next one tries again."""
        try:
            await self._ticks[name](self._database, self._instance, self._clock())
        except Exception as error:
            log.error("job_failed", job=name, error=type(error).__name__, exc_info=error)
