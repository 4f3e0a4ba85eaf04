"""What the database promises, on SQLite and on PostgreSQL."""

import asyncio
import itertools
import random
import sqlite3
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, func, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import IntegrityError, StatementError

from storage import audit, inbox, jobs, links, members, migrate, outbox, rooms
from storage.database import Database
from storage.inbox import Arrival, InboxRow
from storage.links import Link
from storage.lock import lock_for
from storage.members import Member
from storage.outbox import OutboxRow, Sent
from storage.tables import Base
from tests.support.clock import Clock

ROOM = "!cluster"
OTHER = "!desk"
SAID: dict[str, Any] = {"msgtype": "m.notice", "body": "hello"}


def a_link(role: str = "question.card", subject: int = 12, **fields: Any) -> Link:
    at = datetime(2027, 1, 11, tzinfo=UTC)
    return Link(role=role, subject=subject, created_at=at, **fields)


def arrival(event_id: str, room_id: str = ROOM) -> Arrival:
    return Arrival(room_id, event_id, {"type": "m.room.message", "event_id": event_id})


async def queue(
    database: Database, clock: Clock, cause: str, *said: str, lane: str = ROOM
) -> list[OutboxRow]:
    async with database.uow(cause, clock()) as uow:
        rows = [uow.outbox.send(lane, {**SAID, "body": each}) for each in said]
        await uow.commit()
    return rows


async def take_in(database: Database, clock: Clock, *arrivals: Arrival) -> None:
    async with database.uow("sync", clock()) as uow:
        await inbox.record(uow.session, arrivals, clock())
        await uow.commit()


async def waiting(database: Database, clock: Clock, busy: Sequence[str] = ()) -> list[str]:
    async with database.uow("test", clock()) as uow:
        return [row.event_id for row in await inbox.ready(uow.session, clock(), 100, busy)]


async def outbox_rows(database: Database) -> list[OutboxRow]:
    async with database.uow("test", datetime.now(UTC)) as uow:
        return list((await uow.session.scalars(select(OutboxRow).order_by(OutboxRow.id))).all())


async def due(database: Database, clock: Clock, busy: Sequence[str] = ()) -> list[str]:
    async with database.uow("test", clock()) as uow:
        rows = await outbox.due(uow.session, clock(), 100, busy)
        return [(row.content or {}).get("body", "") for row in rows]


class TestInstants:
    async def test_instants_come_back_aware_and_in_utc(self, database: Database) -> None:
        in_lille = datetime(2027, 1, 11, 10, 30, 15, 123456, timezone(timedelta(hours=1)))
        async with database.uow("test", in_lille) as uow:
            await inbox.save_token(uow.session, "@bot:x", "s1", in_lille)
            await uow.commit()
        async with database.uow("test", in_lille) as uow:
            state = await uow.session.get(inbox.SyncState, "@bot:x")
        assert state is not None
        assert state.saved_at == in_lille
        assert state.saved_at.utcoffset() == timedelta(0)

    async def test_naive_instants_are_refused(self, database: Database, clock: Clock) -> None:
        async with database.uow("test", clock()) as uow:
            naive = clock().replace(tzinfo=None)
            with pytest.raises(StatementError, match="attach a time zone"):
                await inbox.save_token(uow.session, "@bot:x", "s1", naive)

    async def test_instants_compare_across_zones(self, database: Database, clock: Clock) -> None:
        async with database.uow("test", clock()) as uow:
            uow.outbox.send(ROOM, SAID, not_before=clock() + timedelta(minutes=30))
            await uow.commit()
        earlier = (clock() + timedelta(minutes=29)).astimezone(timezone(timedelta(hours=-5)))
        later = (clock() + timedelta(minutes=31)).astimezone(timezone(timedelta(hours=5)))
        async with database.uow("test", clock()) as uow:
            assert not await outbox.due(uow.session, earlier, 10)
            assert len(await outbox.due(uow.session, later, 10)) == 1


