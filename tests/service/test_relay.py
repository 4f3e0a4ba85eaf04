"""From the outbox to Matrix: in order per lane, once, and whatever the homeserver does."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from bot import outbox as relay_module
from bot.demo.person import Person, body_of
from bot.domain import content
from bot.domain.backoff import Backoff
from bot.domain.content import KEY
from bot.matrix.sync import Sync
from bot.outbox import Relay
from bot.services.homeserver import (
    Forbidden,
    HomeserverError,
    RateLimited,
    ServerFault,
    TokenRejected,
    Unreachable,
)
from storage import links, outbox
from storage.database import Database, Uow
from storage.links import Link
from storage.outbox import OutboxRow, direct
from tests.support.clock import Clock
from tests.support.fake_matrix import FakeMatrix

ME = "@bot:example.org"
ANNA = "@anna:example.org"


class Directs:
    """Makes the direct rooms itself; ``DirectRooms`` has tests of its own."""

    def __init__(self, matrix: FakeMatrix) -> None:
        self._client = matrix.client(ME)
        self.rooms: dict[str, str] = {}
        self.entered: list[tuple[str, str]] = []

    async def room_with(self, user_id: str) -> str:
        if user_id not in self.rooms:
            body = {"preset": "private_chat", "is_direct": True, "invite": [user_id]}
            self.rooms[user_id] = await self._client.create_room(body)
        return self.rooms[user_id]

    async def joined(self, room_id: str, user_id: str) -> None:
        self.entered.append((room_id, user_id))


class Watch:
    def __init__(self) -> None:
        self.count = {"sent": 0, "retried": 0, "buried": 0}

    def sent(self, seconds: float) -> None:
        assert seconds >= 0
        self.count["sent"] += 1

    def retried(self) -> None:
        self.count["retried"] += 1

    def buried(self) -> None:
        self.count["buried"] += 1


class Bench:
    def __init__(self, database: Database, matrix: FakeMatrix, clock: Clock) -> None:
        self.database = database
        self.matrix = matrix
        self.clock = clock
        self.client = matrix.client(ME)
        self.directs = Directs(matrix)
        self.watch = Watch()
        self.buried: list[int] = []
        self.relay = self.started()
        database.on_outbox(lambda: self.relay.wake())

    def started(self) -> Relay:
        """As after a restart."""
        self.relay = Relay(
            self.client,
            self.database,
            self.clock,
            directs=self.directs,
            bury=self._bury,
            watch=self.watch,
        )
        return self.relay

    async def _bury(self, uow: Uow, row: OutboxRow) -> None:
        self.buried.append(row.id)

    async def room(self, *people: Person) -> str:
        room_id = await self.client.create_room({"preset": "public_chat"})
        for person in people:
            await person.join(room_id)
        return room_id

    async def queue(self, cause: str, lane: str, *said: str) -> list[OutboxRow]:
        async with self.database.uow(cause, self.clock()) as uow:
            rows = [uow.outbox.send(lane, message(each)) for each in said]
            await uow.commit()
        return rows

    async def row(self, row: OutboxRow) -> OutboxRow:
        async with self.database.uow("test", self.clock()) as uow:
            kept = await uow.session.get(OutboxRow, row.id)
            assert kept is not None
            return kept

    async def pending(self) -> int:
        async with self.database.uow("test", self.clock()) as uow:
            query = select(OutboxRow).where(OutboxRow.status == "pending")
            return len((await uow.session.scalars(query)).all())

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        loop = asyncio.create_task(self.relay.run())
        try:
            yield
        finally:
            loop.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await loop

    async def settle(self) -> None:
        """Run until nothing is left to do."""
        async with self.running():
            await until_async(self.is_idle)

    async def try_once(self, row: OutboxRow) -> None:
        """Run until the failure of a row has been noted."""

        async def noted() -> bool:
            return (await self.row(row)).attempts > 0

        async with self.running():
            await until_async(noted)

    async def is_idle(self) -> bool:
        return await self.pending() == 0

    def said(self, room_id: str) -> list[str]:
        return [body_of(event) for event in self.matrix.timeline(room_id)]

    async def sync(self) -> None:
        """Another look at what the homeserver has, as at every start."""
        loop = Sync(
            self.client,
            self.database,
            ME,
            self.clock,
            recorded=lambda count: None,
            healthy=lambda fault: None,
        )
        await loop.once(await loop.token(), 0)


def message(body: str) -> dict[str, Any]:
    return content.tagged({"msgtype": "m.notice", "body": body}, "reply")


async def until(reached: Callable[[], bool], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not reached():  # noqa: ASYNC110 - what is waited for has no event of its own
            await asyncio.sleep(0.005)


async def until_async(reached: Callable[[], Awaitable[bool]], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not await reached():  # noqa: ASYNC110 - a database does not call back
            await asyncio.sleep(0.01)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same pauses, shorter."""
    monkeypatch.setattr(relay_module, "FAULT_INTERVAL", 0.05)
    monkeypatch.setattr(relay_module, "Backoff", lambda: Backoff(first=0.05, most=0.2))


