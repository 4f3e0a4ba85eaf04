"""The whole conversation of a question, as members and experts live it at their own clients.

One bot serves all these tests, as a process of its own; each test brings people of its own, and
what they see is what the homeserver shows to their accounts.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Protocol

import pytest
import pytest_asyncio

from bot.demo.homeserver import Account, PrivateSynapse
from bot.demo.person import Event, Person, body_of
from bot.domain.language import guess
from tests.support.bot_process import BotProcess, Premises, is_edit, key_of, settle
from tests.support.house import kind_of, thread_of

pytestmark = pytest.mark.homeserver

ASKED = {
    "fr": "!demander Quelle subvention existe pour un pilote de livraison à vélo à Lille ?",
    "nl": "!vraag Welke subsidie bestaat er voor een fietskoerier over de grens?",
    "en": "!ask Which grant is there for a delivery pilot across the border?",
}
ANSWERS = {
    "fr": "Oui, l’appel de mars finance ce genre de pilote.",
    "nl": "Ja, de oproep van maart is daarvoor bedoeld.",
    "en": "Yes, the call in March is meant for that.",
}
PATIENCE = 30.0


@dataclass
class House:
    """A network at work, with an expert for each language at its only desk."""

    premises: Premises
    bot: BotProcess
    experts: dict[str, Account]

    def expert(self, user_id: str) -> Account:
        return next(each for each in self.experts.values() if each.user_id == user_id)


class Enter(Protocol):
    async def __call__(self, account: Account) -> Person:
        """Connect, until the end of the test."""
        ...


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(
    synapse: PrivateSynapse, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[House]:
    premises = await settle(synapse, tmp_path_factory.mktemp("bot"))
    async with BotProcess(premises.config) as bot:
        await bot.provisioned()
        experts = {language: await premises.newcomer("expert") for language in ASKED}
        for account in experts.values():
            async with premises.person(account, listen=False) as expert:
                await expert.join(premises.alias("space"))
                await expert.join(premises.alias("funding"))
        await premises.command(
            *(
                f"!expert add {account.user_id} --desk funding --lang {language}"
                for language, account in experts.items()
            )
        )
        yield House(premises, bot, experts)
        assert await bot.stop() == 0


@pytest.fixture
async def enter(house: House) -> AsyncIterator[Enter]:
    async with AsyncExitStack() as stack:

        async def connect(account: Account) -> Person:
            return await stack.enter_async_context(house.premises.person(account))

        yield connect


@pytest.fixture
async def member(house: House, enter: Enter) -> Person:
    """Somebody new in the network, in its space and its cluster's room."""
    person = await enter(await house.premises.newcomer("member"))
    await person.join(house.premises.alias("space"))
    await person.join(house.premises.alias("logistics"))
    return person


@dataclass
class Question:
    """One question as both sides see it."""

    house: House
    member: Person
    expert: Person
    cluster: str
    desk: str
    asked: str
    ack: Event
    card: Event
    offer: Event

    @property
    def number(self) -> int:
        return int(key_of(self.ack)["question"])

    async def answer(self, text: str) -> str:
        return await self.expert.say(self.desk, text, thread=self.card["event_id"])

    async def comes_back(self, text: str) -> Event:
        """The answer with these words, under the question."""
        return await hears(
            self.member,
            self.cluster,
            "question.answer",
            lambda event: thread_of(event) == self.asked and text in body_of(event),
        )


async def ask(house: House, member: Person, enter: Enter, language: str = "en") -> Question:
    """Asked in the cluster's room, and seen by the expert who is called."""
    expert = await enter(house.experts[language])
    cluster = await member.resolve(house.premises.alias("logistics"))
    desk = await expert.resolve(house.premises.alias("funding"))
    asked = await member.say(cluster, ASKED[language])
    ack = await hears(member, cluster, "question.ack", lambda event: thread_of(event) == asked)
    number = key_of(ack)["question"]
    card = await hears(expert, desk, "question.card", about(number))
    offer = await hears(expert, desk, "question.offer", about(number))
    return Question(house, member, expert, cluster, desk, asked, ack, card, offer)


async def hears(
    person: Person, room: str, kind: str, fits: Callable[[Event], bool] = lambda event: True
) -> Event:
    return await person.wait_for(
        lambda event: kind_of(event) == kind and not is_edit(event) and fits(event),
        room,
        timeout=PATIENCE,
        awaited=kind,
    )


def about(number: int) -> Callable[[Event], bool]:
    return lambda event: key_of(event).get("question") == number


def mentioned(event: Event) -> list[str]:
    return list(event["content"]["m.mentions"].get("user_ids", []))


