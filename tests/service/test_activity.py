"""Activity against a real database: what goes into the rows decides what stands in the outbox."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from bot.domain.content import KEY
from bot.domain.errors import UserError
from bot.domain.incoming import Incoming, Message, Reaction
from bot.domain.roles import Role
from bot.services import activity
from bot.services.instance import Instance
from bot.services.questions import asking
from bot.services.routing.router import Router
from bot.services.speech import remember
from commands import pulse
from commands.context import Context
from commands.parameters import ParseEnvironment
from commands.parsing import parse
from commands.registry import Match, Registry
from commands.vocabulary import vocabulary
from config import locales
from config.network import load_network
from storage import links, members, rooms
from storage.activity import LooseQuestion, SpokenDay
from storage.calendar import CalendarEvent
from storage.database import Database, Uow
from storage.links import Link
from storage.outbox import OutboxRow
from storage.questions import Offer, Question
from storage.rooms import Room
from tests.support.clock import Clock
from tests.support.house import open_house, thread_of

BRUSSELS = ZoneInfo("Europe/Brussels")
BOT = "@clusterdesk:test.local"
ANNA, BRAM, CARLA = "@anna:test.local", "@bram:test.local", "@carla:test.local"
LOGISTICS, MATERIALS, FORUM, FUNDING = (
    f"!{key}:test.local" for key in ("logistics", "materials", "forum", "funding")
)
ASKED = "Does anybody know a broker for customs papers?"


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BRUSSELS).astimezone(UTC)


MONDAY = local("2026-11-23T10:00")
DIGEST = local("2026-11-24T08:30")


@dataclass
class World:
    """A network with its rooms; every act is one transaction, as in the bot."""

    database: Database
    instance: Instance

    def __post_init__(self) -> None:
        self._numbers = count(1)

    def uow(self, now: datetime) -> Uow:
        return self.database.uow(f"test:{next(self._numbers)}", now)

    async def add(self, *rows: Any, now: datetime = MONDAY) -> None:
        async with self.uow(now) as uow:
            uow.session.add_all(rows)
            await uow.commit()

    async def say(
        self, sender: str, body: str, at: datetime = MONDAY, room: str = LOGISTICS, **more: Any
    ) -> str:
        """Something said in a room that is for nobody in particular; its event id."""
        message = self.message(sender, body, at, room, **more)
        async with self.uow(at) as uow:
            found = await rooms.by_id(uow.session, room)
            assert found is not None
            await activity.heard(uow, self.instance, message, found)
            await uow.commit()
        return message.event_id

    def message(
        self, sender: str, body: str, at: datetime, room: str = LOGISTICS, **more: Any
    ) -> Message:
        more.setdefault("msgtype", "m.text")
        event_id = f"$said{next(self._numbers)}"
        return Message(
            room_id=room, event_id=event_id, sender=sender, at=at, body=body, content={}, **more
        )

    async def edit(self, sender: str, event_id: str, body: str) -> None:
        async with self.uow(MONDAY) as uow:
            edit = self.message(sender, body, MONDAY, edits=event_id)
            await activity.edited(uow, edit)
            await uow.commit()

    async def redact(self, event_id: str) -> None:
        async with self.uow(MONDAY) as uow:
            await activity.redacted(uow, event_id)
            await uow.commit()

    async def ask(self, sender: str, text: str, event_id: str, now: datetime) -> None:
        asked = asking.Asked(sender, text, LOGISTICS, event_id, event_id)
        async with self.uow(now) as uow:
            await asking.ask(uow, self.instance, asked)
            await uow.commit()

    async def tick(self, now: datetime) -> None:
        await activity.tick(self.database, self.instance, now)

    async def react(self, sender: str, nudge: OutboxRow, key: str, now: datetime) -> None:
        async with self.uow(now) as uow:
            reaction = Reaction(
                room_id=LOGISTICS, event_id=f"${next(self._numbers)}", sender=sender, at=now,
                target=nudge.ref, key=key,
            )  # fmt: skip
            link = await links.find(uow.session, nudge.ref)
            context = await self.context(uow, reaction, link)
            await pulse.on_nudge(context, link, key)
            await uow.commit()

    async def context(self, uow: Uow, incoming: Message | Reaction, about: Link | None) -> Context:
        fetched: dict[str, Incoming | None] = {}
        return Context(
            uow=uow,
            instance=self.instance,
            incoming=incoming,
            lane=incoming.room_id,
            room=await rooms.by_id(uow.session, incoming.room_id),
            is_direct=False,
            roles=frozenset({Role.ADMIN}),
            tr=self.instance.tr("en"),
            about=about,
            fetched=fetched,
            registry=Registry.collect(pulse),
        )

    async def queued(self, kind: str | None = None) -> list[OutboxRow]:
        """What is to be said of one kind, in order."""
        async with self.uow(MONDAY) as uow:
            found = await uow.session.scalars(select(OutboxRow).order_by(OutboxRow.id))
            return [each for each in found if kind is None or kind_of(each) == kind]

    async def loose(self, event_id: str) -> LooseQuestion | None:
        async with self.uow(MONDAY) as uow:
            query = select(LooseQuestion).where(LooseQuestion.event_id == event_id)
            return await uow.session.scalar(query)

    async def spoken(self) -> dict[tuple[date, str, str], int]:
        async with self.uow(MONDAY) as uow:
            found = await uow.session.scalars(select(SpokenDay))
            return {(each.day, each.room_id, each.user_id): each.messages for each in found}


def kind_of(row: OutboxRow) -> str | None:
    found: str | None = ((row.content or {}).get(KEY) or {}).get("kind")
    return found


def body(row: OutboxRow) -> str:
    assert row.content is not None
    return str(row.content["body"])


def html(row: OutboxRow) -> str:
    assert row.content is not None
    return str(row.content["formatted_body"])


@pytest.fixture
async def world(database: Database) -> World:
    network = load_network("innov-eurometropolis")
    texts = locales.load(network.languages)
    instance = Instance(BOT, network, texts, frozenset(), Router(network))
    world = World(database, instance)
    async with world.uow(MONDAY - timedelta(days=60)) as uow:
        await rooms.save(uow.session, "space", "space", "!space:test.local", uow.now)
        await rooms.save(uow.session, "control", "control", "!control:test.local", uow.now)
        for cluster in network.clusters:
            room_id = f"!{cluster.key}:test.local"
            await rooms.save(uow.session, "cluster", cluster.key, room_id, uow.now)
        for desk in network.desks:
            await rooms.save(uow.session, "desk", desk.key, f"!{desk.key}:test.local", uow.now)
        await rooms.save(uow.session, "forum", "forum", FORUM, uow.now)
        for user_id in (ANNA, BRAM, CARLA):
            await members.get(uow.session, user_id, uow.now)
            await members.joined(uow.session, "!space:test.local", user_id)
        (await members.get(uow.session, ANNA, uow.now)).language = "en"
        await uow.commit()
    return world


async def asked(
    world: World,
    text: str,
    at: datetime,
    *,
    answered_at: datetime | None = None,
    lane: str = LOGISTICS,
    cluster: str | None = "logistics",
    status: str = "open",
    private: bool = False,
) -> int:
    """A question's rows, as asking and answering leave them."""
    async with world.uow(at) as uow:
        question = Question(
            asker=ANNA, text=text, language="en", cluster=cluster, desk="funding", private=private,
            lane=lane, root="$root", created_at=at, last_activity_at=at,
            first_answer_at=answered_at, status="answered" if answered_at else status,
        )  # fmt: skip
        uow.session.add(question)
        await uow.session.flush()
        remember(uow, "question.source", question.id, f"$source{question.id}", lane)
        if answered_at is not None:
            uow.session.add(
                Offer(
                    question_id=question.id, expert=BRAM, state="claimed", reasons=[],
                    offered_at=at, answered_at=answered_at,
                )
            )  # fmt: skip
        await uow.commit()
        return question.id


