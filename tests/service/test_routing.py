"""Routing in the conversation: who is asked, in which waves, why, and what is learned from it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from bot.services.questions import timekeeping
from bot.services.routing.router import text_of
from storage import answers, profiles, questions, routing
from storage.database import Database
from tests.support.clock import Clock
from tests.support.desk import (
    ASKED,
    NIGHT,
    TUESDAY,
    Desk,
    mentioned,
    names,
    routed_house,
    staffed_desk,
)
from tests.support.house import BOT, House, key_of, kind_of, open_house, thread_of
from tests.support.scripted_encoder import ScriptedEncoder


@pytest.fixture
def encoder() -> ScriptedEncoder:
    return ScriptedEncoder()


@pytest.fixture
async def house(database: Database, clock: Clock, encoder: ScriptedEncoder) -> AsyncIterator[House]:
    async with routed_house(database, clock, encoder) as opened:
        yield opened


@pytest.fixture
async def desk(house: House) -> Desk:
    return await staffed_desk(house)


# Waves


async def test_one_expert_then_a_reminder_then_two_more(desk: Desk) -> None:
    await desk.ask()
    [first] = await desk.in_desk("question.offer")
    await desk.due()
    [reminder] = await desk.in_desk("question.reminder")
    assert mentioned(reminder) == mentioned(first)
    assert thread_of(reminder) == thread_of(first)
    assert reminder["content"]["msgtype"] == "m.text"
    await desk.due()
    offers = await desk.in_desk("question.offer")
    assert [key_of(each)["wave"] for each in offers] == [1, 2, 2]
    assert len(set(names(offers))) == 3
    assert (await desk.offers())[names([first])[0]].state == "expired"


async def test_whoever_takes_it_silences_the_others(desk: Desk) -> None:
    await desk.ask()
    await desk.due()
    await desk.due()
    first, second, third = names(await desk.in_desk("question.offer"))
    await desk.react(second, (await desk.in_desk("question.offer"))[1], "✋")
    states = {name: each.state for name, each in (await desk.offers()).items()}
    assert states == {first: "expired", second: "claimed", third: "withdrawn"}
    assert (await desk.question()).step == "claimed"


async def test_the_coordinator_reads_who_was_asked_and_what_they_said(desk: Desk) -> None:
    await desk.command("!language en", by="carla", room="funding")
    await desk.ask()
    for key in ("🚫", "⏳"):
        offer = (await desk.in_desk("question.offer"))[-1]
        await desk.react(names([offer])[0], offer, key)
    first, second, third = names(await desk.in_desk("question.offer"))
    while (await desk.question()).step != "coordinator":
        await desk.due()
    [called] = await desk.in_desk("question.escalation")
    body = called["content"]["body"]
    assert names([called]) == ["carla"]
    assert f"{first} (not their field)" in body
    assert f"{second} (no time)" in body
    assert f"{third} (no answer)" in body


async def test_urgent_questions_are_faster_and_rationed(desk: Desk) -> None:
    await desk.ask(f"!demander --urgent {ASKED}")
    due = (await desk.question()).due_at
    assert due == TUESDAY + timedelta(minutes=30)
    [card] = await desk.in_desk("question.card")
    assert card["content"]["body"].startswith("🔥")
    await desk.ask(f"!demander --urgent {ASKED}")
    await desk.ask(f"!demander --urgent {ASKED}")
    [refused] = await desk.in_cluster("error")
    assert key_of(refused)["key"] == "urgent-used-up"
    assert len(await desk.in_desk("question.card")) == 2


async def test_at_night_nobody_is_called_before_the_desk_opens(desk: Desk, clock: Clock) -> None:
    clock.now = NIGHT
    await desk.ask()
    assert await desk.in_desk("question.offer") == []
    [told] = await desk.in_cluster("question.escalation")
    assert key_of(told)["step"] == "opening"
    assert "mercredi 25 novembre" in told["content"]["body"]
    await desk.due()
    assert clock.now == datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
    assert len(await desk.in_desk("question.offer")) == 1


async def test_without_anybody_to_ask_the_coordinator_is_called_at_once(desk: Desk) -> None:
    for name in ("anna", "bram", "dirk", "elke"):
        await desk.command("!away", by=name, room="funding")
    await desk.ask()
    assert (await desk.question()).step == "coordinator"
    [told] = await desk.in_cluster("question.escalation")
    assert key_of(told)["step"] == "coordinator"


# Passing has reasons


async def test_no_time_keeps_other_questions_away_until_tomorrow(desk: Desk, clock: Clock) -> None:
    for name in ("bram", "dirk", "elke"):
        await desk.command(f"!expert remove {desk.house.user(name)}")
    await desk.ask()
    [offer] = await desk.in_desk("question.offer")
    await desk.react("anna", offer, "⏳")
    await desk.ask(f"!demander {ASKED} Vraiment ?")
    assert "anna" not in await desk.offers(2)
    clock.now = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
    await desk.ask(f"!demander {ASKED} Encore ?")
    assert "anna" in await desk.offers(3)


async def test_not_my_field_is_remembered_for_similar_questions(desk: Desk) -> None:
    await desk.command("!expert me --topics Interreg", by="anna", room="funding")
    await desk.ask()
    [offer] = await desk.in_desk("question.offer")
    assert names([offer]) == ["anna"]
    await desk.react("anna", offer, "🚫")
    await desk.ask("!demander Quelle aide Interreg pour un autre pilote à Lille ?")
    second = await desk.offers(2)
    assert list(second) != ["anna"]
    await desk.command("!why Q2", by="carla", room="funding")
    assert "anna" not in (await desk.in_desk("reply"))[-1]["content"]["body"]


async def test_a_colleague_who_is_recommended_is_asked_next(desk: Desk) -> None:
    await desk.ask()
    [offer] = await desk.in_desk("question.offer")
    [first] = names([offer])
    await desk.command(f"!pass Q1 {desk.house.user('carla')}", by=first, room="funding")
    offers = await desk.in_desk("question.offer")
    assert names(offers) == [first, "carla"]
    made = await desk.offers()
    assert made[first].passed_because == "referral"
    assert made["carla"].referred_by == desk.house.user(first)


@pytest.mark.parametrize("said", ["@nobody:elsewhere", "perhaps"])
async def test_a_reason_that_is_none_is_explained(desk: Desk, said: str) -> None:
    await desk.ask()
    [offer] = await desk.in_desk("question.offer")
    [first] = names([offer])
    await desk.command(f"!pass Q1 {said}", by=first, room="funding")
    assert [kind_of(each) for each in await desk.in_desk("error")] == ["error"]
    assert (await desk.offers())[first].state == "open"


# Desks


async def test_between_two_close_desks_the_asker_chooses(desk: Desk) -> None:
    asked = "!demander Un partenaire de projet et une subvention, qui connaît ?"
    await desk.ask(asked)
    question = await desk.question()
    assert question.step == "choosing"
    [ack] = await desk.in_cluster("question.ack")
    assert "1️⃣" in ack["content"]["body"]
    assert await desk.in_desk("question.card") == []
    cluster = await desk.cluster()
    await desk.people["anna"].join(cluster)
    await desk.react("anna", ack, "2️⃣", cluster)
    assert (await desk.question()).step == "choosing", "only the asker chooses"
    first = question.desk
    await desk.member.react(cluster, ack["event_id"], "2️⃣")
    await desk.house.quiet()
    question = await desk.question()
    assert question.desk != first
    assert question.choice == {"sure": True, "by": "asker", "runner_up": first}
    room = await desk.house.room("desk", question.desk)
    assert len(await desk.house.said(room, "question.card")) == 1


async def test_who_does_not_choose_leaves_it_to_the_coordinator(desk: Desk) -> None:
    await desk.command(f"!coordinator add {desk.house.user('carla')} --desk project")
    await desk.ask("!demander Un partenaire de projet et une subvention, qui connaît ?")
    await desk.due()
    question = await desk.question()
    assert question.step == "coordinator"
    room = await desk.house.room("desk", question.desk)
    assert len(await desk.house.said(room, "question.card")) == 1
    [called] = await desk.house.said(room, "question.escalation")
    assert names([called]) == ["carla"]
    [told] = await desk.in_cluster("question.escalation")
    assert "Aucun desk n’a été choisi" in told["content"]["body"]


async def test_what_is_added_before_the_desk_is_chosen_is_not_lost(desk: Desk) -> None:
    asked = await desk.ask("!demander Un partenaire de projet et une subvention, qui connaît ?")
    await desk.member.say(await desk.cluster(), "C’est pour Courtrai.", thread=asked)
    await desk.house.quiet()
    await desk.due()
    question = await desk.question()
    [card] = await desk.house.said(await desk.house.room("desk", question.desk), "question.card")
    assert "C’est pour Courtrai." in card["content"]["body"]


async def test_a_correction_moves_similar_questions(desk: Desk) -> None:
    await desk.ask("!demander Une aide Interreg pour la livraison à vélo ?")
    assert (await desk.question()).desk == "funding"
    await desk.command("!route Q1 expertise", by="carla", room="funding")
    await desk.ask("!demander Encore une aide Interreg pour la livraison à vélo ?")
    question = await desk.question(2)
    assert question.desk == "expertise"
    assert (question.choice or {})["by"] == "corrections"
    await desk.ask()
    assert (await desk.question(3)).desk == "funding", "what is unlike it is not moved"


async def test_a_coordinator_takes_a_wrong_move_back(desk: Desk) -> None:
    await desk.ask()
    await desk.command("!route Q1 expertise", by="carla", room="funding")
    await desk.command("!route Q1 funding", by="carla", room="funding")
    assert (await desk.question()).desk == "funding"


async def test_language_and_cluster_are_shown_and_corrected(desk: Desk) -> None:
    await desk.ask()
    await desk.command("!correct Q1 --lang nl --cluster materials", by="anna", room="funding")
    question = await desk.question()
    assert (question.language, question.cluster) == ("nl", "materials")
    await desk.command("!correct Q1 --desk project", by="anna", room="funding")
    [refused] = await desk.in_desk("error")
    assert key_of(refused)["key"] == "not-coordinator"


async def test_the_cluster_is_asked_for_where_the_room_does_not_say_it(desk: Desk) -> None:
    room = await desk.member.accept(await desk.member.wait_for_invite())
    await desk.member.say(room, f"demander {ASKED}")
    [asked] = await desk.house.said(room, "question.cluster")
    await desk.member.react(room, asked["event_id"], "3️⃣")
    await desk.house.quiet()
    assert (await desk.question()).cluster == "logistics"


# Experts


async def test_meaning_crosses_languages(desk: Desk) -> None:
    """A Dutch question goes to who knows about it, though they wrote so in French."""
    await desk.command(
        '!expert me --topics "livraison à vélo" --lang fr,nl', by="elke", room="funding"
    )
    await desk.ask("!vraag Welke subsidie en steun bestaat er voor de fiets?")
    [offer] = await desk.in_desk("question.offer")
    assert names([offer]) == ["elke"]
    await desk.command("!language en", by="carla", room="funding")
    await desk.command("!why Q1", by="carla", room="funding")
    assert "has a profile that fits" in (await desk.in_desk("reply"))[-1]["content"]["body"]


async def test_who_answered_something_similar_is_asked_again(desk: Desk, clock: Clock) -> None:
    await desk.ask()
    await desk.answer(by="dirk", text="Oui, l’aide Interreg de mars.")
    [answer] = await desk.in_cluster("question.answer")
    await desk.member.react(await desk.cluster(), answer["event_id"], "✅")
    await desk.house.quiet()
    assert (await desk.question()).helped is True
    clock.advance(timedelta(days=2))
    await desk.house.rebuilt()
    await desk.ask("!demander Une autre aide Interreg à Lille ?")
    offers = await desk.offers(2)
    assert list(offers) == ["dirk"]
    assert {"reason": "answered", "value": "1"} in offers["dirk"].reasons


async def test_a_ceiling_of_ones_own_is_kept(desk: Desk) -> None:
    for name in ("bram", "dirk", "elke"):
        await desk.command(f"!expert remove {desk.house.user(name)}")
    await desk.command("!expert me --ceiling 1", by="anna", room="funding")
    await desk.ask()
    await desk.ask(f"!demander {ASKED} Encore ?")
    assert list(await desk.offers(1)) == ["anna"]
    assert await desk.offers(2) == {}


@pytest.mark.parametrize(
    ("correction", "asked"),
    [
        ("--days wed,thu", False),
        ("--days mon-tue", True),
        ("--hours 14h-17h", False),
        ("--hours 9h-11h", True),
    ],
)
async def test_hours_of_ones_own_are_kept(desk: Desk, correction: str, asked: bool) -> None:
    await desk.command(f"!expert me {correction}", by="anna", room="funding")
    await desk.ask()
    while (await desk.question()).step != "coordinator":
        await desk.react(
            names([(await desk.in_desk("question.offer"))[-1]])[0],
            (await desk.in_desk("question.offer"))[-1],
            "⏭️",
        )
    assert ("anna" in await desk.offers()) is asked


async def test_holidays_are_those_of_ones_country(desk: Desk, clock: Clock) -> None:
    clock.now = datetime(2027, 7, 14, 9, 0, tzinfo=UTC)  # a Wednesday, on which France rests
    for name in ("dirk", "elke"):
        await desk.command(f"!expert remove {desk.house.user(name)}")
    await desk.command("!expert me --country FR", by="anna", room="funding")
    await desk.command("!expert me --country België", by="bram", room="funding")
    await desk.ask()
    assert list(await desk.offers()) == ["bram"]


async def test_an_expert_sees_and_corrects_what_is_believed_of_them(desk: Desk) -> None:
    anna = desk.people["anna"]
    await desk.command("!language en", by="anna", room="funding")
    correction = '--topics "flax, Interreg" --about "I ran two projects." --summary no'
    await desk.command(f"!expert me {correction}", by="anna", room="funding")
    alone = await anna.accept(await anna.wait_for_invite())
    [shown] = [
        each
        for each in await desk.house.said(alone, "reply")
        if "What I believe about you" in each["content"]["body"]
    ]
    for told in ("flax, Interreg", "I ran two projects.", "French", "at most 10"):
        assert told in shown["content"]["body"]
    async with desk.house.database.uow("test", desk.house.clock()) as uow:
        profile = await profiles.find(uow.session, anna.user_id)
    assert profile is not None
    assert profile.wants_summary is False
    assert "flax" not in str(await desk.in_desk("reply")), "nobody else has to know"


# Known answers


@pytest.fixture
async def answered(desk: Desk, clock: Clock) -> Desk:
    """Q1 was answered by Anna and closed, two months ago."""
    await desk.ask()
    await desk.answer("Oui, l’aide Interreg de mars finance cela.")
    [answer] = await desk.in_cluster("question.answer")
    await desk.member.react(await desk.cluster(), answer["event_id"], "✅")
    await desk.house.quiet()
    clock.advance(timedelta(days=63))
    await desk.house.rebuilt()
    return desk


async def test_an_earlier_answer_is_shown_in_any_language(answered: Desk) -> None:
    asked = await answered.ask("!vraag Welke Interreg-steun is er voor een pilot?")
    [shown] = await answered.in_cluster("question.known")
    assert thread_of(shown) == asked
    body = shown["content"]["body"]
    assert "Q1" in body
    assert "anna" in body
    assert "l’aide Interreg de mars" in body
    assert (await answered.question(2)).status == "open"
    assert len(await answered.offers(2)) == 1, "experts are asked meanwhile"


async def test_a_thumb_up_on_it_closes_and_silences_the_experts(answered: Desk) -> None:
    await answered.ask("!vraag Welke Interreg-steun is er voor een pilot?")
    [shown] = await answered.in_cluster("question.known")
    cluster = await answered.cluster()
    await answered.people["bram"].join(cluster)
    await answered.react("bram", shown, "👍", cluster)
    assert (await answered.question(2)).status == "open", "only the asker can"
    await answered.member.react(cluster, shown["event_id"], "👍")
    await answered.house.quiet()
    question = await answered.question(2)
    assert (question.status, question.closed_as) == ("closed", "known")
    assert [each.state for each in (await answered.offers(2)).values()] == ["withdrawn"]
    async with answered.house.database.uow("test", answered.house.clock()) as uow:
        [suggested] = await answers.suggested(uow.session, 2)
    assert suggested.helped is True


async def test_what_did_not_help_is_learned(answered: Desk) -> None:
    await answered.ask("!vraag Welke Interreg-steun is er voor een pilot?")
    await answered.member.say(await answered.cluster(), "!sluiten Q2")
    await answered.house.quiet()
    async with answered.house.database.uow("test", answered.house.clock()) as uow:
        [suggested] = await answers.suggested(uow.session, 2)
    assert suggested.helped is False


async def test_what_is_private_or_taken_back_is_never_shown(desk: Desk) -> None:
    room = await desk.member.accept(await desk.member.wait_for_invite())
    to = desk.house.user("anna")
    await desk.member.say(room, f"ask --private --to {to} --desk funding {ASKED}")
    await desk.house.quiet()
    anna = desk.people["anna"]
    alone = await anna.accept(await anna.wait_for_invite())
    [offer] = await desk.house.said(alone, "question.offer")
    await anna.say(alone, "Oui, l’aide Interreg de mars.", thread=offer["event_id"])
    await desk.house.quiet()
    asked = await desk.ask()
    await desk.answer(by="bram", text="Ja, de Interreg-steun.", number=2)
    await desk.member.redact(await desk.cluster(), asked)
    await desk.house.rebuilt()
    await desk.ask("!demander Quelle aide Interreg, encore une fois ?")
    assert await desk.in_cluster("question.known") == []


# After the answer


async def test_two_who_ask_the_same_get_the_same_answers(desk: Desk) -> None:
    first = await desk.ask()
    other = await desk.house.person("other", "logistics")
    second = await other.say(await desk.cluster(), "!ask Which Interreg grant for a pilot?")
    await desk.house.quiet()
    await desk.answer("Une première réponse.", number=1)
    await desk.command("!merge Q2 Q1", by="carla", room="funding")
    merged = await desk.question(2)
    assert (merged.status, merged.merged_into) == ("merged", 1)
    card = (await desk.in_desk("question.card"))[0]
    await desk.people["anna"].say(await desk.room(), "Et une autre.", thread=card["event_id"])
    got = [(thread_of(each), mentioned(each)) for each in await desk.in_cluster("question.answer")]
    assert got[-2:] == [
        (first, [desk.member.user_id]),
        (second, [other.user_id]),
    ]
    assert [thread for thread, _ in got].count(second) == 2, "with what was answered before"

    await desk.answer("Et sous l’autre carte.", number=2)
    await desk.house.quiet()
    answered = await desk.in_cluster("question.answer")
    assert [thread_of(each) for each in answered[-2:]] == [first, second]

    await other.say(await desk.cluster(), "And in Tournai?", thread=second)
    [followup] = await desk.in_desk("question.followup")
    assert thread_of(followup) == card["event_id"]

    await desk.member.say(await desk.cluster(), "!fermer Q1")
    await desk.house.quiet()
    assert {(await desk.question(n)).status for n in (1, 2)} == {"closed"}
    await other.say(await desk.cluster(), "!reopen Q2")
    await desk.house.quiet()
    again = await desk.question(2)
    assert (again.merged_into, again.status, again.step) == (None, "open", "offer")


async def test_a_file_that_was_answered_with_comes_to_who_joins_later(desk: Desk) -> None:
    await desk.ask()
    [card] = await desk.in_desk("question.card")
    file = {
        "msgtype": "m.file",
        "body": "appel.pdf",
        "url": "mxc://test.local/appel",
        "m.relates_to": {"rel_type": "m.thread", "event_id": card["event_id"]},
    }
    await desk.people["anna"].send(await desk.room(), "m.room.message", file)
    other = await desk.house.person("other", "logistics")
    await other.say(await desk.cluster(), "!ask Which Interreg grant for a pilot?")
    await desk.house.quiet()
    await desk.command("!merge Q2 Q1", by="carla", room="funding")
    brought = (await desk.in_cluster("question.answer"))[-1]
    assert mentioned(brought) == [other.user_id]
    assert brought["content"]["url"] == file["url"]
    assert brought["content"]["filename"] == "appel.pdf"
    assert brought["content"]["msgtype"] == "m.file"


async def test_what_was_brought_is_not_brought_again(desk: Desk) -> None:
    await desk.ask()
    await desk.answer()
    other = await desk.house.person("other", "logistics")
    await other.say(await desk.cluster(), "!ask Which Interreg grant for a pilot?")
    await desk.house.quiet()
    for _ in range(2):
        await desk.command("!merge Q2 Q1", by="carla", room="funding")
        await other.say(await desk.cluster(), "!reopen Q2")
        await desk.house.quiet()
    brought = [
        each for each in await desk.in_cluster("question.answer") if key_of(each)["question"] == 2
    ]
    assert len(brought) == 1
    await desk.command("!language en", by="carla", room="funding")
    await desk.command("!merge Q2 Q1", by="carla", room="funding")
    await desk.command(f"!assign Q2 {desk.house.user('bram')}", by="carla", room="funding")
    assert key_of((await desk.in_desk("error"))[-1])["key"] == "question-merged"


async def test_who_had_joined_a_question_that_is_dropped_is_not_dropped(desk: Desk) -> None:
    asked = await desk.ask()
    other = await desk.house.person("other", "logistics")
    await other.say(await desk.cluster(), "!ask Which Interreg grant for a pilot?")
    await desk.house.quiet()
    await desk.command("!merge Q2 Q1", by="carla", room="funding")
    await desk.member.redact(await desk.cluster(), asked)
    await desk.house.quiet()
    alone = await desk.question(2)
    assert (alone.merged_into, alone.status, alone.step) == (None, "open", "offer")
    assert key_of((await desk.in_cluster("question.merged"))[-1])["question"] == 2


async def test_a_merged_question_is_taken_apart_by_its_asker(desk: Desk) -> None:
    await desk.ask()
    other = await desk.house.person("other", "logistics")
    await other.say(await desk.cluster(), "!ask Which Interreg grant for a pilot?")
    await desk.house.quiet()
    await desk.command("!merge Q2 Q1", by="carla", room="funding")
    await other.say(await desk.cluster(), "!reopen Q2")
    await desk.house.quiet()
    assert ((await desk.question(2)).merged_into, (await desk.question(2)).status) == (None, "open")
    await desk.command("!merge Q2 Q1", by="carla", room="funding")
    await other.say(await desk.cluster(), "!close Q2")
    await desk.house.quiet()
    assert [(await desk.question(n)).status for n in (1, 2)] == ["open", "closed"]


async def test_what_did_not_help_and_is_taken_again_waits_for_who_took_it(desk: Desk) -> None:
    await desk.ask()
    await desk.answer()
    await desk.house.quiet()
    await desk.due()
    [helped] = await desk.in_cluster("question.helped")
    await desk.member.react(await desk.cluster(), helped["event_id"], "👎")
    await desk.house.quiet()
    [card] = await desk.in_desk("question.card")
    await desk.react("bram", card, "✋")
    again = await desk.question()
    assert (again.status, again.step) == ("open", "claimed")


async def test_what_is_assigned_after_an_answer_is_followed_up(desk: Desk) -> None:
    await desk.ask()
    await desk.answer()
    await desk.house.quiet()
    await desk.command(f"!assign Q1 {desk.house.user('bram')}", by="carla", room="funding")
    await desk.due()
    again = await desk.question()
    assert (again.status, again.step) == ("open", "reminded")


async def test_one_of_two_who_took_it_passes_and_nobody_else_is_asked(desk: Desk) -> None:
    await desk.ask()
    [card] = await desk.in_desk("question.card")
    for name in ("anna", "bram"):
        await desk.react(name, card, "✋")
    await desk.command("!pass Q1", by="bram", room="funding")
    again = await desk.question()
    assert again.step == "claimed"
    assert "carla" not in await desk.offers()


async def test_an_offer_says_what_speaks_for_the_expert_and_why_says_all(desk: Desk) -> None:
    await desk.member.say(await desk.cluster(), "!ask Which Interreg grant is there for a pilot?")
    await desk.house.quiet()
    [(asked, made)] = (await desk.offers()).items()
    assert "other_language" in {each["reason"] for each in made.reasons}
    [offer] = await desk.in_desk("question.offer")
    assert names([offer]) == [asked]
    told = ("does not answer in", "ne répond pas en", "antwoordt niet in")
    assert not any(each in offer["content"]["body"] for each in told)
    await desk.command("!why Q1", by="carla", room="funding")
    why = (await desk.in_desk("reply"))[-1]["content"]["body"]
    assert any(each in why for each in told)


async def test_nobody_is_named_a_second_time(desk: Desk) -> None:
    await desk.ask()
    await desk.command(f"!pass Q1 {desk.house.user('bram')}", by="anna", room="funding")
    await desk.command(f"!pass Q1 {desk.house.user('anna')}", by="bram", room="funding")
    offers = await desk.offers()
    assert {name: offer.state for name, offer in offers.items()} == {
        "anna": "passed",
        "bram": "open",
    }
    assert len(await desk.in_desk("error")) == 1


async def test_a_coordinator_who_goes_keeps_what_they_were_asked_as_an_expert(desk: Desk) -> None:
    await desk.command(f"!coordinator add {desk.house.user('anna')} --desk funding")
    await desk.ask()
    await desk.command(f"!coordinator remove {desk.house.user('anna')} --desk funding")
    assert (await desk.offers())["anna"].state == "open"


async def test_an_answer_its_expert_hid_stays_hidden_when_the_question_is_edited(
    desk: Desk,
) -> None:
    memory = desk.house.instance.router.memory
    asked = await desk.ask()
    await desk.answer()
    await desk.house.quiet()
    memory.hide(1)
    await desk.member.edit(await desk.cluster(), asked, f"!demander {ASKED} Et à Tournai ?")
    await desk.house.quiet()
    assert 1 not in memory.shown()


@pytest.mark.parametrize("wrong", ["Q1 Q1", "Q1 Q99"])
async def test_what_cannot_be_merged_is_explained(desk: Desk, wrong: str) -> None:
    await desk.ask()
    await desk.command(f"!merge {wrong}", by="carla", room="funding")
    assert len(await desk.in_desk("error")) == 1


async def test_knowledge_is_kept_when_both_sides_agree(desk: Desk) -> None:
    await desk.ask()
    await desk.answer()
    await desk.command("!keep Q1", by="carla", room="funding")
    [of_asker] = await desk.in_cluster("question.keep")
    [of_expert] = await desk.in_desk("question.keep")
    assert mentioned(of_asker) == [desk.member.user_id]
    assert names([of_expert]) == ["anna"]
    await desk.member.react(await desk.cluster(), of_asker["event_id"], "✅")
    await desk.house.quiet()
    assert (await desk.question()).kept_at is None
    await desk.react("anna", of_expert, "🕶️")
    assert (await desk.question()).kept_at is not None
    await desk.house.rebuilt()
    await desk.ask("!demander Quelle aide Interreg, au fait ?")
    [shown] = await desk.in_cluster("question.known")
    assert "anna" not in shown["content"]["body"]
    assert "un expert" in shown["content"]["body"] or "an expert" in shown["content"]["body"]


async def test_one_no_and_it_is_not_kept(desk: Desk) -> None:
    await desk.ask()
    await desk.answer()
    await desk.command("!keep Q1", by="carla", room="funding")
    [of_expert] = await desk.in_desk("question.keep")
    [of_asker] = await desk.in_cluster("question.keep")
    await desk.member.react(await desk.cluster(), of_asker["event_id"], "❌")
    await desk.react("anna", of_expert, "✅")
    assert (await desk.question()).kept_at is None


async def test_the_board_shows_what_is_overdue_and_who_is_loaded(desk: Desk) -> None:
    await desk.command("!language en", by="carla", room="funding")
    await desk.ask()
    desk.house.clock.advance(timedelta(days=2))
    await desk.command("!desk", by="carla", room="funding")
    body = (await desk.in_desk("reply"))[-1]["content"]["body"]
    assert "Overdue" in body
    [asked] = list(await desk.offers())
    assert f"{asked} 1" in body


async def test_a_months_figures(desk: Desk, clock: Clock) -> None:
    await desk.command("!language en", by="carla", room="funding")
    await desk.ask()
    clock.advance(timedelta(hours=1))
    await desk.answer()
    await desk.ask(f"!demander {ASKED} Encore ?")
    await desk.command("!desk --month 2026-11", by="carla", room="funding")
    body = (await desk.in_desk("reply"))[-1]["content"]["body"]
    assert "Questions answered: 1 of 2 (50%)" in body
    assert "1 hour" in body
    clock.now = datetime(2026, 12, 1, 8, 0, tzinfo=UTC)
    await desk.house.tick()
    await desk.house.tick()
    carla = desk.people["carla"]
    alone = await carla.accept(await carla.wait_for_invite())
    assert len(await desk.house.said(alone, "digest")) == 1


async def test_an_experts_week_is_told_to_them_alone_and_once(desk: Desk, clock: Clock) -> None:
    await desk.command("!language en", by="anna", room="funding")
    await desk.ask()
    await desk.answer()
    await desk.house.quiet()
    clock.now = datetime(2026, 11, 30, 8, 0, tzinfo=UTC)  # Monday
    await desk.house.tick()
    await desk.house.tick()
    anna = desk.people["anna"]
    alone = await anna.accept(await anna.wait_for_invite())
    [week] = await desk.house.said(alone, "digest")
    assert "You answered 1." in week["content"]["body"]


# Encoders that fail, and odd texts


async def test_a_failing_encoder_loses_no_question(
    desk: Desk, encoder: ScriptedEncoder, clock: Clock
) -> None:
    encoder.fault = "out of order"
    await desk.ask("!demander Une aide Interreg, une vraie, à Lille ?")
    assert (await desk.question()).desk == "funding", "words are enough"
    assert len(await desk.offers()) == 1
    assert str(desk.house.instance.router.encoding.fault) == "out of order"


async def test_questions_that_are_due_together_are_encoded_together(
    desk: Desk, encoder: ScriptedEncoder
) -> None:
    """As after a change of the encoder: none of them has a vector any more."""
    for text in ("Une aide ?", "Une subvention ?", "Un financement ?"):
        await desk.ask(f"!demander {text}")
    router = desk.house.instance.router
    for number in (1, 2, 3):
        question = await desk.question(number)
        router.encoding.forget(text_of(question.text, question.language))
    async with desk.house.database.uow("test", desk.house.clock()) as uow:
        await routing.forget_vectors(uow.session, "question", ["1", "2", "3"])
        await uow.commit()
    encoder.asked = 0
    desk.house.clock.now = (await desk.question(3)).due_at or TUESDAY
    await timekeeping.tick(desk.house.database, desk.house.instance, desk.house.clock())
    assert [(await desk.question(number)).step for number in (1, 2, 3)] == ["reminded"] * 3
    assert encoder.asked == 1


@pytest.mark.parametrize(
    "text",
    [
        "🚲🚲🚲 ab",
        "Interreg",
        "```\nSELECT 1;\n``` pourquoi ?",
        "Who kent un partenaire voor flax?",
        "subvention " * 2_700,
        "ça marche \u0000\u202e ?",
    ],
    ids=["emoji", "one word", "code", "mixed languages", "30 kB", "odd characters"],
)
async def test_whatever_is_asked_is_routed_or_asked_about(desk: Desk, text: str) -> None:
    await desk.ask(f"!ask {text}")
    question = await desk.question()
    waits = question.due_at is not None and question.step != "none"
    assert waits, "somebody has the turn, and it ends"


async def test_vectors_are_made_again_for_another_encoder(
    desk: Desk, database: Database, clock: Clock
) -> None:
    await desk.ask()
    await desk.answer()
    await desk.command("!route Q1 expertise", by="carla", room="funding")
    await desk.house.rebuilt()
    other = ScriptedEncoder("scripted/2")
    async with open_house(database, clock, encoder=other, matrix=desk.house.matrix) as again:
        await again.described()
        await again.rebuilt()
        memory = again.instance.router.memory
        assert memory.questions_without_vector == set()
        assert memory.answers_without_vector == set()
        assert {number: each.desk for number, each in memory.corrections.items()} == {
            1: "expertise"
        }
        assert other.asked > 0


async def test_what_is_erased_while_it_is_encoded_gets_no_vector(
    desk: Desk, encoder: ScriptedEncoder
) -> None:
    await desk.ask()
    await desk.house.rebuilt()
    encoder.begun.clear()
    encoder.pause = 2.0
    await desk.answer("Oui, l’aide Interreg de mars.")
    async with asyncio.timeout(10):
        await encoder.begun.wait()
    async with desk.house.database.uow("test", desk.house.clock()) as uow:
        [given] = await answers.of(uow.session, 1)
    await desk.command(f"!erase {desk.house.user('anna')}")
    await asyncio.sleep(encoder.pause)
    async with desk.house.database.uow("test", desk.house.clock()) as uow:
        assert await answers.of(uow.session, 1) == []
        assert await routing.vector(uow.session, "answer", str(given.id), encoder.name) is None


async def test_edits_go_with_what_they_edited(desk: Desk) -> None:
    """An edit is an event of its own, with the whole text in it."""
    asked = await desk.ask("!demander Quelle aide ? SECRETONE")
    await desk.member.edit(await desk.cluster(), asked, "!demander Quelle aide ? SECRETTWO")
    given = await desk.answer("SECRETTHREE")
    await desk.house.quiet()
    await desk.people["anna"].edit(await desk.room(), given, "SECRETFOUR")
    await desk.house.quiet()
    await desk.people["anna"].redact(await desk.room(), given)
    await desk.member.redact(await desk.cluster(), asked)
    await desk.house.quiet()
    said = [
        str(each["content"])
        for room in (await desk.room(), await desk.cluster())
        for each in desk.house.matrix.timeline(room, "m.room.message")
        if each["sender"] == BOT
    ]
    assert not any("SECRET" in each for each in said)


async def test_what_others_were_shown_goes_with_what_it_quotes(desk: Desk) -> None:
    await desk.ask()
    given = await desk.answer("Oui, l’aide Interreg de mars, au SECRETLAB.")
    await desk.house.rebuilt()
    await desk.ask("!demander Quelle aide Interreg, au fait ?")
    [shown] = await desk.in_cluster("question.known")
    assert "SECRETLAB" in shown["content"]["body"]
    await desk.people["anna"].redact(await desk.room(), given)
    await desk.house.quiet()
    assert await desk.in_cluster("question.known") == []


async def test_an_answer_forgets_the_words_of_a_question_that_is_taken_back(desk: Desk) -> None:
    asked = await desk.ask()
    await desk.answer("Oui, l’appel de mars.")
    await desk.house.rebuilt()
    memory = desk.house.instance.router.memory
    assert memory.answers.likeness("Interreg", "fr", None)
    await desk.member.redact(await desk.cluster(), asked)
    await desk.house.rebuilt()
    assert not memory.answers.likeness("Interreg", "fr", None)


async def test_erasure_takes_along_what_calls_or_proposes_somebody(desk: Desk) -> None:
    await desk.ask()
    await desk.answer()
    await desk.command("!keep Q1", by="carla", room="funding")
    room = await desk.member.accept(await desk.member.wait_for_invite())
    await desk.member.say(room, f"ask --private --desk funding {ASKED}")
    await desk.house.quiet()
    [proposed] = await desk.house.said(room, "question.whom")
    assert "anna" in proposed["content"]["body"]
    await desk.command(f"!erase {desk.house.user('anna')}")
    assert await desk.house.said(room, "question.whom") == []
    left = await desk.in_desk("question.offer") + await desk.in_desk("question.keep")
    assert "anna" not in str(left)
    assert await desk.house.traces(desk.house.user("anna")) == []
    [ack] = await desk.in_cluster("question.ack")
    edits = [
        each["content"]["m.new_content"]["body"]
        for each in desk.house.matrix.timeline(await desk.cluster(), "m.room.message")
        if each["content"].get("m.relates_to", {}).get("event_id") == ack["event_id"]
        and "m.new_content" in each["content"]
    ]
    assert edits
    assert not any("anna" in each for each in edits)


async def test_erasure_takes_vectors_answers_and_profiles_along(desk: Desk) -> None:
    await desk.command(
        '!expert me --topics "Interreg" --about "Beaucoup."', by="anna", room="funding"
    )
    await desk.ask()
    await desk.answer("Oui, l’aide Interreg de mars.")
    await desk.house.rebuilt()
    await desk.command(f"!erase {desk.house.user('anna')}")
    await desk.command(f"!erase {desk.member.user_id}")
    assert await desk.house.traces(desk.house.user("anna")) == []
    assert await desk.house.traces(desk.member.user_id) == []
    async with desk.house.database.uow("test", desk.house.clock()) as uow:
        assert await answers.of(uow.session, 1) == []
        question = await questions.get(uow.session, 1)
    assert question is not None
    assert question.text == ""
    memory = desk.house.instance.router.memory
    assert memory.declared.keys().isdisjoint({desk.house.user("anna")})
    assert len(memory.questions) == 0
    assert len(memory.answers) == 0
