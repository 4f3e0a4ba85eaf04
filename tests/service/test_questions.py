"""The conversation of a question, from both ends, against the whole bot."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from storage.database import Database
from tests.support.clock import Clock
from tests.support.desk import ASKED, Desk, mentioned, open_desk
from tests.support.house import House, kind_of, open_house, thread_of

# A Tuesday, at ten in the morning in Brussels: desks are open.
TUESDAY = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


@pytest.fixture
async def house(database: Database, clock: Clock) -> AsyncIterator[House]:
    clock.now = TUESDAY
    async with open_house(database, clock) as opened:
        yield opened


@pytest.fixture
async def funding(house: House) -> Desk:
    return await open_desk(house)


async def test_an_answer_comes_back_under_the_question(funding: Desk) -> None:
    asked = await funding.ask()
    [ack] = await funding.in_cluster("question.ack")
    [card] = await funding.in_desk("question.card")
    [offer] = await funding.in_desk("question.offer")
    assert thread_of(ack) == asked
    assert card["content"]["org.clusterdesk"] | {"txn": ""} == {
        "v": 1,
        "kind": "question.card",
        "question": 1,
        "desk": "funding",
        "cluster": "logistics",
        "language": "fr",
        "asker": funding.member.user_id,
        "txn": "",
    }
    assert ASKED in card["content"]["body"]
    assert mentioned(card) == []
    assert thread_of(offer) == card["event_id"]
    assert mentioned(offer) == [funding.house.user("anna")]  # she answers in French

    await funding.answer()
    [answer] = await funding.in_cluster("question.answer")
    assert thread_of(answer) == asked
    assert mentioned(answer) == [funding.member.user_id]
    assert "l’appel de mars" in answer["content"]["body"]
    assert answer["content"]["msgtype"] == "m.text"  # a notice would not ring
    assert (await funding.question()).status == "answered"


async def test_the_asker_closes_with_a_reaction_and_opens_again(funding: Desk) -> None:
    await funding.ask()
    await funding.answer()
    [answer] = await funding.in_cluster("question.answer")
    cluster = await funding.cluster()
    await funding.people["bram"].join(cluster)
    await funding.people["bram"].react(cluster, answer["event_id"], "✅")
    await funding.house.quiet()
    assert (await funding.question()).status == "answered"  # only the asker can

    await funding.member.react(cluster, answer["event_id"], "✅")
    assert len(await funding.in_cluster("question.closed")) == 1
    assert len(await funding.in_desk("question.closed")) == 1
    assert (await funding.question()).status == "closed"

    await funding.member.say(cluster, "!reopen Q1")
    await funding.house.quiet()
    assert (await funding.question()).status == "answered"


async def test_what_the_asker_adds_goes_to_the_experts(funding: Desk) -> None:
    asked = await funding.ask()
    await funding.answer()
    cluster = await funding.cluster()
    await funding.member.say(cluster, "Et pour les ASBL ?", thread=asked)
    [added] = await funding.in_desk("question.followup")
    [card] = await funding.in_desk("question.card")
    assert thread_of(added) == card["event_id"]
    assert mentioned(added) == [funding.house.user("anna")]
    assert "ASBL" in added["content"]["body"]


async def test_others_in_the_askers_thread_are_left_alone(funding: Desk) -> None:
    asked = await funding.ask()
    cluster = await funding.cluster()
    await funding.people["bram"].join(cluster)
    await funding.people["bram"].say(cluster, "Interessant!", thread=asked)
    assert await funding.in_desk("question.followup") == []


async def test_edits_and_redactions_follow_to_the_other_side(funding: Desk) -> None:
    await funding.ask()
    said = await funding.answer("Oui, en mars.")
    room, cluster = await funding.room(), await funding.cluster()
    await funding.house.quiet()
    [answer] = await funding.in_cluster("question.answer")

    await funding.people["anna"].edit(room, said, "Oui, en avril.")
    await funding.house.quiet()
    edits = [
        each
        for each in funding.house.matrix.timeline(cluster, "m.room.message")
        if (each["content"].get("m.relates_to") or {}).get("event_id") == answer["event_id"]
        and "m.new_content" in each["content"]
    ]
    assert "avril" in edits[-1]["content"]["m.new_content"]["body"]
    assert mentioned(edits[-1]) == []  # nobody is rung twice

    await funding.people["anna"].redact(room, said)
    await funding.house.quiet()
    redacted = funding.house.matrix.timeline(cluster, "m.room.redaction")
    assert [each.get("redacts") or each["content"]["redacts"] for each in redacted] == [
        answer["event_id"],
        *(each["event_id"] for each in edits),
    ]


async def test_a_file_is_carried_with_who_sent_it(funding: Desk) -> None:
    await funding.ask()
    [card] = await funding.in_desk("question.card")
    mxc = await funding.people["anna"].upload(b"%PDF", "application/pdf", "fiche.pdf")
    content = {
        "msgtype": "m.file",
        "body": "fiche.pdf",
        "url": mxc,
        "info": {"mimetype": "application/pdf", "size": 4},
        "m.relates_to": {"rel_type": "m.thread", "event_id": card["event_id"]},
    }
    await funding.people["anna"].send(await funding.room(), "m.room.message", content)
    [answer] = await funding.in_cluster("question.answer")
    assert answer["content"]["msgtype"] == "m.file"
    assert answer["content"]["url"] == mxc
    assert answer["content"]["filename"] == "fiche.pdf"
    assert mentioned(answer) == [funding.member.user_id]


async def test_passing_gives_the_question_to_the_next_expert(funding: Desk) -> None:
    await funding.ask()
    [first] = await funding.in_desk("question.offer")
    await funding.people["anna"].react(await funding.room(), first["event_id"], "⏭️")
    offers = await funding.in_desk("question.offer")
    assert [mentioned(each) for each in offers] == [
        [funding.house.user("anna")],
        [funding.house.user("bram")],
    ]


async def test_claiming_leaves_the_others_in_peace(funding: Desk) -> None:
    await funding.ask()
    [offer] = await funding.in_desk("question.offer")
    await funding.people["anna"].react(await funding.room(), offer["event_id"], "✋🏽")
    await funding.house.quiet()
    assert (await funding.question()).step == "claimed"
    funding.house.clock.advance(timedelta(hours=3))
    await funding.house.tick()
    assert len(await funding.in_desk("question.offer")) == 1


async def test_silence_goes_from_expert_to_expert_to_coordinator_to_desk_to_admins(
    funding: Desk,
) -> None:
    await funding.ask()
    steps = []
    for _ in range(7):
        await funding.due()
        steps.append((await funding.question()).step)
    assert steps == ["reminded", "offer", "coordinator", "desk", "admins", "admins", "admins"]
    assert len(await funding.in_desk("question.offer")) == 2
    assert len(await funding.in_desk("question.reminder")) == 1
    called = [
        (each["content"]["org.clusterdesk"]["step"], mentioned(each))
        for each in await funding.in_desk("question.escalation")
    ]
    people = funding.house.user
    assert called == [
        ("coordinator", [people("carla")]),
        ("desk", sorted([people("anna"), people("bram")])),
    ]
    told = await funding.in_cluster("question.escalation")
    said = [each["content"]["org.clusterdesk"]["step"] for each in told]
    assert said == ["coordinator", "desk", "admins"]
    control = await funding.house.room("control", "control")
    assert len(await funding.house.said(control, "alert")) == 3  # and again each week


async def test_offers_run_in_working_hours(funding: Desk, clock: Clock) -> None:
    clock.now = datetime(2026, 11, 27, 15, 30, tzinfo=UTC)  # Friday 16:30 in Brussels
    await funding.ask()
    clock.now = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)  # Sunday
    await funding.house.tick()
    assert await funding.in_desk("question.reminder") == []
    clock.now = datetime(2026, 11, 30, 9, 31, tzinfo=UTC)  # Monday 10:31: two hours have passed
    await funding.house.tick()
    assert len(await funding.in_desk("question.reminder")) == 1


async def test_it_asks_once_whether_it_helped_and_closes_by_itself(funding: Desk) -> None:
    await funding.ask()
    await funding.answer()
    await funding.house.quiet()
    funding.house.clock.advance(timedelta(days=2, minutes=1))
    await funding.house.tick()
    await funding.house.tick()
    [helped] = await funding.in_cluster("question.helped")
    assert mentioned(helped) == [funding.member.user_id]
    funding.house.clock.advance(timedelta(days=5))
    await funding.house.tick()
    question = await funding.question()
    assert (question.status, question.closed_as) == ("closed", "silence")


async def test_a_thumb_down_looks_for_another_expert(funding: Desk) -> None:
    await funding.ask()
    await funding.answer()
    await funding.house.quiet()
    funding.house.clock.advance(timedelta(days=2, minutes=1))
    await funding.house.tick()
    [helped] = await funding.in_cluster("question.helped")
    await funding.member.react(await funding.cluster(), helped["event_id"], "👎")
    offers = await funding.in_desk("question.offer")
    assert [mentioned(each) for each in offers][-1] == [funding.house.user("bram")]


async def test_the_askers_last_word_is_not_taken_for_silence(funding: Desk) -> None:
    asked = await funding.ask()
    await funding.answer()
    await funding.house.quiet()
    funding.house.clock.advance(timedelta(hours=1))
    await funding.member.say(await funding.cluster(), "Et le plafond ?", thread=asked)
    await funding.house.quiet()
    funding.house.clock.advance(timedelta(days=2, minutes=1))
    await funding.house.tick()
    assert await funding.in_cluster("question.helped") == []
    [reminder] = await funding.in_desk("question.escalation")
    assert mentioned(reminder) == [funding.house.user("anna")]


async def test_taking_the_question_back_redacts_its_card(funding: Desk) -> None:
    asked = await funding.ask()
    [card] = await funding.in_desk("question.card")
    await funding.member.redact(await funding.cluster(), asked)
    [closed] = await funding.in_desk("question.closed")
    assert closed["content"]["org.clusterdesk"]["status"] == "withdrawn"
    redacted = funding.house.matrix.timeline(await funding.room(), "m.room.redaction")
    assert [each.get("redacts") or each["content"]["redacts"] for each in redacted] == [
        card["event_id"]
    ]
    assert (await funding.question()).text == ""


async def test_an_asker_who_leaves_is_not_answered(funding: Desk) -> None:
    await funding.ask()
    await funding.member.leave(await funding.cluster())
    [closed] = await funding.in_desk("question.closed")
    assert closed["content"]["org.clusterdesk"]["status"] == "left"


async def test_an_edited_question_is_edited_on_its_card(funding: Desk) -> None:
    asked = await funding.ask()
    [card] = await funding.in_desk("question.card")
    await funding.member.edit(await funding.cluster(), asked, f"!demander {ASKED} Merci !")
    await funding.house.quiet()
    edits = [
        each
        for each in funding.house.matrix.timeline(await funding.room(), "m.room.message")
        if "m.new_content" in each["content"]
        and each["content"]["m.relates_to"]["event_id"] == card["event_id"]
    ]
    assert f"{ASKED} Merci !" in edits[-1]["content"]["m.new_content"]["body"]
    assert "!demander" not in edits[-1]["content"]["m.new_content"]["body"]
    assert len(await funding.in_desk("question.card")) == 1


@pytest.mark.parametrize("way", ["reaction", "reply", "desk room", "direct", "mention"])
async def test_every_way_of_asking(funding: Desk, way: str) -> None:
    house, member = funding.house, funding.member
    cluster = await funding.cluster()
    if way == "reaction":
        said = await member.say(cluster, ASKED)
        await house.quiet()
        await member.react(cluster, said, "❓")
    elif way == "reply":
        said = await member.say(cluster, ASKED)
        await member.say(cluster, "!ask", reply_to=said)
    elif way == "desk room":
        await member.join(await funding.room())
        await member.say(await funding.room(), ASKED)
    elif way == "direct":
        room = await member.accept(await member.wait_for_invite())
        await member.say(room, ASKED)
    else:
        await member.say(cluster, f"clusterdesk: {ASKED}")
    await house.quiet()
    [card] = await funding.in_desk("question.card")
    assert ASKED in card["content"]["body"]
    assert (await funding.question()).asker == member.user_id


async def test_in_private_what_may_be_a_question_is_shown_back_first(funding: Desk) -> None:
    room = await funding.member.accept(await funding.member.wait_for_invite())
    await funding.member.say(room, "Le financement Interreg de notre pilote de livraison")
    [shown] = [
        each
        for each in await funding.house.said(room, "reply")
        if "Le financement Interreg" in each["content"]["body"]
    ]
    assert await funding.in_desk("question.card") == []
    await funding.member.react(room, shown["event_id"], "✅")
    assert len(await funding.in_desk("question.card")) == 1


async def test_what_is_added_before_anybody_has_it_is_edited_and_deleted(funding: Desk) -> None:
    house, member = funding.house, funding.member
    room = await member.accept(await member.wait_for_invite())
    asked = await member.say(room, f"ask --private --desk funding {ASKED}")
    await house.quiet()
    kept = await member.say(room, "Pour dix personnes.", thread=asked)
    secret = await member.say(room, "Mon chiffre d’affaires est de 12345 euros.", thread=asked)
    await house.quiet()
    assert "12345" in (await funding.question()).text
    await member.redact(room, secret)
    await member.edit(room, kept, "Pour douze personnes.")
    await member.edit(room, asked, f"ask --private --desk funding {ASKED} En 2027 ?")
    await house.quiet()
    [proposed] = await house.said(room, "question.whom")
    await member.react(room, proposed["event_id"], "1️⃣")
    anna = funding.people["anna"]
    alone = await anna.accept(await anna.wait_for_invite())
    [offer] = await house.said(alone, "question.offer")
    body = offer["content"]["body"]
    assert "12345" not in body
    assert "2027" in body
    assert "douze personnes" in body
    assert "dix personnes" not in body


async def test_erasure_leaves_no_trace_of_a_private_conversation(funding: Desk) -> None:
    house, member = funding.house, funding.member
    room = await member.accept(await member.wait_for_invite())
    await member.say(room, f"ask --private --desk funding {ASKED}")
    await house.quiet()
    [proposed] = await house.said(room, "question.whom")
    await member.react(room, proposed["event_id"], "1️⃣")
    anna = funding.people["anna"]
    alone = await anna.accept(await anna.wait_for_invite())
    [offer] = await house.said(alone, "question.offer")
    await anna.say(alone, "Oui, l’appel de mars.", thread=offer["event_id"])
    await member.say(room, "Et pour Courtrai ?")
    await house.quiet()
    for person in (member, anna):
        await funding.command(f"!erase {person.user_id}")
        assert await house.traces(person.user_id) == []


async def test_a_private_question_is_read_by_whom_its_asker_names(funding: Desk) -> None:
    house, member = funding.house, funding.member
    room = await member.accept(await member.wait_for_invite())
    await member.say(room, f"ask --private --desk funding {ASKED}")
    await house.quiet()
    [card] = await funding.in_desk("question.card")
    assert "Interreg" not in card["content"]["body"]
    assert "asker" not in card["content"]["org.clusterdesk"]
    assert await funding.offers() == {}

    [proposed] = await house.said(room, "question.whom")
    assert "anna" in proposed["content"]["body"].splitlines()[1]
    await member.react(room, proposed["event_id"], "1️⃣")
    anna = funding.people["anna"]
    alone = await anna.accept(await anna.wait_for_invite())
    [offer] = await house.said(alone, "question.offer")
    assert ASKED in offer["content"]["body"]
    assert "member" not in offer["content"]["body"]
    await anna.say(alone, "Oui, l’appel de mars.", thread=offer["event_id"])
    [answer] = await house.said(room, "question.answer")
    assert "mars" in answer["content"]["body"]

    [ack] = await house.said(room, "question.ack")
    await member.react(room, ack["event_id"], "👋")
    await house.quiet()
    edits = [
        each
        for each in house.matrix.timeline(alone, "m.room.message")
        if (each["content"].get("m.relates_to") or {}).get("event_id") == offer["event_id"]
        and "m.new_content" in each["content"]
    ]
    assert "member" in edits[-1]["content"]["m.new_content"]["body"]


async def test_the_coordinator_names_an_expert_or_another_desk(funding: Desk) -> None:
    await funding.ask()
    await funding.command(f"!assign Q1 {funding.house.user('bram')}", by="carla", room="funding")
    offers = await funding.in_desk("question.offer")
    assert mentioned(offers[-1]) == [funding.house.user("bram")]
    await funding.command("!route Q1 project", by="carla", room="funding")
    project = await funding.house.room("desk", "project")
    assert len(await funding.house.said(project, "question.card")) == 1
    assert (await funding.question()).desk == "project"


async def test_members_cannot_do_what_coordinators_do(funding: Desk) -> None:
    await funding.ask()
    cluster = await funding.cluster()
    await funding.member.say(cluster, "!route Q1 project")
    [refusal] = await funding.in_cluster("error")
    assert refusal["content"]["org.clusterdesk"]["key"] == "not-allowed"
    assert (await funding.question()).desk == "funding"


async def test_whoever_is_not_asked_is_told_once_that_it_stays_here(funding: Desk) -> None:
    await funding.ask()
    [card] = await funding.in_desk("question.card")
    passer_by = await funding.house.person("passer", "funding")
    for text in ("Moi aussi !", "Et moi."):
        await passer_by.say(await funding.room(), text, thread=card["event_id"])
    replies = await funding.in_desk("reply")
    assert len([each for each in replies if thread_of(each) == card["event_id"]]) == 1
    assert await funding.in_cluster("question.answer") == []


async def test_people_cannot_make_the_bot_mention_or_format(funding: Desk) -> None:
    hostile = "<img src=x onerror=alert(1)> @room [x](javascript:y) <b>gras</b> aide Interreg ?"
    await funding.ask(f"!ask {hostile}")
    [card] = await funding.in_desk("question.card")
    assert "<img" not in card["content"]["formatted_body"]
    assert card["content"]["m.mentions"] == {"user_ids": []}
    [answer_thread] = [card["event_id"]]
    await funding.people["anna"].say(
        await funding.room(),
        "réponse",
        html='<script>x</script><a href="javascript:y">réponse</a><img src="https://x.test/t.png">',
        thread=answer_thread,
    )
    [answer] = await funding.in_cluster("question.answer")
    html = answer["content"]["formatted_body"]
    assert not any(bad in html for bad in ("<script", "javascript:", "<img"))
    assert mentioned(answer) == [funding.member.user_id]


async def test_an_expert_who_is_away_is_not_asked(funding: Desk) -> None:
    await funding.command("!away", by="anna", room="funding")
    await funding.ask()
    [offer] = await funding.in_desk("question.offer")
    assert mentioned(offer) == [funding.house.user("bram")]


async def test_why_says_it_in_the_readers_language(funding: Desk) -> None:
    await funding.ask()
    await funding.command("!language en", by="carla", room="funding")
    await funding.command("!why Q1", by="carla", room="funding")
    replies = await funding.in_desk("reply")
    assert "answers in French" in replies[-1]["content"]["body"]
    assert kind_of(replies[-1]) == "reply"


async def test_notices_and_other_bots_are_never_answered(funding: Desk) -> None:
    await funding.member.say(await funding.cluster(), "!help", msgtype="m.notice")
    assert await funding.in_cluster("help") == []


async def test_what_was_asked_is_found_and_what_is_private_is_not(funding: Desk) -> None:
    await funding.ask()
    room = await funding.member.accept(await funding.member.wait_for_invite())
    await funding.member.say(room, "ask --private Une aide Interreg pour mon licenciement ?")
    await funding.house.quiet()
    await funding.member.say(room, "chercher aides interreg")
    found = (await funding.house.said(room, "reply"))[-1]["content"]["body"]
    assert "Q1" in found
    assert "licenciement" not in found
    await funding.member.say(room, "chercher zeppelin")
    nothing = (await funding.house.said(room, "reply"))[-1]["content"]["body"]
    assert "!demander" in nothing