def event(
    title: str, starts_local: str, *, clusters: tuple[str, ...] = (), status: str = "published"
) -> CalendarEvent:
    return CalendarEvent(
        title=title, description="", place="Lille", starts_local=starts_local,
        zone="Europe/Brussels", starts_at=local(starts_local), duration_minutes=60,
        clusters=list(clusters), status=status, organiser=CARLA, created_at=MONDAY,
        updated_at=MONDAY,
    )  # fmt: skip


# --- who spoke ------------------------------------------------------------------------------------


async def test_messages_are_counted_by_person_room_and_day_of_the_network(world: World) -> None:
    late = local("2026-11-24T00:10")
    await world.say(ANNA, "Bonjour !")
    await world.say(ANNA, "Bonsoir.", late)
    await world.say(ANNA, "Bonne nuit.", late)
    await world.say(BRAM, "Dag.", room=FORUM)
    assert await world.spoken() == {
        (date(2026, 11, 23), LOGISTICS, ANNA): 1,
        (date(2026, 11, 24), LOGISTICS, ANNA): 2,
        (date(2026, 11, 23), FORUM, BRAM): 1,
    }


async def test_only_rooms_where_the_network_meets_count(world: World) -> None:
    async with world.uow(MONDAY) as uow:
        message = world.message(ANNA, "Hello", MONDAY, room=FUNDING)
        for room_id in (FUNDING, "!control:test.local", "!space:test.local"):
            room = await rooms.by_id(uow.session, room_id)
            await activity.spoke(uow, world.instance, message, room)
        direct = Room(kind="direct", key=ANNA, room_id="!dm:test.local", created_at=MONDAY)
        await activity.spoke(uow, world.instance, message, direct)
        await activity.spoke(uow, world.instance, message, None)
        await uow.commit()
    assert list(await world.spoken()) == [(date(2026, 11, 23), FUNDING, ANNA)]