class TestUnitOfWork:
    async def test_leaving_without_commit_rolls_back(
        self, database: Database, clock: Clock
    ) -> None:
        async with database.uow("$event", clock()) as uow:
            uow.outbox.send(ROOM, SAID)
            await members.get(uow.session, "@anna:x", clock())
            await uow.session.flush()
        with pytest.raises(ZeroDivisionError):
            await self._fail_half_way(database, clock)
        assert await outbox_rows(database) == []
        async with database.uow("test", clock()) as uow:
            assert await members.find(uow.session, "@anna:x") is None

    async def _fail_half_way(self, database: Database, clock: Clock) -> None:
        async with database.uow("$event", clock()) as uow:
            uow.outbox.send(ROOM, SAID)
            await uow.session.flush()
            raise ZeroDivisionError

    async def test_a_commit_with_outbox_rows_wakes_the_relay(
        self, database: Database, clock: Clock
    ) -> None:
        woken: list[str] = []
        database.on_outbox(lambda: woken.append("relay"))
        async with database.uow("quiet", clock()) as uow:
            await uow.commit()
        async with database.uow("undone", clock()) as uow:
            uow.outbox.send(ROOM, SAID)
        assert woken == []
        await queue(database, clock, "loud", "hello")
        assert woken == ["relay"]

    async def test_units_of_work_side_by_side(self, database: Database, clock: Clock) -> None:
        """On SQLite they take turns instead of failing with "database is locked"."""

        async def one(number: int) -> None:
            async with database.uow(f"$event{number}", clock()) as uow:
                await uow.session.scalar(select(func.count(OutboxRow.id)))
                await asyncio.sleep(0.001)
                uow.outbox.send(ROOM, SAID)
                await uow.commit()

        await asyncio.gather(*map(one, range(20)))
        assert len(await outbox_rows(database)) == 20

    async def test_who_is_cancelled_leaves_no_lock_behind(
        self, database: Database, clock: Clock
    ) -> None:
        """Whatever they were doing, and even while their traceback is kept."""

        async def work(number: int) -> None:
            for step in itertools.count():
                await queue(database, clock, f"${number}.{step}", "hello")

        dice = random.Random(7)
        tracebacks: list[object] = []
        for number in range(60):
            busy = asyncio.create_task(work(number))
            await asyncio.sleep(dice.random() * 0.01)
            busy.cancel()
            tracebacks += await asyncio.gather(busy, return_exceptions=True)
            async with asyncio.timeout(5):
                await queue(database, clock, f"$next{number}", "hello")
        assert len(tracebacks) == 60

    async def test_errors_keep_what_people_wrote_to_themselves(
        self, database: Database, clock: Clock
    ) -> None:
        await queue(database, clock, "$event", "the secret")
        with pytest.raises(IntegrityError) as refused:
            await queue(database, clock, "$event", "the secret")
        assert "the secret" not in str(refused.value)


