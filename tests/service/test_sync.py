"""From the homeserver into the inbox: whole, once, and in order."""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from bot.demo.person import Person, body_of
from bot.domain.content import KEY
from bot.matrix.sync import TOKEN_KEPT, Sync
from bot.services.homeserver import (
    Forbidden,
    HomeserverError,
    Page,
    RateLimited,
    ServerFault,
    TokenRejected,
    Unreachable,
)
from storage import inbox, links, members
from storage.database import Database
from storage.inbox import InboxRow
from storage.links import Link
from storage.outbox import OutboxRow
from tests.support.clock import Clock
from tests.support.fake_matrix import FakeClient, FakeMatrix

ME = "@bot:example.org"
Answer = dict[str, Any]


class Tampered(FakeClient):
    """What the homeserver says of the rooms, after somebody had a hand in it."""

    def __init__(self, matrix: FakeMatrix) -> None:
        super().__init__(matrix, ME, matrix.token(ME))
        self.tamper: Callable[[Answer], object] = lambda answer: None

    async def sync(self, *args: Any) -> Answer:
        answer = await super().sync(*args)
        self.tamper(answer)
        return answer


class Bench:
    """A sync loop with everything it reports."""

    def __init__(self, database: Database, matrix: FakeMatrix, clock: Clock) -> None:
        self.database = database
        self.client = Tampered(matrix)
        self.clock = clock
        self.recorded: list[int] = []
        self.health: list[str | None] = []
        self.pauses: list[float] = []
        self.since: str | None = None
        self.sync = self.started()

    def started(self) -> Sync:
        """As after a restart."""
        return Sync(
            self.client,
            self.database,
            ME,
            self.clock,
            recorded=self.recorded.append,
            healthy=self.health.append,
            sleep=self._sleep,
        )

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0)

    async def once(self) -> None:
        self.since = await self.sync.once(self.since, 0)

    async def stored(self) -> list[Answer]:
        async with self.database.uow("test", self.clock()) as uow:
            rows = await inbox.ready(uow.session, self.clock(), 10_000)
        return [row.content or {} for row in rows]

    async def bodies(self) -> list[str]:
        return [body_of(event) for event in await self.stored() if body_of(event)]

    async def token(self) -> str | None:
        async with self.database.uow("test", self.clock()) as uow:
            return await inbox.token(uow.session, ME)

    async def own_rooms(self) -> set[str]:
        async with self.database.uow("test", self.clock()) as uow:
            return await members.rooms_of(uow.session, ME)


@pytest.fixture
def bench(database: Database, matrix: FakeMatrix, clock: Clock) -> Bench:
    return Bench(database, matrix, clock)


@pytest.fixture
def anna(matrix: FakeMatrix) -> Person:
    return matrix.person("@anna:example.org")


@pytest.fixture
async def room(matrix: FakeMatrix, anna: Person, bench: Bench) -> str:
    """A room with Anna and the bot, whose first sync is done."""
    room_id = await anna.create_room(preset="public_chat")
    await bench.client.join(room_id)
    await bench.once()
    return room_id


async def say(person: Person, room_id: str, *said: str) -> None:
    for each in said:
        await person.say(room_id, each)


# What is stored


async def test_what_people_do_is_stored_in_order(bench: Bench, anna: Person, room: str) -> None:
    first = await anna.say(room, "Who knows flax?")
    await anna.react(room, first, "❓")
    await anna.edit(room, first, "Who knows hemp?")
    await anna.redact(room, first)
    await bench.once()
    own = [event for event in await bench.stored() if event["type"] != "m.room.member"]
    assert [event["type"] for event in own] == [
        "m.room.message",
        "m.reaction",
        "m.room.message",
        "m.room.redaction",
    ]
    assert bench.recorded[-1] == 4


