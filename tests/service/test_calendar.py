"""Events, from the draft to the calendar program, against the whole bot."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from icalendar import Calendar
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import func, select

from bot.demo.person import Event, Person
from bot.domain.calendar import Answer
from bot.domain.incoming import Reaction
from bot.domain.roles import Role
from bot.services import calendar
from bot.services.calendar import UnknownCluster, coming
from commands import calendar as calendar_commands
from commands.context import Context
from commands.registry import Registry
from storage import audit, links, outbox
from storage.calendar import CalendarEvent
from storage.database import Database
from storage.jobs import JobRun
from storage.links import Link
from storage.outbox import OutboxRow, Sent
from tests.support.clock import Clock
from tests.support.house import ADMIN, BOT, House, kind_of, open_house, thread_of

BRUSSELS = ZoneInfo("Europe/Brussels")
EVERY = timedelta(seconds=10)
NEW = '!event new "Flax day" 2026-12-03 14:00 @"Kortrijk Xpo" --cluster logistics --for 90m'


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BRUSSELS).astimezone(UTC)


TUESDAY = local("2026-11-24T10:00")
START = local("2026-12-03T14:00")
MISTAKES = {
    '!event new "Late" 2026-11-23 14:00': "event-past",
    '!event new "Late" 2026-11-24 9:59': "event-past",
    '!event new "Rome" 0001-01-01 00:00': "event-past",
    '!event new "Star date" 9999-12-31 23:59': "event-far",
    '!event new "Owls" 2027-03-28 02:30': "time-nonexistent",
    f'!event new "{"x" * 121}" 2026-12-03 14:00': "title-too-long",
    f'!event new "Talk" 2026-12-03 14:00 --desc "{"x" * 2001}"': "description-too-long",
    f'!event new "Talk" 2026-12-03 14:00 @"{"x" * 201}"': "place-too-long",
    '!event new "" 2026-12-03 14:00': "usage",
    '!event new "Talk" 2026-12-03 14:00 --for 31d': "event-too-long",
    '!event new "Talk" someday 14:00': "day-unknown",
    '!event new "Talk" 2026-12-03 14:00 --cluster funding': "cluster-unknown",
    "!event 9": "event-unknown",
    "!event move 9 2026-12-03 14:00": "event-unknown",
    "!event cancel 9": "event-unknown",
    "!rsvp 9 yes": "event-unknown",
    "!rsvp 9 perhaps": "choice-unknown",
    "!rsvp yes": "which-event",
    "!event": "which-event",
}
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


class Agenda:
    """The calendar as an admin and members use it."""

    def __init__(self, house: House, admin: Person, control: str) -> None:
        self.house = house
        self.admin = admin
        self.control = control

    async def command(self, text: str, by: Person | None = None, room: str | None = None) -> str:
        sent = await (by or self.admin).say(room or self.control, text)
        await self.house.quiet()
        return sent

    async def publish(self, command: str = NEW) -> None:
        """Type a new event and agree to its preview."""
        sent = await self.command(command)
        shown = await self.answer_to(sent)
        await self.react(self.admin, self.control, shown, "✅")

    async def answer_to(self, message: str) -> Event:
        found = await self.house.said(self.control)
        return next(each for each in found if thread_of(each) == message)

    async def refusal(self, command: str) -> str:
        """The key of the error that answers a command."""
        answer = await self.answer_to(await self.command(command))
        assert kind_of(answer) == "error"
        key: str = answer["content"]["org.clusterdesk"]["key"]
        return key

    async def react(self, person: Person, room: str, event: Event, key: str) -> str:
        sent = await person.react(room, event["event_id"], key)
        await self.house.quiet()
        return sent

    async def pass_time(self, by: timedelta) -> None:
        """What was held back for that long may go."""
        self.house.clock.advance(by)
        self.house.database.outbox_committed()
        await self.house.quiet()

    async def at(self, moment: datetime) -> None:
        """The clock ticks at this moment."""
        self.house.clock.now = moment
        await self.house.tick()

    async def room(self, key: str = "logistics") -> str:
        return await self.house.room("forum" if key == "forum" else "cluster", key)

    async def said(self, kind: str, key: str = "logistics") -> list[Event]:
        return await self.house.said(await self.room(key), kind)

    async def announcement(self, key: str = "logistics", number: int = 1) -> Event:
        said = await self.said("event.announcement", key)
        [found] = [each for each in said if each["content"]["org.clusterdesk"]["event"] == number]
        return found

    async def edits(self, event: Event, room: str | None = None) -> list[str]:
        """What the bot's edits of a message made of it, oldest first."""
        events = self.house.matrix.timeline(room or await self.room(), "m.room.message")
        return [
            each["content"]["m.new_content"]["body"]
            for each in events
            if "m.new_content" in each["content"]
            and each["content"]["m.relates_to"]["event_id"] == event["event_id"]
        ]

    async def counts(self, event: Event) -> list[str]:
        return [count_of(each) for each in await self.edits(event)]

    async def row(self, number: int = 1) -> CalendarEvent:
        async with self.house.database.uow("test", self.house.clock()) as uow:
            found = await uow.session.get(CalendarEvent, number)
        assert found is not None
        return found

    async def ics(self, cluster: str | None = None) -> Any:
        async with self.house.database.uow("test", self.house.clock()) as uow:
            return Calendar.from_ical(await calendar.ics(uow, self.house.instance, cluster))