@pytest.fixture
def bench(database: Database, matrix: FakeMatrix, clock: Clock) -> Bench:
    return Bench(database, matrix, clock)


# In order, once


async def test_what_was_decided_is_said_in_order(bench: Bench) -> None:
    here, there = await bench.room(), await bench.room()
    said = [str(number) for number in range(30)]
    await bench.queue("$a", here, *said)
    rows = await bench.queue("$b", there, *said)
    await bench.settle()
    assert bench.said(here) == bench.said(there) == said
    kept = await bench.row(rows[0])
    assert kept.event_id == bench.matrix.timeline(there)[0]["event_id"]
    assert (kept.status, kept.content, kept.sent_at) == ("sent", None, bench.clock())
    assert bench.watch.count == {"sent": 60, "retried": 0, "buried": 0}


async def test_every_message_carries_its_key(bench: Bench) -> None:
    room = await bench.room()
    [row] = await bench.queue("$a", room, "hello")
    await bench.settle()
    [event] = bench.matrix.timeline(room)
    assert event["content"][KEY] == {"v": 1, "kind": "reply", "txn": row.txn_id}
    assert [call.args[3] for call in bench.matrix.called("send_event")] == [row.txn_id]


async def test_a_commit_wakes_it(bench: Bench) -> None:
    room = await bench.room()
    async with bench.running():
        await asyncio.sleep(0.05)
        await bench.queue("$a", room, "hello")
        await until(lambda: bench.said(room) == ["hello"], seconds=2)


async def test_many_rooms_at_once(bench: Bench) -> None:
    rooms = [await bench.room() for _ in range(30)]
    for number, room in enumerate(rooms):
        await bench.queue(f"${number}", room, "one", "two")
    await bench.settle()
    assert [bench.said(room) for room in rooms] == [["one", "two"]] * 30


async def test_a_held_row_waits_and_lets_others_pass(bench: Bench) -> None:
    room = await bench.room()
    async with bench.database.uow("$a", bench.clock()) as uow:
        uow.outbox.send(room, message("later"), not_before=bench.clock() + timedelta(seconds=10))
        uow.outbox.send(room, message("now"))
        await uow.commit()
    async with bench.running():
        await until(lambda: bench.said(room) == ["now"])
        await asyncio.sleep(0.05)
        assert bench.said(room) == ["now"]
        bench.clock.advance(timedelta(seconds=10))
        bench.relay.wake()
        await until(lambda: bench.said(room) == ["now", "later"])


async def test_a_direct_lane_finds_its_room(bench: Bench) -> None:
    anna = bench.matrix.person(ANNA)
    await bench.queue("$a", direct(ANNA), "welcome", "how to ask")
    await bench.settle()
    await anna.accept(await anna.wait_for_invite(ME))
    assert bench.said(bench.directs.rooms[ANNA]) == ["welcome", "how to ask"]


# Redactions, reactions, joining, leaving