async def test_nobody_has_spoken_tomorrow(world: World) -> None:
    message = world.message(ANNA, "Hello", MONDAY + timedelta(days=3))
    async with world.uow(MONDAY) as uow:
        room = await rooms.by_id(uow.session, LOGISTICS)
        await activity.spoke(uow, world.instance, message, room)
        await uow.commit()
    assert list(await world.spoken()) == [(date(2026, 11, 23), LOGISTICS, ANNA)]


# --- the digest -----------------------------------------------------------------------------------


async def test_a_digest_says_what_was_answered_what_is_open_and_what_comes(world: World) -> None:
    await asked(world, "Who knows a broker?", MONDAY, answered_at=MONDAY + timedelta(hours=2))
    await asked(world, "Which\n  warehouse   is free?", MONDAY)
    await world.add(event("Port visit", "2026-12-03T14:00", clusters=("logistics",)))
    await world.tick(DIGEST)
    [digest] = await world.queued("digest")
    assert digest.lane == LOGISTICS
    assert digest.content is not None
    assert digest.content["msgtype"] == "m.notice"
    assert digest.content["m.mentions"] == {"user_ids": []}
    assert digest.content[KEY] == {"v": 1, "kind": "digest", "slot": "2026-W48"}
    lines = body(digest).split("\n")
    assert [line for line in lines if line.startswith("•")] == [
        "• Q1 · Who knows a broker? · bram",
        "• Q2 · Which warehouse is free?",
        "• 03/12 14:00 · Port visit · Lille",
    ]
    assert [line[0] for line in lines if not line.startswith("•")] == ["🗞", "✅", "⏳", "📅"]
    assert "https://matrix.to/#/!logistics%3Atest.local/%24source1" in html(digest)