def count_of(announcement: str) -> str:
    return announcement.splitlines()[-1].rpartition(" · ")[0]


def mentioned(event: Event) -> list[str]:
    return list(event["content"]["m.mentions"]["user_ids"])


def reactions_on(house: House, room: str, event: Event) -> list[str]:
    related = [
        each["content"]["m.relates_to"] for each in house.matrix.timeline(room, "m.reaction")
    ]
    return [each["key"] for each in related if each["event_id"] == event["event_id"]]


@pytest.fixture
async def agenda(database: Database, clock: Clock) -> AsyncIterator[Agenda]:
    clock.now = TUESDAY
    async with open_house(database, clock) as house:
        admin = house.matrix.person(ADMIN)
        control = await house.room("control", "control")
        await admin.join(control)
        yield Agenda(house, admin, control)


@pytest.fixture
async def member(agenda: Agenda) -> Person:
    return await agenda.house.person("member", "logistics")


# Drafts and announcements


async def test_an_event_is_shown_to_its_author_before_anybody_hears_of_it(agenda: Agenda) -> None:
    sent = await agenda.command(NEW)
    shown = await agenda.answer_to(sent)
    assert kind_of(shown) == "reply"
    assert "Flax day" in shown["content"]["body"]
    assert "📍 Kortrijk Xpo" in shown["content"]["body"]
    assert reactions_on(agenda.house, agenda.control, shown) == ["✅"]  # the bot's seed
    assert await agenda.said("event.announcement") == []
    assert (await agenda.row()).status == "draft"
    assert (await agenda.ics()).events == []


async def test_only_its_author_announces_an_event_and_only_once(agenda: Agenda) -> None:
    other = agenda.house.matrix.person(agenda.house.user("other"))
    await agenda.admin.invite(agenda.control, other.user_id)
    await other.join(agenda.control)
    shown = await agenda.answer_to(await agenda.command(NEW))
    await agenda.react(other, agenda.control, shown, "✅")
    await agenda.react(agenda.admin, agenda.control, shown, "👍")
    assert await agenda.said("event.announcement") == []

    first = await agenda.react(agenda.admin, agenda.control, shown, "✅")
    await agenda.admin.redact(agenda.control, first)
    await agenda.react(agenda.admin, agenda.control, shown, "✅")
    assert len(await agenda.said("event.announcement")) == 1
    [edit] = await agenda.edits(shown, agenda.control)
    assert "Flax day" in edit  # the preview says that it is done
    async with agenda.house.database.uow("test", TUESDAY) as uow:
        [noted] = await audit.latest(uow.session, 5)
    assert (noted.act, noted.actor, noted.details) == ("event-announce", ADMIN, {"event": 1})


@pytest.mark.parametrize(("by", "role"), [("other-admin", Role.ADMIN), ("admin", Role.MEMBER)])
async def test_neither_another_admin_nor_a_former_one_announces_it(
    agenda: Agenda, database: Database, by: str, role: Role
) -> None:
    shown = await agenda.answer_to(await agenda.command(NEW))
    async with database.uow("$reaction", TUESDAY) as uow:
        link = await links.find(uow.session, shown["event_id"])
        context = Context(
            uow=uow,
            instance=agenda.house.instance,
            incoming=Reaction(
                room_id=agenda.control,
                event_id="$reaction",
                sender=agenda.house.user(by),
                at=TUESDAY,
                target=shown["event_id"],
                key="✅",
            ),
            lane=agenda.control,
            room=None,
            is_direct=False,
            roles=frozenset({role}),
            tr=agenda.house.instance.tr(None),
            about=link,
            fetched={},
            registry=Registry([]),
        )
        await calendar_commands.on_draft(context, link, "✅")
        assert uow.outbox.added == 0