def new_words(event: Event) -> str:
    return body_of({"content": event["content"].get("m.new_content", {})})


async def edit_of(person: Person, original: Event, words: str) -> Event:
    """The edit that gives a message these words."""

    def is_it(event: Event) -> bool:
        relation = event["content"].get("m.relates_to") or {}
        is_of_it = bool(relation.get("event_id") == original["event_id"])
        return is_of_it and is_edit(event) and words in new_words(event)

    return await person.wait_for(is_it, original["room_id"], timeout=PATIENCE)


async def welcomed(house: House, person: Person) -> str:
    """The direct room in which the bot welcomed them."""
    invite = await person.wait_for_invite(house.premises.bot.user_id, timeout=PATIENCE)
    return await person.accept(invite)


async def is_answered(person: Person, room: str) -> None:
    """What was said in a room before has been dealt with, once the bot answers this."""
    sent = await person.say(room, "!about")

    def answers(event: Event) -> bool:
        relation = event["content"].get("m.relates_to") or {}
        return bool((relation.get("m.in_reply_to") or {}).get("event_id") == sent)

    await hears(person, room, "reply", answers)


@pytest.mark.parametrize("language", ["fr", "nl", "en"])
async def test_a_question_is_routed_answered_and_closed(
    house: House, member: Person, enter: Enter, language: str
) -> None:
    question = await ask(house, member, enter, language)
    assert guess(body_of(question.ack), ["fr", "nl", "en"]) == language
    assert key_of(question.card)["language"] == language
    assert key_of(question.card)["asker"] == member.user_id
    assert ASKED[language].partition(" ")[2] in body_of(question.card)
    assert thread_of(question.offer) == question.card["event_id"]
    assert mentioned(question.offer) == [question.expert.user_id]

    await question.answer(ANSWERS[language])
    answer = await question.comes_back(ANSWERS[language])
    assert mentioned(answer) == [member.user_id]
    assert answer["content"]["msgtype"] == "m.text"  # a notice would not ring

    await member.react(question.cluster, answer["event_id"], "✅")
    closed = await hears(member, question.cluster, "question.closed", about(question.number))
    assert thread_of(closed) == question.asked
    closed = await hears(question.expert, question.desk, "question.closed", about(question.number))
    assert thread_of(closed) == question.card["event_id"]


async def test_what_the_asker_adds_reaches_the_expert(
    house: House, member: Person, enter: Enter
) -> None:
    question = await ask(house, member, enter)
    await question.answer(ANSWERS["en"])
    answer = await question.comes_back(ANSWERS["en"])
    await member.say(
        question.cluster,
        "And for non-profits?",
        thread=question.asked,
        reply_to=answer["event_id"],
    )
    added = await hears(question.expert, question.desk, "question.followup", about(question.number))
    assert "And for non-profits?" in body_of(added)
    assert thread_of(added) == question.card["event_id"]
    assert mentioned(added) == [question.expert.user_id]


async def test_a_file_comes_back_as_a_file(house: House, member: Person, enter: Enter) -> None:
    question = await ask(house, member, enter)
    sheet = b"%PDF-1.7 the call in March"
    mxc = await question.expert.upload(sheet, "application/pdf", "call.pdf")
    relation = {"rel_type": "m.thread", "event_id": question.card["event_id"]}
    content: dict[str, Any] = {
        "msgtype": "m.file",
        "body": "call.pdf",
        "url": mxc,
        "info": {"mimetype": "application/pdf", "size": len(sheet)},
        "m.relates_to": relation,
    }
    await question.expert.send(question.desk, "m.room.message", content)
    answer = await question.comes_back("call.pdf")
    assert answer["content"]["msgtype"] == "m.file"
    assert answer["content"]["filename"] == "call.pdf"
    assert answer["content"]["info"] == content["info"]
    assert await member.download(answer["content"]["url"]) == sheet


async def test_edits_and_redactions_follow(house: House, member: Person, enter: Enter) -> None:
    question = await ask(house, member, enter)
    said = await question.answer("The call opens in March.")
    answer = await question.comes_back("in March")

    await question.expert.edit(question.desk, said, "The call opens in April.")
    edit = await edit_of(member, answer, "in April")
    assert mentioned(edit) == []  # nobody is rung twice

    await question.expert.redact(question.desk, said)
    await member.wait_for(is_redaction_of(answer), question.cluster, timeout=PATIENCE)
    assert body_of(await member.event(question.cluster, answer["event_id"])) == ""