class TestOutbox:
    async def test_the_same_cause_says_the_same_once(
        self, database: Database, clock: Clock
    ) -> None:
        first = await queue(database, clock, "$event", "one", "two")
        assert [row.ordinal for row in first] == [0, 1]
        with pytest.raises(IntegrityError):
            await queue(database, clock, "$event", "one")
        assert [row.txn_id for row in await outbox_rows(database)] == [
            outbox.txn_id("$event", 0),
            outbox.txn_id("$event", 1),
        ]

    async def test_transaction_ids_differ_by_cause_and_place(self) -> None:
        ids = {outbox.txn_id(cause, place) for cause in ("a", "a#1", "b") for place in range(20)}
        assert len(ids) == 60

    async def test_sending_gives_links_their_events(self, database: Database, clock: Clock) -> None:
        async with database.uow("$event", clock()) as uow:
            row = uow.outbox.send(ROOM, SAID, link=a_link())
            await uow.commit()
        async with database.uow("test", clock()) as uow:
            link = await links.latest(uow.session, 12, "question.card")
            assert link is not None
            assert (link.event_id, link.lane) == (row.ref, ROOM)
            assert await links.find(uow.session, row.ref) is link

        async with database.uow("relay", clock()) as uow:
            await outbox.sent(uow.session, [Sent(row.id, row.txn_id, "$card")], clock())
            await uow.commit()
        async with database.uow("test", clock()) as uow:
            link = await links.find(uow.session, "$card")
            assert link is not None
            assert link.subject == 12
            assert await links.find(uow.session, row.ref) is None
        [kept] = await outbox_rows(database)
        assert (kept.status, kept.event_id, kept.content) == ("sent", "$card", None)
        assert kept.sent_at == clock()

    async def test_many_are_marked_at_once(self, database: Database, clock: Clock) -> None:
        rows = await queue(database, clock, "$event", *map(str, range(30)))
        done = [Sent(row.id, row.txn_id, f"$sent{row.ordinal}") for row in rows[:20]]
        async with database.uow("relay", clock()) as uow:
            await outbox.sent(uow.session, done, clock())
            await uow.commit()
        kept = await outbox_rows(database)
        assert [row.event_id for row in kept[:20]] == [f"$sent{n}" for n in range(20)]
        assert {row.status for row in kept[20:]} == {"pending"}

    async def test_the_relay_and_an_echo_mark_the_same_rows_at_once(
        self, database: Database, clock: Clock
    ) -> None:
        async with database.uow("$event", clock()) as uow:
            rows = [uow.outbox.send(ROOM, SAID, link=a_link(subject=n)) for n in range(500)]
            await uow.commit()
        done = [Sent(each.id, each.txn_id, f"$sent{each.id}") for each in rows]

        async def mark(done: Sequence[Sent]) -> None:
            async with database.uow("mark", clock()) as uow:
                await outbox.sent(uow.session, done, clock())
                await uow.commit()

        await asyncio.gather(mark(done), mark(done[::-1]))
        assert {each.status for each in await outbox_rows(database)} == {"sent"}

    async def test_an_echo_confirms(self, database: Database, clock: Clock) -> None:
        async with database.uow("$event", clock()) as uow:
            row = uow.outbox.send(ROOM, SAID, link=a_link())
            other = uow.outbox.send(ROOM, SAID)
            await uow.commit()
        async with database.uow("sync", clock()) as uow:
            await outbox.confirm(uow.session, {row.txn_id: "$seen", "somebody's": "$else"}, clock())
            await uow.commit()
        assert [(each.status, each.event_id) for each in await outbox_rows(database)] == [
            ("sent", "$seen"),
            ("pending", None),
        ]
        async with database.uow("sync", clock()) as uow:
            await outbox.confirm(uow.session, {row.txn_id: "$other"}, clock())
            await outbox.confirm(uow.session, {}, clock())
            await uow.commit()
            assert await links.find(uow.session, "$seen") is not None
            known = await outbox.known(uow.session, [row.txn_id, other.txn_id, "unknown"])
        assert {txn: each.event_id for txn, each in known.items()} == {
            row.txn_id: "$seen",
            other.txn_id: None,
        }

    async def test_held_rows_let_others_pass(self, database: Database, clock: Clock) -> None:
        async with database.uow("$event", clock()) as uow:
            uow.outbox.send(ROOM, {"body": "later"}, not_before=clock() + timedelta(seconds=10))
            uow.outbox.send(ROOM, {"body": "now"})
            uow.outbox.send(OTHER, {"body": "there"})
            await uow.commit()
        assert await due(database, clock) == ["now", "there"]
        assert await due(database, clock, busy=[ROOM]) == ["there"]
        async with database.uow("test", clock()) as uow:
            moment = await outbox.next_moment(uow.session, clock())
        assert moment == clock() + timedelta(seconds=10)
        clock.advance(timedelta(seconds=10))
        assert await due(database, clock) == ["later", "now", "there"]

    async def test_sent_rows_are_forgotten(self, database: Database, clock: Clock) -> None:
        sent, pending, dead = await queue(database, clock, "$event", "sent", "pending", "dead")
        async with database.uow("relay", clock()) as uow:
            await outbox.sent(uow.session, [Sent(sent.id, sent.txn_id, "$sent")], clock())
            await outbox.bury(uow.session, dead.id, "403")
            await uow.commit()
        clock.advance(timedelta(days=30))
        async with database.uow("housekeeping", clock()) as uow:
            assert await outbox.dead_count(uow.session) == 1
            await outbox.forget(uow.session, clock() - timedelta(days=1))
            await uow.commit()
        assert [row.id for row in await outbox_rows(database)] == [pending.id, dead.id]

    async def test_failures_remember_the_first_attempt(
        self, database: Database, clock: Clock
    ) -> None:
        [row] = await queue(database, clock, "$event", "hello")
        first = clock()
        for error in ("502", "timeout"):
            async with database.uow("relay", clock()) as uow:
                await outbox.failed(uow.session, row.id, error, clock())
                await uow.commit()
            clock.advance(timedelta(minutes=1))
        [kept] = await outbox_rows(database)
        assert (kept.attempts, kept.error, kept.status) == (2, "timeout", "pending")
        assert kept.first_attempt_at == first

    async def test_a_refused_row_is_kept(self, database: Database, clock: Clock) -> None:
        [row, _] = await queue(database, clock, "$event", "refused", "next")
        async with database.uow("relay", clock()) as uow:
            await outbox.bury(uow.session, row.id, "403 M_FORBIDDEN")
            await uow.commit()
        assert await due(database, clock) == ["next"]
        kept = (await outbox_rows(database))[0]
        assert (kept.status, kept.error, kept.content) == (
            "dead",
            "403 M_FORBIDDEN",
            {**SAID, "body": "refused"},
        )

    async def test_depth_and_age(self, database: Database, clock: Clock) -> None:
        async with database.uow("test", clock()) as uow:
            assert await outbox.depth(uow.session) == (0, None)
        oldest = clock()
        await queue(database, clock, "$a", "one", "two")
        clock.advance(timedelta(minutes=5))
        await queue(database, clock, "$b", "three")
        async with database.uow("test", clock()) as uow:
            assert await outbox.depth(uow.session) == (3, oldest)

    async def test_an_upgraded_room_takes_what_waits(
        self, database: Database, clock: Clock
    ) -> None:
        [sent, pending] = await queue(database, clock, "$event", "sent", "pending")
        async with database.uow("relay", clock()) as uow:
            await outbox.sent(uow.session, [Sent(sent.id, sent.txn_id, "$sent")], clock())
            await outbox.moved(uow.session, ROOM, "!successor")
            await uow.commit()
        assert [row.lane for row in await outbox_rows(database)] == [ROOM, "!successor"]
        assert pending.lane == ROOM

    @pytest.mark.parametrize(
        ("content", "resolved"),
        [
            ({"redacts": "~txn:{txn}"}, {"redacts": "$a/b"}),
            ({"a": [{"b": "see ~txn:{txn}!"}]}, {"a": [{"b": "see $a/b!"}]}),
            (
                {"html": "https://matrix.to/#/!room/~txn%3A{txn}?via=x"},
                {"html": "https://matrix.to/#/!room/%24a%2Fb?via=x"},
            ),
            ({"count": 3, "none": None}, {"count": 3, "none": None}),
        ],
    )
    def test_refs_are_found_and_replaced_anywhere(
        self, content: Mapping[str, Any], resolved: Mapping[str, Any]
    ) -> None:
        txn = outbox.txn_id("$event", 0)
        asked = _with_txn(content, txn)
        assert outbox.refs(asked) == ({txn} if asked != resolved else set())
        assert outbox.resolve(asked, {txn: "$a/b"}) == resolved