async def test_headings_are_in_every_language_and_items_are_written_once(world: World) -> None:
    await asked(world, "Who knows a broker?", MONDAY)
    await world.tick(DIGEST)
    [digest] = await world.queued("digest")
    title = body(digest).split("\n")[0]
    for language in world.instance.network.languages:
        assert world.instance.tr(language).plain("This week") in title
    assert body(digest).count("Who knows a broker?") == 1


async def test_a_digest_is_sent_once_however_often_the_clock_ticks(
    world: World, database_url: str
) -> None:
    await asked(world, "Who knows a broker?", MONDAY)
    for minutes in (0, 1, 1, 60, 24 * 60):
        await world.tick(DIGEST + timedelta(minutes=minutes))
    restarted = Database(database_url)
    try:
        await activity.tick(restarted, world.instance, DIGEST + timedelta(minutes=5))
    finally:
        await restarted.close()
    assert len(await world.queued("digest")) == 1


async def test_a_digest_that_is_a_day_late_is_not_sent(world: World) -> None:
    await asked(world, "Who knows a broker?", MONDAY)
    await world.tick(DIGEST + timedelta(days=1, minutes=1))
    assert await world.queued("digest") == []


async def test_a_digest_waits_for_its_time(world: World) -> None:
    await asked(world, "Who knows a broker?", MONDAY)
    await world.tick(DIGEST - timedelta(minutes=1))
    assert await world.queued("digest") == []


async def test_every_week_tells_its_own_story_also_when_clocks_change(world: World) -> None:
    first = local("2026-10-20T08:30")
    await asked(world, "Before", first - timedelta(minutes=1), answered_at=first)
    await world.tick(first)
    assert "Before" not in "".join(map(body, await world.queued("digest")))
    second = local("2026-10-27T08:30")
    await asked(world, "Last minute", second - timedelta(minutes=30))
    await asked(world, "Too late", second)
    await world.tick(second - timedelta(minutes=1))
    await world.tick(second)
    [digest] = await world.queued("digest")
    assert "Before" in body(digest)
    assert "Last minute" in body(digest)
    assert "Too late" not in body(digest)


async def test_nothing_is_said_when_there_is_nothing(world: World) -> None:
    await asked(world, "An old one", MONDAY - timedelta(days=20))
    await world.add(
        event("Elsewhere", "2026-12-01T14:00", clusters=("materials",)),
        event("Far away", "2027-01-10T14:00"),
        event("Called off", "2026-12-01T14:00", status="cancelled"),
        event("Not yet told", "2026-12-01T14:00", status="draft"),
        event("Over", "2026-11-23T14:00"),
    )
    await world.tick(DIGEST)
    assert [each.lane for each in await world.queued("digest")] == [MATERIALS]
    await asked(world, "Just now", DIGEST + timedelta(minutes=1))
    await world.tick(DIGEST + timedelta(minutes=2))
    assert len(await world.queued("digest")) == 1


async def test_what_has_long_been_open_is_told_beside_what_is_new(world: World) -> None:
    await asked(world, "An old one", MONDAY - timedelta(days=20))
    await asked(world, "A new one", MONDAY)
    await world.tick(DIGEST)
    [digest] = await world.queued("digest")
    assert "An old one" in body(digest)


async def test_what_was_not_said_in_the_room_is_not_told_there(world: World) -> None:
    answered_at = MONDAY + timedelta(hours=1)
    await asked(world, "Private", MONDAY, private=True)
    await asked(world, "Private too", MONDAY, private=True, answered_at=answered_at)
    await asked(world, "Direct", MONDAY, lane=f"dm:{ANNA}", answered_at=answered_at)
    await asked(world, "Among admins", MONDAY, lane="!control:test.local")
    await asked(world, "Taken back", MONDAY, status="withdrawn")
    await asked(world, "", MONDAY)
    await world.tick(DIGEST)
    assert await world.queued("digest") == []


