"""What operators' machines ask: is it alive, is it ready, how is it doing."""

import asyncio
from collections.abc import Callable
from datetime import datetime

import structlog
from aiohttp import web
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from bot.services import figures
from bot.services.figures import Figures
from bot.services.health import Health, Part
from bot.services.metrics import Metrics
from storage.database import Database

log = structlog.get_logger()

PROBE_SECONDS = 2.0
READ_SECONDS = 5.0

# Drivers let some faults of the connection through as they are; a timeout is an OSError too.
DATABASE_DOWN = (SQLAlchemyError, OSError)


class Probes:
    def __init__(
        self,
        health: Health,
        metrics: Metrics,
        database: Database,
        clock: Callable[[], datetime],
    ) -> None:
        self._health = health
        self._metrics = metrics
        self._database = database
        self._clock = clock

    async def livez(self, request: web.Request) -> web.Response:
        """An answer at all says that the event loop runs."""
        return web.Response(text="ok\n")

    async def readyz(self, request: web.Request) -> web.Response:
        self._health.set(Part.DATABASE, await self._database_fault())
        ready = self._health.ready
        return web.json_response(
            {"ready": ready, "faults": self._health.faults}, status=200 if ready else 503
        )

    async def metrics(self, request: web.Request) -> web.Response:
        accept = request.headers.get("Accept", "")
        body, content_type = self._metrics.render(await self._figures(), accept)
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def _database_fault(self) -> str | None:
        try:
            async with (
                asyncio.timeout(PROBE_SECONDS),
                self._database.uow("readyz", self._clock()) as uow,
            ):
                await uow.session.execute(select(1))
        except DATABASE_DOWN as error:
            # Not in its own words: they may name hosts and users.
            log.warning("database_unusable", error=type(error).__name__)
            return f"the database does not answer ({type(error).__name__})"
        return None

    async def _figures(self) -> Figures | None:
        try:
            async with asyncio.timeout(READ_SECONDS):
                return await figures.read(self._database, self._clock())
        except DATABASE_DOWN as error:
            # The process's own counters are wanted most when something is wrong.
            log.warning("figures_unreadable", error=type(error).__name__)
            return None