def _with_txn(value: Any, txn: str) -> Any:
    if isinstance(value, str):
        return value.replace("{txn}", txn)
    if isinstance(value, Mapping):
        return {key: _with_txn(each, txn) for key, each in value.items()}
    if isinstance(value, list):
        return [_with_txn(each, txn) for each in value]
    return value


class TestInbox:
    async def test_an_event_is_stored_once(self, database: Database, clock: Clock) -> None:
        await take_in(database, clock, arrival("$1"), arrival("$2"))
        await take_in(database, clock, arrival("$2"), arrival("$3"), arrival("$3"))
        assert await waiting(database, clock) == ["$1", "$2", "$3"]
        async with database.uow("test", clock()) as uow:
            assert await inbox.known(uow.session, ["$1", "$9"]) == {"$1"}

    async def test_nothing_is_nothing(self, database: Database, clock: Clock) -> None:
        await take_in(database, clock)
        assert await waiting(database, clock) == []

    async def test_a_done_event_does_not_come_back(self, database: Database, clock: Clock) -> None:
        await take_in(database, clock, arrival("$1"))
        async with database.uow("$1", clock()) as uow:
            [row] = await inbox.ready(uow.session, clock(), 10)
            assert await inbox.done(uow.session, row.id) is True
            await uow.commit()
        async with database.uow("$1", clock()) as uow:
            assert await inbox.done(uow.session, row.id) is False
        await take_in(database, clock, arrival("$1"))
        assert await waiting(database, clock) == []
        async with database.uow("test", clock()) as uow:
            kept = await uow.session.scalar(select(InboxRow))
            assert kept is not None
            assert (kept.event_id, kept.status, kept.content) == ("$1", "done", None)

    async def test_a_waiting_row_holds_its_room(self, database: Database, clock: Clock) -> None:
        await take_in(
            database,
            clock,
            arrival("$1"),
            arrival("$2", OTHER),
            arrival("$3"),
            arrival("$4", OTHER),
        )
        async with database.uow("dead:$1", clock()) as uow:
            [first, *_] = await inbox.ready(uow.session, clock(), 10)
            retry_at = clock() + timedelta(seconds=5)
            await inbox.failed(uow.session, first.id, "KeyError", retry_at)
            await uow.commit()
        assert await waiting(database, clock) == ["$2", "$4"]
        assert await waiting(database, clock, busy=[OTHER]) == []
        async with database.uow("test", clock()) as uow:
            assert await inbox.next_moment(uow.session) == retry_at
        clock.advance(timedelta(seconds=5))
        assert await waiting(database, clock) == ["$1", "$2", "$3", "$4"]

    async def test_a_dead_letter_is_kept_and_passed_over(
        self, database: Database, clock: Clock
    ) -> None:
        await take_in(database, clock, arrival("$1"), arrival("$2"))
        async with database.uow("dead:$1", clock()) as uow:
            [first, _] = await inbox.ready(uow.session, clock(), 10)
            await inbox.failed(uow.session, first.id, "KeyError", None)
            await uow.commit()
        assert await waiting(database, clock) == ["$2"]
        async with database.uow("test", clock()) as uow:
            [dead] = await inbox.dead(uow.session)
            assert await inbox.pending_count(uow.session) == 1
        assert (dead.event_id, dead.error, dead.attempts) == ("$1", "KeyError", 1)
        assert dead.content is not None

    async def test_the_limit_counts_from_the_oldest(self, database: Database, clock: Clock) -> None:
        await take_in(database, clock, *(arrival(f"${number}") for number in range(5)))
        async with database.uow("test", clock()) as uow:
            rows = await inbox.ready(uow.session, clock(), 2)
        assert [row.event_id for row in rows] == ["$0", "$1"]

    async def test_old_done_rows_are_forgotten(self, database: Database, clock: Clock) -> None:
        await take_in(database, clock, arrival("$old"), arrival("$pending"))
        async with database.uow("$old", clock()) as uow:
            [old, _] = await inbox.ready(uow.session, clock(), 10)
            await inbox.done(uow.session, old.id)
            await uow.commit()
        clock.advance(timedelta(days=30))
        await take_in(database, clock, arrival("$new"))
        async with database.uow("housekeeping", clock()) as uow:
            await inbox.forget(uow.session, clock() - timedelta(days=1))
            await uow.commit()
            assert await inbox.known(uow.session, ["$old", "$pending", "$new"]) == {
                "$pending",
                "$new",
            }

    async def test_any_text_people_write_is_stored(self, database: Database, clock: Clock) -> None:
        odd = {"body": "nul \x00, half \ud83d, emoji 🤔, zwj 👩‍🔬, ” ’", "deep": [[{"a": None}]]}
        await take_in(database, clock, Arrival(ROOM, "$1", odd))
        async with database.uow("test", clock()) as uow:
            [row] = await inbox.ready(uow.session, clock(), 10)
        assert row.content == odd

    async def test_the_token_moves_on(self, database: Database, clock: Clock) -> None:
        for next_batch in ("s1", "s2"):
            async with database.uow("sync", clock()) as uow:
                await inbox.save_token(uow.session, "@bot:x", next_batch, clock())
                await uow.commit()
        async with database.uow("sync", clock()) as uow:
            await inbox.save_token(uow.session, "@bot:x", "s3", clock())
        async with database.uow("test", clock()) as uow:
            assert await inbox.token(uow.session, "@bot:x") == "s2"
            assert await inbox.token(uow.session, "@other:x") is None


