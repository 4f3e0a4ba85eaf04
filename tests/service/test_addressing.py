"""Whether something was said to the bot, and what it takes for a question: by everybody's words."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from bot.demo.person import Event, Person
from storage import questions
from storage.database import Database
from storage.questions import Question
from tests.support.clock import Clock
from tests.support.house import ADMIN, BOT, House, kind_of, open_house, thread_of

TUESDAY = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
ASKED = "Quelqu’un connaît une aide Interreg pour un pilote à Lille ?"
PILL = f'<a href="https://matrix.to/#/{BOT}">clusterdesk</a>'


@pytest.fixture
async def house(database: Database, clock: Clock) -> AsyncIterator[House]:
    clock.now = TUESDAY
    async with open_house(database, clock) as opened:
        yield opened


@pytest.fixture
async def member(house: House) -> Person:
    return await house.person("member", "logistics", "funding")


@pytest.fixture
async def cluster(house: House) -> str:
    return await house.room("cluster", "logistics")


async def asked(house: House) -> list[Question]:
    await house.quiet()
    async with house.database.uow("test", house.clock()) as uow:
        found = [await questions.get(uow.session, number) for number in range(1, 6)]
    return [each for each in found if each is not None]


async def mention(person: Person, room: str, text: str) -> str:
    html = text.replace("clusterdesk", PILL, 1)
    return await person.say(room, text, html=html, mentions=[BOT])


async def direct(person: Person) -> str:
    return await person.accept(await person.wait_for_invite(inviter=BOT))


async def edits_of(house: House, room: str, event: Event) -> list[str]:
    await house.quiet()
    return [
        each["content"]["m.new_content"]["body"]
        for each in house.matrix.timeline(room, "m.room.message")
        if "m.new_content" in each["content"]
        and each["content"]["m.relates_to"]["event_id"] == event["event_id"]
    ]


# A mention


@pytest.mark.parametrize(
    "text",
    [
        "clusterdesk quelqu’un connaît une aide Interreg pour Lille ?",
        "Bonjour clusterdesk, quelqu’un connaît une aide Interreg pour Lille ?",
        "Quelqu’un connaît une aide Interreg pour Lille, clusterdesk ?",
    ],
)
async def test_a_mention_is_heard_wherever_it_stands(
    house: House, member: Person, cluster: str, text: str
) -> None:
    await mention(member, cluster, text)
    [question] = await asked(house)
    assert "clusterdesk" not in question.text
    assert "aide Interreg pour Lille" in question.text


async def test_a_mention_may_come_before_a_command(
    house: House, member: Person, cluster: str
) -> None:
    await mention(member, cluster, "clusterdesk: about")
    [answer] = await house.said(cluster, "reply")
    assert "INNOV" in answer["content"]["body"]


@pytest.mark.parametrize(
    "text", ["clusterdesk", "clusterdesk merci beaucoup !", "Bravo à clusterdesk pour tout ça"]
)
async def test_a_mention_that_asks_nothing_is_left_alone(
    house: House, member: Person, cluster: str, text: str
) -> None:
    await mention(member, cluster, text)
    assert await asked(house) == []
    assert await house.said(cluster) == []


async def test_a_reply_that_mentions_us_by_itself_is_not_addressed_to_us(
    house: House, member: Person, cluster: str
) -> None:
    await member.say(cluster, "!about")
    [answer] = await house.said(cluster, "reply")
    await member.say(
        cluster, "Où est-ce que je vous trouve ?", reply_to=answer["event_id"], mentions=[BOT]
    )
    assert await asked(house) == []


@pytest.mark.parametrize(
    ("text", "is_question"),
    [
        (f"clusterdesk: {ASKED}", True),
        (f"Clusterdesk, {ASKED}", True),
        ("clusterdesk ask Who knows a scheme for pilots in Lille?", True),
        ("clusterdesk est encore en panne, qui peut m’aider ?", False),
        ("clusterdesks sont partout, qui en connaît un ?", False),
    ],
)
async def test_our_name_takes_a_colon_or_a_command(
    house: House, member: Person, cluster: str, text: str, is_question: bool
) -> None:
    await member.say(cluster, text)
    assert bool(await asked(house)) is is_question


# A prefix


@pytest.mark.parametrize(
    "text", ["!important: vergadering om vier uur", "!zzzzzz", "!vraga: is dat iets?"]
)
async def test_a_remark_with_our_prefix_is_not_for_us(
    house: House, member: Person, cluster: str, text: str
) -> None:
    await member.say(cluster, text)
    await member.say(await house.room("desk", "funding"), text)
    assert await house.said(cluster) == []
    assert await house.said(await house.room("desk", "funding")) == []
    room = await direct(member)
    await member.say(room, text)
    assert len(await house.said(room, "error")) == 1


async def test_a_slip_of_a_command_is_explained(house: House, member: Person, cluster: str) -> None:
    await member.say(cluster, "!demandr Qui connaît une aide ?")
    [error] = await house.said(cluster, "error")
    assert "!demander" in error["content"]["body"]


async def test_without_prefix_a_slip_in_the_arguments_is_explained(house: House) -> None:
    admin = house.matrix.person(ADMIN)
    await admin.start()
    house.people["admin"] = admin
    room = await admin.direct_room(BOT)
    await house.quiet()
    await admin.say(room, "away until 1/1/2020")
    [error] = await house.said(room, "error")
    assert "1/1/2020" in error["content"]["body"]
    await admin.say(room, "away on holiday is the best of all")
    assert len(await house.said(room, "error")) == 1


# A desk's room


@pytest.mark.parametrize(
    "text",
    [
        "Bedankt voor de goede hulp gisteren collega’s",
        "Un grand merci à vous tous pour la journée d’hier",
        "Bonne journée à tous",
    ],
)
async def test_courtesies_at_a_desk_are_no_questions(
    house: House, member: Person, text: str
) -> None:
    desk = await house.room("desk", "funding")
    await member.say(desk, text)
    assert await asked(house) == []
    assert await house.said(desk) == []


async def test_at_a_desk_what_may_be_a_question_is_shown_back_first(
    house: House, member: Person
) -> None:
    desk = await house.room("desk", "funding")
    sent = await member.say(desk, "Le financement Interreg de notre pilote de livraison")
    [shown] = await house.said(desk, "reply")
    assert thread_of(shown) == sent
    assert await asked(house) == []
    await member.react(desk, shown["event_id"], "✅")
    assert len(await asked(house)) == 1


async def test_what_waits_for_a_sign_is_edited_with_its_message(
    house: House, member: Person
) -> None:
    room = await direct(member)
    sent = await member.say(room, "Le financement Interreg de notre pilote")
    [*_, shown] = await house.said(room, "reply")
    await member.edit(room, sent, "Le financement Interreg de notre pilote à Courtrai")
    assert "Courtrai" in (await edits_of(house, room, shown))[-1]
    await member.react(room, shown["event_id"], "✅")
    [question] = await asked(house)
    assert question.text == "Le financement Interreg de notre pilote à Courtrai"


# Private conversations


class Private:
    """A member's private question, and the expert who may read it."""

    def __init__(self, house: House, member: Person, expert: Person) -> None:
        self.house, self.member, self.expert = house, member, expert
        self.home = self.alone = ""

    async def ask(self, text: str = ASKED) -> None:
        await self.member.say(
            self.home, f"!ask --private --to {self.expert.user_id} --desk funding {text}"
        )
        await self.house.quiet()


