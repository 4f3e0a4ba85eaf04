"""People coming and going: welcomes, languages, direct rooms, roles, and being forgotten."""

from collections.abc import AsyncIterator

import pytest

from bot.demo.person import Person
from bot.services.homeserver import Unreachable
from storage import erasure, questions
from storage.database import Database
from tests.support.clock import Clock
from tests.support.house import ADMIN, BOT, House, kind_of, open_house


@pytest.fixture
async def house(database: Database, clock: Clock) -> AsyncIterator[House]:
    async with open_house(database, clock) as opened:
        yield opened


async def direct(person: Person) -> str:
    return await person.accept(await person.wait_for_invite(inviter=BOT))


async def test_a_newcomer_is_welcomed_once(house: House) -> None:
    person = await house.person("newcomer")
    room = await direct(person)
    [welcome] = await house.said(room, "welcome")
    assert len(welcome["content"]["body"].splitlines()) == 3
    space = await house.room("space", "space")
    await person.leave(space)
    await person.join(space)
    assert len(await house.said(room, "welcome")) == 1


async def test_the_language_chosen_is_spoken_at_once(house: House) -> None:
    person = await house.person("newcomer")
    room = await direct(person)
    await person.say(room, "taal nl")
    await house.quiet()
    await person.say(room, "!blabla")
    replies = await house.said(room)
    assert kind_of(replies[-1]) == "error"
    assert "!hulp" in replies[-1]["content"]["body"]


async def test_the_language_is_guessed_from_first_messages(house: House) -> None:
    person = await house.person("newcomer", "logistics")
    cluster = await house.room("cluster", "logistics")
    await person.say(cluster, "Goeiemorgen, ik ben nieuw hier en ik werk in Kortrijk.")
    await person.say(cluster, "!vraga")
    [error] = await house.said(cluster, "error")
    assert "!hulp" in error["content"]["body"]


async def test_an_address_that_is_not_known_is_not_said_to_be_erased(house: House) -> None:
    admin = house.matrix.person(ADMIN)
    control = await house.room("control", "control")
    await admin.join(control)
    await admin.say(control, "!erase @nobody:elsewhere.example")
    [error] = await house.said(control, "error")
    assert "@nobody:elsewhere.example" in error["content"]["body"]


async def test_the_audit_is_in_words(house: House) -> None:
    admin = house.matrix.person(ADMIN)
    control = await house.room("control", "control")
    await admin.join(control)
    await admin.say(control, "!language nl")
    await admin.say(control, f"!expert add {house.user('bram')} --desk funding")
    await admin.say(control, "!provision --dry-run")
    await admin.say(control, "!audit")
    trail = (await house.said(control, "reply"))[-1]["content"]["body"]
    assert "liet de kamers in orde brengen · enkel getoond: ja" in trail
    assert "stelde een expert aan" in trail
    assert "desk: Financieringsdesk" in trail
    assert "vandaag om" in trail


async def test_commands_tell_nothing_of_the_language(house: House) -> None:
    person = await house.person("newcomer", "logistics")
    cluster = await house.room("cluster", "logistics")
    await person.say(cluster, '!event new "The day of the flax" tomorrow 9h --for 90m')
    await person.say(cluster, "!questoins open")
    errors = await house.said(cluster, "error")
    assert "!aide" in errors[-1]["content"]["body"]
    await person.say(cluster, "!ask Does anyone know who offers a lab to test composites?")
    await house.quiet()
    await person.say(cluster, "!questoins open")
    errors = await house.said(cluster, "error")
    assert "!help" in errors[-1]["content"]["body"]


async def test_an_expert_is_written_to_in_the_language_they_were_appointed_with(
    house: House,
) -> None:
    admin = house.matrix.person(ADMIN)
    control = await house.room("control", "control")
    await admin.join(control)
    expert = house.matrix.person(house.user("bram"))
    await expert.start()
    house.people["bram"] = expert
    await admin.say(control, f"!expert add {expert.user_id} --desk funding --lang nl,en")
    room = await direct(expert)
    [told] = await house.said(room, "welcome")
    assert "U bent nu expert" in told["content"]["body"]


