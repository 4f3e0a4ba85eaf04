"""The web side: health, metrics and calendars. Read-only, and without a word on what serves it."""

from collections.abc import Callable
from datetime import datetime

from aiohttp import hdrs, web

from bot.services.health import Health
from bot.services.instance import Instance
from bot.services.metrics import Metrics
from bot.web.calendars import Calendars
from bot.web.probes import Probes
from bot.web.server import Application, CannotListen, PortTaken, serve
from storage.database import Database

__all__ = ["Application", "CannotListen", "PortTaken", "make_app", "serve"]


def make_app(
    health: Health,
    metrics: Metrics,
    database: Database,
    instance: Instance,
    clock: Callable[[], datetime],
) -> Application:
    probes = Probes(health, metrics, database, clock)
    calendars = Calendars(database, instance, clock)
    app = web.Application()
    app.on_response_prepare.append(_harden)
    app.add_routes(
        [
            web.get("/livez", probes.livez),
            web.get("/readyz", probes.readyz),
            web.get("/metrics", probes.metrics),
            web.get("/calendar/{name}.ics", calendars.feed),
        ]
    )
    return app


async def _harden(request: web.Request, response: web.StreamResponse) -> None:
    """On every answer, errors too."""
    response.headers.popall(hdrs.SERVER, None)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers.setdefault(hdrs.CACHE_CONTROL, "no-store")
