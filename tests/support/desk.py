"""A desk at work in a whole house: its people, what they do, and what the bot says to them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from bot.demo.person import Event, Person
from bot.services.encoding import Encoder
from storage import questions
from storage.database import Database
from storage.questions import Offer, Question
from tests.support.clock import Clock
from tests.support.house import ADMIN, House, key_of, open_house

TUESDAY = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
NIGHT = datetime(2026, 11, 24, 20, 0, tzinfo=UTC)
MORNING = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
ASKED = "Quelqu’un connaît une aide Interreg pour un pilote à Lille ?"


async def open_desk(house: House) -> "Desk":
    """The funding desk with two experts and a coordinator, and a member in the logistics room."""
    member = await house.person("member", "logistics")
    desk = Desk(house, member)
    for name in ("anna", "bram", "carla"):
        desk.people[name] = await house.person(name, "funding")
    await desk.command(f"!expert add {house.user('anna')} --desk funding --lang fr")
    await desk.command(f"!expert add {house.user('bram')} --desk funding --lang nl")
    await desk.command(f"!coordinator add {house.user('carla')} --desk funding")
    return desk


@asynccontextmanager
async def routed_house(database: Database, clock: Clock, encoder: Encoder) -> AsyncIterator[House]:
    """A house on a Tuesday morning, whose desks are told by meaning."""
    clock.now = TUESDAY
    async with open_house(database, clock, encoder=encoder) as opened:
        await opened.described()
        yield opened


async def staffed_desk(house: House) -> "Desk":
    """Four experts: Anna answers in French, Bram in Dutch, Dirk and Elke in both."""
    opened = await open_desk(house)
    for name in ("dirk", "elke"):
        opened.people[name] = await house.person(name, "funding")
        await opened.command(f"!expert add {house.user(name)} --desk funding --lang fr,nl")
    return opened


class Desk:
    def __init__(self, house: House, member: Person) -> None:
        self.house = house
        self.member = member
        self.people: dict[str, Person] = {}

    async def command(self, text: str, by: str = "admin", room: str = "control") -> str:
        person = self.house.matrix.person(self.house.user(by))
        kind = "control" if room == "control" else "desk"
        room_id = await self.house.room(kind, room)
        if person.user_id == ADMIN and room_id not in await person.joined_rooms():
            await person.join(room_id)
        sent = await person.say(room_id, text)
        await self.house.quiet()
        return sent

    async def cluster(self) -> str:
        return await self.house.room("cluster", "logistics")

    async def room(self) -> str:
        return await self.house.room("desk", "funding")

    async def ask(self, text: str = f"!demander {ASKED}") -> str:
        asked = await self.member.say(await self.cluster(), text)
        await self.house.quiet()
        return asked

    async def in_desk(self, kind: str) -> list[Event]:
        return await self.house.said(await self.room(), kind)

    async def in_cluster(self, kind: str) -> list[Event]:
        return await self.house.said(await self.cluster(), kind)

    async def question(self, number: int = 1) -> Question:
        async with self.house.database.uow("test", self.house.clock()) as uow:
            found = await questions.get(uow.session, number)
        assert found is not None
        return found

    async def answer(
        self, text: str = "Oui, l’appel de mars.", by: str = "anna", number: int = 1
    ) -> str:
        cards = await self.in_desk("question.card")
        card = next(each for each in cards if key_of(each)["question"] == number)
        return await self.people[by].say(await self.room(), text, thread=card["event_id"])

    async def offers(self, number: int = 1) -> dict[str, Offer]:
        """By the expert's name."""
        async with self.house.database.uow("test", self.house.clock()) as uow:
            found = await questions.offers(uow.session, number)
        return {each.expert[1:].partition(":")[0]: each for each in found}

    async def react(self, by: str, event: Event, key: str, room: str | None = None) -> None:
        await self.people[by].react(room or await self.room(), event["event_id"], key)
        await self.house.quiet()

    async def due(self) -> None:
        """The present turn runs out."""
        question = await self.question()
        assert question.due_at is not None
        self.house.clock.now = question.due_at
        await self.house.tick()
        await self.house.tick()  # twice is once


def names(found: list[Event]) -> list[str]:
    """Who is mentioned, by the first part of their address."""
    return [user[1:].partition(":")[0] for each in found for user in mentioned(each)]


def mentioned(event: Event) -> list[str]:
    return list(event["content"]["m.mentions"]["user_ids"])