async def test_an_announcement_is_read_in_all_languages(agenda: Agenda) -> None:
    await agenda.publish(NEW + ' --desc "Bring a <sample>."')
    found = await agenda.announcement()
    content = found["content"]
    assert content["org.clusterdesk"] | {"txn": ""} == {
        "v": 1,
        "kind": "event.announcement",
        "event": 1,
        "sequence": 0,
        "txn": "",
    }
    lines = content["body"].splitlines()
    assert lines[0] == "📅 Flax day"
    for date in ("jeudi 3 décembre 2026", "donderdag 3 december 2026", "Thursday 3 December 2026"):
        assert any(date in line and "14:00" in line and "15:30" in line for line in lines)
    assert lines[4:] == ["📍 Kortrijk Xpo", "Bring a <sample>.", "✅ 0 · 🤔 0 · ❌ 0 · !event 1"]
    assert "<strong>📅 Flax day</strong>" in content["formatted_body"]
    assert "Bring a &lt;sample&gt;." in content["formatted_body"]
    assert content["msgtype"] == "m.notice"
    assert mentioned(found) == []
    room = await agenda.room()
    assert reactions_on(agenda.house, room, found) == ["✅", "🤔", "❌"]


async def test_an_event_for_two_clusters_is_announced_in_both(agenda: Agenda) -> None:
    await agenda.publish('!event new "Flax" tomorrow 9h --cluster materials, logistics')
    assert (await agenda.row()).clusters == ["materials", "logistics"]
    for key in ("logistics", "materials"):
        await agenda.announcement(key)
    for key in ("imaging-ict", "forum"):
        assert await agenda.said("event.announcement", key) == []


async def test_an_event_for_all_is_announced_in_every_cluster_and_in_the_forum(
    agenda: Agenda,
) -> None:
    await agenda.publish('!evenement nouveau "Tous" demain 9h')
    for key in ("agro-health", "materials", "logistics", "imaging-ict", "forum"):
        assert "Tous" in (await agenda.announcement(key))["content"]["body"]
    for key in ("funding", "international"):
        room = await agenda.house.room("desk", key)
        assert await agenda.house.said(room, "event.announcement") == []


async def test_mistakes_are_explained(agenda: Agenda) -> None:
    for command, key in MISTAKES.items():
        assert await agenda.refusal(command) == key, command
    async with agenda.house.database.uow("test", TUESDAY) as uow:
        assert await uow.session.scalar(select(func.count(CalendarEvent.id))) == 0


async def test_days_are_written_out_where_they_cannot_be(agenda: Agenda) -> None:
    answer = await agenda.answer_to(await agenda.command('!event new "Owls" 2027-03-28 02:30'))
    assert "Le dimanche 28 mars 2027, 02:30 n’existe pas" in answer["content"]["body"]
    answer = await agenda.answer_to(await agenda.command('!event new "Owls" 2026-11-23 14:00'))
    assert "lundi 23 novembre 2026 à 14:00" in answer["content"]["body"]


async def test_a_mistake_names_commands_as_its_reader_does(agenda: Agenda) -> None:
    await agenda.command("!language nl")
    answer = await agenda.answer_to(await agenda.command("!event 9"))
    assert "!evenementen" in answer["content"]["body"]


async def test_a_draft_is_not_an_event_yet(agenda: Agenda) -> None:
    await agenda.command(NEW)
    for command in ("!event 1", "!event move 1 tomorrow 9h", "!event cancel 1", "!rsvp 1 yes"):
        assert await agenda.refusal(command) == "event-draft"


@pytest.mark.parametrize("ticks", [False, True])
async def test_a_draft_whose_time_has_come_is_not_announced(agenda: Agenda, ticks: bool) -> None:
    shown = await agenda.answer_to(await agenda.command('!event new "Soon" 2026-11-24 11:00'))
    agenda.house.clock.now = local("2026-11-24T11:00")
    if ticks:
        await agenda.house.tick()  # which drops the draft
    await agenda.react(agenda.admin, agenda.control, shown, "✅")
    [error] = await agenda.house.said(agenda.control, "error")
    assert error["content"]["org.clusterdesk"]["key"] == "draft-past"
    assert await agenda.said("event.announcement") == []


async def test_members_make_no_events(agenda: Agenda, member: Person) -> None:
    for command in (NEW, "!event move 1 tomorrow 9h", "!event cancel 1", "!announce Hello"):
        await agenda.command(command, by=member, room=await agenda.room())
    errors = await agenda.said("error")
    keys = [each["content"]["org.clusterdesk"]["key"] for each in errors]
    assert keys == ["not-allowed"] * 4


# Who comes


async def test_the_last_answer_counts_and_one_that_is_removed_does_not(
    agenda: Agenda, member: Person
) -> None:
    await agenda.publish()
    room, found = await agenda.room(), await agenda.announcement()
    yes = await agenda.react(member, room, found, "✅")
    no = await agenda.react(member, room, found, "❌")
    await agenda.pass_time(EVERY)
    assert await agenda.counts(found) == ["✅ 1 · 🤔 0 · ❌ 0", "✅ 0 · 🤔 0 · ❌ 1"]

    await member.redact(room, yes)  # an older one, while the newer stands
    await agenda.pass_time(EVERY)
    assert len(await agenda.edits(found)) == 2

    maybe = await agenda.react(member, room, found, "🤔\ufe0f")
    await agenda.pass_time(EVERY)
    await member.redact(room, maybe)  # what stands before it counts again
    await agenda.pass_time(EVERY)
    await member.redact(room, no)
    await agenda.pass_time(EVERY)
    assert (await agenda.counts(found))[2:] == [
        "✅ 0 · 🤔 1 · ❌ 0",
        "✅ 0 · 🤔 0 · ❌ 1",
        "✅ 0 · 🤔 0 · ❌ 0",
    ]