async def test_redactions_and_reactions(bench: Bench) -> None:
    anna = bench.matrix.person(ANNA)
    room = await bench.room(anna)
    asked = await anna.say(room, "Who knows flax?")
    async with bench.database.uow("$a", bench.clock()) as uow:
        card = uow.outbox.send(room, message("card"))
        uow.outbox.react(room, asked, "👀")
        await uow.commit()
    await bench.settle()
    async with bench.database.uow("$b", bench.clock()) as uow:
        uow.outbox.redact(room, card.ref)
        await uow.commit()
    await bench.settle()
    _, emptied, reaction, redaction = bench.matrix.timeline(room)
    assert emptied["content"] == {}
    assert reaction["content"]["m.relates_to"]["event_id"] == asked
    assert redaction["redacts"] == emptied["event_id"]


async def test_joining_and_leaving(bench: Bench) -> None:
    anna = bench.matrix.person(ANNA)
    room = await anna.create_room(invite=[ME])
    async with bench.database.uow("$invite", bench.clock()) as uow:
        uow.outbox.join(room, direct_with=ANNA)
        uow.outbox.send(room, message("hello"))
        uow.outbox.leave(room)
        await uow.commit()
    await bench.settle()
    assert bench.directs.entered == [(room, ANNA)]
    assert bench.said(room) == ["hello"]
    assert bench.matrix.rooms[room].membership(ME) == "leave"


async def test_a_join_that_failed_for_long_is_tried_all_the_same(bench: Bench) -> None:
    """There is no room yet to look for it in."""
    anna = bench.matrix.person(ANNA)
    room = await anna.create_room(invite=[ME])
    async with bench.database.uow("$invite", bench.clock()) as uow:
        row = uow.outbox.join(room)
        await uow.commit()
    bench.matrix.fail_next("join", ServerFault("502", status=502))
    await bench.try_once(row)
    bench.clock.advance(timedelta(minutes=40))
    await bench.settle()
    assert bench.matrix.rooms[room].membership(ME) == "join"
    assert bench.buried == []


# Pointing at each other


async def test_later_rows_point_at_earlier_ones(bench: Bench) -> None:
    desk, cluster = await bench.room(), await bench.room()
    async with bench.database.uow("$asked", bench.clock()) as uow:
        card = uow.outbox.send(desk, message("card"), link=a_link("question.card", bench))
        uow.outbox.send(desk, content.threaded(message("offer"), card.ref))
        link = content.link("the card", content.event_link(desk, card.ref))
        uow.outbox.send(cluster, content.message(link))
        await uow.commit()
    started = time.monotonic()
    await bench.settle()
    assert time.monotonic() - started < 5
    sent, offer = bench.matrix.timeline(desk)
    assert offer["content"]["m.relates_to"]["event_id"] == sent["event_id"]
    assert offer["content"]["m.relates_to"]["m.in_reply_to"] == {"event_id": sent["event_id"]}
    [shown] = bench.matrix.timeline(cluster)
    quoted = sent["event_id"].replace("$", "%24")
    assert f"/{quoted}" in shown["content"]["formatted_body"]
    async with bench.database.uow("test", bench.clock()) as uow:
        found = await links.find(uow.session, sent["event_id"])
    assert found is not None
    assert found.role == "question.card"


def a_link(role: str, bench: Bench) -> Link:
    return Link(role=role, subject=12, created_at=bench.clock())


