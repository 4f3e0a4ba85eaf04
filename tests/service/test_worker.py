"""From the inbox to the handlers: in order per room, once, and nothing lost to a bad event."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError

from bot.demo.person import body_of
from bot.domain.errors import UserError
from bot.domain.incoming import Incoming, Message, Needed
from bot.matrix.worker import MAX_ATTEMPTS, Encode, Fetched, Worker
from bot.services.encoding import Text, Unencoded
from bot.services.homeserver import HomeserverError, RateLimited, ServerFault, Unreachable
from storage import inbox
from storage.database import Database, Uow
from storage.inbox import Arrival, InboxRow
from storage.outbox import OutboxRow
from tests.support.clock import Clock
from tests.support.fake_matrix import FakeMatrix

ME = "@bot:example.org"
HERE = "!here"
THERE = "!there"


def message(event_id: str, body: str, room_id: str = HERE) -> Arrival:
    raw = {
        "type": "m.room.message",
        "event_id": event_id,
        "sender": "@anna:example.org",
        "origin_server_ts": 1_800_000_000_000,
        "content": {"msgtype": "m.text", "body": body},
    }
    return Arrival(room_id, event_id, raw)


class Bench:
    """A worker whose handler answers each message, or does what a test put in its way."""

    def __init__(self, database: Database, matrix: FakeMatrix, clock: Clock) -> None:
        self.database = database
        self.matrix = matrix
        self.clock = clock
        self.handled: list[str] = []
        self.fetched: list[Fetched] = []
        self.buried: list[str] = []
        self.trouble: dict[str, Callable[[Uow], Awaitable[object]]] = {}
        self.worker = self.started()

    def started(
        self,
        *,
        rooms_at_once: int = 1,
        clock: Callable[[], datetime] | None = None,
        encode: Encode | None = None,
    ) -> Worker:
        """Another worker, as after a restart."""
        return Worker(
            self.database,
            self.matrix.client(ME),
            self._handle,
            clock or self.clock,
            explain=self._explain,
            bury=self._bury,
            encode=encode,
            rooms_at_once=rooms_at_once,
        )

    async def _handle(self, uow: Uow, incoming: Incoming, fetched: Fetched) -> None:
        assert isinstance(incoming, Message)
        uow.outbox.send(incoming.room_id, {"body": f"re: {incoming.body}"})
        await uow.session.flush()
        self.fetched.append(dict(fetched))
        if incoming.body in self.trouble:
            await self.trouble[incoming.body](uow)
        self.handled.append(incoming.body)

    async def _explain(self, uow: Uow, incoming: Incoming, error: UserError) -> None:
        uow.outbox.send(incoming.room_id, {"body": f"sorry: {error.key}"})

    async def _bury(self, uow: Uow, row: InboxRow) -> None:
        self.buried.append(row.event_id)
        uow.outbox.send("!control", {"body": f"buried {row.event_id}"})

    def fail(self, body: str, error: Exception) -> None:
        async def raise_it(uow: Uow) -> None:
            raise error.with_traceback(None)

        self.trouble[body] = raise_it

    async def take_in(self, *arrivals: Arrival) -> None:
        async with self.database.uow("sync", self.clock()) as uow:
            await inbox.record(uow.session, arrivals, self.clock())
            await uow.commit()

    async def attempts(self, times: int) -> None:
        for _ in range(times):
            await self.worker.once()
            self.clock.advance(timedelta(minutes=3))

    async def said(self) -> list[str]:
        async with self.database.uow("test", self.clock()) as uow:
            rows = await uow.session.scalars(select(OutboxRow).order_by(OutboxRow.id))
            return [body_of({"content": row.content or {}}) for row in rows]

    async def rows(self) -> dict[str, InboxRow]:
        async with self.database.uow("test", self.clock()) as uow:
            rows = await uow.session.scalars(select(InboxRow).order_by(InboxRow.id))
            return {row.event_id: row for row in rows}


@pytest.fixture
def bench(database: Database, matrix: FakeMatrix, clock: Clock) -> Bench:
    return Bench(database, matrix, clock)


@contextlib.asynccontextmanager
async def running(worker: Worker) -> Any:
    loop = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        loop.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await loop


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not reached():  # noqa: ASYNC110 - what is waited for has no event of its own
            await asyncio.sleep(0.005)


# In order, once


async def test_events_are_handled_in_order(bench: Bench) -> None:
    await bench.take_in(message("$1", "one"), message("$2", "two", THERE), message("$3", "three"))
    assert await bench.worker.once() == 3
    assert bench.handled == ["one", "two", "three"]
    assert await bench.said() == ["re: one", "re: two", "re: three"]
    assert {row.status for row in (await bench.rows()).values()} == {"done"}
    assert await bench.worker.once() == 0


async def test_what_an_event_led_to_names_it_as_its_cause(bench: Bench) -> None:
    await bench.take_in(message("$1", "one"))
    await bench.worker.once()
    async with bench.database.uow("test", bench.clock()) as uow:
        row = await uow.session.scalar(select(OutboxRow))
    assert row is not None
    assert (row.cause, row.ordinal) == ("$1", 0)


async def test_more_than_one_batch(bench: Bench) -> None:
    said = [str(number) for number in range(210)]
    await bench.take_in(*(message(f"${each}", each) for each in said))
    while await bench.worker.once():
        pass
    assert bench.handled == said


async def test_a_restart_repeats_nothing(bench: Bench) -> None:
    await bench.take_in(message("$1", "one"))
    await bench.worker.once()
    await bench.take_in(message("$1", "one"), message("$2", "two"))
    await bench.started().once()
    assert bench.handled == ["one", "two"]


async def test_two_workers_handle_an_event_once(bench: Bench) -> None:
    await bench.take_in(*(message(f"${number}", str(number)) for number in range(20)))
    await asyncio.gather(bench.worker.once(), bench.started().once())
    assert sorted(await bench.said()) == sorted(f"re: {number}" for number in range(20))


async def test_stopping_half_way_leaves_the_event(bench: Bench) -> None:
    reached = asyncio.Event()

    async def hang(uow: Uow) -> None:
        reached.set()
        await asyncio.Event().wait()

    bench.trouble["one"] = hang
    await bench.take_in(message("$1", "one"))
    attempt = asyncio.create_task(bench.worker.once())
    await reached.wait()
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    assert (await bench.rows())["$1"].status == "pending"
    bench.trouble.clear()
    await bench.started().once()
    assert await bench.said() == ["re: one"]


@pytest.mark.postgres
@pytest.mark.parametrize("engine", ["postgresql"])
async def test_rooms_are_handled_side_by_side(bench: Bench) -> None:
    """Only where the database can: SQLite has one writer."""
    both = asyncio.Barrier(2)
    for body in ("here", "there"):
        bench.trouble[body] = lambda uow: both.wait()
    await bench.take_in(
        message("$1", "here"),
        message("$2", "later here"),
        message("$3", "there", THERE),
        message("$4", "later there", THERE),
    )
    async with asyncio.timeout(5):
        await bench.started(rooms_at_once=2).once()
    for place in ("here", "there"):
        assert [body for body in bench.handled if body.split()[-1] == place] == [
            place,
            f"later {place}",
        ]


async def test_side_by_side_a_failing_room_still_waits(bench: Bench) -> None:
    bench.fail("one", KeyError("x"))
    await bench.take_in(message("$1", "one"), message("$2", "two"), message("$3", "three", THERE))
    worker = bench.started(rooms_at_once=4)
    await worker.once()
    assert bench.handled == ["three"]
    bench.trouble.clear()
    bench.clock.advance(timedelta(seconds=1))
    await worker.once()
    assert bench.handled == ["three", "one", "two"]


# What goes wrong


@pytest.mark.parametrize("rooms_at_once", [1, 4])
async def test_a_slow_encoder_holds_up_its_own_room_alone(bench: Bench, rooms_at_once: int) -> None:
    encoded = asyncio.Event()

    async def encode(texts: Sequence[Text]) -> None:
        await encoded.wait()

    async def needs_a_vector(_uow: Uow) -> None:
        if not encoded.is_set():
            raise Unencoded(Text("slow"))

    bench.trouble["slow"] = needs_a_vector
    await bench.take_in(message("$a", "slow"), message("$b", "b"), message("$c", "c", THERE))
    async with running(bench.started(rooms_at_once=rooms_at_once, encode=encode)):
        await until(lambda: bench.handled == ["c"])
        encoded.set()
        await until(lambda: bench.handled == ["c", "slow", "b"])


async def test_a_failing_event_is_undone_and_tried_again(bench: Bench) -> None:
    bench.fail("one", KeyError("x"))
    await bench.take_in(message("$1", "one"))
    await bench.worker.once()
    row = (await bench.rows())["$1"]
    assert (row.status, row.attempts, row.error) == ("pending", 1, "KeyError")
    assert row.next_attempt_at == bench.clock() + timedelta(seconds=1)
    assert await bench.said() == []

    assert await bench.worker.once() == 0, "not before its time"
    bench.trouble.clear()
    bench.clock.advance(timedelta(seconds=1))
    await bench.worker.once()
    assert await bench.said() == ["re: one"]
    row = (await bench.rows())["$1"]
    assert (row.status, row.error, row.content) == ("done", None, None)


async def test_its_room_waits_and_other_rooms_go_on(bench: Bench) -> None:
    bench.fail("one", KeyError("x"))
    await bench.take_in(message("$1", "one"), message("$2", "two"), message("$3", "three", THERE))
    await bench.worker.once()
    await bench.take_in(message("$4", "four"), message("$5", "five", THERE))
    await bench.worker.once()
    assert bench.handled == ["three", "five"]
    bench.trouble.clear()
    bench.clock.advance(timedelta(seconds=1))
    await bench.worker.once()
    assert bench.handled == ["three", "five", "one", "two", "four"]


async def test_pauses_grow(bench: Bench) -> None:
    bench.fail("one", KeyError("x"))
    await bench.take_in(message("$1", "one"))
    pauses = []
    for _ in range(MAX_ATTEMPTS - 1):
        await bench.worker.once()
        retry_at = (await bench.rows())["$1"].next_attempt_at
        assert retry_at is not None
        pauses.append((retry_at - bench.clock()).total_seconds())
        bench.clock.now = retry_at
    assert pauses == [1, 5, 30, 120]


async def test_a_hopeless_event_is_buried_once_and_the_room_goes_on(bench: Bench) -> None:
    bench.fail("one", KeyError("x"))
    await bench.take_in(message("$1", "one"), message("$2", "two"))
    await bench.attempts(MAX_ATTEMPTS + 2)
    assert bench.buried == ["$1"]
    assert await bench.said() == ["buried $1", "re: two"]
    row = (await bench.rows())["$1"]
    assert (row.status, row.attempts, row.error) == ("dead", MAX_ATTEMPTS, "KeyError")
    assert row.content == message("$1", "one").content, "kept, for those who look into it"


async def test_a_burial_that_fails_is_tried_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.fail("one", KeyError("x"))
    await bench.take_in(message("$1", "one"))
    await bench.attempts(MAX_ATTEMPTS - 1)

    async def broken(uow: Uow, row: InboxRow) -> None:
        raise ConnectionError

    monkeypatch.setattr(bench.worker, "_bury", broken)
    with pytest.raises(ExceptionGroup) as failed:
        await bench.worker.once()
    assert failed.group_contains(ConnectionError)
    assert (await bench.rows())["$1"].status == "pending"
    monkeypatch.undo()
    await bench.worker.once()
    assert (bench.buried, await bench.said()) == (["$1"], ["buried $1"])


async def test_a_malformed_event_is_passed_over(bench: Bench) -> None:
    odd = Arrival(HERE, "$odd", {"type": "m.room.message", "event_id": "$odd", "content": []})
    nothing = Arrival(HERE, "$nothing", {})
    await bench.take_in(odd, nothing, message("$2", "two"))
    await bench.worker.once()
    assert bench.handled == ["two"]
    assert {row.status for row in (await bench.rows()).values()} == {"done"}


async def test_what_nobody_acts_on_is_done(bench: Bench) -> None:
    topic = {**message("$1", "x").content, "type": "m.sticker"}
    await bench.take_in(Arrival(HERE, "$1", topic))
    await bench.worker.once()
    assert (bench.handled, (await bench.rows())["$1"].status) == ([], "done")


BLAMELESS: Mapping[str, Exception] = {
    "database": OperationalError("SELECT 1", {}, Exception("server closed the connection")),
    "silence": Unreachable("no answer"),
    "fault": ServerFault("500", status=500),
    "limit": RateLimited("429", retry_after=1),
}


@pytest.mark.parametrize("error", BLAMELESS.values(), ids=BLAMELESS.keys())
async def test_what_is_down_is_not_the_events_fault(bench: Bench, error: Exception) -> None:
    bench.fail("one", error)
    await bench.take_in(message("$1", "one"))
    await bench.attempts(MAX_ATTEMPTS * 3)
    assert bench.buried == []
    assert (await bench.rows())["$1"].status == "pending"
    bench.trouble.clear()
    await bench.worker.once()
    assert bench.handled == ["one"]


@pytest.mark.postgres
@pytest.mark.parametrize("engine", ["postgresql"])
async def test_a_lost_connection_is_not_the_events_fault(bench: Bench) -> None:
    async def lose_connection(uow: Uow) -> None:
        await uow.session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    bench.trouble["one"] = lose_connection
    await bench.take_in(message("$1", "one"))
    await bench.attempts(MAX_ATTEMPTS + 1)
    assert bench.buried == []
    bench.trouble.clear()
    await bench.worker.once()
    assert await bench.said() == ["re: one"]


# Earlier events


async def test_an_earlier_event_is_fetched_when_it_is_needed(bench: Bench) -> None:
    anna = bench.matrix.person("@anna:example.org")
    room_id = await anna.create_room(preset="public_chat")
    await bench.matrix.client(ME).join(room_id)
    earlier = await anna.say(room_id, "Tuseday")
    await anna.edit(room_id, earlier, "Tuesday")

    async def need(uow: Uow) -> None:
        if earlier not in bench.fetched[-1]:
            raise Needed(room_id, earlier)

    bench.trouble["!ask"] = need
    await bench.take_in(message("$1", "!ask", room_id))
    await bench.worker.once()
    found = bench.fetched[-1][earlier]
    assert isinstance(found, Message)
    assert (found.body, found.sender, found.event_id) == ("Tuesday", anna.user_id, earlier)
    assert await bench.said() == ["re: !ask"], "what the first try led to was undone"


async def test_an_earlier_event_may_be_gone(bench: Bench) -> None:
    anna = bench.matrix.person("@anna:example.org")
    room_id = await anna.create_room(preset="public_chat")
    await bench.matrix.client(ME).join(room_id)

    async def need(uow: Uow) -> None:
        if "$gone" not in bench.fetched[-1]:
            raise Needed(room_id, "$gone")

    bench.trouble["!ask"] = need
    await bench.take_in(message("$1", "!ask", room_id))
    await bench.worker.once()
    assert bench.fetched[-1] == {"$gone": None}


async def test_an_earlier_event_may_be_hidden_from_us(bench: Bench) -> None:
    async def need(uow: Uow) -> None:
        if "$secret" not in bench.fetched[-1]:
            raise Needed("!elsewhere", "$secret")

    bench.trouble["!ask"] = need
    await bench.take_in(message("$1", "!ask"))
    await bench.worker.once()
    assert bench.fetched[-1] == {"$secret": None}


async def test_asking_for_the_same_again_is_a_failure(bench: Bench) -> None:
    anna = bench.matrix.person("@anna:example.org")
    room_id = await anna.create_room(preset="public_chat")
    await bench.matrix.client(ME).join(room_id)
    bench.fail("!ask", Needed(room_id, "$gone"))
    await bench.take_in(message("$1", "!ask", room_id))
    await bench.attempts(MAX_ATTEMPTS)
    assert bench.buried == ["$1"]


@pytest.mark.parametrize("error", [ServerFault("500", status=500), Unreachable("no answer")])
async def test_a_homeserver_that_is_down_is_waited_for(
    bench: Bench, error: HomeserverError
) -> None:
    anna = bench.matrix.person("@anna:example.org")
    room_id = await anna.create_room(preset="public_chat")
    await bench.matrix.client(ME).join(room_id)
    earlier = await anna.say(room_id, "Tuesday")

    async def need(uow: Uow) -> None:
        if earlier not in bench.fetched[-1]:
            raise Needed(room_id, earlier)

    bench.trouble["!ask"] = need
    bench.matrix.fail_next("event", error, times=MAX_ATTEMPTS + 3)
    await bench.take_in(message("$1", "!ask", room_id))
    await bench.attempts(MAX_ATTEMPTS + 4)
    assert (bench.buried, await bench.said()) == ([], ["re: !ask"])


# Mistakes of people


async def test_a_mistake_is_explained_and_nothing_else_happens(bench: Bench) -> None:
    bench.fail("!claim Q99", UserError("question-unknown", "There is no such question."))
    await bench.take_in(message("$1", "!claim Q99"), message("$2", "two"))
    await bench.worker.once()
    assert await bench.said() == ["sorry: question-unknown", "re: two"]
    assert bench.buried == []


# The loop


async def test_it_works_when_woken(bench: Bench) -> None:
    async with running(bench.worker):
        await asyncio.sleep(0.02)
        await bench.take_in(message("$1", "one"))
        bench.worker.wake()
        await until(lambda: bench.handled == ["one"])


async def test_it_comes_back_to_what_it_postponed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.matrix.worker.RETRY_SECONDS", (0.1,))
    bench.fail("one", KeyError("x"))
    await bench.take_in(message("$1", "one"))
    async with running(bench.started(clock=lambda: datetime.now(UTC))):
        await until(lambda: len(bench.fetched) >= 1)
        bench.trouble.clear()
        await until(lambda: bench.handled == ["one"])
