"""The relay: what was decided -> Matrix, in order per lane, once.

A row is sent with its own transaction id, so sending it again after a lost answer is harmless
while the homeserver remembers that id; and the sync loop, which sees our own events come back,
marks rows whose answer was lost. The relay therefore starts only when the first sync of this
process has been stored. A row whose fate has been unknown for longer than the homeserver's memory
is first looked for in the room.

Lanes run side by side; a lane whose head fails rests and blocks no other. After a failure the
relay is careful: one row at a time, never more than one request a second to a broken homeserver,
and as slowly as a rate limit asks. Successes make it bold again. Making and joining rooms have
rate limits of their own, much tighter ones, which hold only the lanes concerned.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog

from bot.domain.backoff import Backoff
from bot.domain.content import KEY
from bot.services.homeserver import (
    Homeserver,
    HomeserverError,
    RateLimited,
    Refused,
    TokenRejected,
)
from storage import outbox
from storage.database import Database, Uow
from storage.outbox import Action, OutboxRow, Sent

log = structlog.get_logger()

BATCH = 200
LANES_AT_ONCE = 8
# Synapse forgets transaction ids after 30 to 60 minutes.
FATE_MEMORY = timedelta(minutes=25)
# What leaves an event by which it is found again.
SAID = (Action.SEND, Action.REDACT)
# How far the homeserver's clock may be from ours when we look for a message in a room.
CLOCK_SLACK = timedelta(minutes=5)
SEARCH_PAGES = 50
# Seconds after which what was sent is marked, if there was no occasion before.
MARK_AFTER = 0.05
# Between two requests while the homeserver fails.
FAULT_INTERVAL = 1.2
# Successes after which a rate limit is taken to be lifted.
BOLD_AFTER = 10
# A wait that people notice: show that an answer is on its way.
NOTICEABLE = 2.0


class Directs(Protocol):
    """Finds or makes the direct room with somebody."""

    async def room_with(self, user_id: str) -> str: ...

    async def joined(self, room_id: str, user_id: str) -> None: ...


class Watch(Protocol):
    """Hears what the relay does; the metrics do."""

    def sent(self, seconds: float) -> None: ...

    def retried(self) -> None: ...

    def buried(self) -> None: ...


Obituary = Callable[[Uow, OutboxRow], Awaitable[None]]


class Relay:
    def __init__(
        self,
        homeserver: Homeserver,
        database: Database,
        clock: Callable[[], datetime],
        *,
        directs: Directs,
        bury: Obituary,
        watch: Watch,
    ) -> None:
        """``bury`` tells the control room about a dead letter, in the transaction that makes it
        one."""
        self._homeserver = homeserver
        self._database = database
        self._clock = clock
        self._directs = directs
        self._bury = bury
        self._watch = watch
        self._wake = asyncio.Event()
        self._busy: set[str] = set()
        self._resting: dict[str, float] = {}
        self._backoffs: dict[str, Backoff] = {}
        self._passed_over = False
        self._careful = 0
        self._closed_until = 0.0
        self._expecting: set[str] = set()
        self._sent: list[Sent] = []
        self._unmarked = asyncio.Event()
        self._marking = asyncio.Lock()
        self._marks = 0
        self._slots = asyncio.Semaphore(LANES_AT_ONCE)

    def wake(self) -> None:
        self._wake.set()

    async def run(self) -> None:
        """Ends only by cancellation or ``TokenRejected``."""
        self._busy.clear()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._mark_for_ever())
            while True:
                self._wake.clear()
                looked, now = time.monotonic(), self._clock()
                rows, held = await self._look(looked, now)
                for lane, its_rows in _by_lane(rows).items():
                    self._busy.add(lane)
                    group.create_task(self._run_lane(lane, its_rows))
                await self._rest(looked, now, held)

    async def drain(self) -> None:
        """Store what was sent but not yet marked: the last act before the process ends."""
        await self._mark()

    async def _look(
        self, looked: float, now: datetime
    ) -> tuple[Sequence[OutboxRow], datetime | None]:
        """What may go now (while careful, one row of one lane), and when the next held row may."""
        self._resting = {lane: at for lane, at in self._resting.items() if at > looked}
        closed = looked < self._closed_until or bool(self._careful and self._busy)
        limit = 1 if self._careful else BATCH
        unavailable = {*self._busy, *self._resting}
        self._passed_over = closed or bool(unavailable)
        async with self._marking, self._database.uow("relay", now) as uow:
            # What is sent and not marked would be due again.
            has_marked = await self._mark_in(uow)
            rows = [] if closed else await outbox.due(uow.session, now, limit, unavailable)
            held = await outbox.next_moment(uow.session, now)
            if has_marked:
                await uow.commit()
                self._marked()
        self._passed_over |= len(rows) == limit
        return rows, held

    async def _run_lane(self, lane: str, rows: Sequence[OutboxRow]) -> None:
        all_sent = False
        try:
            async with self._slots:
                all_sent = await self._attempt_in_order(rows)
        finally:
            self._busy.discard(lane)
            # Otherwise there is nothing to see that no commit has woken us for.
            if self._passed_over or not all_sent:
                self._wake.set()

    async def _attempt_in_order(self, rows: Sequence[OutboxRow]) -> bool:
        """False when one of them has to wait, and those after it."""
        for row in rows:
            if not await self._attempt(row):
                return False
        return True

    async def _attempt(self, row: OutboxRow) -> bool:
        """Try one row; False when its lane has to wait."""
        if self._careful and time.monotonic() < self._closed_until:
            return False
        started = time.monotonic()
        try:
            event_id = await self._deliver(row)
        except TokenRejected:
            raise
        except Refused as error:
            await self._refused(row, error)
            return True
        except HomeserverError as error:
            await self._postponed(row, error)
            return False
        except LaneWaits as waits:
            self._resting[row.lane] = time.monotonic() + waits.seconds
            return False
        except Exception as error:
            # A fault of our own in one lane does not stop the others either.
            log.error("send_broke", outbox=row.id, lane=row.lane, exc_info=error)
            self._rest_lane(row.lane)
            return False
        self._watch.sent(time.monotonic() - started)
        self._backoffs.pop(row.lane, None)
        self._careful = max(0, self._careful - 1)
        self._sent.append(Sent(row.id, row.txn_id, event_id))
        self._unmarked.set()
        if self._expecting:
            await self._mark()
        return True

    async def _deliver(self, row: OutboxRow) -> str:
        content = await self._resolved(row)
        if content is None:
            return ""
        room_id = await self._room(row)
        if (
            row.action in SAID
            and row.first_attempt_at
            and self._clock() - row.first_attempt_at > FATE_MEMORY
        ):
            found = await self._find_sent(room_id, row)
            if found is not None:
                return found
        match Action(row.action):
            case Action.SEND:
                tagged = {**content, KEY: {**content.get(KEY, {}), "txn": row.txn_id}}
                return await self._homeserver.send_event(room_id, row.type, tagged, row.txn_id)
            case Action.REDACT:
                return await self._homeserver.redact(room_id, content["redacts"], row.txn_id)
            case Action.JOIN:
                with self._holding_only(row):
                    await self._homeserver.join(room_id)
                if user_id := content.get("direct_with"):
                    await self._directs.joined(room_id, user_id)
            case Action.LEAVE:
                await self._homeserver.leave(room_id)
        return ""

    async def _room(self, row: OutboxRow) -> str:
        if not row.lane.startswith("dm:"):
            return row.lane
        with self._holding_only(row):
            return await self._directs.room_with(row.lane.removeprefix("dm:"))

    @contextlib.contextmanager
    def _holding_only(self, row: OutboxRow) -> Iterator[None]:
        """The limits on making and joining rooms say nothing about writing in those there are."""
        try:
            yield
        except RateLimited as error:
            self._watch.retried()
            log.info("rate_limited", lane=row.lane, retry_in=round(error.retry_after, 1))
            raise LaneWaits(error.retry_after) from error

    async def _resolved(self, row: OutboxRow) -> dict[str, Any] | None:
        """The content with event ids in the place of refs.

        Raises ``LaneWaits`` while a row it points to has not been sent. What points to a dead
        letter loses that relation and is said all the same; None if it was nothing else.
        """
        content = row.content or {}
        wanted = outbox.refs(content)
        if not wanted:
            return content
        events = await self._events(wanted, row.lane)
        lost = wanted - set(events)
        if outbox.refs(content.get("m.relates_to")) & lost:
            content = {key: each for key, each in content.items() if key != "m.relates_to"}
        if lost and (row.action == Action.REDACT or not content):
            return None
        resolved: dict[str, Any] = outbox.resolve(content, {**dict.fromkeys(lost, ""), **events})
        return resolved

    async def _events(self, wanted: set[str], lane: str) -> dict[str, str]:
        """The event ids of transactions; those of dead letters are missing."""
        await self._mark()
        while True:
            marks = self._marks
            async with self._database.uow("relay", self._clock()) as uow:
                known = await outbox.known(uow.session, wanted)
            if not any(each.status == "pending" for each in known.values()):
                return {txn: each.event_id for txn, each in known.items() if each.event_id}
            if marks == self._marks:
                self._expecting.add(lane)
                raise LaneWaits(FAULT_INTERVAL)

    async def _find_sent(self, room_id: str, row: OutboxRow) -> str | None:
        """The event of this row, if the room has it."""
        assert row.first_attempt_at is not None
        oldest = (row.first_attempt_at - CLOCK_SLACK).timestamp() * 1000
        start = ""
        for _ in range(SEARCH_PAGES):
            page = await self._homeserver.messages_before(
                room_id, start, stop=None, limit=100, types=[row.type]
            )
            for event in page.events:
                if _sent_as(event) == row.txn_id:
                    return str(event["event_id"])
                if event.get("origin_server_ts", oldest) < oldest:
                    return None
            if page.end is None:
                return None
            start = page.end
        return None

    async def _refused(self, row: OutboxRow, error: Refused) -> None:
        log.error("outbox_refused", outbox=row.id, lane=row.lane, error=error.errcode)
        self._watch.buried()
        async with self._database.uow(f"dead:{row.txn_id}", self._clock()) as uow:
            await outbox.bury(uow.session, row.id, str(error))
            await self._bury(uow, row)
            await uow.commit()

    async def _postponed(self, row: OutboxRow, error: HomeserverError) -> None:
        self._watch.retried()
        if isinstance(error, RateLimited):
            self._careful = BOLD_AFTER
            self._close(error.retry_after)
            log.info("rate_limited", retry_in=round(error.retry_after, 1))
            await self._show_patience(row, error.retry_after)
            return
        self._careful = max(self._careful, 1)
        self._close(FAULT_INTERVAL)
        seconds = self._rest_lane(row.lane)
        log.warning("send_failed", outbox=row.id, error=str(error), retry_in=round(seconds, 1))
        now = self._clock()
        async with self._database.uow("relay", now) as uow:
            await outbox.failed(uow.session, row.id, str(error), now)
            await uow.commit()

    def _close(self, seconds: float) -> None:
        self._closed_until = max(self._closed_until, time.monotonic() + seconds)

    def _rest_lane(self, lane: str) -> float:
        """After a failure; for how many seconds."""
        seconds = self._backoffs.setdefault(lane, Backoff()).next()
        self._resting[lane] = time.monotonic() + seconds
        return seconds

    async def _show_patience(self, row: OutboxRow, seconds: float) -> None:
        if seconds > NOTICEABLE and row.lane.startswith("!"):
            with contextlib.suppress(HomeserverError):
                await self._homeserver.typing(row.lane, True)

    async def _mark_for_ever(self) -> None:
        while True:
            await self._unmarked.wait()
            await asyncio.sleep(MARK_AFTER)
            await self._mark()

    async def _mark(self) -> None:
        """Store the event ids of what was sent since the last time, in one transaction."""
        # Whoever comes second waits: when it goes on, what was sent before is stored.
        async with self._marking:
            if not self._sent:
                self._unmarked.clear()
                return
            async with self._database.uow("relay", self._clock()) as uow:
                await self._mark_in(uow)
                await uow.commit()
            self._marked()

    async def _mark_in(self, uow: Uow) -> bool:
        """Under ``_marking``; True when there is something to commit, and ``_marked`` to be called
        after that."""
        self._unmarked.clear()
        taken, self._sent = self._sent, []
        if taken:
            await outbox.sent(uow.session, taken, uow.now)
        return bool(taken)

    def _marked(self) -> None:
        """Whoever waited for this may go on."""
        self._marks += 1
        if self._expecting:
            for lane in self._expecting:
                self._resting.pop(lane, None)
            self._expecting.clear()
            self._wake.set()

    async def _rest(self, looked: float, now: datetime, held: datetime | None) -> None:
        """Until something is committed, a lane may be tried again, or a held row may go: whatever
        had not come to pass when we looked."""
        moments = [at for at in (*self._resting.values(), self._closed_until) if at > looked]
        if held is not None:
            moments.append(looked + (held - now).total_seconds())
        seconds = max(0.02, min(moments) - time.monotonic()) if moments else None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()


class LaneWaits(Exception):
    """This lane cannot go on for some seconds, for a reason of its own."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds


def _by_lane(rows: Sequence[OutboxRow]) -> dict[str, list[OutboxRow]]:
    lanes: dict[str, list[OutboxRow]] = {}
    for row in rows:
        lanes.setdefault(row.lane, []).append(row)
    return lanes


def _sent_as(event: Mapping[str, Any]) -> str | None:
    ours = (event.get("content") or {}).get(KEY) or {}
    txn: str | None = ours.get("txn") or (event.get("unsigned") or {}).get("transaction_id")
    return txn