async def test_a_digest_is_short_and_says_how_much_it_leaves_out(world: World) -> None:
    for number in range(9):
        await asked(world, f"Question {number}", MONDAY + timedelta(minutes=number))
    for number in range(2):
        await world.add(event(f"Event {number}", f"2026-12-0{number + 1}T10:00"))
    await world.tick(DIGEST)
    [digest] = [each for each in await world.queued("digest") if each.lane == LOGISTICS]
    assert body(digest).count("•") == 7
    assert body(digest).count("Event") == 2
    assert "Question 8" in body(digest)
    assert body(digest).endswith("… +4")


async def test_events_are_linked_to_their_announcement_in_the_room(world: World) -> None:
    coming = event("Port visit", "2026-12-03T14:00")
    await world.add(coming)
    async with world.uow(MONDAY) as uow:
        for lane, event_id in ((MATERIALS, "$there"), (LOGISTICS, "$here")):
            remember(uow, "event.announcement", coming.id, event_id, lane)
        await uow.commit()
    await world.tick(DIGEST)
    by_lane = {each.lane: html(each) for each in await world.queued("digest")}
    assert len(by_lane) == len(world.instance.network.clusters)
    assert "%24here" in by_lane[LOGISTICS]
    assert "%24there" in by_lane[MATERIALS]
    assert "%24" not in by_lane["!imaging-ict:test.local"]


# --- nudges ---------------------------------------------------------------------------------------

NUDGE = local("2026-11-24T10:00")


async def test_a_question_nobody_answers_is_offered_help_after_a_working_day(world: World) -> None:
    question = await world.say(ANNA, ASKED)
    await world.tick(NUDGE - timedelta(minutes=1))
    assert await world.queued("nudge") == []
    for minutes in (0, 1, 60):
        await world.tick(NUDGE + timedelta(minutes=minutes))
    [nudge] = await world.queued("nudge")
    assert nudge.lane == LOGISTICS
    assert nudge.content is not None
    assert nudge.content["m.relates_to"]["event_id"] == question
    assert nudge.content["m.relates_to"]["rel_type"] == "m.thread"
    assert nudge.content["m.mentions"] == {"user_ids": [ANNA]}
    assert "\n" not in body(nudge)
    seeds = [each for each in await world.queued() if each.type == "m.reaction"]
    assert [each.content for each in seeds] == [
        {"m.relates_to": {"rel_type": "m.annotation", "event_id": nudge.ref, "key": "✅"}}
    ]


async def test_a_nudge_is_in_the_language_of_who_asked(world: World) -> None:
    async with world.uow(MONDAY) as uow:
        (await members.get(uow.session, ANNA, uow.now)).language = "nl"
        await uow.commit()
    await world.say(ANNA, ASKED)
    await world.tick(NUDGE)
    [nudge] = await world.queued("nudge")
    english = "{person}, still looking? React ✅ and I’ll take your question to one of the desks."
    assert body(nudge) == world.instance.tr("nl").plain(english, person="anna")


async def test_the_weekend_is_no_working_time(world: World) -> None:
    await world.say(ANNA, ASKED, local("2026-11-20T16:00"))
    for moment in ("2026-11-21T16:00", "2026-11-22T12:00", "2026-11-23T15:59"):
        await world.tick(local(moment))
    assert await world.queued("nudge") == []
    await world.tick(local("2026-11-23T16:00"))
    assert len(await world.queued("nudge")) == 1


@pytest.mark.parametrize("how", ["thread", "reply_to"])
async def test_an_answer_by_somebody_else_is_enough(world: World, how: str) -> None:
    question = await world.say(ANNA, ASKED)
    under: dict[str, Any] = {how: question}
    await world.say(BRAM, "Yes, try the chamber.", **under)
    await world.tick(NUDGE)
    assert await world.queued("nudge") == []
    loose = await world.loose(question)
    assert loose is not None
    assert (loose.state, loose.text) == ("dropped", None)


