"""A whole bot against the in-memory homeserver: the product's own parts, put together for tests.

The loops run in the background as they do in the product. People speak through `FakePerson`s,
which have the signatures of real ones; ``quiet`` waits until the bot has nothing left to do.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select

from bot.app import TICKS, reactions, registry
from bot.demo.person import Event, Person
from bot.domain.content import KEY
from bot.matrix.sync import Sync
from bot.matrix.worker import Worker
from bot.outbox import Relay
from bot.services import control
from bot.services.direct import DirectRooms
from bot.services.encoding import Encoder, Encoding
from bot.services.instance import Instance
from bot.services.metrics import Metrics
from bot.services.rooms import Provisioner
from bot.services.routing import loading
from bot.services.routing.rebuilding import Rebuilding
from bot.services.routing.router import Router
from commands.dispatch import Dispatcher
from config import locales
from config.network import Network, load_network
from storage import rooms
from storage.base import Base
from storage.database import Database
from storage.inbox import InboxRow
from storage.outbox import OutboxRow
from tests.support.clock import Clock
from tests.support.fake_matrix import FakeMatrix

SERVER = "test.local"
BOT = f"@clusterdesk:{SERVER}"
ADMIN = f"@admin:{SERVER}"


@dataclass
class House:
    matrix: FakeMatrix
    database: Database
    clock: Clock
    instance: Instance
    provisioner: Provisioner
    rebuilding: Rebuilding
    loops: list[asyncio.Task[None]] = field(default_factory=list)
    people: dict[str, Person] = field(default_factory=dict)

    def user(self, name: str) -> str:
        return f"@{name}:{SERVER}"

    async def room(self, kind: str, key: str) -> str:
        async with self.database.uow("test", self.clock()) as uow:
            found = await rooms.find(uow.session, kind, key)
        assert found is not None, f"there is no {kind} room {key}"
        return found.room_id

    async def person(self, name: str, *joins: str) -> Person:
        """Somebody who has come into the space and into the rooms named by their aliases' keys."""
        person = self.matrix.person(self.user(name))
        await person.start()
        self.people[name] = person
        for key in ("space", *joins):
            await person.join(f"#{self.instance.network.alias(key)}:{SERVER}")
        return person

    async def quiet(self) -> None:
        """Until everything that came in is handled and everything decided is sent. A loop that
        has died is not started again here: its error is the test's."""
        calm = 0
        async with asyncio.timeout(20):
            while calm < 3:
                await asyncio.sleep(0.02)
                for loop in self.loops:
                    if loop.done():
                        loop.result()
                calm = calm + 1 if await self._idle() else 0

    async def _idle(self) -> bool:
        now = self.clock()
        async with self.database.uow("test", now) as uow:
            waiting = await uow.session.scalar(
                select(func.count(InboxRow.id)).where(InboxRow.status == "pending")
            )
            unsent = await uow.session.scalar(
                select(func.count(OutboxRow.id)).where(
                    OutboxRow.status == "pending",
                    OutboxRow.not_before.is_(None) | (OutboxRow.not_before <= now),
                )
            )
        return not waiting and not unsent

    async def tick(self) -> None:
        """What the clock does once a minute, for every feature; then until it is quiet."""
        for run in TICKS.values():
            await run(self.database, self.instance, self.clock())
        await self.quiet()

    async def described(self) -> None:
        """Until desks are told by meaning."""
        async with asyncio.timeout(20):
            while not self.instance.router.is_described:  # noqa: ASYNC110 - no event of its own
                await asyncio.sleep(0.01)

    async def rebuilt(self) -> None:
        """Until everything has its vector."""
        await self.quiet()
        await self.rebuilding.once()

    async def traces(self, user_id: str) -> list[str]:
        """Where in the database, outside of the inbox and the queue of messages, a person is."""
        found = []
        async with self.database.uow("test", self.clock()) as uow:
            for table in Base.metadata.sorted_tables:
                if table.name in ("inbox", "outbox"):
                    continue
                for row in (await uow.session.execute(select(table))).all():
                    if any(user_id in str(value) for value in row):
                        found.append(f"{table.name}: {row}")
        return found

    async def said(self, room_id: str, kind: str | None = None) -> list[Event]:
        """The bot's own messages in a room, of one kind; edits are left out."""
        await self.quiet()
        found = self.matrix.timeline(room_id, "m.room.message")
        return [
            each
            for each in found
            if each["sender"] == BOT
            and "m.new_content" not in each["content"]
            and (kind is None or kind_of(each) == kind)
        ]


def kind_of(event: Event) -> str | None:
    found: str | None = (event["content"].get(KEY) or {}).get("kind")
    return found


def key_of(event: Event) -> dict[str, Any]:
    """What a message of the bot says of itself for machines."""
    found: dict[str, Any] = event["content"].get(KEY) or {}
    return found


def thread_of(event: Event) -> str | None:
    relation: dict[str, Any] = event["content"].get("m.relates_to") or {}
    return relation.get("event_id") if relation.get("rel_type") == "m.thread" else None


@asynccontextmanager
async def open_house(
    database: Database,
    clock: Clock,
    network: Network | None = None,
    encoder: Encoder | None = None,
    matrix: FakeMatrix | None = None,
) -> AsyncIterator[House]:
    """``matrix`` is that of a house before, whose bot has ended."""
    matrix = matrix or FakeMatrix(server_name=SERVER)
    client = matrix.client(BOT)
    network = network or load_network("innov-eurometropolis")
    texts = locales.load(network.languages)
    encoding = Encoding(encoder, time.monotonic)
    router = Router(network, encoding)
    instance = Instance(BOT, network, texts, frozenset({ADMIN}), router, spell=registry().spell)
    metrics = Metrics()
    dispatcher = Dispatcher(instance, registry(), reactions(), metrics)
    worker = Worker(
        database,
        client,
        dispatcher.handle,
        clock,
        explain=dispatcher.explain,
        bury=lambda uow, row: control.event_buried(uow, instance, row),
        encode=encoding.vectors,
    )
    relay = Relay(
        client,
        database,
        clock,
        directs=DirectRooms(client, database, instance, clock),
        bury=lambda uow, row: control.send_buried(uow, instance, row),
        watch=metrics,
    )
    sync = Sync(
        client,
        database,
        BOT,
        clock,
        recorded=lambda _count: worker.wake(),
        healthy=lambda _fault: None,
    )
    provisioner = Provisioner(client, database, instance, clock)
    database.on_outbox(relay.wake)
    await provisioner.apply()
    async with database.uow("load", clock()) as uow:
        await loading.load(router, uow)
    rebuilding = Rebuilding(router, database, clock)
    tasks = [asyncio.create_task(each.run()) for each in (sync, worker, relay, rebuilding)]
    await sync.caught_up.wait()
    house = House(matrix, database, clock, instance, provisioner, rebuilding, tasks)
    try:
        yield house
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        for person in house.people.values():
            await person.close()
