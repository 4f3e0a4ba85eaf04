"""A real homeserver with the bot on it, and people in the network's rooms."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import subject
from bench.subject import Subject
from bot.demo.homeserver import Account, PrivateSynapse
from bot.demo.person import Person

PASSWORD = "bench"


@dataclass(frozen=True, slots=True)
class Stage:
    """``people[n]`` is in ``rooms[n]``. ``folder`` is for logs."""

    server: PrivateSynapse
    bot: Subject
    people: Sequence[Person]
    rooms: Sequence[str]
    folder: Path

    @property
    def bot_id(self) -> str:
        return f"@{subject.BOT}:{self.server.server_name}"


@asynccontextmanager
async def on_synapse(people: int) -> AsyncIterator[Stage]:
    """Without rate limits, so that the homeserver's own speed is the only bound."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(PrivateSynapse(limits="off"))
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="clusterdesk-bench-")))
        await server.register(subject.ADMIN, PASSWORD)
        account = await server.register(subject.BOT, PASSWORD)
        bot = await stack.enter_async_context(
            subject.running(folder, server.base_url, account.user_id, account.access_token)
        )
        await bot.provisioned()
        persons = [
            await stack.enter_async_context(
                as_person(server, await server.register(f"member{number}", PASSWORD))
            )
            for number in range(people)
        ]
        rooms = [await _enter(server, each, number) for number, each in enumerate(persons, 1)]
        await bot.at_rest()
        yield Stage(server, bot, persons, rooms, folder)


def as_person(server: PrivateSynapse, account: Account) -> Person:
    return Person(server.base_url, account.user_id, access_token=account.access_token)


async def _enter(server: PrivateSynapse, person: Person, room: int) -> str:
    await person.join(f"#{subject.ALIAS_PREFIX}space:{server.server_name}")
    return await person.join(subject.alias(room, server.server_name))