class TestOnce:
    async def test_a_slot_is_taken_once(self, database: Database, clock: Clock) -> None:
        async def claim(slot: str, *, commit: bool = True) -> bool:
            async with database.uow("job", clock()) as uow:
                taken = await jobs.claim(uow.session, "digest", slot, clock())
                if commit:
                    await uow.commit()
            return taken

        assert await claim("2027-W02", commit=False) is True
        assert await claim("2027-W02") is True
        assert await claim("2027-W02") is False
        assert await claim("2027-W03") is True

    async def test_one_of_many_takes_the_slot(self, database: Database, clock: Clock) -> None:
        async def claim() -> bool:
            async with database.uow("job", clock()) as uow:
                taken = await jobs.claim(uow.session, "digest", "2027-W02", clock())
                await asyncio.sleep(0.01)
                await uow.commit()
            return taken

        assert sorted(await asyncio.gather(*(claim() for _ in range(5)))) == [False] * 4 + [True]

    async def test_a_room_plays_one_part(self, database: Database, clock: Clock) -> None:
        async with database.uow("rooms", clock()) as uow:
            room = await rooms.save(uow.session, "cluster", "logistics", "!old", clock())
            room.ready_at = clock()
            again = await rooms.save(uow.session, "cluster", "logistics", "!old", clock())
            assert (again, again.ready_at) == (room, clock())
            moved = await rooms.save(uow.session, "cluster", "logistics", "!new", clock())
            assert (moved.room_id, moved.ready_at) == ("!new", None)
            await rooms.save(uow.session, rooms.DIRECT, "@anna:x", "!dm", clock())
            await uow.commit()
        async with database.uow("test", clock()) as uow:
            assert [room.room_id for room in await rooms.managed(uow.session)] == ["!new"]
            assert await rooms.by_id(uow.session, "!old") is None

    async def test_memberships_are_noted_once(self, database: Database, clock: Clock) -> None:
        async with database.uow("members", clock()) as uow:
            assert await members.joined(uow.session, ROOM, "@anna:x") is True
            assert await members.joined(uow.session, ROOM, "@anna:x") is False
            await members.moved(uow.session, "@bot:x", {ROOM, OTHER}, set())
            await members.moved(uow.session, "@bot:x", set(), {OTHER})
            assert await members.left(uow.session, OTHER, "@anna:x") is False
            await uow.commit()
        async with database.uow("test", clock()) as uow:
            assert await members.members_of(uow.session, ROOM) == {"@anna:x", "@bot:x"}
            assert await members.rooms_of(uow.session, "@bot:x") == {ROOM}
            assert await members.counts(uow.session, [ROOM, OTHER]) == {ROOM: 2}

    async def test_acts_of_power_are_noted(self, database: Database, clock: Clock) -> None:
        async with database.uow("audit", clock()) as uow:
            audit.note(uow.session, clock(), "@admin:x", "erase", user="@anna:x")
            await uow.commit()
        async with database.uow("test", clock()) as uow:
            [row] = await audit.latest(uow.session, 10)
        assert (row.actor, row.act, row.details) == ("@admin:x", "erase", {"user": "@anna:x"})


