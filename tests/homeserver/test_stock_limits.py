"""Under the rate limits that homeservers have unless somebody lifts them: slower, and nothing else.

Synapse lets an account send ten messages at once and then one in five seconds. Making a room and
changing its state count as messages.
"""

import asyncio
import secrets
from pathlib import Path
from urllib.parse import quote

import aiohttp
import pytest

from bot.demo.homeserver import PrivateSynapse
from bot.demo.person import Event, Person
from config.network import load_network
from tests.support import PersonFactory
from tests.support.bot_process import CLUSTERDESK, BotProcess, environment, settle
from tests.support.house import kind_of

pytestmark = pytest.mark.homeserver

WHOLE = load_network("innov-eurometropolis")
SECONDS_PER_MESSAGE = 5.0
BURST = 10
COMMANDS = 15


async def unlimited(synapse: PrivateSynapse, people: PersonFactory, name: str) -> Person:
    """A person whom no limit slows down: it is the bot's limits that are looked at."""
    person = await people(name)
    await synapse.override_ratelimit(person.user_id)
    return person


async def limit_again(synapse: PrivateSynapse, user_id: str) -> None:
    admin = await synapse.register(f"admin-{secrets.token_hex(4)}", secrets.token_urlsafe(), True)
    url = f"{synapse.base_url}/_synapse/admin/v1/users/{quote(user_id, safe='')}/override_ratelimit"
    headers = {"Authorization": f"Bearer {admin.access_token}"}
    async with aiohttp.ClientSession(headers=headers) as http, http.delete(url) as response:
        response.raise_for_status()


def answers(event: Event) -> str | None:
    """The message that this one of the bot's replies to."""
    relation = event["content"].get("m.relates_to") or {}
    replied = (relation.get("m.in_reply_to") or {}).get("event_id")
    return str(replied) if kind_of(event) == "reply" else None


async def test_making_rooms_keeps_nobody_waiting(
    stock_synapse: PrivateSynapse, stock_people: PersonFactory, tmp_path: Path
) -> None:
    """Rooms are made as slowly as the homeserver allows; who asks in between is answered."""
    premises = await settle(
        stock_synapse,
        tmp_path,
        clusters=[each.key for each in WHOLE.clusters],
        desks=[each.key for each in WHOLE.desks],
        forum=True,
    )
    member = await unlimited(stock_synapse, stock_people, "member")
    async with BotProcess(premises.config) as bot:
        await bot.ready()
        direct = await member.direct_room(premises.bot.user_id)
        waits = await bot.logged("provision_waits")
        assert 0 < waits["rooms"] < len(WHOLE.clusters) + len(WHOLE.desks)
        assert bot.log("provision_step") != []

        asked = await member.say(direct, "!about")
        # It takes turns with the making of rooms, and has to come in first before it can answer.
        await member.wait_for(
            lambda event: answers(event) == asked, direct, timeout=8 * SECONDS_PER_MESSAGE
        )
        assert bot.log("provisioned") == []


async def test_provisioning_shows_how_far_it_is(
    stock_synapse: PrivateSynapse, tmp_path: Path
) -> None:
    premises = await settle(
        stock_synapse, tmp_path, desks=[each.key for each in WHOLE.desks], forum=True
    )
    process = await asyncio.create_subprocess_exec(
        CLUSTERDESK,
        "provision",
        "--config",
        str(premises.config),
        env=environment(tmp_path),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    shown: list[str] = []
    try:
        async with asyncio.timeout(60):
            while not shown or "wait" not in shown[-1]:
                line = await process.stdout.readline()
                assert line, f"it ended after {shown}"
                shown.append(line.decode().strip())
    finally:
        process.kill()
        await process.wait()
    assert any(line.startswith("• ") for line in shown)  # the plan
    assert any(line.startswith("room 1 of 8: ") for line in shown)
    assert "of 8: the homeserver asks us to wait" in shown[-1]


async def test_a_burst_of_commands_is_answered_to_the_end_and_in_order(
    stock_synapse: PrivateSynapse, stock_people: PersonFactory, tmp_path: Path
) -> None:
    premises = await settle(stock_synapse, tmp_path)
    member = await unlimited(stock_synapse, stock_people, "member")
    await stock_synapse.override_ratelimit(premises.bot.user_id)  # until the rooms are made
    async with BotProcess(premises.config) as bot:
        await bot.provisioned()
        [cluster] = await premises.enters(member, "logistics")
        await member.wait_for_invite(premises.bot.user_id)
        await bot.quiet()
        await limit_again(stock_synapse, premises.bot.user_id)

        asked = [await member.say(cluster, "!about") for _ in range(COMMANDS)]
        patience = (COMMANDS - BURST + 3) * SECONDS_PER_MESSAGE
        await member.wait_for(lambda event: answers(event) == asked[-1], cluster, timeout=patience)
        assert [each for event in member.seen if (each := answers(event))] == asked
        assert bot.log("rate_limited") != []
        assert await bot.figure("clusterdesk_outbox_dead_letters") == 0
