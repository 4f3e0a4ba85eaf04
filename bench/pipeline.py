"""(c) Commands a second, and the processor time they take, against a homeserver that costs nothing.

All commands stand in the stream at once, over eight rooms; the clock runs from then until the last
answer has been accepted. The bot does all it does in life: inbox, dispatch, database, outbox,
confirmation by its own messages coming back. The baseline is a bare loop of /sync and PUT
(``bench.floor``) on the same homeserver.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from bench import subject
from bench.fake import BOT, SERVER, TOKEN, FakeHomeserver
from bench.processes import ChildFailed, cpu_seconds, python
from bench.report import Aim, Result
from bench.subject import COMMAND
from tests.support import postgres

WARM_UP = 100


@dataclass(frozen=True, slots=True)
class Load:
    commands: int
    rounds: int


@dataclass(frozen=True, slots=True)
class Run:
    """``cpu`` is in seconds for all ``commands``."""

    commands: int
    seconds: float
    cpu: float

    @property
    def per_second(self) -> float:
        return self.commands / self.seconds

    @property
    def cpu_per_thousand(self) -> float:
        return self.cpu / self.commands * 1000


async def measure(load: Load) -> Result:
    result = Result("(c) pipeline: sync → inbox → command → outbox, fake homeserver", "bare loop")
    floor = await _floor(load)
    _report(result, "SQLite", await _bot(load, "sqlite"), floor, Aim(at_least=300))
    with _postgres() as database:
        if database is None:
            result.notes.append("PostgreSQL was not measured: there is none here.")
        else:
            _report(result, "PostgreSQL", await _bot(load, database), floor, None)
    result.notes.append(f"{load.commands} commands over 8 rooms, median of {load.rounds} rounds.")
    return result


def _report(
    result: Result, where: str, runs: Sequence[Run], floor: Sequence[Run], aim: Aim | None
) -> None:
    def middle(quantity: Callable[[Run], float]) -> tuple[float, float]:
        return median(map(quantity, runs)), median(map(quantity, floor))

    rate, bare_rate = middle(lambda run: run.per_second)
    cpu, bare_cpu = middle(lambda run: run.cpu_per_thousand)
    result.add(f"{where}: commands", rate, "a second", bare_rate)
    result.add(f"{where}: commands", 1000 / cpu, "a second of processor time", 1000 / bare_cpu, aim)
    result.add(f"{where}: processor time of 1,000 commands", cpu, "s", bare_cpu)


async def _floor(load: Load) -> list[Run]:
    with TemporaryDirectory(prefix="clusterdesk-bench-") as folder:
        async with FakeHomeserver().serving() as server:
            for _ in range(subject.ROOMS):
                server.add_room(people=1, messages=0)
            log = Path(folder) / "floor.log"
            async with python("-m", "bench.floor", server.url, TOKEN, log=log) as process:
                return await _rounds(server, list(server.rooms), process.pid, load)


async def _bot(load: Load, database: str) -> list[Run]:
    with TemporaryDirectory(prefix="clusterdesk-bench-") as folder:
        async with (
            FakeHomeserver().serving() as server,
            subject.running(Path(folder), server.url, BOT, TOKEN, database=database) as bot,
        ):
            await bot.provisioned()
            rooms = [server.aliases[subject.alias(n + 1, SERVER)] for n in range(subject.ROOMS)]
            for number, room_id in enumerate(rooms):
                server.enter(room_id, _member(number))
            await bot.at_rest()
            return await _rounds(server, rooms, bot.process.pid, load)


async def _rounds(server: FakeHomeserver, rooms: Sequence[str], pid: int, load: Load) -> list[Run]:
    await server.listened_to()
    await _round(server, rooms, pid, WARM_UP)
    return [await _round(server, rooms, pid, load.commands) for _ in range(load.rounds)]


async def _round(server: FakeHomeserver, rooms: Sequence[str], pid: int, commands: int) -> Run:
    server.forget_replies()
    cpu, started = cpu_seconds(pid), time.perf_counter()
    asked: dict[str, list[str]] = {room_id: [] for room_id in rooms}
    for number in range(commands):
        place = number % len(rooms)
        asked[rooms[place]].append(server.say(rooms[place], _member(place), COMMAND))
    await server.answered(commands)
    run = Run(commands, time.perf_counter() - started, cpu_seconds(pid) - cpu)
    _check(server, asked)
    return run


def _check(server: FakeHomeserver, asked: dict[str, list[str]]) -> None:
    """A figure counts only if everything was answered once, in order."""
    for room_id, commands in asked.items():
        answered = [each.to for each in server.replies if each.room_id == room_id]
        if answered != commands:
            twice = [each for each, times in Counter(answered).items() if times > 1]
            raise ChildFailed(f"{room_id}: {len(answered)} of {len(commands)}, {len(twice)} twice")


def _member(place: int) -> str:
    return f"@member{place}:{SERVER}"


@contextmanager
def _postgres() -> Iterator[str | None]:
    with postgres.server() as server:
        yield server.create_database() if server else None