@pytest.mark.parametrize("how", ["thread", "reply_to"])
async def test_ones_own_words_are_no_answer(world: World, how: str) -> None:
    question = await world.say(ANNA, ASKED)
    under: dict[str, Any] = {how: question}
    await world.say(ANNA, "For Great Britain, that is.", **under)
    await world.tick(NUDGE)
    assert len(await world.queued("nudge")) == 1


async def test_what_is_not_put_to_everybody_is_left_alone(world: World) -> None:
    said = [
        await world.say(ANNA, "Thank you all!"),
        await world.say(ANNA, ASKED, room=FORUM),
        await world.say(ANNA, ASKED, thread="$elsewhere"),
        await world.say(ANNA, ASKED, reply_to="$elsewhere"),
        await world.say(ANNA, ASKED, mentions=frozenset({BRAM})),
        await world.say(ANNA, ASKED, msgtype="m.image"),
    ]
    assert [await world.loose(event_id) for event_id in said] == [None] * len(said)


async def test_a_room_is_nudged_once_a_day_and_late_ones_are_dropped(world: World) -> None:
    first, second, third, fourth, fifth = [
        await world.say(ANNA, ASKED, MONDAY + timedelta(minutes=number)) for number in range(5)
    ]
    elsewhere = await world.say(ANNA, ASKED, room=MATERIALS)
    ticks = [NUDGE + timedelta(minutes=minutes) for minutes in (10, 11, 60)]
    for day in (25, 26, 27, 28):
        ticks += [local(f"2026-11-{day}T00:01"), local(f"2026-11-{day}T09:01")]
    ticks.append(local("2026-11-30T09:01"))
    for moment in ticks:
        await world.tick(moment)
    threads = [
        (each.lane, each.content["m.relates_to"]["event_id"])
        for each in await world.queued("nudge")
        if each.content is not None
    ]
    assert threads == [
        (LOGISTICS, first),
        (MATERIALS, elsewhere),
        (LOGISTICS, second),
        (LOGISTICS, third),
        (LOGISTICS, fourth),
    ]
    dropped = await world.loose(fifth)
    assert dropped is not None
    assert (dropped.state, dropped.text) == ("dropped", None)


async def test_what_became_a_question_meanwhile_needs_no_nudge(world: World) -> None:
    question = await world.say(ANNA, ASKED)
    await world.ask(ANNA, ASKED, question, MONDAY + timedelta(hours=1))
    await world.tick(NUDGE)
    assert await world.queued("nudge") == []


async def test_yes_by_who_asked_takes_the_question_to_a_desk(world: World) -> None:
    event_id = await world.say(ANNA, ASKED)
    await world.edit(ANNA, event_id, f"{ASKED} In Kortrijk.")
    await world.tick(NUDGE)
    [nudge] = await world.queued("nudge")
    for _ in range(2):
        await world.react(ANNA, nudge, "✅", NUDGE + timedelta(minutes=5))
    async with world.uow(NUDGE) as uow:
        [question] = (await uow.session.scalars(select(Question))).all()
    assert (question.asker, question.text) == (ANNA, f"{ASKED} In Kortrijk.")
    assert (question.lane, question.root, question.cluster) == (LOGISTICS, event_id, "logistics")
    [acknowledgement] = await world.queued("question.ack")
    assert acknowledgement.content is not None
    assert acknowledgement.content["m.relates_to"]["event_id"] == event_id
    loose = await world.loose(event_id)
    assert loose is not None
    assert (loose.state, loose.text) == ("taken", None)


@pytest.mark.parametrize(("who", "key"), [(BRAM, "✅"), (ANNA, "👀")])
async def test_nothing_else_takes_it(world: World, who: str, key: str) -> None:
    await world.say(ANNA, ASKED)
    await world.tick(NUDGE)
    [nudge] = await world.queued("nudge")
    await world.react(who, nudge, key, NUDGE)
    assert await world.queued("question.card") == []