async def test_other_reactions_say_nothing(agenda: Agenda, member: Person) -> None:
    await agenda.publish()
    for key in ("👍", "🎉", "yes"):
        await agenda.react(member, await agenda.room(), await agenda.announcement(), key)
    assert await agenda.edits(await agenda.announcement()) == []


async def test_the_bots_own_signs_never_count(agenda: Agenda, member: Person) -> None:
    await agenda.publish()
    async with agenda.house.database.uow("$own", TUESDAY) as uow:
        saying = coming.Saying(BOT, Answer.YES, "$own", TUESDAY)
        await coming.answer(uow, agenda.house.instance, 1, saying)
        await uow.commit()
    found = await agenda.announcement()
    await agenda.react(member, await agenda.room(), found, "🤔")
    assert await agenda.counts(found) == ["✅ 0 · 🤔 1 · ❌ 0"]


async def test_a_count_is_shown_at_once_and_then_at_most_once_in_ten_seconds(
    agenda: Agenda, member: Person
) -> None:
    await agenda.publish()
    room, found = await agenda.room(), await agenda.announcement()
    await agenda.react(member, room, found, "✅")
    for number in range(5):
        person = await agenda.house.person(f"guest{number}", "logistics")
        await agenda.react(person, room, found, "✅")
    await agenda.pass_time(EVERY - timedelta(seconds=1))
    assert await agenda.counts(found) == ["✅ 1 · 🤔 0 · ❌ 0"]
    await agenda.pass_time(timedelta(seconds=1))
    assert await agenda.counts(found) == ["✅ 1 · 🤔 0 · ❌ 0", "✅ 6 · 🤔 0 · ❌ 0"]
    await agenda.pass_time(EVERY)
    assert len(await agenda.edits(found)) == 2


async def test_every_announcement_shows_the_same_count(agenda: Agenda, member: Person) -> None:
    await agenda.publish('!event new "Flax" tomorrow 9h --cluster materials,logistics')
    await agenda.react(member, await agenda.room(), await agenda.announcement(), "✅")
    found = await agenda.announcement("materials")
    [edit] = await agenda.edits(found, await agenda.room("materials"))
    assert count_of(edit) == "✅ 1 · 🤔 0 · ❌ 0"


async def test_who_answers_in_two_rooms_counts_once(agenda: Agenda, member: Person) -> None:
    await agenda.publish('!event new "Flax" tomorrow 9h --cluster materials,logistics')
    await member.join(f"#innov-materials:{agenda.house.matrix.server_name}")
    for key in ("logistics", "materials"):
        await agenda.react(member, await agenda.room(key), await agenda.announcement(key), "✅")
    await agenda.pass_time(EVERY)
    assert await agenda.counts(await agenda.announcement()) == ["✅ 1 · 🤔 0 · ❌ 0"]


async def test_a_count_that_is_being_sent_does_not_swallow_a_newer_one(
    agenda: Agenda, member: Person, database: Database
) -> None:
    """The relay reads a row, sends it, and marks it: an answer may come in between."""
    await agenda.publish()
    room, found = await agenda.room(), await agenda.announcement()
    await agenda.react(member, room, found, "✅")
    other = await agenda.house.person("other", "logistics")
    await agenda.react(other, room, found, "✅")  # waits until ten seconds have passed
    due_at = TUESDAY + EVERY
    async with database.uow("relay", due_at) as uow:
        [taken] = await outbox.due(uow.session, due_at, 10)
    await agenda.react(other, room, found, "❌")
    async with database.uow("relay", due_at) as uow:
        await outbox.sent(uow.session, [Sent(taken.id, taken.txn_id, "$sent")], due_at)
        await uow.commit()
    await agenda.pass_time(EVERY)
    assert (await agenda.counts(found))[-1] == "✅ 1 · 🤔 0 · ❌ 1"


async def test_an_answer_can_be_typed_anywhere(agenda: Agenda, member: Person) -> None:
    await agenda.publish()
    room = await agenda.room()
    typed = await agenda.command("!deelnemen 1 misschien", by=member, room=room)
    assert reactions_on(agenda.house, room, {"event_id": typed}) == ["🤔"]
    found = await agenda.announcement()
    assert await agenda.counts(found) == ["✅ 0 · 🤔 1 · ❌ 0"]

    await member.redact(room, typed)
    await agenda.pass_time(EVERY)
    assert (await agenda.counts(found))[-1] == "✅ 0 · 🤔 0 · ❌ 0"


