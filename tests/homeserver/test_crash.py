"""Nothing is lost and nothing is said twice, however often the bot's process is killed.

Judged by what the homeserver shows to people. What the bot says carries a key of its own in its
content: by that key every card, offer and answer can be counted.
"""

import asyncio
import contextlib
import random
import signal
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import aiosqlite
import pytest

from bot.demo.homeserver import PrivateSynapse
from bot.demo.person import Event, Person, body_of
from tests.support.bot_process import (
    BotProcess,
    Premises,
    insist,
    is_edit,
    key_of,
    reacted,
    settle,
)
from tests.support.house import kind_of, thread_of

pytestmark = [pytest.mark.homeserver, pytest.mark.crash]

SEED = 2011
QUESTIONS = 200
CLUSTERS = ("agro-health", "materials", "logistics", "imaging-ict")
DESKS = ("funding", "project", "expertise", "international")
TWO_PART_EVERY = 10
"""Every so many questions the expert answers in two messages."""
LOOKS_EVERY = 1.0
"""Seconds between two looks of an expert into the desk's room."""

# How often a point may be passed at most before the process dies there. The questions put during
# one life lead to more decisions and messages than that, but to few batches of the sync.
MARKED = {
    "before-sync": 3,
    "after-sync": 3,
    "before-decide": 8,
    "after-decide": 8,
    "before-send": 40,
    "after-send": 40,
    "before-note": 6,
    "after-note": 6,
}
RANDOM_KILLS = 10
LONGEST_LIFE = 6.0
"""Seconds that a process lives on once it is ready, at most."""


@dataclass(frozen=True, slots=True)
class Life:
    """How one process ends: at a marked point, or killed so many seconds after it was ready.

    With ``outage`` the homeserver is restarted meanwhile.
    """

    crash_at: str | None = None
    seconds: float = 0.0
    outage: bool = False


