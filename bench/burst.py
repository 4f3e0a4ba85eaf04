"""(b) Five hundred commands over eight rooms, as fast as a real homeserver takes them.

The rooms are the judges: read from the homeserver afterwards, each command must have one answer,
and the answers of a room the order of its commands. The baseline is the same sending without a bot.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench import stage, subject
from bench.report import Aim, Result
from bench.stage import Stage
from bench.subject import COMMAND
from bot.demo.person import Event, Person

# Seconds without a new answer after which no more are awaited.
PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class Sending:
    """``events`` are the ids of what was sent, by room and in order."""

    events: Sequence[Sequence[str]]
    seconds: float

    @property
    def count(self) -> int:
        return sum(map(len, self.events))


@dataclass(frozen=True, slots=True)
class Verdict:
    answered: int
    repeated: int
    rooms_in_order: int


async def measure(commands: int) -> Result:
    async with stage.on_synapse(people=subject.ROOMS) as here:
        cpu, started = here.bot.cpu_seconds, time.perf_counter()
        sending = await _send(here, commands)
        await _until_answered(here, sending.count)
        seconds = time.perf_counter() - started
        await here.bot.at_rest()
        cpu = here.bot.cpu_seconds - cpu
        verdict = await _judge(here, sending)
        await here.bot.stop()
        bare = await _send(here, commands)
    return _result(verdict, sending, bare, seconds, cpu)


async def _send(here: Stage, commands: int) -> Sending:
    """Everybody writes into a room of their own, one message after the other."""

    async def write(person: Person, room: str, count: int) -> list[str]:
        return [await person.say(room, COMMAND) for _ in range(count)]

    started = time.perf_counter()
    places = len(here.rooms)
    shares = [len(range(place, commands, places)) for place in range(places)]
    events = await asyncio.gather(*map(write, here.people, here.rooms, shares))
    return Sending(events, time.perf_counter() - started)


async def _until_answered(here: Stage, commands: int) -> None:
    """Until every answer has been seen by whom it is for, or none has come for a long time."""
    seen, last = 0, time.perf_counter()
    while seen < commands and time.perf_counter() - last < PATIENCE:
        await asyncio.sleep(0.05)
        now = sum(
            sum(_answers(event, here.bot_id) is not None for event in person.seen)
            for person in here.people
        )
        if now > seen:
            seen, last = now, time.perf_counter()


async def _judge(here: Stage, sending: Sending) -> Verdict:
    answered = repeated = in_order = 0
    for person, room, sent in zip(here.people, here.rooms, sending.events, strict=True):
        events = await person.messages(room, limit=3 * len(sent) + 100)
        answers = [each for event in events if (each := _answers(event, here.bot_id)) in sent]
        answered += len(set(answers))
        repeated += len(answers) - len(set(answers))
        in_order += answers == list(sent)
    return Verdict(answered, repeated, in_order)


def _answers(event: Event, bot: str) -> str | None:
    """The event that this one is the bot's answer to."""
    if event["sender"] != bot:
        return None
    relation = event["content"].get("m.relates_to", {})
    answered: str | None = relation.get("m.in_reply_to", {}).get("event_id")
    return answered


def _result(
    verdict: Verdict, sending: Sending, bare: Sending, seconds: float, cpu: float
) -> Result:
    rooms, commands = len(sending.events), sending.count
    result = Result("(b) burst: commands as fast as a real Synapse takes them", "sender alone")
    everything = Aim(at_least=commands)
    result.add(f"answered, of {commands}", verdict.answered, "commands", None, everything)
    result.add("answered more than once", verdict.repeated, "commands", None, Aim(at_most=0))
    in_order = Aim(at_least=rooms)
    result.add(f"in order, of {rooms}", verdict.rooms_in_order, "rooms", None, in_order)
    result.add("all sent after", sending.seconds, "s", bare.seconds)
    result.add("all answers seen after", seconds, "s", bare.seconds)
    result.add("processor time of 1,000 commands", cpu / commands * 1000, "s")
    return result
