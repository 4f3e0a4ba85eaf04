"""(a) From a message that its author can see to an answer that its author can see.

Ours and the yardstick (``bench.nio_echo``) take turns on one Synapse, a message each, so that both
meet the same weather. A moment is when the author's own /sync brought the event.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median, quantiles

from bench import stage
from bench.nio_echo import PING, PONG, READY
from bench.processes import cpu_seconds, logged, python
from bench.report import Aim, Result
from bench.stage import PASSWORD, Stage
from bench.subject import COMMAND
from bot.demo.person import Event, Person, body_of

WARM_UP = 10
IDLE_SECONDS = 10.0


@dataclass(slots=True)
class Contestant:
    """``is_reply`` tells its answer from other messages in its room."""

    pid: int
    room: str
    says: str
    is_reply: Callable[[Event], bool]


@dataclass(frozen=True, slots=True)
class Measured:
    """``waits`` are in milliseconds, one a message."""

    waits: list[float]
    cpu_per_thousand: float
    idle_cpu_per_hour: float

    @property
    def p95(self) -> float:
        return quantiles(self.waits, n=20)[-1]


async def measure(rounds: int) -> Result:
    async with stage.on_synapse(people=1) as here:
        member = here.people[0]
        yardstick = await here.server.register("echo", PASSWORD)
        room = await member.create_room(preset="public_chat")
        async with stage.as_person(here.server, yardstick) as echo:
            await echo.join(room)
        session = (yardstick.user_id, yardstick.access_token, yardstick.device_id)
        log = here.folder / "echo.log"
        async with python(
            "-m", "bench.nio_echo", here.server.base_url, *session, log=log
        ) as process:
            await logged(process, log, READY)
            ours, theirs = await _compare(member, rounds, _ours(here), _theirs(process.pid, room))
    return _result(rounds, ours, theirs)


def _ours(here: Stage) -> Contestant:
    return Contestant(
        here.bot.process.pid,
        here.rooms[0],
        COMMAND,
        lambda event: bool(event["sender"] == here.bot_id),
    )


def _theirs(pid: int, room: str) -> Contestant:
    return Contestant(pid, room, PING, lambda event: body_of(event) == PONG)


async def _compare(member: Person, rounds: int, *contestants: Contestant) -> tuple[Measured, ...]:
    await _take_turns(member, WARM_UP, contestants)
    idle = await _idle(contestants)
    before = [cpu_seconds(each.pid) for each in contestants]
    waits = await _take_turns(member, rounds, contestants)
    await asyncio.sleep(1.0)
    after = [cpu_seconds(each.pid) for each in contestants]
    return tuple(
        Measured(mine, (end - start) / rounds * 1000, rest)
        for mine, start, end, rest in zip(waits, before, after, idle, strict=True)
    )


async def _idle(contestants: tuple[Contestant, ...]) -> list[float]:
    """Seconds of processor time an hour when nobody says anything."""
    before = [cpu_seconds(each.pid) for each in contestants]
    await asyncio.sleep(IDLE_SECONDS)
    spent = [cpu_seconds(each.pid) - start for each, start in zip(contestants, before, strict=True)]
    return [each / IDLE_SECONDS * 3600 for each in spent]


async def _take_turns(
    member: Person, rounds: int, contestants: tuple[Contestant, ...]
) -> list[list[float]]:
    waits: list[list[float]] = [[] for _ in contestants]
    for number in range(rounds):
        # Whoever is first meets a homeserver that has just rested.
        turn = list(zip(contestants, waits, strict=True))
        for contestant, mine in turn if number % 2 else turn[::-1]:
            mine.append(await _turn(member, contestant))
    return waits


async def _turn(member: Person, contestant: Contestant) -> float:
    """Milliseconds from the message seen to the answer seen."""
    mark = member.mark()

    async def seen(is_it: Callable[[Event], bool]) -> float:
        await member.wait_for(is_it, contestant.room, since=mark)
        return time.perf_counter()

    async with asyncio.TaskGroup() as group:
        question = group.create_task(seen(lambda event: body_of(event) == contestant.says))
        answer = group.create_task(seen(contestant.is_reply))
        await member.say(contestant.room, contestant.says)
    return (answer.result() - question.result()) * 1000


def _result(rounds: int, ours: Measured, theirs: Measured) -> Result:
    result = Result("(a) echo: message visible → answer visible, real Synapse", "nio echo bot")
    mine, others = median(ours.waits), median(theirs.waits)
    paired = median(a - b for a, b in zip(ours.waits, theirs.waits, strict=True))
    result.add("half of the answers within", mine, "ms", others)
    result.add("95 of 100 within", ours.p95, "ms", theirs.p95)
    result.add("more than the echo bot, at the median", mine - others, "ms", None, Aim(at_most=5))
    result.add("more than the echo bot, median of pairs", paired, "ms")
    result.add(
        "processor time of 1,000 messages, one at a time",
        ours.cpu_per_thousand,
        "s",
        theirs.cpu_per_thousand,
        Aim(at_most=3),
    )
    result.add(
        "processor time of an idle hour", ours.idle_cpu_per_hour, "s", theirs.idle_cpu_per_hour
    )
    result.notes.append(f"{rounds} messages each, in turns. The time includes idle ticks.")
    return result
