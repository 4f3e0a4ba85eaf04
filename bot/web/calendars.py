"""The network's events for calendar programs, which subscribe to an address and come back often."""

import asyncio
import hashlib
from collections.abc import Callable
from datetime import datetime

import structlog
from aiohttp import hdrs, web
from aiohttp.helpers import ETAG_ANY
from babel import negotiate_locale

from bot.services import calendar
from bot.services.calendar import UnknownCluster
from bot.services.instance import Instance
from bot.web.probes import DATABASE_DOWN, READ_SECONDS
from config.locales import Translator
from storage.database import Database

log = structlog.get_logger()

ALL = "all"
RETRY_SECONDS = 60


class Calendars:
    def __init__(
        self, database: Database, instance: Instance, clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._instance = instance
        self._clock = clock

    async def feed(self, request: web.Request) -> web.Response:
        """One cluster's calendar, or that of all of them.

        There is no Last-Modified: a calendar also changes when an event grows too old for it,
        and then none of those left in it is any younger.
        """
        try:
            text = await self._read(request.match_info["name"])
        except UnknownCluster as error:
            raise web.HTTPNotFound(text=self._unknown(self._tr(request))) from error
        except DATABASE_DOWN as error:
            log.warning("calendar_unreadable", error=type(error).__name__)
            raise _unavailable(self._tr(request)) from error
        return _conditional(request, text)

    async def _read(self, name: str) -> str:
        cluster = None if name == ALL else name
        async with (
            asyncio.timeout(READ_SECONDS),
            self._database.uow("calendar", self._clock()) as uow,
        ):
            return await calendar.ics(uow, self._instance, cluster)

    def _unknown(self, tr: Translator) -> str:
        names = [ALL, *(cluster.key for cluster in self._instance.network.clusters)]
        return tr.plain("There is no such calendar. These exist: {names}", names=", ".join(names))

    def _tr(self, request: web.Request) -> Translator:
        """In the browser's language, where the network speaks it."""
        wanted = request.headers.get(hdrs.ACCEPT_LANGUAGE, "").split(",")
        preferred = [each.partition(";")[0].strip() for each in wanted]
        return self._instance.tr(
            negotiate_locale(preferred, self._instance.network.languages, sep="-")
        )


def _unavailable(tr: Translator) -> web.HTTPServiceUnavailable:
    return web.HTTPServiceUnavailable(
        text=tr.plain("The calendar cannot be read just now. Please try again in a few minutes."),
        headers={hdrs.RETRY_AFTER: str(RETRY_SECONDS)},
    )


def _conditional(request: web.Request, text: str) -> web.Response:
    """The calendar, or 304 for a program that has it as it is."""
    etag = hashlib.sha256(text.encode()).hexdigest()[:32]
    known = {each.value for each in request.if_none_match or ()}
    if known & {etag, ETAG_ANY}:
        response = web.Response(status=304)
    else:
        response = web.Response(text=text, content_type="text/calendar", charset="utf-8")
    response.etag = etag
    response.headers[hdrs.CACHE_CONTROL] = "no-cache"
    return response