async def test_nobody_answers_when_it_is_over(agenda: Agenda, member: Person) -> None:
    await agenda.publish()
    room, found = await agenda.room(), await agenda.announcement()
    agenda.house.clock.now = START + timedelta(minutes=89)
    said = await agenda.react(member, room, found, "✅")  # still going on
    agenda.house.clock.now = START + timedelta(minutes=90)
    await member.redact(room, said)
    await agenda.react(member, room, found, "❌")
    assert await agenda.refusal("!rsvp 1 yes") == "event-over"
    assert await agenda.refusal("!event move 1 tomorrow 9h") == "event-over"
    assert await agenda.refusal("!event cancel 1") == "event-over"
    assert await agenda.counts(found) == ["✅ 1 · 🤔 0 · ❌ 0"]


async def test_a_redaction_that_is_no_answer_costs_one_look(
    agenda: Agenda, database: Database
) -> None:
    statements: list[str] = []

    def count(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    async with database.uow("$redaction", TUESDAY) as uow:
        connection = (await uow.session.connection()).sync_connection
        sqlalchemy_event.listen(connection, "before_cursor_execute", count)
        await calendar.withdrawn(uow, agenda.house.instance, "$anything")
        assert uow.outbox.added == 0
    assert len(statements) == 1


# Reminders


async def test_reminders_come_a_day_and_an_hour_before_each_once(
    agenda: Agenda, member: Person
) -> None:
    await agenda.publish()
    await agenda.react(member, await agenda.room(), await agenda.announcement(), "✅")
    await agenda.at(START - DAY - timedelta(seconds=1))
    assert await agenda.said("event.reminder") == []
    for moment in (START - DAY, START - DAY, START - DAY + MINUTE, START - 2 * HOUR):
        await agenda.at(moment)
    [day_before] = await agenda.said("event.reminder")
    for moment in (START - HOUR, START - HOUR + MINUTE, START - MINUTE, START, START + HOUR):
        await agenda.at(moment)
    [_, hour_before] = await agenda.said("event.reminder")
    for reminder, seconds, left in ((day_before, 86_400, "1 day"), (hour_before, 3_600, "1 hour")):
        content = reminder["content"]
        assert content["org.clusterdesk"] | {"txn": ""} == {
            "v": 1,
            "kind": "event.reminder",
            "event": 1,
            "sequence": 0,
            "offset": seconds,
            "txn": "",
        }
        assert content["msgtype"] == "m.text"  # a notice would not ring
        assert mentioned(reminder) == [member.user_id]
        assert "Flax day" in content["body"]
        assert f"{left}: Thursday 3 December 2026 at 14:00" in content["body"]
        assert thread_of(reminder) is None


async def test_a_reminder_calls_each_who_comes_once_where_they_are(agenda: Agenda) -> None:
    await agenda.publish('!event new "Flax" 2026-12-03 14:00 --cluster materials,logistics')
    rooms = {
        "both": ("materials", "logistics"),
        "one": ("logistics",),
        "maybe": ("logistics",),
        "left": ("logistics",),
    }
    for name, keys in rooms.items():
        person = await agenda.house.person(name, *keys)
        found = await agenda.announcement("logistics")
        sign = "🤔" if name == "maybe" else "✅"
        await agenda.react(person, await agenda.room("logistics"), found, sign)
    await agenda.house.people["left"].leave(await agenda.room("logistics"))
    await agenda.house.quiet()
    await agenda.at(START - HOUR)
    user = agenda.house.user
    [in_materials] = await agenda.said("event.reminder", "materials")
    [in_logistics] = await agenda.said("event.reminder", "logistics")
    assert mentioned(in_materials) == [user("both"), user("left")]
    assert mentioned(in_logistics) == [user("one")]


async def test_a_reminder_can_be_answered(agenda: Agenda, member: Person) -> None:
    await agenda.publish()
    await agenda.at(START - DAY)
    [reminder] = await agenda.said("event.reminder")
    await agenda.react(member, await agenda.room(), reminder, "✅")
    assert await agenda.counts(await agenda.announcement()) == ["✅ 1 · 🤔 0 · ❌ 0"]


async def test_a_restart_does_not_remind_again(agenda: Agenda, database_url: str) -> None:
    await agenda.publish()
    await agenda.at(START - DAY)
    restarted = Database(database_url)
    try:
        for later in (timedelta(0), MINUTE, HOUR):
            await calendar.tick(restarted, agenda.house.instance, START - DAY + later)
    finally:
        await restarted.close()
    await agenda.house.quiet()
    assert len(await agenda.said("event.reminder")) == 1


async def test_a_crash_before_the_commit_loses_no_reminder(
    agenda: Agenda, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the claim and the message share is one transaction."""
    await agenda.publish()
    said = outbox.Outbox.send

    def crash(*args: Any, **kwargs: Any) -> OutboxRow:
        raise RuntimeError("killed")

    monkeypatch.setattr(outbox.Outbox, "send", crash)
    with pytest.raises(RuntimeError, match="killed"):
        await calendar.tick(agenda.house.database, agenda.house.instance, START - DAY)
    monkeypatch.setattr(outbox.Outbox, "send", said)
    await agenda.at(START - DAY + MINUTE)
    assert len(await agenda.said("event.reminder")) == 1


@pytest.mark.parametrize(
    ("back", "offsets"),
    [
        (START - DAY + 5 * HOUR, [86_400]),
        (START - DAY + 7 * HOUR, []),
        (START - HOUR + 20 * MINUTE, [3_600]),
        (START - HOUR + 51 * MINUTE, []),
        (START, []),
    ],
)
async def test_after_an_absence_only_useful_reminders_are_sent(
    agenda: Agenda, back: datetime, offsets: list[int]
) -> None:
    await agenda.publish()
    await agenda.at(back)
    said = await agenda.said("event.reminder")
    assert [each["content"]["org.clusterdesk"]["offset"] for each in said] == offsets


async def test_what_was_announced_after_a_reminders_moment_needs_none(agenda: Agenda) -> None:
    agenda.house.clock.now = START - 23 * HOUR
    await agenda.publish()
    await agenda.at(START - 22 * HOUR)
    assert await agenda.said("event.reminder") == []
    await agenda.at(START - HOUR)
    assert len(await agenda.said("event.reminder")) == 1


@pytest.mark.parametrize(
    ("typed", "starts_at"),
    [
        # In October 2027 the hour from two to three comes twice: the first one is meant.
        ("2027-10-31 02:30", datetime(2027, 10, 31, 0, 30, tzinfo=UTC)),
        ("2027-10-31 09:00", datetime(2027, 10, 31, 8, 0, tzinfo=UTC)),
        ("2027-03-28 09:00", datetime(2027, 3, 28, 7, 0, tzinfo=UTC)),
    ],
)
async def test_on_days_when_clocks_change(agenda: Agenda, typed: str, starts_at: datetime) -> None:
    await agenda.publish(f'!event new "Owls" {typed} --cluster logistics')
    row = await agenda.row()
    assert (row.starts_at, row.starts_local, row.zone) == (
        starts_at,
        typed.replace(" ", "T"),
        "Europe/Brussels",
    )
    assert typed[-5:] in (await agenda.announcement())["content"]["body"]
    for offset in (DAY, HOUR):
        await agenda.at(starts_at - offset - timedelta(seconds=1))
        await agenda.at(starts_at - offset)
    assert len(await agenda.said("event.reminder")) == 2


# Changes


async def test_a_move_is_told_once_to_those_who_come_or_may(agenda: Agenda) -> None:
    await agenda.publish()
    room, found = await agenda.room(), await agenda.announcement()
    for name, sign in (("yes", "✅"), ("maybe", "🤔"), ("no", "❌")):
        person = await agenda.house.person(name, "logistics")
        await agenda.react(person, room, found, sign)
    sent = await agenda.command("!event move 1 2026-12-04 10:00")
    assert reactions_on(agenda.house, agenda.control, {"event_id": sent}) == ["✅"]

    [notice] = await agenda.said("event.update")
    content = notice["content"]
    assert thread_of(notice) == found["event_id"]
    assert content["msgtype"] == "m.text"
    assert mentioned(notice) == [agenda.house.user("maybe"), agenda.house.user("yes")]
    assert content["org.clusterdesk"]["sequence"] == 1
    assert "Thursday 3 December 2026 at 14:00" in content["body"]
    assert "Friday 4 December 2026 at 10:00" in content["body"]

    # Counts that waited with the old date never come.
    await agenda.pass_time(EVERY)
    first, latest = await agenda.edits(found)
    assert "Thursday 3 December" in first
    assert "Friday 4 December 2026" in latest
    assert count_of(latest) == "✅ 1 · 🤔 1 · ❌ 1"  # what was said stands
    assert await agenda.refusal("!event move 1 2026-12-04 10:00") == "event-unmoved"


async def test_a_moved_event_is_reminded_of_anew(agenda: Agenda) -> None:
    await agenda.publish()
    await agenda.at(START - DAY)
    await agenda.command("!event move 1 2026-12-10 14:00")
    await agenda.at(START - HOUR)
    assert len(await agenda.said("event.reminder")) == 1
    await agenda.at(START + timedelta(days=7) - DAY)
    await agenda.at(START + timedelta(days=7) - HOUR)
    reminders = await agenda.said("event.reminder")
    assert [each["content"]["org.clusterdesk"]["sequence"] for each in reminders] == [0, 1, 1]
    async with agenda.house.database.uow("test", START) as uow:
        slots = await uow.session.scalars(select(JobRun.slot).where(JobRun.job == "event-reminder"))
        assert sorted(slots) == [
            "1:2026-12-03T13:00:00+00:00:86400",
            "1:2026-12-10T13:00:00+00:00:3600",
            "1:2026-12-10T13:00:00+00:00:86400",
        ]


async def test_a_move_just_before_the_day_is_not_reminded_of_at_once(agenda: Agenda) -> None:
    """People have just been told."""
    await agenda.publish()
    agenda.house.clock.now = START - 3 * DAY
    await agenda.command("!event move 1 2026-12-01 12:00")
    await agenda.at(START - 3 * DAY + MINUTE)
    assert await agenda.said("event.reminder") == []


async def test_an_event_is_not_moved_to_a_time_that_cannot_be(agenda: Agenda) -> None:
    await agenda.publish()
    for when, key in {
        "2026-11-23 10:00": "event-past",
        "2027-03-28 02:30": "time-nonexistent",
        "9999-12-31 10:00": "event-far",
    }.items():
        assert await agenda.refusal(f"!event move 1 {when}") == key
    assert (await agenda.row()).starts_at == START
    assert await agenda.edits(await agenda.announcement()) == []


async def test_a_cancelled_event_says_so_and_is_left_in_peace(
    agenda: Agenda, member: Person
) -> None:
    await agenda.publish()
    room, found = await agenda.room(), await agenda.announcement()
    said = await agenda.react(member, room, found, "✅")
    await agenda.command("!event cancel 1")
    [notice] = await agenda.said("event.cancelled")
    assert thread_of(notice) == found["event_id"]
    assert mentioned(notice) == [member.user_id]
    edits = await agenda.edits(found)
    assert edits[-1].startswith("🚫 Flax day\n")

    await member.redact(room, said)
    await agenda.react(member, room, found, "✅")
    await agenda.pass_time(EVERY)
    await agenda.at(START - DAY)
    await agenda.at(START - HOUR)
    assert await agenda.edits(found) == edits
    assert await agenda.said("event.reminder") == []
    for command in ("!event cancel 1", "!event move 1 tomorrow 9h", "!rsvp 1 yes"):
        assert await agenda.refusal(command) == "event-cancelled"


async def test_nobody_is_rung_for_what_nobody_comes_to(agenda: Agenda) -> None:
    await agenda.publish()
    await agenda.command("!event cancel 1")
    [notice] = await agenda.said("event.cancelled")
    assert notice["content"]["msgtype"] == "m.notice"
    assert mentioned(notice) == []


async def test_a_room_without_the_announcement_is_told_as_well(
    agenda: Agenda, database: Database
) -> None:
    """It has come later, or has replaced the one that was announced in."""
    await agenda.publish()
    async with database.uow("test", TUESDAY) as uow:
        link = await uow.session.scalar(select(Link).where(Link.role == "event.announcement"))
        assert link is not None
        link.lane = "!gone:test.local"
        await uow.commit()
    await agenda.at(START - DAY)
    await agenda.command("!event move 1 2026-12-04 10:00")
    [notice] = await agenda.said("event.update")
    assert thread_of(notice) is None
    assert len(await agenda.said("event.reminder")) == 1
    async with database.uow("test", START) as uow:
        query = select(func.count(OutboxRow.id)).where(OutboxRow.lane == "!gone:test.local")
        assert await uow.session.scalar(query) == 0


# Looking


async def test_a_list_of_what_is_planned(agenda: Agenda, member: Person) -> None:
    room = await agenda.room()
    await agenda.command("!language en", by=member, room=room)
    await agenda.command("!events", by=member, room=room)
    await agenda.publish()
    await agenda.publish('!event new "Sooner" 2026-11-25 09:00')
    await agenda.publish('!event new "Off" 2026-11-25 09:00')
    await agenda.command("!event cancel 3")
    await agenda.command('!event new "Draft" 2026-11-25 09:00')
    await agenda.react(member, room, await agenda.announcement(), "✅")
    await agenda.command("!agenda", by=member, room=room)
    replies = [each["content"] for each in await agenda.said("reply")]
    assert replies[-2]["body"] == "Nothing is planned."
    assert replies[-1]["body"].splitlines() == [
        "• 2 · Sooner · Wednesday 25 November 2026 at 09:00 · ✅ 0 · 🤔 0 · ❌ 0",
        "• 1 · Flax day · Thursday 3 December 2026 at 14:00 · Kortrijk Xpo · ✅ 1 · 🤔 0 · ❌ 0",
        "  You said ✅",
    ]
    assert "matrix.to" in replies[-1]["formatted_body"]


async def test_one_event_in_full(agenda: Agenda, member: Person) -> None:
    room = await agenda.room()
    await agenda.command("!language en", by=member, room=room)
    await agenda.publish(NEW + ' --desc "With coffee."')
    await agenda.command("!event 1", by=member, room=room)
    await agenda.command("!event cancel 1")
    await agenda.command("!evenement 1", by=member, room=room)
    replies = [each["content"]["body"].splitlines() for each in await agenda.said("reply")]
    full = [
        "📅 1 · Flax day",
        "Thursday 3 December 2026, 14:00 to 15:30",
        "📍 Kortrijk Xpo",
        "Logistics",
        "With coffee.",
        "✅ 0 · 🤔 0 · ❌ 0",
    ]
    assert replies[-2:] == [full, [full[0], "🚫 Cancelled", *full[1:]]]


async def test_whoever_comes_needs_no_number_in_the_thread_of_an_event(
    agenda: Agenda, member: Person
) -> None:
    await agenda.publish()
    found = await agenda.announcement()
    sent = await member.say(await agenda.room(), "!rsvp yes", thread=found["event_id"])
    await agenda.house.quiet()
    assert await agenda.said("error") == []
    reactions = agenda.house.matrix.timeline(await agenda.room(), "m.reaction")
    assert [each for each in reactions if each["content"]["m.relates_to"]["event_id"] == sent]


async def test_the_event_of_a_thread_needs_no_number(agenda: Agenda, member: Person) -> None:
    await agenda.publish()
    room, found = await agenda.room(), await agenda.announcement()
    await member.say(room, "!event", thread=found["event_id"])
    [reply] = await agenda.said("reply")
    assert reply["content"]["body"].startswith("📅 1 · Flax day")


# Calendar programs


async def test_a_feed_follows_what_happens_to_an_event(agenda: Agenda) -> None:
    await agenda.publish()
    agenda.house.clock.advance(HOUR)
    [event] = (await agenda.ics()).events
    assert (event["UID"], event["SEQUENCE"]) == (
        "event-1@innov-eurometropolis.clusterdesk",
        0,
    )
    assert (event.start, event.end) == (START, START + 90 * MINUTE)
    await agenda.command("!event move 1 2026-12-04 10:00")
    agenda.house.clock.advance(HOUR)
    await agenda.command("!event cancel 1")
    [event] = (await agenda.ics()).events
    assert event["UID"] == "event-1@innov-eurometropolis.clusterdesk"
    assert (event["SEQUENCE"], event["STATUS"]) == (2, "CANCELLED")
    assert event.start == local("2026-12-04T10:00")
    assert event["LAST-MODIFIED"].dt == TUESDAY + 2 * HOUR


async def test_a_clusters_feed_has_its_own_events_and_those_for_all(agenda: Agenda) -> None:
    await agenda.publish()
    await agenda.publish('!event new "All" 2026-12-05 09:00')
    await agenda.publish('!event new "Textile" 2026-12-06 09:00 --cluster materials')
    titles = {
        cluster: [str(event["SUMMARY"]) for event in (await agenda.ics(cluster)).events]
        for cluster in (None, "logistics", "imaging-ict")
    }
    assert titles == {
        None: ["Flax day", "All", "Textile"],
        "logistics": ["Flax day", "All"],
        "imaging-ict": ["All"],
    }
    with pytest.raises(UnknownCluster):
        await agenda.ics("no-such-cluster")


async def test_old_events_leave_the_feed_after_a_year(agenda: Agenda) -> None:
    await agenda.publish()
    agenda.house.clock.now = START + timedelta(days=364)
    assert len((await agenda.ics()).events) == 1
    agenda.house.clock.now = START + timedelta(days=366)
    assert (await agenda.ics()).events == []


# News


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("", {"agro-health", "materials", "logistics", "imaging-ict", "forum"}),
        ("--room logistics ", {"logistics"}),
        ("--room forum ", {"forum"}),
        ("--room funding ", {"funding"}),
        (
            "--room all ",
            {
                *("agro-health", "materials", "logistics", "imaging-ict", "forum"),
                *("funding", "project", "expertise", "international"),
            },
        ),
    ],
)
async def test_news_go_where_they_are_sent(agenda: Agenda, option: str, told: set[str]) -> None:
    sent = await agenda.command(f"!announce {option}The call is open:\n  until March.")
    assert reactions_on(agenda.house, agenda.control, {"event_id": sent}) == ["✅"]
    found = {}
    network = agenda.house.instance.network
    for kind, keys in (
        ("cluster", [each.key for each in network.clusters]),
        ("desk", [each.key for each in network.desks]),
        ("forum", ["forum"]),
    ):
        for key in keys:
            for each in await agenda.house.said(await agenda.house.room(kind, key)):
                found[key] = each["content"]["body"]
    assert set(found) == told
    assert set(found.values()) == {"📣 admin\nThe call is open:\n  until March."}


async def test_news_are_short(agenda: Agenda) -> None:
    assert await agenda.refusal(f"!announce {'x' * 5_001}") == "news-too-long"