class TestLinks:
    async def test_events_are_found_by_what_they_are(
        self, database: Database, clock: Clock
    ) -> None:
        async with database.uow("$event", clock()) as uow:
            for event_id, role in (("$1", "question.ack"), ("$2", "question.offer")):
                uow.session.add(a_link(role, event_id=event_id, lane=ROOM, source="$asked"))
            uow.session.add(a_link("question.offer", event_id="$3", lane=ROOM))
            uow.session.add(a_link("question.offer", 13, event_id="$4", lane=ROOM))
            await uow.commit()
        async with database.uow("test", clock()) as uow:
            found = await links.of(uow.session, 12, "question.ack", "question.offer")
            assert [link.event_id for link in found] == ["$1", "$2", "$3"]
            latest = await links.latest(uow.session, 12, "question.offer")
            assert latest is not None
            assert latest.event_id == "$3"
            assert await links.latest(uow.session, 12, "question.card") is None
            assert {link.event_id for link in await links.copies(uow.session, "$asked")} == {
                "$1",
                "$2",
            }
            assert await links.find(uow.session, None) is None

    async def test_an_event_stands_for_one_thing(self, database: Database, clock: Clock) -> None:
        async with database.uow("$event", clock()) as uow:
            uow.session.add(a_link(event_id="$1", lane=ROOM))
            uow.session.add(a_link(subject=13, event_id="$1", lane=ROOM))
            with pytest.raises(IntegrityError):
                await uow.commit()


