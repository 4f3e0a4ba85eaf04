"""The provisioner: keeps the rooms as they should be, from the first start on."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

import structlog

from bot.domain import content
from bot.domain.content import Piece
from bot.domain.errors import UserError
from bot.services import members
from bot.services.homeserver import Homeserver, HomeserverError, TokenRejected
from bot.services.instance import Instance
from bot.services.rooms.run import Outcome, Run
from bot.services.rooms.survey import desired_of
from bot.services.rooms.texts import Plan, describe
from bot.services.rooms.tools import Tools
from bot.services.speech import say
from config.locales import N_, Translator
from storage import members as people
from storage import rooms
from storage.database import Database
from storage.rooms import ProvisionRequest

log = structlog.get_logger()

WATCH_SECONDS = 1.0
SETTLE_SECONDS = 3.0
"""A homeserver goes on with an upgrade (aliases, power levels) after it sent the tombstone."""


class Provisioner:
    def __init__(
        self,
        homeserver: Homeserver,
        database: Database,
        instance: Instance,
        clock: Callable[[], datetime],
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        progress: Callable[[str], None] | None = None,
        room_version: str | None = None,
    ) -> None:
        self._tools = Tools(
            homeserver=homeserver,
            database=database,
            instance=instance,
            desired=desired_of(instance),
            clock=clock,
            sleep=sleep,
            progress=progress or (lambda line: None),
            room_version=room_version,
        )
        self._lock = asyncio.Lock()
        self._tried: set[tuple[str, str | None, bool]] = set()

    async def plan(self) -> Plan:
        """What ``apply`` would do now; changes nothing.

        Raises ``UserError`` when no human is among the admins, and ``HomeserverError``.
        """
        self._refuse_without_human()
        run = Run(self._tools)
        await run.look()
        return run.plan()

    async def apply(self) -> Outcome:
        """Make the rooms as they should be. Raises as ``plan`` does; what is done by then stays."""
        self._refuse_without_human()
        async with self._lock:
            return await Run(self._tools).to_the_end()

    async def watch(self) -> None:
        """Do what admins ask for, and follow upgrades. Ends by cancellation or an error only."""
        while True:
            if await self._is_upgrade_due():
                await self._tools.sleep(SETTLE_SECONDS)
                await self.apply()
            request = await self._request()
            if request is not None:
                await self._fulfil(request)
            else:
                await self._tools.sleep(WATCH_SECONDS)

    def _refuse_without_human(self) -> None:
        if not self._tools.desired.admins:
            message = N_(
                "No human admin is configured. If I were the only one with power in the rooms, "
                "nobody could mend them without me. Name at least one person under admins."
            )
            raise UserError("no-admin", message)

    async def _is_upgrade_due(self) -> bool:
        """Whether there is a successor that was not tried yet, or that we have entered since."""
        bot = self._tools.instance.user_id
        async with self._tools.uow() as uow:
            pending = {
                (row.room_id, row.successor, await people.is_in(uow.session, row.successor, bot))
                for row in await rooms.replaced(uow.session)
                if row.successor is not None
            }
        news = pending - self._tried
        self._tried |= news
        return bool(news)

    async def _request(self) -> ProvisionRequest | None:
        async with self._tools.uow() as uow:
            return await rooms.requested(uow.session)

    async def _fulfil(self, request: ProvisionRequest) -> None:
        tr = await self._translator(request.asked_by)
        try:
            answer = await (self._planned(tr) if request.dry_run else self._applied(tr))
        except TokenRejected:
            raise
        except UserError as error:
            answer = tr(error.message, **error.values)
        except HomeserverError as error:
            log.warning("provision_failed", error=str(error))
            answer = tr("⚠️ The homeserver stopped me: {reason}", reason=content.code(str(error)))
        async with self._tools.uow(f"provision:request:{request.id}") as uow:
            (await uow.session.merge(request)).done_at = uow.now
            say(uow, request.lane, answer, "reply")
            await uow.commit()

    async def _translator(self, user_id: str) -> Translator:
        async with self._tools.uow() as uow:
            return await members.tr_for(uow, self._tools.instance, user_id)

    async def _planned(self, tr: Translator) -> Piece:
        lines = describe(await self.plan(), tr)
        return content.bullets(lines) if lines else _nothing_to_do(tr)

    async def _applied(self, tr: Translator) -> Piece:
        outcome = await self.apply()
        done = tr.plural("✅ {n} change made.", "✅ {n} changes made.", len(outcome.taken))
        notices = [each.said(tr) for each in outcome.notices]
        return content.lines(done if outcome.taken else _nothing_to_do(tr), *notices)


def _nothing_to_do(tr: Translator) -> Piece:
    return tr("✅ All rooms are as they should be.")