def is_redaction_of(event: Event) -> Callable[[Event], bool]:
    def is_it(other: Event) -> bool:
        target = other["content"].get("redacts") or other.get("redacts")
        return other["type"] == "m.room.redaction" and bool(target == event["event_id"])

    return is_it


async def test_a_reworded_and_a_withdrawn_question(
    house: House, member: Person, enter: Enter
) -> None:
    question = await ask(house, member, enter)
    await member.edit(question.cluster, question.asked, "!ask Which loan is there for a pilot?")
    await edit_of(question.expert, question.card, "Which loan is there for a pilot?")

    await member.redact(question.cluster, question.asked)
    await question.expert.wait_for(is_redaction_of(question.card), question.desk, timeout=PATIENCE)
    closed = await hears(question.expert, question.desk, "question.closed", about(question.number))
    assert key_of(closed)["status"] == "withdrawn"


async def test_an_expert_passes_with_a_reaction(house: House, member: Person, enter: Enter) -> None:
    question = await ask(house, member, enter)
    called = await enter(house.expert(key_of(question.offer)["expert"]))
    await called.react(question.desk, question.offer["event_id"], "⏭️")
    await edit_of(called, question.offer, "⏭️")
    second = await hears(
        called,
        question.desk,
        "question.offer",
        lambda event: about(question.number)(event) and key_of(event)["expert"] != called.user_id,
    )
    assert thread_of(second) == question.card["event_id"]
    assert mentioned(second) == [key_of(second)["expert"]]


async def test_a_question_in_a_direct_message(house: House, member: Person, enter: Enter) -> None:
    direct = await welcomed(house, member)
    expert = await enter(house.experts["en"])
    desk = await expert.resolve(house.premises.alias("funding"))
    asked = await member.say(direct, "Who knows which grant pays for a warehouse robot?")
    ack = await hears(member, direct, "question.ack")
    number = key_of(ack)["question"]
    card = await hears(expert, desk, "question.card", about(number))
    assert "warehouse robot" in body_of(card)
    await expert.say(desk, ANSWERS["en"], thread=card["event_id"])
    answer = await hears(member, direct, "question.answer")
    assert thread_of(answer) == thread_of(ack) == asked
    assert ANSWERS["en"] in body_of(answer)


async def test_an_encrypted_direct_message_gets_one_hint(house: House, member: Person) -> None:
    encryption = {
        "type": "m.room.encryption",
        "state_key": "",
        "content": {"algorithm": "m.megolm.v1.aes-sha2"},
    }
    room = await member.create_room(
        preset="trusted_private_chat",
        is_direct=True,
        invite=[house.premises.bot.user_id],
        initial_state=[encryption],
    )
    await member.wait_for(joins(house.premises.bot.user_id), room, timeout=PATIENCE)
    for _ in range(2):
        secret = {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "…", "session_id": "…"}
        await member.send(room, "m.room.encrypted", secret)
    await hears(member, room, "reply")
    await is_answered(member, room)

    said = [event for event in member.seen if event["room_id"] == room and kind_of(event)]
    assert [kind_of(event) for event in said] == ["reply", "reply"]  # the hint, and who it is
    open_room = await welcomed(house, member)
    await hears(member, open_room, "reply")  # here it can read them


def joins(user_id: str) -> Callable[[Event], bool]:
    def is_it(event: Event) -> bool:
        is_theirs = (event["type"], event.get("state_key")) == ("m.room.member", user_id)
        return is_theirs and bool(event["content"]["membership"] == "join")

    return is_it


async def test_a_member_is_welcomed_once_in_a_life(house: House, member: Person) -> None:
    direct = await welcomed(house, member)
    welcome = await hears(member, direct, "welcome")
    assert len(body_of(welcome).splitlines()) == 3

    space = await member.resolve(house.premises.alias("space"))
    await member.leave(space)
    await member.join(space)
    # First heard to the end, then dealt with, then everything sent.
    await is_answered(member, direct)
    await house.bot.quiet()
    await is_answered(member, direct)
    assert [kind_of(event) for event in member.seen].count("welcome") == 1
    assert member.invites() == []


async def test_the_conversation_goes_on_after_a_restart(
    house: House, member: Person, enter: Enter
) -> None:
    question = await ask(house, member, enter)
    assert await house.bot.stop() == 0
    await question.answer(ANSWERS["en"])
    await member.say(question.cluster, "Thank you!", thread=question.asked)
    house.bot.start()
    await question.comes_back(ANSWERS["en"])
    added = await hears(question.expert, question.desk, "question.followup", about(question.number))
    assert "Thank you!" in body_of(added)

    await member.say(question.cluster, "!close", thread=question.asked)
    await hears(member, question.cluster, "question.closed", about(question.number))
