"""The sync loop: what the homeserver tells us goes into the inbox, whole and once.

nio's loop loses events in four ways (the rest of a batch after an exception, everything after a
failed first sync, the gap of a limited timeline, and whatever was handled when the process died).
This loop stores the batch's raw events and the new token in one transaction; a limited timeline is
filled from ``/messages`` before the token moves on; a malformed event or room section is skipped
and logged, never the batch.

The bot's own events are not stored: they tell the outbox that the homeserver has them. Since they
are confirmed in the transaction that stores what came with or after them, a reaction that follows
one always finds its event id. An answer that holds nothing but own events waits for the next:
nobody needs them by themselves, and after a crash they are told again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog

from bot.domain.backoff import Backoff
from bot.domain.content import KEY
from bot.matrix.events import UNSTORABLE
from bot.services.homeserver import (
    Forbidden,
    Homeserver,
    HomeserverError,
    NotFound,
    RateLimited,
    TokenRejected,
)
from storage import inbox, members, outbox
from storage.database import Database
from storage.inbox import Arrival

log = structlog.get_logger()

TIMELINE_TYPES = [
    "m.room.message",
    "m.reaction",
    "m.room.redaction",
    "m.room.member",
    "m.room.encrypted",
    "m.room.tombstone",
    "m.room.name",
    "m.room.topic",
]
SYNC_FILTER: dict[str, Any] = {
    "presence": {"types": []},
    "account_data": {"types": []},
    "room": {
        "account_data": {"types": []},
        "ephemeral": {"types": []},
        "timeline": {"limit": 200, "types": TIMELINE_TYPES, "lazy_load_members": True},
        "state": {"types": ["m.room.member"], "lazy_load_members": True},
    },
}
LONG_POLL_MS = 30_000
# So long after the last transaction any answer is stored, whatever it holds.
TOKEN_KEPT = timedelta(seconds=5)
GAP_PAGE = 100
# A bound on one gap: 20,000 events of one room are older news than anybody waits for.
GAP_PAGES = 200


class Sync:
    """Long-polls ``/sync`` and fills the inbox. ``run`` ends only by cancellation or
    ``TokenRejected``."""

    def __init__(
        self,
        homeserver: Homeserver,
        database: Database,
        user_id: str,
        clock: Callable[[], datetime],
        *,
        recorded: Callable[[int], None],
        healthy: Callable[[str | None], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """``recorded(n)`` is called when n events were stored, ``healthy(fault)`` when the
        homeserver's state is seen: None when it answers, else what is wrong."""
        self._homeserver = homeserver
        self._database = database
        self._me = user_id
        self._clock = clock
        self._recorded = recorded
        self._healthy = healthy
        self._sleep = sleep
        self._backoff = Backoff()
        self._rooms: set[str] = set()
        self._echoes: dict[str, str] = {}
        self._stored_at: datetime | None = None
        self.caught_up = asyncio.Event()

    async def run(self) -> None:
        since = await self.token()
        answered = False
        while True:
            try:
                # At the start and after a fault, ask for what is there instead of waiting for
                # news: only an answer says that all is well.
                since = await self.once(since, LONG_POLL_MS if answered else 0)
            except TokenRejected:
                self._healthy("token")
                raise
            except HomeserverError as error:
                answered = False
                await self._pause(error)
            else:
                answered = True
                self._backoff.reset()
                self._healthy(None)

    async def token(self) -> str | None:
        async with self._database.uow("sync", self._clock()) as uow:
            self._rooms = await members.rooms_of(uow.session, self._me)
            return await inbox.token(uow.session, self._me)

    async def once(self, since: str | None, timeout_ms: int) -> str:
        """One request, and its transaction if it brings any news; returns the new token."""
        answer = _mapping(await self._homeserver.sync(since, timeout_ms, SYNC_FILTER))
        next_batch = answer.get("next_batch")
        if not isinstance(next_batch, str):
            raise HomeserverError("a sync answer without next_batch")
        events = await self._arrivals(answer, since)
        arrivals = [each for each in events if each.content.get("sender") != self._me]
        self._echoes |= {
            txn: each.event_id
            for each in events
            if each.content.get("sender") == self._me and (txn := _txn_id(each.content))
        }
        rooms = (self._rooms | set(_rooms(answer, "join"))) - set(_rooms(answer, "leave"))
        now = self._clock()
        if arrivals or rooms != self._rooms or self._is_time_to_store(now):
            await self._store(arrivals, rooms, next_batch, now)
        self.caught_up.set()
        return next_batch

    def _is_time_to_store(self, now: datetime) -> bool:
        return self._stored_at is None or now - self._stored_at >= TOKEN_KEPT

    async def _store(
        self, arrivals: Sequence[Arrival], rooms: set[str], next_batch: str, now: datetime
    ) -> None:
        async with self._database.uow("sync", now) as uow:
            await inbox.record(uow.session, arrivals, now)
            await outbox.confirm(uow.session, self._echoes, now)
            await inbox.save_token(uow.session, self._me, next_batch, now)
            if rooms != self._rooms:
                await members.moved(uow.session, self._me, rooms - self._rooms, self._rooms - rooms)
            await uow.commit()
        self._rooms, self._stored_at = rooms, now
        self._echoes.clear()
        if arrivals:
            self._recorded(len(arrivals))

    async def _pause(self, error: HomeserverError) -> None:
        seconds = self._backoff.next()
        if isinstance(error, RateLimited):
            seconds = max(seconds, error.retry_after)
        self._healthy(f"{error}")
        log.warning("sync_failed", error=str(error), retry_in=round(seconds, 1))
        await self._sleep(seconds)

    async def _arrivals(self, answer: Mapping[str, Any], since: str | None) -> list[Arrival]:
        found: list[Arrival] = []
        for room_id, section in _rooms(answer, "join").items():
            found += await self._joined(room_id, section, since)
        for room_id, section in _rooms(answer, "leave").items():
            # What others said in a room we were taken out of is no longer ours to read.
            found += _arrivals_of(room_id, _events(section, "timeline"), _is_member_event)
        for room_id, section in _rooms(answer, "invite").items():
            found += self._invite(room_id, section, since)
        return found

    async def _joined(
        self, room_id: str, section: Mapping[str, Any], since: str | None
    ) -> list[Arrival]:
        timeline = _mapping(section.get("timeline"))
        events = _events(section, "timeline")
        state = _events(section, "state")
        if since is None:
            # The bot's first look: what was said before is nobody's order to us.
            return _arrivals_of(room_id, [*state, *events], self._is_others_member_event)
        is_new = room_id not in self._rooms
        prev_batch = timeline.get("prev_batch")
        if timeline.get("limited") and isinstance(prev_batch, str) and not self._has_join(events):
            events = await self._fill(room_id, prev_batch, since) + events
            # The state of a cut timeline is newer than the gap: what both tell comes in its turn.
            told = set(map(_event_id, events))
            state = [event for event in state if _event_id(event) not in told]
        if is_new:
            events = self._since_join(events)
        return _arrivals_of(room_id, [*state, *events])

    async def _fill(self, room_id: str, start: str, since: str) -> list[dict[str, Any]]:
        """The events of a gap, oldest first."""
        gap: list[dict[str, Any]] = []
        for _ in range(GAP_PAGES):
            try:
                page = await self._homeserver.messages_before(
                    room_id, start, stop=since, limit=GAP_PAGE, types=TIMELINE_TYPES
                )
            except (Forbidden, NotFound) as error:
                log.warning("gap_refused", room=room_id, error=str(error))
                break
            gap += page.events
            # A page may be empty and not the last: what we must not see is left out of it.
            if page.end is None or page.end == start or self._has_join(page.events):
                break
            start = page.end
        else:
            log.error("gap_too_long", room=room_id, events=len(gap))
        log.info("gap_filled", room=room_id, events=len(gap))
        return gap[::-1]

    def _is_others_member_event(self, event: Mapping[str, Any]) -> bool:
        return _is_member_event(event) and event.get("state_key") != self._me

    def _has_join(self, events: Any) -> bool:
        return any(self._is_own_join(each) for each in events)

    def _since_join(self, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """What came after our (last) join: older messages were not said to us."""
        for index in range(len(events) - 1, -1, -1):
            if self._is_own_join(events[index]):
                return events[index:]
        return events

    def _is_own_join(self, event: Mapping[str, Any]) -> bool:
        return (
            event.get("type") == "m.room.member"
            and event.get("state_key") == self._me
            and _mapping(event.get("content")).get("membership") == "join"
            and _previous_membership(event) != "join"
        )

    def _invite(self, room_id: str, section: Mapping[str, Any], since: str | None) -> list[Arrival]:
        """Our own invite. It has no event id on its way to us: the room and the token after which
        it came stand for it, so that it is stored once, and a later one as well."""
        for event in _events(section, "invite_state"):
            if event.get("type") == "m.room.member" and event.get("state_key") == self._me:
                stamp = int(self._clock().timestamp() * 1000)
                event_id = f"invite:{room_id}:{since or ''}"
                whole = {"origin_server_ts": stamp, **event, "event_id": event_id}
                return [Arrival(room_id, event_id, whole)]
        return []


def _event_id(event: Mapping[str, Any]) -> str | None:
    """None where it is missing or no database could hold it."""
    event_id = event.get("event_id")
    return event_id if isinstance(event_id, str) and not UNSTORABLE.search(event_id) else None


def _txn_id(event: Mapping[str, Any]) -> str | None:
    """The transaction id we sent an event with: in our own key, or as the homeserver adds it."""
    ours = _mapping(_mapping(event.get("content")).get(KEY)).get("txn")
    txn = ours or _mapping(event.get("unsigned")).get("transaction_id")
    return txn if isinstance(txn, str) else None


def _previous_membership(event: Mapping[str, Any]) -> Any:
    unsigned = _mapping(event.get("unsigned"))
    return _mapping(unsigned.get("prev_content")).get("membership")


def _is_member_event(event: Mapping[str, Any]) -> bool:
    return event.get("type") == "m.room.member"


def _arrivals_of(
    room_id: str,
    events: list[dict[str, Any]],
    wanted: Callable[[Mapping[str, Any]], bool] = lambda event: True,
) -> list[Arrival]:
    found = []
    for event in events:
        event_id = _event_id(event)
        if event_id is None:
            log.warning("event_skipped", room=room_id, reason="no event_id")
        elif wanted(event):
            found.append(Arrival(room_id, event_id, event))
    return found


def _rooms(answer: Mapping[str, Any], membership: str) -> dict[str, Mapping[str, Any]]:
    sections = _mapping(_mapping(answer.get("rooms")).get(membership))
    for room_id, section in sections.items():
        if not isinstance(section, dict):
            log.warning("room_section_skipped", room=room_id, membership=membership)
    return {room: section for room, section in sections.items() if isinstance(section, dict)}


def _events(section: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    listed = _mapping(section.get(name)).get("events")
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