def differences(connection: Connection) -> list[Any]:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, Base.metadata))


class TestMigrations:
    @pytest.fixture
    async def new_database(self, new_database_url: str) -> AsyncIterator[Database]:
        opened = Database(new_database_url)
        try:
            yield opened
        finally:
            await opened.close()

    async def test_they_make_exactly_the_tables_of_the_code(self, database: Database) -> None:
        async with database.engine.connect() as connection:
            assert await connection.run_sync(differences) == []

    async def test_an_empty_database_is_brought_up(self, new_database: Database) -> None:
        assert await migrate.current_of(new_database.engine) is None
        await migrate.upgrade_engine(new_database.engine)
        assert await migrate.current_of(new_database.engine) == migrate.head()

    async def test_upgrading_again_changes_nothing(self, database: Database, clock: Clock) -> None:
        await queue(database, clock, "$event", "kept")
        await migrate.upgrade_engine(database.engine)
        assert await migrate.current_of(database.engine) == migrate.head()
        assert await due(database, clock) == ["kept"]

    async def test_a_database_of_a_newer_version_is_refused(self, new_database: Database) -> None:
        await migrate.upgrade_engine(new_database.engine)
        async with new_database.engine.begin() as connection:
            await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        with pytest.raises(migrate.DatabaseTooNew, match="revision 9999") as refused:
            await migrate.upgrade_engine(new_database.engine)
        assert "newer version" in str(refused.value)
        assert await migrate.current_of(new_database.engine) == "9999"


class TestLock:
    async def test_one_process_runs_a_network(self, database_url: str) -> None:
        url = make_url(database_url)
        first, second = (lock_for(url, "lille", "@bot:x") for _ in range(2))
        try:
            assert await first.take() is True
            assert await second.take() is False
            await first.release()
            assert await second.take() is True
        finally:
            await first.release()
            await second.release()


