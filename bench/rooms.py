"""(d) Memory and time to be ready with many rooms: a first start, and one that goes on.

Time is from the start of the process until /readyz says yes, and until the first answer of /sync is
stored; memory is what is resident once everything that the start brought in has been worked
through. The homeserver is the fake one, so the time is the bot's own.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import subject
from bench.fake import BOT, TOKEN, FakeHomeserver
from bench.report import Aim, Result

KINDS = ("first start", "restart")
PEOPLE = 5
MESSAGES = 100


@dataclass(frozen=True, slots=True)
class Start:
    """Both times in seconds."""

    ready_after: float
    synced_after: float
    rss_kb: int


async def measure(sizes: tuple[int, ...]) -> Result:
    result = Result("(d) rooms: start and memory, fake homeserver", "without rooms")
    none = await _starts(0)
    for size in sizes:
        for kind, start, bare in zip(KINDS, await _starts(size), none, strict=True):
            _report(result, f"{size} rooms, {kind}", size, start, bare, is_last=size == sizes[-1])
    result.notes.append(f"Each room has {PEOPLE} people and {MESSAGES} messages.")
    return result


def _report(
    result: Result, what: str, size: int, start: Start, bare: Start, *, is_last: bool
) -> None:
    """The aims are for the most rooms."""
    soon, little = (Aim(at_most=10), Aim(at_most=20)) if is_last else (None, None)
    growth = (start.rss_kb - bare.rss_kb) / size
    result.add(f"{what}: ready", start.ready_after, "s", bare.ready_after, soon)
    result.add(f"{what}: first sync stored", start.synced_after, "s", bare.synced_after, soon)
    result.add(f"{what}: memory", start.rss_kb / 1024, "MB", bare.rss_kb / 1024)
    result.add(f"{what}: memory for each room", growth, "kB", None, little)


async def _starts(rooms: int) -> tuple[Start, Start]:
    """A first start, and one that goes on with the token it kept."""
    with TemporaryDirectory(prefix="clusterdesk-bench-") as folder:
        async with FakeHomeserver().serving() as server:
            for _ in range(rooms):
                server.add_room(PEOPLE, MESSAGES)
            return await _start(server, Path(folder)), await _start(server, Path(folder))


async def _start(server: FakeHomeserver, folder: Path) -> Start:
    server.expect_newcomer()
    async with subject.running(folder, server.url, BOT, TOKEN) as bot:
        await server.caught_up()
        synced_after = time.perf_counter() - bot.started
        await bot.provisioned()
        await bot.at_rest()
        return Start(bot.ready_after, synced_after, bot.rss_kb)
