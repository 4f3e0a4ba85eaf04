"""Whom the turn goes to when somebody is named, passes late, or the question moves."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from bot.demo.person import Person
from storage.database import Database
from tests.support.clock import Clock
from tests.support.desk import (
    ASKED,
    MORNING,
    NIGHT,
    Desk,
    names,
    routed_house,
    staffed_desk,
)
from tests.support.house import BOT, House, key_of
from tests.support.scripted_encoder import ScriptedEncoder


@pytest.fixture
async def house(database: Database, clock: Clock) -> AsyncIterator[House]:
    async with routed_house(database, clock, ScriptedEncoder()) as opened:
        yield opened


@pytest.fixture
async def desk(house: House) -> Desk:
    return await staffed_desk(house)


async def states(desk: Desk, number: int = 1) -> dict[str, str]:
    return {name: each.state for name, each in (await desk.offers(number)).items()}


async def alone_with(person: Person) -> str:
    return await person.accept(await person.wait_for_invite())


# Named out of hours


async def test_who_is_assigned_at_night_is_asked_in_the_morning(desk: Desk, clock: Clock) -> None:
    await desk.command("!language en", by="carla", room="funding")
    await desk.ask()
    clock.now = NIGHT
    await desk.command(f"!assign Q1 {desk.house.user('elke')}", by="carla", room="funding")
    assert (await states(desk))["elke"] == "planned"
    assert "elke" not in names(await desk.in_desk("question.offer"))
    told = (await desk.in_desk("reply"))[-1]["content"]["body"]
    assert "09:00" in told
    [asker_told] = await desk.in_cluster("question.escalation")
    assert "elke" in asker_told["content"]["body"]
    await desk.command("!desk funding", by="carla", room="funding")
    board = (await desk.in_desk("reply"))[-1]["content"]["body"]
    assert "goes to elke when they work" in board
    question = await desk.question()
    assert (question.step, question.due_at) == ("opening", MORNING)
    await desk.due()
    assert (await states(desk))["elke"] == "open"
    assert names(await desk.in_desk("question.offer")).count("elke") == 1


async def test_what_experts_said_of_their_hours_wins(desk: Desk, clock: Clock) -> None:
    await desk.command("!expert me --hours 20h-22h", by="elke", room="funding")
    await desk.ask()
    clock.now = NIGHT
    await desk.command(f"!assign Q1 {desk.house.user('elke')}", by="carla", room="funding")
    assert (await states(desk))["elke"] == "open"


async def test_who_is_recommended_at_night_waits_for_the_morning(desk: Desk, clock: Clock) -> None:
    await desk.ask()
    [first] = names(await desk.in_desk("question.offer"))
    clock.now = NIGHT
    await desk.command(f"!pass Q1 {desk.house.user('carla')}", by=first, room="funding")
    assert await states(desk) == {first: "passed", "carla": "planned"}
    await desk.due()
    made = (await desk.offers())["carla"]
    assert (made.state, made.referred_by) == ("open", desk.house.user(first))


async def test_who_takes_it_meanwhile_spares_who_was_to_be_asked(desk: Desk, clock: Clock) -> None:
    await desk.ask()
    clock.now = NIGHT
    await desk.command(f"!assign Q1 {desk.house.user('elke')}", by="carla", room="funding")
    await desk.command("!claim Q1", by="bram", room="funding")
    assert (await states(desk))["elke"] == "withdrawn"
    clock.now = MORNING
    await desk.house.tick()
    assert "elke" not in names(await desk.in_desk("question.offer"))


@pytest.mark.parametrize("gone", ["away", "left"])
async def test_who_went_overnight_is_not_asked(desk: Desk, clock: Clock, gone: str) -> None:
    await desk.ask()
    clock.now = NIGHT
    await desk.command(f"!assign Q1 {desk.house.user('elke')}", by="carla", room="funding")
    if gone == "away":
        await desk.command("!away", by="elke", room="funding")
    else:
        await desk.people["elke"].leave(await desk.house.room("space", "space"))
        await desk.house.quiet()
    await desk.due()
    assert (await states(desk))["elke"] == "withdrawn"
    assert (await desk.question()).step == "offer", "somebody else is asked"


async def test_the_asker_hears_when_whom_they_named_is_asked(desk: Desk, clock: Clock) -> None:
    clock.now = NIGHT
    room = await alone_with(desk.member)
    await desk.member.say(room, "language en")
    to = desk.house.user("anna")
    await desk.member.say(room, f"ask --private --to {to} --desk funding {ASKED}")
    await desk.house.quiet()
    [told] = await desk.house.said(room, "question.escalation")
    assert "I’ll ask anna" in told["content"]["body"]
    await desk.due()
    assert (await states(desk)) == {"anna": "open"}


@pytest.mark.parametrize("command", ["assign Q1", "pass Q1"])
async def test_who_is_away_cannot_be_named(desk: Desk, command: str) -> None:
    await desk.ask()
    [first] = names(await desk.in_desk("question.offer"))
    await desk.command("!away", by="elke", room="funding")
    by = first if command.startswith("pass") else "carla"
    await desk.command(f"!{command} {desk.house.user('elke')}", by=by, room="funding")
    assert key_of((await desk.in_desk("error"))[-1])["key"] == "named-away"
    assert await states(desk) == {first: "open"}


async def test_who_leaves_takes_no_private_question_along(desk: Desk, clock: Clock) -> None:
    clock.now = NIGHT
    room = await alone_with(desk.member)
    to = desk.house.user("anna")
    await desk.member.say(room, f"ask --private --to {to} --desk funding {ASKED}")
    await desk.house.quiet()
    await desk.command(f"!expert remove {to}")
    assert await states(desk) == {"anna": "withdrawn"}
    await desk.due()
    assert (await desk.question()).step == "coordinator"


async def test_an_open_offer_goes_on_when_who_has_it_leaves(desk: Desk) -> None:
    await desk.ask()
    [first] = names(await desk.in_desk("question.offer"))
    await desk.people[first].leave(await desk.house.room("space", "space"))
    await desk.house.quiet()
    made = await states(desk)
    assert made.pop(first) == "withdrawn"
    assert list(made.values()) == ["open"]


async def test_whom_the_asker_picks_is_not_away(desk: Desk) -> None:
    room = await alone_with(desk.member)
    await desk.member.say(room, f"ask --private --desk funding {ASKED}")
    [proposed] = await desk.house.said(room, "question.whom")
    for name in ("anna", "bram", "dirk", "elke"):
        await desk.command("!away", by=name, room="funding")
    await desk.member.react(room, proposed["event_id"], "1️⃣")
    [refused] = await desk.house.said(room, "error")
    assert key_of(refused)["key"] == "named-away"
    assert await states(desk) == {}
    await desk.command("!back", by="anna", room="funding")
    for sign in ("2️⃣", "3️⃣", "1️⃣"):
        await desk.member.react(room, proposed["event_id"], sign)
        await desk.house.quiet()
    assert len(await states(desk)) == 1, "another can still be picked"


async def test_a_late_recommendation_takes_no_time_from_others(desk: Desk, clock: Clock) -> None:
    await desk.ask()
    [first] = names(await desk.in_desk("question.offer"))
    await desk.due()
    await desk.due()
    before = (await desk.question()).due_at
    assert before is not None
    await desk.command(f"!pass Q1 {desk.house.user('carla')}", by=first, room="funding")
    after = await desk.question()
    assert after.due_at is not None
    assert after.due_at >= before
    assert list((await states(desk)).values()).count("open") == 3
    clock.now = before - timedelta(minutes=1)
    await desk.house.tick()
    assert "expired" not in (await states(desk)).values()


async def test_a_recommended_night_owl_waits_behind_the_others(desk: Desk) -> None:
    await desk.command(f"!expert add {desk.house.user('carla')} --desk project --lang fr")
    await desk.command("!expert me --hours 18h-21h", by="carla", room="funding")
    await desk.ask()
    [first] = names(await desk.in_desk("question.offer"))
    await desk.due()
    await desk.due()
    before = await desk.question()
    await desk.command(f"!pass Q1 {desk.house.user('carla')}", by=first, room="funding")
    after = await desk.question()
    assert (after.step, after.due_at) == (before.step, before.due_at)
    assert (await states(desk))["carla"] == "planned"
    await desk.due()
    made = await states(desk)
    assert "open" not in made.values(), "their time is over"
    waits = await desk.question()
    assert waits.step == "opening"
    await desk.due()
    assert (await states(desk))["carla"] == "open"


async def test_named_people_have_their_own_working_time(desk: Desk, clock: Clock) -> None:
    await desk.command("!expert me --hours 18h-21h", by="elke", room="funding")
    await desk.ask()
    clock.now = NIGHT - timedelta(hours=2, minutes=30)  # 18:30
    await desk.command(f"!assign Q1 {desk.house.user('elke')}", by="carla", room="funding")
    assert (await desk.question()).due_at == clock.now + timedelta(hours=2)
    await desk.due()
    question = await desk.question()
    assert question.step == "reminded"
    assert question.due_at == datetime(2026, 11, 25, 18, 30, tzinfo=UTC), "at 19:30 of the next day"


async def test_people_who_are_away_are_not_called(desk: Desk) -> None:
    for name in ("anna", "bram", "carla"):
        await desk.command("!away", by=name, room="funding")
    for name in ("dirk", "elke"):
        await desk.command("!expert me --ceiling 1", by=name, room="funding")
        await desk.ask()
    await desk.ask()
    assert (await desk.question(3)).step == "desk"
    [called] = await desk.in_desk("question.escalation")
    assert sorted(names([called])) == ["dirk", "elke"]
    [told] = await desk.in_cluster("question.escalation")
    assert "j’ai prévenu tout le desk" in told["content"]["body"]


async def test_an_answer_that_is_taken_back_is_waited_for(desk: Desk) -> None:
    await desk.ask()
    given = await desk.answer()
    await desk.house.quiet()
    [expert] = [name for name, each in (await desk.offers()).items() if each.state == "claimed"]
    await desk.people[expert].redact(await desk.room(), given)
    await desk.house.quiet()
    question = await desk.question()
    assert (question.status, question.step) == ("open", "claimed")
    assert question.first_answer_at is None


async def test_who_is_erased_is_named_nowhere_by_messages_to_them(desk: Desk, clock: Clock) -> None:
    await desk.ask()
    await desk.command("!claim Q1", by="anna", room="funding")
    await desk.ask(f"!demander {ASKED} Encore ?")
    clock.now = NIGHT
    await desk.command(f"!assign Q2 {desk.house.user('anna')}", by="carla", room="funding")
    await desk.command(f"!erase {desk.house.user('anna')}")
    matrix = desk.house.matrix
    said = [
        each["content"].get("body", "")
        for each in matrix.timeline(await desk.cluster(), "m.room.message")
        if each["sender"] == BOT
    ]
    assert not any("anna" in each for each in said)
    assert (await desk.question()).due_at is not None
    assert (await desk.question(2)).due_at is not None


async def test_whose_answer_is_erased_is_replaced(desk: Desk) -> None:
    await desk.ask()
    await desk.answer()
    await desk.house.quiet()
    await desk.command(f"!erase {desk.house.user('anna')}")
    question = await desk.question()
    assert (question.status, question.step) == ("open", "offer")
    assert "open" in (await states(desk)).values()


async def test_what_was_added_and_deleted_calls_nobody(desk: Desk) -> None:
    asked = await desk.ask()
    await desk.answer()
    await desk.house.quiet()
    added = await desk.member.say(await desk.cluster(), "Et à Tournai ?", thread=asked)
    await desk.house.quiet()
    await desk.member.redact(await desk.cluster(), added)
    await desk.due()
    assert (await desk.question()).step == "helped"


# Passing


async def test_who_passes_in_the_second_wave_is_replaced_at_once(desk: Desk) -> None:
    await desk.command(f"!expert add {desk.house.user('carla')} --desk funding --lang fr")
    await desk.ask()
    await desk.due()
    await desk.due()
    offers = await desk.in_desk("question.offer")
    first, second, third = names(offers)
    await desk.react(second, offers[1], "⏳")
    made = await states(desk)
    assert {made[first], made[second], made[third]} == {"expired", "passed", "open"}
    assert list(made.values()).count("open") == 2


@pytest.mark.parametrize("ended", ["expired", "withdrawn", "closed"])
async def test_not_my_field_is_learned_also_when_it_is_late(desk: Desk, ended: str) -> None:
    await desk.ask()
    [offer] = await desk.in_desk("question.offer")
    [first] = names([offer])
    if ended == "expired":
        await desk.due()
        await desk.due()
    elif ended == "withdrawn":
        other = "bram" if first != "bram" else "anna"
        await desk.command("!claim Q1", by=other, room="funding")
    else:
        await desk.member.say(await desk.cluster(), "!fermer Q1")
        await desk.house.quiet()
    before = await desk.question()
    await desk.react(first, offer, "🚫")
    after = await desk.question()
    made = (await desk.offers())[first]
    stays = "passed" if ended == "expired" else "withdrawn"
    assert (made.state, made.passed_because) == (stays, "field")
    assert (after.step, after.due_at, after.status) == (before.step, before.due_at, before.status)
    memory = desk.house.instance.router.memory
    assert memory.not_their_field(desk.house.user(first), {1: 0.9}) == 0.9
    assert await desk.in_desk("error") == []


async def test_who_was_too_late_may_still_recommend_somebody(desk: Desk) -> None:
    await desk.ask()
    [first] = names(await desk.in_desk("question.offer"))
    while (await desk.question()).step != "coordinator":
        await desk.due()
    await desk.command(f"!pass Q1 {desk.house.user('carla')}", by=first, room="funding")
    assert (await states(desk))["carla"] == "open"
    assert (await desk.question()).step == "offer"


async def test_no_time_is_taken_back_with_it(desk: Desk) -> None:
    await desk.command("!language en", by="anna", room="funding")
    for name in ("bram", "dirk", "elke"):
        await desk.command(f"!expert remove {desk.house.user(name)}")
    await desk.ask()
    [offer] = await desk.in_desk("question.offer")
    await desk.react("anna", offer, "⏳")
    await desk.command("!expert me", by="anna", room="funding")
    alone = await alone_with(desk.people["anna"])
    busy = (await desk.house.said(alone, "reply"))[-1]["content"]["body"]
    assert "You had no time" in busy
    await desk.react("anna", offer, "✋")
    await desk.command("!expert me --hours 18h-20h", by="anna", room="funding")
    free = (await desk.house.said(alone, "reply"))[-1]["content"]["body"]
    assert "You had no time" not in free
    assert "the desk is open from 09:00 to 17:00" in free


async def test_another_reason_replaces_the_first(desk: Desk) -> None:
    await desk.ask()
    [offer] = await desk.in_desk("question.offer")
    [first] = names([offer])
    memory = desk.house.instance.router.memory
    await desk.react(first, offer, "🚫")
    assert memory.not_their_field(desk.house.user(first), {1: 0.9}) == 0.9
    await desk.react(first, offer, "⏳")
    assert memory.not_their_field(desk.house.user(first), {1: 0.9}) == 0.0
    assert len(await desk.offers()) == 2, "the next one is asked once"


async def test_a_late_reason_gives_no_private_question_back(desk: Desk) -> None:
    room = await alone_with(desk.member)
    to = desk.house.user("anna")
    await desk.member.say(room, f"ask --private --to {to} --desk funding {ASKED}")
    await desk.house.quiet()
    alone = await alone_with(desk.people["anna"])
    [offer] = await desk.house.said(alone, "question.offer")
    await desk.command(f"!assign Q1 {desk.house.user('bram')}", by="carla", room="funding")
    for sign in ("🚫", "✋"):
        await desk.react("anna", offer, sign, alone)
    assert await states(desk) == {"anna": "withdrawn", "bram": "open"}


async def test_who_takes_a_private_question_after_all_can_read_it(desk: Desk) -> None:
    room = await alone_with(desk.member)
    to = desk.house.user("anna")
    await desk.member.say(room, f"ask --private --to {to} --desk funding {ASKED}")
    await desk.house.quiet()
    alone = await alone_with(desk.people["anna"])
    [offer] = await desk.house.said(alone, "question.offer")
    for sign in ("⏳", "✋"):
        await desk.react("anna", offer, sign, alone)
    last = desk.house.matrix.timeline(alone, "m.room.message")[-1]
    assert ASKED in last["content"]["m.new_content"]["body"]
    assert await states(desk) == {"anna": "claimed"}


async def test_who_answers_in_vain_and_takes_it_again_has_it(desk: Desk) -> None:
    await desk.ask()
    await desk.answer()
    await desk.house.quiet()
    await desk.due()
    [helped] = await desk.in_cluster("question.helped")
    await desk.member.react(await desk.cluster(), helped["event_id"], "👎")
    await desk.house.quiet()
    [other] = [name for name, each in (await desk.offers()).items() if each.state == "open"]
    await desk.command("!claim Q1", by="anna", room="funding")
    assert (await desk.question()).step == "claimed"
    assert (await states(desk))[other] == "withdrawn"
    await desk.command("!pass Q1", by="anna", room="funding")
    question = await desk.question()
    assert question.step == "offer", "somebody else is asked at once"


async def test_an_answer_deleted_after_the_end_is_no_answer(desk: Desk) -> None:
    await desk.ask()
    given = await desk.answer()
    await desk.member.say(await desk.cluster(), "!fermer Q1")
    await desk.house.quiet()
    await desk.people["anna"].redact(await desk.room(), given)
    await desk.house.quiet()
    await desk.member.say(await desk.cluster(), "!rouvrir Q1")
    await desk.house.quiet()
    question = await desk.question()
    assert (question.status, question.step) == ("open", "claimed")


async def test_who_is_taken_before_the_desk_is_chosen_has_a_card(desk: Desk) -> None:
    await desk.ask("!demander Un partenaire de projet et une subvention, qui connaît ?")
    question = await desk.question()
    assert question.step == "choosing"
    await desk.command(f"!expert add {desk.house.user('anna')} --desk {question.desk} --lang fr")
    await desk.command("!claim Q1", by="anna", room="funding")
    room = await desk.house.room("desk", question.desk)
    assert len(await desk.house.said(room, "question.card")) == 1
    await desk.command(f"!pass Q1 {desk.house.user('bram')}", by="anna", room="funding")
    assert (await states(desk))["bram"] == "open"


async def test_two_who_are_named_come_each_at_their_time(desk: Desk, clock: Clock) -> None:
    await desk.command("!expert me --hours 18h-21h", by="elke", room="funding")
    await desk.ask()
    [first] = names(await desk.in_desk("question.offer"))
    other = "dirk" if first != "dirk" else "bram"
    await desk.command(f"!pass Q1 {desk.house.user('elke')}", by=first, room="funding")
    assert (await desk.question()).step == "opening"
    await desk.command("!pass Q1 " + desk.house.user("carla"), by="elke", room="funding")
    made = await states(desk)
    assert (made["elke"], made["carla"]) == ("passed", "open"), "carla works now"
    assert other not in made


async def test_who_comes_back_gets_what_nobody_could_be_found_for(desk: Desk) -> None:
    for name in ("anna", "bram", "carla", "dirk", "elke"):
        await desk.command("!away", by=name, room="funding")
    await desk.ask()
    assert (await desk.question()).step == "admins"
    await desk.command("!back", by="anna", room="funding")
    assert await states(desk) == {"anna": "open"}


async def test_a_coordinator_who_left_is_neither_called_nor_obeyed(desk: Desk) -> None:
    await desk.people["carla"].leave(await desk.house.room("space", "space"))
    await desk.house.quiet()
    await desk.ask()
    await desk.command("!close Q1", by="carla", room="funding")
    assert (await desk.question()).status == "open"
    while (await desk.question()).step in ("offer", "reminded"):
        await desk.due()
    assert (await desk.question()).step == "desk"


# Moving


async def test_a_moved_question_begins_anew(desk: Desk) -> None:
    """What others were asked elsewhere counts neither for nor against anybody."""
    await desk.command(f"!coordinator add {desk.house.user('carla')} --desk expertise")
    await desk.command(f"!expert add {desk.house.user('carla')} --desk expertise --lang fr")
    await desk.ask()
    while (await desk.question()).step != "coordinator":
        await desk.due()
    expired = set(await states(desk))
    await desk.command("!route Q1 expertise", by="carla", room="funding")
    assert (await states(desk))["carla"] == "open"
    await desk.command("!route Q1 funding", by="carla", room="funding")
    again = {name for name, state in (await states(desk)).items() if state == "open"}
    assert again <= expired
    assert len(again) == 1


async def test_who_was_asked_before_it_moved_is_asked_when_it_returns(desk: Desk) -> None:
    await desk.ask()
    [first] = names(await desk.in_desk("question.offer"))
    for name in {"anna", "bram", "dirk", "elke"} - {first}:
        await desk.command(f"!expert remove {desk.house.user(name)}")
    await desk.command("!route Q1 expertise", by="carla", room="funding")
    assert await states(desk) == {first: "moved"}
    await desk.command("!route Q1 funding", by="carla", room="funding")
    assert await states(desk) == {first: "open"}
    assert (await desk.question()).step == "offer"


async def test_the_old_thread_of_a_moved_question_says_so(desk: Desk) -> None:
    await desk.command("!language en", by="anna", room="funding")
    await desk.ask()
    await desk.command("!route Q1 expertise", by="carla", room="funding")
    [card] = await desk.in_desk("question.card")
    await desk.people["anna"].say(await desk.room(), "Oui, en mars.", thread=card["event_id"])
    told = (await desk.in_desk("reply"))[-1]["content"]["body"]
    assert "Q1 is now with the Expertise desk" in told
    assert await desk.in_cluster("question.answer") == []


async def test_correcting_to_the_same_desk_is_explained(desk: Desk) -> None:
    await desk.ask()
    await desk.command("!correct Q1 --desk funding", by="carla", room="funding")
    assert key_of((await desk.in_desk("error"))[-1])["key"] == "same-desk"


async def test_the_board_does_not_call_answered_what_did_not_help(desk: Desk) -> None:
    await desk.command("!language en", by="carla", room="funding")
    await desk.ask()
    await desk.answer()
    await desk.house.quiet()
    await desk.due()
    [helped] = await desk.in_cluster("question.helped")
    await desk.member.react(await desk.cluster(), helped["event_id"], "👎")
    await desk.house.quiet()
    await desk.command("!desk", by="carla", room="funding")
    board = (await desk.in_desk("reply"))[-1]["content"]["body"]
    assert "answered by" not in board
    assert "offered to" in board


# What counts as asked


async def test_who_takes_a_question_unasked_was_not_asked(desk: Desk, clock: Clock) -> None:
    await desk.command("!language en", by="carla", room="funding")
    await desk.ask()
    [first] = names(await desk.in_desk("question.offer"))
    other = "bram" if first != "bram" else "anna"
    await desk.command("!expert me --ceiling 1", by=other, room="funding")
    await desk.answer(by=other)
    await desk.house.quiet()
    await desk.command("!desk --month 2026-11", by="carla", room="funding")
    assert "Experts asked per answer: 1" in (await desk.in_desk("reply"))[-1]["content"]["body"]
    await desk.ask(f"!demander {ASKED} Encore ?")
    await desk.command(f"!assign Q2 {desk.house.user('carla')}", by="carla", room="funding")
    clock.advance(timedelta(minutes=1))
    await desk.command("!pass Q2", by="carla", room="funding")
    asked = await desk.offers(2)
    while other not in asked:
        name = next(name for name, each in asked.items() if each.state == "open")
        await desk.command("!pass Q2", by=name, room="funding")
        assert len(await desk.offers(2)) > len(asked), "the ceiling is not reached"
        asked = await desk.offers(2)


async def test_a_week_counts_answers_given_in_it(desk: Desk, clock: Clock) -> None:
    for name in ("bram", "dirk", "elke"):
        await desk.command(f"!expert remove {desk.house.user(name)}")
    await desk.command("!language en", by="anna", room="funding")
    await desk.ask()
    clock.now = MORNING + timedelta(days=6)
    await desk.answer()
    await desk.house.quiet()
    clock.now = MORNING + timedelta(days=12)
    await desk.house.tick()
    alone = await alone_with(desk.people["anna"])
    week = (await desk.house.said(alone, "digest"))[-1]["content"]["body"]
    assert "You were asked" not in week
    assert "You answered 1." in week