def lives(dice: random.Random) -> list[Life]:
    marked = [Life(f"{point}:{dice.randint(1, most)}") for point, most in MARKED.items()]
    killed = [Life(seconds=dice.uniform(0, LONGEST_LIFE)) for _ in range(RANDOM_KILLS - 1)]
    drawn = dice.sample([*marked, *killed], len(marked) + len(killed))
    drawn.insert(len(drawn) // 2, Life(seconds=dice.uniform(0, LONGEST_LIFE), outage=True))
    return drawn


@dataclass(slots=True)
class Town:
    """A network with its people, and what they have said so far."""

    premises: Premises
    admin: Person
    clusters: Sequence[str]
    desks: Sequence[str]
    rooms: dict[str, str] = field(default_factory=dict)
    askers: list[tuple[Person, str]] = field(default_factory=list)
    experts: list[tuple[Person, str]] = field(default_factory=list)
    asked: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Cluster and text of each question by its event id, in the order in which they were asked."""
    answered: dict[int, list[str]] = field(default_factory=dict)
    """What the experts wrote, by the number of the question."""

    @property
    def places(self) -> list[str]:
        return [*self.clusters, *self.desks]

    async def ask(self, number: int) -> None:
        person, cluster = self.askers[number % len(self.askers)]
        desk = self.desks[number // len(self.askers) % len(self.desks)]
        text = f"Who knows about matter {number:03}?"
        content = {"msgtype": "m.text", "body": f"!ask --desk {desk} {text}"}
        self.asked[await insist(person, self.rooms[cluster], content)] = (cluster, text)

    async def ask_all(
        self, numbers: Iterable[int], dice: random.Random, allowed: asyncio.Semaphore
    ) -> None:
        """One after the other, so that it is known in which order, with short pauses."""
        for number in numbers:
            await allowed.acquire()
            await asyncio.sleep(dice.uniform(0, 0.05))
            await self.ask(number)

    async def serve(self, expert: Person, desk: str) -> None:
        """Answer every offer made to this expert, once, until cancelled."""
        async for event in timeline(expert, self.rooms[desk]):
            said = key_of(event)
            is_offer = said.get("kind") == "question.offer" and not is_edit(event)
            if is_offer and said["expert"] == expert.user_id:
                await self.answer(expert, desk, event)

    async def answer(self, expert: Person, desk: str, offer: Event) -> None:
        number = key_of(offer)["question"]
        texts = [f"Answer to {number:03}", f"And another word on {number:03}"]
        texts = texts[: 1 + (number % TWO_PART_EVERY == 0)]
        for text in texts:
            relation = {"rel_type": "m.thread", "event_id": thread_of(offer)}
            content = {"msgtype": "m.text", "body": text, "m.relates_to": relation}
            await insist(expert, self.rooms[desk], content)
        # An offer made twice would be answered twice, and come to light.
        self.answered.setdefault(number, []).extend(texts)

    async def settled(self, bot: BotProcess) -> None:
        """Until every question is answered, and all that was said has been dealt with."""
        while len(self.answered) < len(self.asked):
            await bot.breathe()
        await self.heard(bot)

    async def heard(self, bot: BotProcess) -> None:
        """Rooms are worked through in order: once the bot answers there, it has heard all."""
        sent = {key: await self.admin.say(self.rooms[key], "!about") for key in self.places}
        for key, question in sent.items():
            # What is looked for is in a room's history: there is nothing to wait on.
            while not await self.admin.thread_messages(self.rooms[key], question):  # noqa: ASYNC110
                await asyncio.sleep(LOOKS_EVERY)
        await bot.quiet()

    async def sees(self, *places: str) -> list[Event]:
        """What the bot has said in these rooms, as the admin's account is shown it."""
        seen: list[Event] = []
        for place in places:
            events = await self.admin.messages(self.rooms[place], limit=10_000)
            seen += [each for each in events if self.is_said_by_bot(each)]
        return seen

    def is_said_by_bot(self, event: Event) -> bool:
        is_bot = event["sender"] == self.premises.bot.user_id
        return is_bot and event["type"] in ("m.room.message", "m.reaction")


async def timeline(person: Person, room: str) -> AsyncIterator[Event]:
    """What happens in the room, from its beginning, for ever; looked up now and then, because a
    long poll of each expert costs the homeserver more than all that the bot does."""
    since: dict[str, str] = {}
    while True:
        params = {"dir": "f", "limit": "500", **since}
        with contextlib.suppress(aiohttp.ClientError):
            page = await person.request("GET", "rooms", room, "messages", params=params)
            since = {"from": page["end"]} if "end" in page else since
            for event in page["chunk"]:
                yield event
        await asyncio.sleep(LOOKS_EVERY)


def of_kind(events: Sequence[Event], kind: str) -> list[Event]:
    return [each for each in events if kind_of(each) == kind and not is_edit(each)]


async def found(premises: Premises, town: Town, stack: AsyncExitStack, experts: int) -> None:
    """Make the rooms and let people in; the bot is stopped again."""
    async with BotProcess(premises.config) as bot:
        await bot.provisioned()
        for key in ("space", "control", *town.places):
            town.rooms[key] = await town.admin.join(premises.alias(key))
        for cluster in town.clusters:
            town.askers.append((await moves_in(town, "asker", cluster, stack), cluster))
        for desk in [each for each in town.desks for _ in range(experts)]:
            town.experts.append((await moves_in(town, "expert", desk, stack), desk))
        await premises.command(
            *(f"!expert add {who.user_id} --desk {desk} --lang en" for who, desk in town.experts)
        )
        await bot.quiet()
        assert await bot.stop() == 0


@asynccontextmanager
async def a_town(
    synapse: PrivateSynapse,
    folder: Path,
    clusters: Sequence[str],
    desks: Sequence[str],
    questions: Mapping[str, Any] | None = None,
    experts: int = 1,
) -> AsyncIterator[Town]:
    """``questions`` are knobs of the network file, ``experts`` how many each desk has."""
    premises = await settle(synapse, folder, clusters=clusters, desks=desks, questions=questions)
    async with AsyncExitStack() as stack:
        admin = await stack.enter_async_context(premises.person(premises.admin, listen=False))
        town = Town(premises, admin, clusters, desks)
        await found(premises, town, stack, experts)
        yield town


async def moves_in(town: Town, name: str, key: str, stack: AsyncExitStack) -> Person:
    account = await town.premises.newcomer(name)
    person = town.premises.person(account, listen=False)
    await stack.enter_async_context(person)
    await person.join(town.rooms["space"])
    await person.join(town.rooms[key])
    return person


async def storm(town: Town, dice: random.Random) -> None:
    """Questions are asked all the time while one process after the other dies."""
    ends = lives(dice)
    share = QUESTIONS // (len(ends) + 1)
    allowed = asyncio.Semaphore(0)
    asking = asyncio.create_task(town.ask_all(range(QUESTIONS), dice, allowed))
    for life in ends:
        # Work for this life, beside what the last one left.
        release(allowed, share)
        await live(town.premises, life)
    async with BotProcess(town.premises.config) as bot:
        release(allowed, QUESTIONS - share * len(ends))
        await asking
        await town.settled(bot)
        assert await bot.figure("clusterdesk_outbox_dead_letters") == 0
        assert await bot.figure("clusterdesk_inbox_dead_letters") == 0
        assert await bot.stop() == 0


def release(semaphore: asyncio.Semaphore, times: int) -> None:
    for _ in range(times):
        semaphore.release()


async def live(premises: Premises, life: Life) -> None:
    async with BotProcess(premises.config, crash_at=life.crash_at) as bot:
        if life.crash_at is None:
            await bot.ready()
            if life.outage:
                await premises.synapse.restart()
            await asyncio.sleep(life.seconds)
            await bot.kill()
        assert await bot.ended() == -signal.SIGKILL


async def test_200_questions_outlive_kills_at_any_moment(
    synapse: PrivateSynapse, tmp_path: Path
) -> None:
    dice = random.Random(SEED)
    async with a_town(synapse, tmp_path, CLUSTERS, DESKS) as town:
        async with asyncio.TaskGroup() as group:
            serving = [group.create_task(town.serve(*each)) for each in town.experts]
            await storm(town, dice)
            for each in serving:
                each.cancel()
        await judge(town)


async def judge(town: Town) -> None:
    in_clusters, in_desks = await town.sees(*CLUSTERS), await town.sees(*DESKS)
    numbers = check_acknowledgements(town, of_kind(in_clusters, "question.ack"))
    cards = check_cards(town, of_kind(in_desks, "question.card"), numbers)
    check_offers(in_desks, cards)
    check_answers(town, of_kind(in_clusters, "question.answer"), numbers)
    check_edits([*in_clusters, *in_desks])
    said = Counter(kind_of(each) for each in [*in_clusters, *in_desks] if not is_edit(each))
    # Whoever asked later may have been shown an earlier answer: then once.
    known = Counter(key_of(each)["question"] for each in of_kind(in_clusters, "question.known"))
    assert set(known.values()) <= {1}
    said[None] -= said.pop("question.known", 0)
    assert said == {
        "question.ack": QUESTIONS,
        "question.card": QUESTIONS,
        "question.offer": QUESTIONS,
        "question.answer": sum(map(len, town.answered.values())),
        "reply": len(town.places),  # to the admin, who asked whether it is there
        None: 3 * QUESTIONS,  # reactions have no kind
    }


def check_acknowledgements(town: Town, acks: Sequence[Event]) -> dict[str, int]:
    """Each question was acknowledged once, in the order of its room; their numbers."""
    for cluster in CLUSTERS:
        here = [asked for asked, (place, _) in town.asked.items() if place == cluster]
        shown = [thread_of(each) for each in acks if thread_of(each) in here]
        assert shown == here
    numbers = {str(thread_of(each)): key_of(each)["question"] for each in acks}
    assert sorted(numbers.values()) == list(range(1, QUESTIONS + 1))
    assert numbers.keys() == town.asked.keys()
    return numbers


def check_cards(town: Town, cards: Sequence[Event], numbers: dict[str, int]) -> dict[str, int]:
    """Each question has one card, with its text; the cards' event ids and numbers."""
    assert Counter(key_of(each)["question"] for each in cards) == Counter(numbers.values())
    texts = {numbers[asked]: text for asked, (_, text) in town.asked.items()}
    for card in cards:
        assert texts[key_of(card)["question"]] in body_of(card)
    for desk in DESKS:
        here = [key_of(each)["question"] for each in cards if key_of(each)["desk"] == desk]
        assert here == sorted(here)
    return {each["event_id"]: key_of(each)["question"] for each in cards}


def check_offers(in_desks: Sequence[Event], cards: dict[str, int]) -> None:
    """Each question was offered once, in its card's thread, with the three reactions to choose."""
    offers = of_kind(in_desks, "question.offer")
    assert sorted(cards[str(thread_of(each))] for each in offers) == sorted(cards.values())
    assert all(cards[str(thread_of(each))] == key_of(each)["question"] for each in offers)
    choices = Counter(reaction for each in in_desks if (reaction := reacted(each)))
    ids = [each["event_id"] for each in offers]
    assert choices == Counter((each, key) for each in ids for key in ("✋", "🚫", "⏳"))


def check_answers(town: Town, answers: Sequence[Event], numbers: dict[str, int]) -> None:
    """Each word of an expert came back once, under its question, in the order it was written."""
    said = defaultdict(list)
    for answer in answers:
        assert numbers[str(thread_of(answer))] == key_of(answer)["question"]
        said[key_of(answer)["question"]].append(body_of(answer).partition(" answers: ")[2])
    assert said == town.answered


def check_edits(events: Sequence[Event]) -> None:
    """«Anna is on it» replaced each acknowledgement and each offer once."""
    edited = Counter(
        (kind_of(each), each["content"]["m.relates_to"]["event_id"])
        for each in events
        if is_edit(each)
    )
    assert set(edited.values()) == {1}
    assert Counter(kind for kind, _ in edited) == {
        "question.ack": QUESTIONS,
        "question.offer": QUESTIONS,
    }


async def test_the_one_question_among_150_messages_sent_while_the_bot_was_away(
    synapse: PrivateSynapse, tmp_path: Path
) -> None:
    """More than the homeserver puts into one answer of /sync: the gap has to be filled."""
    async with a_town(synapse, tmp_path, CLUSTERS[:1], DESKS[:1]) as town:
        asker, cluster = town.askers[0]
        for number in range(150):
            if number == 75:
                await town.ask(0)
            else:
                await asker.say(town.rooms[cluster], f"This is message {number}.")
        async with BotProcess(town.premises.config) as bot:
            await bot.ready()
            await town.heard(bot)
        said = await town.sees(*town.places)
    [ack], [card] = of_kind(said, "question.ack"), of_kind(said, "question.card")
    assert [thread_of(ack)] == list(town.asked)
    assert "matter 000" in body_of(card)
    counted = Counter(kind_of(each) for each in said)
    del counted["reply"], counted[None]
    assert counted == {"question.ack": 1, "question.card": 1, "question.offer": 1}


QUICK = {
    "offer_time": "3s",
    "reminder_time": "3s",
    "wave_time": "3s",
    "coordinator_time": "3s",
    "suggest": False,
}
UNANSWERED = 12
MERGED = 3
EXPERTS = 4


async def test_waves_reminders_and_merges_outlive_kills(
    synapse: PrivateSynapse, tmp_path: Path
) -> None:
    """Nobody answers: each question comes to its end, and every step of it is taken once."""
    dice = random.Random(SEED)
    async with a_town(synapse, tmp_path, CLUSTERS[:1], DESKS[:1], QUICK, experts=EXPERTS) as town:
        for number in range(UNANSWERED + MERGED):
            await town.ask(number)
        for each in waves_lives(dice):
            await live(town.premises, each)
        async with BotProcess(town.premises.config) as bot:
            await bot.ready()
            for number in range(MERGED):
                merge = f"!merge Q{UNANSWERED + number + 1} Q{number + 1}"
                await town.admin.say(town.rooms["control"], merge)
            await town.heard(bot)
            while await open_steps(town) != {"admins"}:
                await bot.breathe()
            await bot.quiet()
            assert await bot.figure("clusterdesk_outbox_dead_letters") == 0
        await judge_waves(town)


def waves_lives(dice: random.Random) -> list[Life]:
    """Longer than a turn, so that there is something to interrupt; at a marked point or not."""
    marked = [Life(f"{point}:{dice.randint(1, 12)}") for point in ("before-send", "after-decide")]
    return [*marked, *(Life(seconds=dice.uniform(1, 4)) for _ in range(4))]


async def open_steps(town: Town) -> set[str]:
    """Whose turn it is with the questions that are open, as the bot's database says."""
    path = town.premises.folder / "var" / "clusterdesk.db"
    async with aiosqlite.connect(f"file:{path}?mode=ro", uri=True) as database:
        rows = await database.execute_fetchall("SELECT step FROM questions WHERE status = 'open'")
    return {str(step) for (step,) in rows}


async def judge_waves(town: Town) -> None:
    in_desk = await town.sees(*town.desks)
    in_cluster = await town.sees(*town.clusters)
    merged = {UNANSWERED + number + 1 for number in range(MERGED)}
    for question in range(1, UNANSWERED + MERGED + 1):
        ours = [each for each in in_desk if key_of(each).get("question") == question]
        offers = of_kind(ours, "question.offer")
        asked = [key_of(each)["expert"] for each in offers]
        assert len(asked) == len(set(asked)) <= 3
        assert len(of_kind(ours, "question.card")) == 1
        steps = Counter(key_of(each)["step"] for each in of_kind(ours, "question.escalation"))
        told = Counter(
            key_of(each)["step"]
            for each in of_kind(in_cluster, "question.escalation")
            if key_of(each)["question"] == question
        )
        if question in merged:
            told_in = [thread_of(each) for each in of_kind(ours, "question.merged")]
            assert len(told_in) == len(set(told_in)) == 2, "under its card, and the other's"
            assert max([0, *steps.values(), *told.values()]) <= 1
            continue
        assert [key_of(each)["wave"] for each in offers] == [1, 2, 2]
        assert len(of_kind(ours, "question.reminder")) == 1
        assert steps == {"desk": 1}
        assert told == {"desk": 1, "admins": 1}
    alerts = of_kind(await town.sees("control"), "alert")
    assert len(alerts) == UNANSWERED