async def test_an_offer_does_not_stand_for_ever(world: World) -> None:
    event_id = await world.say(ANNA, ASKED)
    await world.tick(NUDGE)
    [nudge] = await world.queued("nudge")
    later = NUDGE + timedelta(days=15)
    await world.tick(later)
    assert await world.loose(event_id) is None
    with pytest.raises(UserError, match="nudge-lapsed"):
        await world.react(ANNA, nudge, "✅", later)


async def test_an_edit_keeps_the_words_and_may_end_the_question(world: World) -> None:
    event_id = await world.say(ANNA, ASKED)
    await world.edit(BRAM, event_id, "Do you know something else entirely?")
    loose = await world.loose(event_id)
    assert loose is not None
    assert loose.text == ASKED
    await world.edit(ANNA, event_id, "Found one, thanks.")
    await world.tick(NUDGE)
    assert await world.queued("nudge") == []


async def test_who_takes_a_question_back_hears_no_more_of_it(world: World) -> None:
    before = await world.say(ANNA, ASKED, room=MATERIALS)
    nudged = await world.say(ANNA, ASKED)
    await world.redact(before)
    await world.tick(NUDGE)
    [nudge] = await world.queued("nudge")
    await world.redact(nudged)
    redactions = [each for each in await world.queued() if each.action == "redact"]
    assert [each.content for each in redactions] == [{"redacts": nudge.ref}]
    await world.react(ANNA, nudge, "✅", NUDGE)
    assert await world.queued("question.card") == []


async def test_who_spoke_is_forgotten_after_a_year_and_a_little(world: World) -> None:
    await world.add(
        SpokenDay(day=date(2025, 10, 1), room_id=LOGISTICS, user_id=ANNA, messages=1),
        SpokenDay(day=date(2026, 1, 1), room_id=LOGISTICS, user_id=ANNA, messages=1),
    )
    await world.tick(MONDAY)
    assert [day for day, _, _ in await world.spoken()] == [date(2026, 1, 1)]


# --- the pulse ------------------------------------------------------------------------------------


async def lively(world: World) -> None:
    """Seven days that end on Tuesday 24 November, and things before that must not count."""
    for day, room, who in (
        (18, LOGISTICS, ANNA), (19, LOGISTICS, ANNA), (24, LOGISTICS, BRAM), (20, MATERIALS, ANNA),
        (20, FUNDING, CARLA), (17, LOGISTICS, "@early:test.local"),
    ):  # fmt: skip
        spoken = SpokenDay(day=date(2026, 11, day), room_id=room, user_id=who, messages=3)
        await world.add(spoken)
    hour = timedelta(hours=1)
    early = local("2026-11-10T10:00")
    await asked(world, "In time", MONDAY, answered_at=MONDAY + 1 * hour)
    await asked(world, "Private", MONDAY, answered_at=MONDAY + 3 * hour, private=True)
    await asked(world, "Late", early, answered_at=local("2026-11-20T10:00"))
    await asked(world, "Long ago", early, answered_at=early + hour)
    await asked(world, "Open", MONDAY, cluster="materials", lane=MATERIALS)
    await asked(world, "Of no cluster", MONDAY, cluster=None, lane=f"dm:{ANNA}")
    await world.add(
        event("Last week", "2026-11-19T10:00", clusters=("logistics",)),
        event("Long ago", "2026-11-01T10:00"),
        event("Called off", "2026-11-20T10:00", status="cancelled"),
        event("For all", "2026-12-20T10:00"),
        event("For some", "2026-12-21T10:00", clusters=("materials", "logistics")),
    )