async def test_a_batch_and_its_token_are_one(
    bench: Bench, anna: Person, room: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever breaks before the commit, the batch comes again; after it, it does not."""
    token = await bench.token()
    await say(anna, room, "one", "two")

    async def broken(*args: object) -> None:
        raise ConnectionError("the database went away")

    with monkeypatch.context() as patch:
        patch.setattr(inbox, "save_token", broken)
        with pytest.raises(ConnectionError):
            await bench.once()
    assert (await bench.bodies(), await bench.token()) == ([], token)

    bench.sync = bench.started()
    assert await bench.sync.token() == token
    await bench.once()
    assert await bench.bodies() == ["one", "two"]
    assert await bench.token() == bench.since != token


async def test_a_batch_that_comes_again_is_stored_once(
    bench: Bench, anna: Person, room: str
) -> None:
    before = bench.since
    await say(anna, room, "one", "two")
    await bench.once()
    bench.since = before
    await say(anna, room, "three")
    await bench.once()
    assert await bench.bodies() == ["one", "two", "three"]


async def test_own_messages_are_not_stored(bench: Bench, anna: Person, room: str) -> None:
    await bench.client.send_event(room, "m.room.message", {"body": "me"}, "txn")
    await say(anna, room, "you")
    await bench.once()
    assert await bench.bodies() == ["you"]


async def test_what_is_malformed_is_skipped_and_the_rest_is_kept(
    bench: Bench, anna: Person, room: str
) -> None:
    other = await anna.create_room(preset="public_chat")
    await bench.client.join(other)
    await bench.once()
    await say(anna, room, "one", "two", "three")
    await say(anna, other, "four")

    def tamper(answer: Answer) -> None:
        rooms = answer["rooms"]["join"]
        events = rooms[room]["timeline"]["events"]
        del events[1]["event_id"]
        events.insert(0, {"event_id": 7, "type": "m.room.message"})
        events.insert(0, "not an event")
        events.append({"event_id": "$nul\x00", "type": "m.room.message", "content": {}})
        events.append({"event_id": "$half\ud83d", "type": "m.room.message", "content": {}})
        rooms["!list"] = []
        rooms["!text"] = {"timeline": "what?", "state": None}
        rooms["!odd"] = {"timeline": {"events": {"a": 1}, "limited": True, "prev_batch": 3}}
        answer["rooms"]["invite"] = {"!none": None, "!empty": {"invite_state": {"events": [1]}}}
        answer["rooms"]["leave"] = ["what?"]

    bench.client.tamper = tamper
    await bench.once()
    assert await bench.bodies() == ["one", "three", "four"]
    assert await bench.token() == bench.since


async def test_malformed_content_is_stored_as_it_came(
    bench: Bench, anna: Person, room: str
) -> None:
    """What it means is decided later, with one event at stake instead of a batch."""
    odd = {"body": 7, "m.relates_to": "what?", "org.clusterdesk": ["?"]}
    await anna.send(room, "m.room.message", odd)
    await bench.once()
    assert (await bench.stored())[-1]["content"] == odd


# Gaps


async def test_a_gap_is_filled(bench: Bench, anna: Person, room: str) -> None:
    said = [str(number) for number in range(345)]
    await say(anna, room, *said)
    await bench.once()
    assert await bench.bodies() == said


async def test_gaps_of_several_rooms(bench: Bench, anna: Person, room: str) -> None:
    other = await anna.create_room(preset="public_chat")
    await bench.client.join(other)
    await bench.once()
    for number in range(120):
        await say(anna, room, f"here {number}")
        await say(anna, other, f"there {number}")
    await bench.once()
    bodies = await bench.bodies()
    for place in ("here", "there"):
        assert [body for body in bodies if body.startswith(place)] == [
            f"{place} {number}" for number in range(120)
        ]


async def test_while_a_gap_cannot_be_filled_the_token_stays(
    bench: Bench, matrix: FakeMatrix, anna: Person, room: str
) -> None:
    token = await bench.token()
    said = [str(number) for number in range(250)]
    await say(anna, room, *said)
    matrix.fail_next("messages_before", ServerFault("502", status=502))
    with pytest.raises(ServerFault):
        await bench.once()
    assert (await bench.bodies(), await bench.token()) == ([], token)
    await bench.once()
    assert await bench.bodies() == said


async def test_a_gap_that_is_refused_is_passed_over(
    bench: Bench, matrix: FakeMatrix, anna: Person, room: str
) -> None:
    await say(anna, room, *(str(number) for number in range(150)))
    matrix.fail_next("messages_before", Forbidden("no", errcode="M_FORBIDDEN", status=403))
    await bench.once()
    assert await bench.bodies() == [str(number) for number in range(50, 150)]


async def test_an_empty_page_is_not_the_end_of_a_gap(
    bench: Bench, matrix: FakeMatrix, anna: Person, room: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Synapse leaves out what we may not see after it counted a page."""
    said = [str(number) for number in range(250)]
    await say(anna, room, *said)
    whole = matrix.messages
    hidden = iter([True])

    def with_a_hidden_page(*args: Any) -> Page:
        page = whole(*args)
        return Page([], page.end) if next(hidden, False) else page

    monkeypatch.setattr(matrix, "messages", with_a_hidden_page)
    await bench.once()
    assert await bench.bodies() == said[:50] + said[150:]


async def test_moves_within_a_gap_end_as_they_ended(
    bench: Bench, anna: Person, matrix: FakeMatrix, room: str
) -> None:
    """The state of a cut timeline is newer than the gap that is filled before it."""
    bram = matrix.person("@bram:example.org")
    await bram.join(room)
    await bench.once()
    await bram.leave(room)
    await bram.join(room)
    await say(bram, room, *(str(number) for number in range(120)))
    await bench.once()
    moves = [
        event["content"]["membership"]
        for event in await bench.stored()
        if event.get("state_key") == bram.user_id
    ]
    assert moves == ["join", "leave", "join"]


# Beginnings


async def test_the_first_sync_ignores_what_was_said_before(
    bench: Bench, matrix: FakeMatrix, anna: Person
) -> None:
    room = await anna.create_room(preset="public_chat")
    await bench.client.join(room)
    await say(anna, room, "!ask an old question")
    await bench.once()
    stored = await bench.stored()
    assert [event["state_key"] for event in stored] == [anna.user_id]
    assert bench.sync.caught_up.is_set()
    assert await bench.own_rooms() == {room}


async def test_a_new_room_begins_with_our_join(
    bench: Bench, matrix: FakeMatrix, anna: Person
) -> None:
    await bench.once()
    room = await anna.create_room(preset="public_chat")
    await say(anna, room, "before")
    await bench.client.join(room)
    await say(anna, room, "after")
    await bench.once()
    assert await bench.bodies() == ["after"]
    assert await bench.own_rooms() == {room}


async def test_a_new_room_may_be_busy(bench: Bench, matrix: FakeMatrix, anna: Person) -> None:
    """More was said since our join than one answer holds."""
    await bench.once()
    room = await anna.create_room(preset="public_chat")
    await say(anna, room, *(f"before {number}" for number in range(150)))
    await bench.client.join(room)
    said = [f"after {number}" for number in range(250)]
    await say(anna, room, *said)
    await bench.once()
    assert await bench.bodies() == said


async def test_a_room_joined_again_begins_anew(bench: Bench, anna: Person, room: str) -> None:
    await say(anna, room, "for you")
    await bench.client.leave(room)
    await bench.once()
    assert await bench.own_rooms() == set()
    await say(anna, room, "behind your back")
    await bench.client.join(room)
    await say(anna, room, "welcome back")
    await bench.once()
    assert await bench.bodies() == ["welcome back"]
    assert await bench.own_rooms() == {room}


async def test_a_new_name_of_ours_is_no_beginning(bench: Bench, anna: Person, room: str) -> None:
    await say(anna, room, *(str(number) for number in range(120)))
    await bench.client.put_display_name("clusterdesk")
    await say(anna, room, "last")
    await bench.once()
    assert await bench.bodies() == [*(str(number) for number in range(120)), "last"]


async def test_an_invite_is_stored(
    bench: Bench, matrix: FakeMatrix, anna: Person, clock: Clock
) -> None:
    await bench.once()
    room = await anna.create_room(invite=[ME], is_direct=True)
    await bench.once()
    [invite] = await bench.stored()
    assert (invite["sender"], invite["state_key"]) == (anna.user_id, ME)
    assert invite["content"]["is_direct"] is True
    assert invite["origin_server_ts"] == clock().timestamp() * 1000
    async with bench.database.uow("test", clock()) as uow:
        [row] = await inbox.ready(uow.session, clock(), 10)
    assert row.room_id == room


async def test_a_second_invite_to_the_same_room_is_stored_too(
    bench: Bench, matrix: FakeMatrix, anna: Person
) -> None:
    await bench.once()
    room = await anna.create_room()
    for _ in range(2):
        before = bench.since
        await anna.invite(room, ME)
        await bench.once()
        bench.since = before
        await bench.once()
        await bench.client.leave(room)
        await bench.once()
    assert [event["content"]["membership"] for event in await bench.stored()] == ["invite"] * 2


async def test_being_removed_is_stored(bench: Bench, anna: Person, room: str) -> None:
    await say(anna, room, "a last word")
    await anna.request("POST", "rooms", room, "kick", body={"user_id": ME})
    await bench.once()
    last = (await bench.stored())[-1]
    assert (last["sender"], last["content"]["membership"]) == (anna.user_id, "leave")
    assert await bench.bodies() == [], "nobody is there to answer"
    assert await bench.own_rooms() == set()


# Echoes


async def queue(bench: Bench, room_id: str) -> OutboxRow:
    async with bench.database.uow("$asked", bench.clock()) as uow:
        link = Link(role="question.card", subject=12, created_at=bench.clock())
        row = uow.outbox.send(room_id, {"body": "card"}, link=link)
        await uow.commit()
    return row


async def fate(bench: Bench, row: OutboxRow) -> tuple[str, str | None]:
    async with bench.database.uow("test", bench.clock()) as uow:
        kept = await uow.session.get(OutboxRow, row.id)
        assert kept is not None
        return kept.status, kept.event_id


async def test_the_echo_of_a_message_confirms_it(bench: Bench, room: str) -> None:
    row = await queue(bench, room)
    tagged = {"body": "card", KEY: {"kind": "question.card", "txn": row.txn_id}}
    event_id = await bench.client.send_event(room, "m.room.message", tagged, row.txn_id)
    assert await fate(bench, row) == ("pending", None)
    bench.clock.advance(TOKEN_KEPT)
    await bench.once()
    assert await fate(bench, row) == ("sent", event_id)
    async with bench.database.uow("test", bench.clock()) as uow:
        assert await links.find(uow.session, event_id) is not None


async def test_an_echo_alone_waits_for_what_follows(bench: Bench, anna: Person, room: str) -> None:
    """A transaction for each of our own messages would be most of what the database does."""
    row = await queue(bench, room)
    event_id = await bench.client.send_event(room, "m.room.message", {"body": "x"}, row.txn_id)
    before = await bench.token()
    await bench.once()
    assert (await fate(bench, row), await bench.token()) == (("pending", None), before)
    await say(anna, room, "Thanks!")
    await bench.once()
    assert await fate(bench, row) == ("sent", event_id)
    assert await bench.token() == bench.since


async def test_the_transaction_id_confirms_what_carries_no_key(bench: Bench, room: str) -> None:
    row = await queue(bench, room)
    [said] = [await bench.client.send_event(room, "m.room.message", {"body": "x"}, "other")]
    event_id = await bench.client.redact(room, said, row.txn_id)
    bench.clock.advance(TOKEN_KEPT)
    await bench.once()
    assert await fate(bench, row) == ("sent", event_id)


async def test_others_cannot_confirm_for_us(bench: Bench, anna: Person, room: str) -> None:
    row = await queue(bench, room)
    await anna.send(room, "m.room.message", {"body": "card", KEY: {"txn": row.txn_id}})
    await bench.once()
    assert await fate(bench, row) == ("pending", None)


async def test_an_echo_in_a_gap_confirms(bench: Bench, anna: Person, room: str) -> None:
    row = await queue(bench, room)
    tagged = {"body": "card", KEY: {"txn": row.txn_id}}
    event_id = await bench.client.send_event(room, "m.room.message", tagged, row.txn_id)
    await say(anna, room, *(str(number) for number in range(150)))
    await bench.once()
    assert await fate(bench, row) == ("sent", event_id)


# The loop


async def run_until(bench: Bench, reached: Callable[[], bool]) -> None:
    loop = asyncio.create_task(bench.sync.run())
    try:
        async with asyncio.timeout(20):
            while not reached():
                await asyncio.wait([loop], timeout=0.005)
                if loop.done():
                    loop.result()
    finally:
        loop.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await loop


FAULTS: list[HomeserverError] = [
    Unreachable("502, not a Matrix answer", status=502),
    ServerFault("500 M_UNKNOWN", errcode="M_UNKNOWN", status=500),
    Unreachable("no answer from the homeserver: TimeoutError"),
]


@pytest.mark.parametrize("fault", FAULTS, ids=["html", "error", "silence"])
async def test_a_broken_homeserver_is_left_alone(
    bench: Bench, matrix: FakeMatrix, fault: HomeserverError
) -> None:
    """Less than one request a second, and fewer as it goes on."""
    matrix.fail_next("sync", fault, times=None)
    await run_until(bench, lambda: len(bench.pauses) >= 12)
    assert min(bench.pauses) >= 1
    assert min(bench.pauses[7:]) >= 60 / 2
    assert max(bench.pauses) <= 60 * 1.5
    assert len(matrix.called("sync")) <= len(bench.pauses) + 1
    assert set(bench.health) == {str(fault)}
    assert not bench.sync.caught_up.is_set()


async def test_a_rate_limit_is_obeyed(bench: Bench, matrix: FakeMatrix) -> None:
    matrix.fail_next("sync", RateLimited("429", retry_after=240))
    await run_until(bench, lambda: bench.health[-1:] == [None])
    assert bench.pauses == [240]


async def test_it_goes_on_when_the_homeserver_is_back(
    bench: Bench, matrix: FakeMatrix, anna: Person, room: str
) -> None:
    await say(anna, room, "while you were away")
    matrix.fail_next("sync", FAULTS[0], times=3)
    await run_until(bench, lambda: None in bench.health)
    assert await bench.bodies() == ["while you were away"]
    assert bench.health[:4] == [str(FAULTS[0])] * 3 + [None]
    matrix.fail_next("sync", FAULTS[0])
    await run_until(bench, lambda: len(bench.pauses) >= 4)
    assert bench.pauses[3] <= 3, "a success makes the next pause a short one"


async def test_after_a_fault_the_next_answer_is_not_waited_for(
    bench: Bench, matrix: FakeMatrix, room: str
) -> None:
    """Nothing may be new when the homeserver is back; that it is back is to be told at once."""
    bench.sync = bench.started()
    await run_until(bench, lambda: None in bench.health)
    matrix.fail_next("sync", FAULTS[0], times=2)
    bench.health.clear()
    asked = len(matrix.called("sync"))
    await run_until(bench, lambda: None in bench.health)
    assert [call.args[1] for call in matrix.called("sync")][asked : asked + 3] == [0, 0, 0]


async def test_a_room_that_is_known_from_elsewhere_is_no_obstacle(
    bench: Bench, matrix: FakeMatrix, anna: Person, room: str
) -> None:
    """The relay notes who is in a direct room when it has joined it, before sync hears of it."""
    private = await anna.create_room(preset="public_chat")
    await bench.client.join(private)
    async with bench.database.uow("test", bench.clock()) as uow:
        assert await members.joined(uow.session, private, ME)
        assert not await members.joined(uow.session, private, ME)
        await uow.commit()
    await bench.once()
    assert private in await bench.own_rooms()


async def test_news_come_by_long_poll(
    bench: Bench, matrix: FakeMatrix, anna: Person, room: str
) -> None:
    bench.sync = bench.started()
    bench.recorded.clear()
    listening = asyncio.create_task(run_until(bench, lambda: 1 in bench.recorded))
    await asyncio.sleep(0.05)
    asked = len(matrix.called("sync"))
    await say(anna, room, "news")
    await listening
    assert await bench.bodies() == ["news"]
    assert [call.args[1] for call in matrix.called("sync")][-2:] == [30_000] * 2
    assert len(matrix.called("sync")) <= asked + 1


async def test_the_first_answer_is_not_waited_for(
    bench: Bench, matrix: FakeMatrix, room: str
) -> None:
    """Nothing may be new after a restart; the relay waits for this answer."""
    bench.sync = bench.started()
    await run_until(bench, bench.sync.caught_up.is_set)
    assert [call.args[1] for call in matrix.called("sync")][1] == 0


@pytest.mark.parametrize("answer", [{}, {"next_batch": 7}, [], {"rooms": {}}])
async def test_an_answer_without_a_token_is_a_fault(
    bench: Bench, matrix: FakeMatrix, room: str, answer: Any
) -> None:
    token = await bench.token()

    async def odd(*args: object) -> Any:
        return answer

    bench.client.sync = odd  # type: ignore[method-assign]  # whatever a proxy may answer
    await run_until(bench, lambda: len(bench.pauses) >= 2)
    assert await bench.token() == token


async def test_a_rejected_token_ends_it(bench: Bench, matrix: FakeMatrix, room: str) -> None:
    matrix.revoke_token(ME)
    with pytest.raises(TokenRejected):
        await run_until(bench, lambda: False)
    assert bench.health[-1] == "token"
    assert bench.pauses == []


async def test_received_at_is_our_clock(
    bench: Bench, anna: Person, room: str, clock: Clock
) -> None:
    clock.advance(timedelta(hours=3))
    await say(anna, room, "late")
    await bench.once()
    async with bench.database.uow("test", clock()) as uow:
        rows = list(await inbox.ready(uow.session, clock(), 10))
    assert isinstance(rows[-1], InboxRow)
    assert rows[-1].received_at == clock()