async def test_a_thread_follows_its_root_without_a_pause(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever points at what was sent a moment ago waits for it to be stored, and no longer."""
    monkeypatch.setattr(relay_module, "FAULT_INTERVAL", 30.0)
    rooms = [await bench.room() for _ in range(3)]
    for number in range(10):
        async with bench.database.uow(f"${number}", bench.clock()) as uow:
            root = uow.outbox.send(rooms[0], message(f"root {number}"))
            for room in rooms:
                uow.outbox.send(room, content.threaded(message(f"to {number}"), root.ref))
            await uow.commit()
    await bench.settle()
    assert len(bench.said(rooms[0])) == 20
    assert len(bench.said(rooms[2])) == 10


async def test_what_points_at_a_failing_row_waits_for_it(bench: Bench) -> None:
    desk, cluster = await bench.room(), await bench.room()
    bench.matrix.fail_next("send_event", ServerFault("500", status=500), times=2, room_id=desk)
    async with bench.database.uow("$asked", bench.clock()) as uow:
        card = uow.outbox.send(desk, message("card"))
        uow.outbox.send(cluster, content.replying(message("see there"), card.ref))
        uow.outbox.send(cluster, message("next"))
        await uow.commit()
    await bench.settle()
    [sent] = bench.matrix.timeline(desk)
    first, second = bench.matrix.timeline(cluster)
    assert first["content"]["m.relates_to"]["m.in_reply_to"]["event_id"] == sent["event_id"]
    assert body_of(second) == "next", "order is kept"


async def test_what_points_at_a_dead_row_is_said_without_it(bench: Bench) -> None:
    desk, cluster = await bench.room(), await bench.room()
    bench.matrix.fail_next("send_event", forbidden(), room_id=desk)
    async with bench.database.uow("$asked", bench.clock()) as uow:
        card = uow.outbox.send(desk, message("card"))
        uow.outbox.send(cluster, content.threaded(message("asked"), card.ref))
        await uow.commit()
    await bench.settle()
    [said] = bench.matrix.timeline(cluster)
    assert body_of(said) == "asked"
    assert "m.relates_to" not in said["content"]


async def test_nothing_is_left_to_do_with_a_dead_row(bench: Bench) -> None:
    """A reaction to it or its redaction would be nonsense, not worth a dead letter."""
    desk, cluster = await bench.room(), await bench.room()
    bench.matrix.fail_next("send_event", forbidden(), room_id=desk)
    async with bench.database.uow("$asked", bench.clock()) as uow:
        card = uow.outbox.send(desk, message("card"))
        uow.outbox.react(cluster, card.ref, "✅")
        uow.outbox.redact(cluster, card.ref)
        uow.outbox.send(cluster, message("next"))
        await uow.commit()
    await bench.settle()
    assert bench.said(cluster) == ["next"]
    assert bench.buried == [card.id]


# What the homeserver refuses


def forbidden() -> Forbidden:
    return Forbidden("403 M_FORBIDDEN no", errcode="M_FORBIDDEN", status=403)


async def test_what_is_refused_becomes_a_dead_letter(bench: Bench) -> None:
    room = await bench.room()
    bench.matrix.fail_next("send_event", forbidden())
    first, _ = await bench.queue("$a", room, "refused", "next")
    await bench.settle()
    assert bench.said(room) == ["next"]
    assert bench.buried == [first.id]
    kept = await bench.row(first)
    assert (kept.status, kept.error) == ("dead", "403 M_FORBIDDEN no")
    assert kept.content == message("refused")
    assert bench.watch.count["buried"] == 1


async def test_a_room_we_are_not_in_blocks_no_other(bench: Bench) -> None:
    here = await bench.room()
    there = await bench.matrix.person(ANNA).create_room()
    await bench.queue("$a", there, "one", "two")
    await bench.queue("$b", here, "hello")
    await bench.settle()
    assert bench.said(here) == ["hello"]
    assert len(bench.buried) == 2


# What goes wrong on the way


@pytest.mark.parametrize(
    "error", [Unreachable("no answer"), ServerFault("502", status=502)], ids=["silence", "fault"]
)
async def test_a_lost_answer_says_nothing_twice(bench: Bench, error: HomeserverError) -> None:
    room = await bench.room()
    bench.matrix.fail_next("send_event", error, times=3, after_accept=True)
    rows = await bench.queue("$a", room, "one", "two")
    await bench.settle()
    assert bench.said(room) == ["one", "two"]
    txns = [call.args[3] for call in bench.matrix.called("send_event")]
    assert txns == [rows[0].txn_id] * 4 + [rows[1].txn_id]
    kept = await bench.row(rows[0])
    assert (kept.attempts, kept.first_attempt_at, kept.error) == (3, bench.clock(), None)
    assert bench.watch.count["retried"] == 3


async def test_order_is_kept_through_faults(bench: Bench) -> None:
    rooms = [await bench.room() for _ in range(3)]
    said = [str(number) for number in range(12)]
    for number, room in enumerate(rooms):
        await bench.queue(f"${number}", room, *said)
    for after_accept in (False, True, True, False):
        bench.matrix.fail_next("send_event", Unreachable("cut"), times=2, after_accept=after_accept)
    await bench.settle()
    assert [bench.said(room) for room in rooms] == [said] * 3


async def test_a_failing_room_blocks_no_other(bench: Bench) -> None:
    sick, well = await bench.room(), await bench.room()
    bench.matrix.fail_next("send_event", ServerFault("500", status=500), times=None, room_id=sick)
    await bench.queue("$a", sick, "one", "two")
    await bench.queue("$b", well, "hello")
    async with bench.running():
        await until(lambda: bench.said(well) == ["hello"])
        await bench.queue("$c", well, "again")
        await until(lambda: bench.said(well) == ["hello", "again"])
        assert bench.said(sick) == []
        bench.matrix.heal()
        await until(lambda: bench.said(sick) == ["one", "two"])


async def test_a_broken_homeserver_is_left_alone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much is to be said, there is one request per interval."""
    monkeypatch.setattr(relay_module, "FAULT_INTERVAL", 0.25)
    for number in range(20):
        await bench.queue(f"${number}", await bench.room(), "hello")
    bench.matrix.fail_next("send_event", ServerFault("502", status=502), times=None)
    async with bench.running():
        await until(lambda: bench.watch.count["retried"] > 0)
        # Those that were under way when the first one failed.
        await asyncio.sleep(0.1)
        begun = len(bench.matrix.called("send_event"))
        await asyncio.sleep(1.1)
    assert begun <= relay_module.LANES_AT_ONCE
    assert len(bench.matrix.called("send_event")) - begun <= 5


async def test_a_rate_limit_pauses_everything(bench: Bench) -> None:
    here, there = await bench.room(), await bench.room()
    bench.matrix.fail_next("send_event", RateLimited("429", retry_after=0.5))
    [row] = await bench.queue("$a", here, "one")
    async with bench.running():
        await until(lambda: bench.watch.count["retried"] == 1)
        started = time.monotonic()
        await bench.queue("$b", there, "two")
        await until(lambda: bench.said(here) + bench.said(there) == ["one", "two"])
    assert time.monotonic() - started >= 0.45
    assert (await bench.row(row)).first_attempt_at is None, "its fate was known"


async def test_the_longest_rate_limit_counts(bench: Bench) -> None:
    rooms = [await bench.room() for _ in range(3)]
    for room, seconds in zip(rooms, (0.6, 0.1, 0.2), strict=True):
        error = RateLimited("429", retry_after=seconds)
        bench.matrix.fail_next("send_event", error, room_id=room)
        await bench.queue(f"${room}", room, "hello")
    started = time.monotonic()
    await bench.settle()
    assert time.monotonic() - started >= 0.6


async def test_while_it_is_limited_it_rests(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not look for work that it may not do, not even when a lane could go on."""
    looks = 0
    next_moment = outbox.next_moment

    async def counted(*args: Any) -> Any:
        nonlocal looks
        looks += 1
        return await next_moment(*args)

    monkeypatch.setattr(outbox, "next_moment", counted)
    sick, limited = await bench.room(), await bench.room()
    bench.matrix.fail_next("send_event", ServerFault("500", status=500), room_id=sick)
    bench.matrix.fail_next("send_event", RateLimited("429", retry_after=1.0), room_id=limited)
    await bench.queue("$a", sick, "one")
    await bench.queue("$b", limited, "two")
    async with bench.running():
        await until(lambda: bench.watch.count["retried"] == 2)
        looks = 0
        await asyncio.sleep(0.7)
    assert looks < 10


async def test_people_see_that_an_answer_is_on_its_way(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "NOTICEABLE", 0.1)
    room = await bench.room()
    bench.matrix.fail_next("send_event", RateLimited("429", retry_after=0.3))
    await bench.queue("$a", room, "one")
    async with bench.running():
        await until(lambda: bench.matrix.typing.get(room) == {ME})


async def test_making_direct_rooms_too_fast_holds_only_those(bench: Bench) -> None:
    """Homeservers allow few new rooms a minute; answers elsewhere must not wait for that."""
    room = await bench.room()
    bench.matrix.fail_next("create_room", RateLimited("429", retry_after=0.6))
    await bench.queue("$a", direct(ANNA), "welcome")
    async with bench.running():
        await until(lambda: len(bench.matrix.called("create_room")) == 2)
        await bench.queue("$b", room, "answer")
        await until(lambda: bench.said(room) == ["answer"], seconds=0.4)
        assert bench.directs.rooms == {}
        await until_async(bench.is_idle)
    assert bench.said(bench.directs.rooms[ANNA]) == ["welcome"]


async def test_a_fault_of_ours_blocks_no_other_lane(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(user_id: str) -> str:
        raise KeyError("a bug")

    room = await bench.room()
    monkeypatch.setattr(bench.directs, "room_with", broken)
    await bench.queue("$a", direct(ANNA), "welcome")
    await bench.queue("$b", room, "hello")
    async with bench.running():
        await until(lambda: bench.said(room) == ["hello"])
        monkeypatch.undo()
        await until_async(bench.is_idle)
    assert bench.said(bench.directs.rooms[ANNA]) == ["welcome"]


async def test_a_rejected_token_ends_it_and_loses_nothing(bench: Bench) -> None:
    room = await bench.room()
    await bench.queue("$a", room, "hello")
    bench.matrix.revoke_token(ME)
    with pytest.RaisesGroup(TokenRejected):
        await bench.relay.run()
    assert await bench.pending() == 1
    bench.client.use_token(bench.matrix.token(ME))
    await bench.settle()
    assert bench.said(room) == ["hello"]


# Crashes


async def crash_before_marking(bench: Bench, monkeypatch: pytest.MonkeyPatch, room: str) -> None:
    """The homeserver has it; we died before we could note that."""

    async def never(self: Relay) -> None:
        await asyncio.Event().wait()

    with monkeypatch.context() as patch:
        patch.setattr(Relay, "_mark", never)
        said = len(bench.said(room))
        async with bench.running():
            await until(lambda: len(bench.said(room)) > said)
    bench.started()


async def test_after_a_crash_the_echo_tells(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    room = await bench.room()
    await bench.sync()
    [row] = await bench.queue("$a", room, "hello")
    await crash_before_marking(bench, monkeypatch, room)
    assert (await bench.row(row)).status == "pending"

    bench.matrix.forget_transactions()
    await bench.sync()
    assert (await bench.row(row)).status == "sent"
    await bench.queue("$b", room, "next")
    await bench.settle()
    assert bench.said(room) == ["hello", "next"]


async def test_after_a_crash_the_transaction_id_helps(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = await bench.room()
    await bench.queue("$a", room, "hello")
    await crash_before_marking(bench, monkeypatch, room)
    await bench.settle()
    assert bench.said(room) == ["hello"]
    assert len(bench.matrix.called("send_event")) == 2


async def test_a_crash_among_many(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    rooms = [await bench.room() for _ in range(4)]
    await bench.sync()
    said = [str(number) for number in range(50)]
    for number, room in enumerate(rooms):
        await bench.queue(f"${number}", room, *said)
    sends, crashed = itertools.count(1), asyncio.Event()
    send = bench.client.send_event

    async def last_words(*args: Any) -> str:
        event_id = await send(*args)
        if next(sends) >= 60:
            crashed.set()
            await asyncio.Event().wait()
        return event_id

    with monkeypatch.context() as patch:
        patch.setattr(bench.client, "send_event", last_words)
        async with bench.running():
            await crashed.wait()
    bench.started()
    await bench.sync()
    bench.matrix.forget_transactions()
    await bench.settle()
    assert [bench.said(room) for room in rooms] == [said] * 4


async def test_stopping_notes_what_was_sent(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    room = await bench.room()
    [row] = await bench.queue("$a", room, "hello")

    async def never(self: Relay) -> None:
        await asyncio.Event().wait()

    with monkeypatch.context() as patch:
        patch.setattr(Relay, "_mark", never)
        async with bench.running():
            await until(lambda: bench.said(room) == ["hello"])
    await bench.relay.drain()
    assert (await bench.row(row)).status == "sent"


# Fates unknown for long


async def lose_the_answer(bench: Bench, room: str, *, arrived: bool) -> OutboxRow:
    """Send, hear nothing, and come back when the homeserver has forgotten the transaction."""
    error = Unreachable("no answer")
    bench.matrix.fail_next("send_event", error, after_accept=arrived)
    [row] = await bench.queue("$lost", room, "lost?")
    await bench.try_once(row)
    bench.clock.advance(timedelta(minutes=26))
    bench.matrix.forget_transactions()
    bench.started()
    return row


@pytest.mark.parametrize("arrived", [True, False], ids=["arrived", "did not arrive"])
async def test_a_fate_unknown_for_long_is_looked_up(bench: Bench, arrived: bool) -> None:
    anna = bench.matrix.person(ANNA)
    room = await bench.room(anna)
    row = await lose_the_answer(bench, room, arrived=arrived)
    for number in range(250):
        await anna.say(room, f"chat {number}")
    await bench.settle()
    [found] = [event for event in bench.matrix.timeline(room) if body_of(event) == "lost?"]
    kept = await bench.row(row)
    assert (kept.status, kept.event_id) == ("sent", found["event_id"])
    assert bench.matrix.called("messages_before")


async def test_it_is_looked_for_no_further_back_than_it_can_be(bench: Bench) -> None:
    anna = bench.matrix.person(ANNA)
    room = await bench.room(anna)
    for number in range(350):
        await anna.say(room, f"old {number}")
    bench.clock.advance(timedelta(hours=1))
    await lose_the_answer(bench, room, arrived=False)
    await bench.settle()
    assert bench.said(room)[-1] == "lost?"
    assert len(bench.matrix.called("messages_before")) == 1


async def test_a_short_silence_is_not_looked_up(bench: Bench) -> None:
    room = await bench.room()
    bench.matrix.fail_next("send_event", Unreachable("no answer"), after_accept=True)
    await bench.queue("$a", room, "lost?")
    await bench.settle()
    assert bench.said(room) == ["lost?"]
    assert bench.matrix.called("messages_before") == []


async def test_a_redaction_is_looked_up_by_its_transaction(bench: Bench) -> None:
    room = await bench.room()
    [said] = await bench.queue("$a", room, "wrong room")
    await bench.settle()
    async with bench.database.uow("$b", bench.clock()) as uow:
        row = uow.outbox.redact(room, said.ref)
        await uow.commit()
    bench.matrix.fail_next("redact", Unreachable("no answer"), after_accept=True)
    await bench.try_once(row)
    bench.clock.advance(timedelta(minutes=26))
    bench.started()
    await bench.settle()
    [redaction] = bench.matrix.timeline(room, "m.room.redaction")
    assert (await bench.row(row)).event_id == redaction["event_id"]
    assert len(bench.matrix.called("redact")) == 1


# Rows that are taken back


async def test_a_row_taken_back_on_its_way_holds_up_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An edit that a newer one replaces may be on its way already; the newer one comes last."""
    room = await bench.room()
    under_way, go_on = asyncio.Event(), asyncio.Event()
    send = bench.client.send_event

    async def slow(*args: Any) -> str:
        under_way.set()
        await go_on.wait()
        return await send(*args)

    monkeypatch.setattr(bench.client, "send_event", slow)
    [row] = await bench.queue("$a", room, "1 comes")
    async with bench.running():
        await under_way.wait()
        async with bench.database.uow("$b", bench.clock()) as uow:
            await uow.session.delete(row)
            uow.outbox.send(room, message("2 come"))
            await uow.commit()
        go_on.set()
        await until(lambda: bench.said(room)[-1:] == ["2 come"])
        await until_async(bench.is_idle)
    assert bench.said(room) == ["1 comes", "2 come"]