class TestCopies:
    """``db backup`` and ``db restore``; PostgreSQL has its own tools for that."""

    @pytest.fixture
    def engine(self) -> str:
        return "sqlite"

    @pytest.fixture
    def path(self, database_url: str) -> Path:
        name = make_url(database_url).database
        assert name is not None
        return Path(name)

    async def test_a_copy_can_be_taken_and_put_back(
        self, database: Database, path: Path, tmp_path: Path, clock: Clock
    ) -> None:
        copy = tmp_path / "copy.db"
        await queue(database, clock, "$a", "before")
        migrate.backup_sqlite(path, copy)
        await queue(database, clock, "$b", "after")
        await database.close()

        migrate.restore_sqlite(copy, path)
        restored = Database(str(database.engine.url))
        try:
            assert await due(restored, clock) == ["before"]
        finally:
            await restored.close()
        aside = path.with_name(path.name + ".before-restore")
        with closing(sqlite3.connect(aside)) as connection:
            assert connection.execute("SELECT count(*) FROM outbox").fetchone() == (2,)

    async def test_a_copy_never_overwrites(self, path: Path, tmp_path: Path) -> None:
        target = tmp_path / "precious"
        target.write_text("mine")
        with pytest.raises(FileExistsError, match="choose another name"):
            migrate.backup_sqlite(path, target)
        assert target.read_text() == "mine"

    async def test_only_whole_databases_of_ours_are_restored(
        self, database: Database, path: Path, tmp_path: Path, clock: Clock
    ) -> None:
        await queue(database, clock, "$a", "kept")
        other = tmp_path / "other.db"
        with closing(sqlite3.connect(other)) as connection:
            connection.execute("CREATE TABLE notes (text)")
        not_a_database = tmp_path / "letter.txt"
        not_a_database.write_text("Dear colleague, " * 100)
        for wrong, reason in (
            (tmp_path / "missing.db", "not a file"),
            (other, "not a clusterdesk database"),
            (not_a_database, "not a clusterdesk database"),
        ):
            with pytest.raises(ValueError, match=reason):
                migrate.restore_sqlite(wrong, path)
        assert await due(database, clock) == ["kept"]

    async def test_a_damaged_copy_is_refused(
        self, database: Database, path: Path, tmp_path: Path, clock: Clock
    ) -> None:
        await queue(database, clock, "$a", *("x" * 1000 for _ in range(200)))
        copy = tmp_path / "copy.db"
        migrate.backup_sqlite(path, copy)
        content = bytearray(copy.read_bytes())
        middle = len(content) * 3 // 4
        content[middle : middle + 8192] = b"\xff" * 8192
        copy.write_bytes(content)
        with pytest.raises(ValueError, match=r"damaged|not a clusterdesk database"):
            migrate.restore_sqlite(copy, path)


async def test_people_are_called_by_name(database: Database, clock: Clock) -> None:
    async with database.uow("members", clock()) as uow:
        person = await members.get(uow.session, "@anna:example.org", clock())
        assert await members.get(uow.session, "@anna:example.org", clock()) is person
        assert await members.display_name(uow.session, "@anna:example.org") == "anna"
        person.display_name = "Anna De Wever"
        await uow.commit()
    async with database.uow("test", clock()) as uow:
        assert await members.display_name(uow.session, "@anna:example.org") == "Anna De Wever"
        assert await members.display_name(uow.session, "@bram:example.org") == "bram"
        assert await uow.session.scalar(select(func.count(Member.user_id))) == 1


async def test_two_who_meet_somebody_for_the_first_time_at_once(
    database: Database, clock: Clock
) -> None:
    """On PostgreSQL, events of two rooms are handled side by side."""

    async def meet(room: str) -> None:
        async with database.uow(room, clock()) as uow:
            member = await members.get(uow.session, "@anna:x", clock())
            await asyncio.sleep(0.05)
            await members.joined(uow.session, room, member.user_id)
            await uow.commit()

    await asyncio.gather(meet("!one"), meet("!two"))
    async with database.uow("test", clock()) as uow:
        assert await members.is_in(uow.session, "!one", "@anna:x")
        assert await members.is_in(uow.session, "!two", "@anna:x")