@pytest.fixture
async def private(house: House, member: Person) -> Private:
    admin = house.matrix.person(ADMIN)
    control = await house.room("control", "control")
    await admin.join(control)
    expert = await house.person("anna", "funding")
    made = Private(house, member, expert)
    made.home, made.alone = await direct(member), await direct(expert)
    await admin.say(control, f"!expert add {expert.user_id} --desk funding --lang fr")
    await house.quiet()
    await made.ask()
    return made


async def test_words_beside_a_private_question_go_to_its_expert_alone(
    house: House, private: Private
) -> None:
    await private.member.say(private.home, "Est-ce que le budget de 40 000 euros suffit ?")
    assert len(await asked(house)) == 1
    [added] = await house.said(private.alone, "question.followup")
    assert "40 000" in added["content"]["body"]
    await private.member.say(private.home, "Et pour Courtrai ?")
    hints = [
        each
        for each in await house.said(private.home, "reply")
        if "!demander" in each["content"]["body"]
    ]
    assert len(hints) == 1, "it is said once how to ask something else"


async def test_words_beside_a_private_offer_go_to_who_asked(house: House, private: Private) -> None:
    await private.expert.say(private.alone, "Avez-vous déjà un partenaire flamand ?")
    assert len(await asked(house)) == 1
    [answer] = await house.said(private.home, "question.answer")
    assert "partenaire flamand" in answer["content"]["body"]


async def test_a_command_still_asks_something_new(house: House, private: Private) -> None:
    await private.member.say(private.home, f"demander {ASKED}")
    assert len(await asked(house)) == 2


async def test_an_answer_that_begins_like_a_command_is_an_answer(
    house: House, private: Private
) -> None:
    await private.expert.say(private.alone, "Demander au fonds PMV, la dette peut être étalée.")
    assert len(await asked(house)) == 1
    [answer] = await house.said(private.home, "question.answer")
    assert "PMV" in answer["content"]["body"]


async def test_what_is_private_is_not_passed_to_a_colleague(house: House, private: Private) -> None:
    bram = await house.person("bram", "funding")
    before = len(await house.said(private.alone))
    await private.expert.say(private.alone, f"!pass Q1 {bram.user_id}")
    [said] = (await house.said(private.alone))[before:]
    assert kind_of(said) == "error"
    async with house.database.uow("test", house.clock()) as uow:
        offers = await questions.offers(uow.session, 1)
    assert [each.expert for each in offers] == [private.expert.user_id]


async def test_with_several_private_questions_it_asks_which(house: House, private: Private) -> None:
    await private.ask("Quelqu’un connaît un avocat pour notre brevet ?")
    before = len(await house.said(private.alone))
    await private.member.say(private.home, "Est-ce que le budget de 40 000 euros suffit ?")
    [*_, reply] = await house.said(private.home)
    assert kind_of(reply) == "reply"
    assert "Q1" in reply["content"]["body"]
    assert "Q2" in reply["content"]["body"]
    assert len(await asked(house)) == 2
    assert len(await house.said(private.alone)) == before