async def test_the_pulse_counts_what_happened_in_the_time(world: World) -> None:
    await lively(world)
    async with world.uow(local("2026-11-24T18:00")) as uow:
        found = await activity.read_pulse(uow, world.instance, 7)
    assert (found.days, found.members) == (7, 3)
    network = found.network
    assert (network.active, network.asked, network.answered) == (3, 4, 3)
    assert (network.held, network.coming) == (1, 2)
    assert found.answer_time == timedelta(hours=3)
    assert list(found.clusters) == [each.key for each in world.instance.network.clusters]
    logistics, materials = found.clusters["logistics"], found.clusters["materials"]
    assert (logistics.active, logistics.asked, logistics.answered) == (2, 2, 3)
    assert (logistics.held, logistics.coming) == (1, 2)
    assert (materials.active, materials.asked, materials.answered) == (1, 1, 0)
    assert (materials.held, materials.coming) == (0, 2)


async def test_answers_within_seconds_are_no_zero_minutes(world: World) -> None:
    async with world.uow(MONDAY) as uow:
        found = await activity.read_pulse(uow, world.instance, 30)
    quick = replace(found, answer_time=timedelta(seconds=20))
    shown = activity.show_pulse(quick, world.instance, world.instance.tr("fr")).body
    assert "moins d’une minute" in shown
    assert "0 minute" not in shown


async def test_a_network_without_life_has_a_pulse_too(world: World) -> None:
    async with world.uow(MONDAY) as uow:
        found = await activity.read_pulse(uow, world.instance, 30)
    assert found.answer_time is None
    assert found.network.active == found.network.asked == found.network.answered == 0
    piece = activity.show_pulse(found, world.instance, world.instance.tr("en"))
    assert "✅ Answered: 0" in piece.body.split("\n")


@pytest.mark.parametrize("typed", ["pulse 7", "pouls 7j", "polsslag 7d"])
async def test_the_pulse_is_short_lines_about_nobody(world: World, typed: str) -> None:
    await lively(world)
    now = local("2026-11-24T18:00")
    message = world.message(CARLA, f"!{typed}", now, room="!control:test.local")
    async with world.uow(now) as uow:
        context = await world.context(uow, message, None)
        found = context.registry.match(typed)
        assert isinstance(found, Match)
        await found.command(context, **parse(found.command, found.rest, environment(world)))
        await uow.commit()
    [reply] = await world.queued("reply")
    assert body(reply).split("\n") == [
        "Pulse of the last 7 days",
        "👥 Active: 3 (members: 3)",
        "❓ Asked: 4",
        "✅ Answered: 3, half of them within 3 hours",
        "📅 Events: 1 held, 2 to come",
        "• Agro-food and health · 👥 0 ❓ 0 ✅ 0 📅 1",
        "• Innovative materials, textile and design · 👥 1 ❓ 1 ✅ 0 📅 2",
        "• Logistics · 👥 2 ❓ 2 ✅ 3 📅 2",
        "• Imaging and ICT · 👥 0 ❓ 0 ✅ 0 📅 1",
    ]
    assert "test.local" not in body(reply)


def environment(world: World) -> ParseEnvironment:
    words = vocabulary(world.instance.network)
    return ParseEnvironment(words, date(2026, 11, 24), world.instance.tr("en"))


# --- with the whole bot ---------------------------------------------------------------------------


async def test_from_a_question_in_a_room_to_a_card_at_a_desk(
    database: Database, clock: Clock
) -> None:
    clock.now = MONDAY
    async with open_house(database, clock) as house:
        member = await house.person("member", "logistics")
        logistics = await house.room("cluster", "logistics")
        question = await member.say(logistics, ASKED)
        await house.quiet()
        clock.now = NUDGE + timedelta(days=1)
        await house.tick()
        [nudge] = await house.said(logistics, "nudge")
        assert thread_of(nudge) == question
        await member.react(logistics, nudge["event_id"], "✅")
        [acknowledgement] = await house.said(logistics, "question.ack")
        assert thread_of(acknowledgement) == question
        desk = acknowledgement["content"][KEY]["desk"]
        [card] = await house.said(await house.room("desk", desk), "question.card")
        assert ASKED in card["content"]["body"]