async def test_a_direct_room_half_made_is_found_again(house: House) -> None:
    """The homeserver made it, its answer was lost: there is still one room."""
    house.matrix.fail_next("create_room", Unreachable("cut"), after_accept=True)
    person = await house.person("newcomer")
    room = await direct(person)
    await house.said(room, "welcome")
    assert person.invites() == []
    assert len(house.matrix.called("create_room")) >= 2
    joined = await person.joined_rooms()
    assert len([each for each in joined if each == room]) == 1


async def test_somebody_elses_direct_room_is_accepted_and_used(house: House) -> None:
    person = house.matrix.person(house.user("outsider"))
    await person.start()
    house.people["outsider"] = person
    room = await person.direct_room(BOT)
    await house.quiet()
    await person.say(room, "help")
    [answer] = await house.said(room, "help")
    assert "!" in answer["content"]["body"]


async def test_encrypted_direct_messages_get_one_hint(house: House) -> None:
    person = house.matrix.person(house.user("outsider"))
    await person.start()
    house.people["outsider"] = person
    room = await person.create_room(
        is_direct=True,
        invite=[BOT],
        initial_state=[
            {
                "type": "m.room.encryption",
                "state_key": "",
                "content": {"algorithm": "m.megolm.v1.aes-sha2"},
            }
        ],
    )
    await house.quiet()
    for _ in range(2):
        await person.send(room, "m.room.encrypted", {"algorithm": "m.megolm.v1.aes-sha2"})
        await house.quiet()
    assert len(await house.said(room, "reply")) == 1
    plain = await direct(person)
    assert len(await house.said(plain, "reply")) == 1


async def test_commands_are_for_those_who_may(house: House) -> None:
    person = await house.person("newcomer", "logistics")
    cluster = await house.room("cluster", "logistics")
    await person.say(cluster, f"!expert add {person.user_id} --desk funding")
    [error] = await house.said(cluster, "error")
    assert error["content"]["org.clusterdesk"]["key"] == "not-allowed"


async def test_help_shows_only_what_the_reader_may_use(house: House) -> None:
    person = await house.person("newcomer", "logistics")
    cluster = await house.room("cluster", "logistics")
    await person.say(cluster, "!help")
    [answer] = await house.said(cluster, "help")
    assert "!demander" in answer["content"]["body"]
    assert not any(name in answer["content"]["body"] for name in ("!effacer", "!confier"))


async def test_an_edited_command_is_not_run_twice(house: House) -> None:
    person = await house.person("newcomer", "logistics")
    cluster = await house.room("cluster", "logistics")
    sent = await person.say(cluster, "!about")
    await house.quiet()
    await person.edit(cluster, sent, "!about me")
    assert len(await house.said(cluster, "reply")) == 1


async def test_erasing_leaves_nothing_of_a_person(house: House, database: Database) -> None:
    admin = house.matrix.person(house.user("admin"))
    await admin.start()
    house.people["admin"] = admin
    control = await house.room("control", "control")
    await admin.join(control)
    person = await house.person("newcomer", "logistics")
    cluster = await house.room("cluster", "logistics")
    await person.say(cluster, "!ask Who knows a secret Interreg scheme?")
    await house.quiet()
    await admin.say(control, f"!erase {person.user_id}")
    await house.quiet()
    async with database.uow("test", house.clock()) as uow:
        exported = await erasure.export(uow.session, person.user_id)
        question = await questions.get(uow.session, 1)
    assert question is not None
    assert (question.asker, question.text) == (erasure.ERASED, "")
    assert exported["questions"] == exported["roles"] == []
    rooms = [await house.room("desk", desk.key) for desk in house.instance.network.desks]
    redactions = [
        each for room in rooms for each in house.matrix.timeline(room, "m.room.redaction")
    ]
    assert len(redactions) == 1
