"""The bot's process behind a proxy that misbehaves in every way a homeserver or its web server can.

One network serves all these tests; each runs the bot behind a proxy of its own. A member talks to
the homeserver directly, so what they see is what really happened.
"""

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from bot.demo.homeserver import PrivateSynapse
from bot.demo.person import Event, Person
from tests.support.bot_process import BotProcess, Premises, is_edit, key_of, settle
from tests.support.house import kind_of, thread_of
from tests.support.proxy import (
    Exchange,
    Fault,
    FaultProxy,
    Rule,
    cut_after_accept,
    cut_before,
    cut_body,
    html_502,
    slow_bytes,
    status,
    truncated_json,
)

pytestmark = pytest.mark.homeserver

SYNC = "/sync$"
SEND = "/send/"
BROKEN_SECONDS = 15
UNDER_WAY_SECONDS = 1.5
"""Until what was on its way when the homeserver broke has failed as well."""
PATIENCE = 60.0
"""Seconds; more than the pauses of the bot after a few faults in a row."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def premises(
    synapse: PrivateSynapse, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Premises]:
    """A network whose rooms are made, and an expert who is called and never answers."""
    premises = await settle(synapse, tmp_path_factory.mktemp("bot"))
    async with BotProcess(premises.config) as bot:
        await bot.provisioned()
        expert = await premises.newcomer("expert")
        async with premises.person(expert, listen=False) as person:
            await premises.enters(person, "funding")
        await premises.command(f"!expert add {expert.user_id} --desk funding --lang en")
        await bot.quiet()
        assert await bot.stop() == 0
    yield premises


@dataclass
class Scene:
    premises: Premises
    proxy: FaultProxy
    bot: BotProcess
    member: Person
    cluster: str

    async def ask(self) -> str:
        return await self.member.say(self.cluster, "!ask Who knows a grant for a pilot?")

    async def acknowledged(self, asked: str) -> Event:
        return await self.member.wait_for(
            lambda event: kind_of(event) == "question.ack" and thread_of(event) == asked,
            self.cluster,
            timeout=PATIENCE,
            awaited="the acknowledgement",
        )

    async def works(self) -> None:
        """A question is taken and goes its way to the end, with nothing said twice."""
        asked = await self.ask()
        number = key_of(await self.acknowledged(asked))["question"]
        await self.bot.quiet()
        assert await self.said(asked) == ["question.ack"]
        assert await self.said_at_desk(number) == ["question.card", "question.offer"]

    async def said(self, asked: str) -> list[str | None]:
        thread = await self.member.thread_messages(self.cluster, asked)
        return [kind_of(event) for event in thread if not is_edit(event)]

    async def said_at_desk(self, number: int) -> list[str | None]:
        """What the bot has said of this question where experts are."""
        async with self.premises.person(self.premises.admin, listen=False) as admin:
            [desk] = await self.premises.enters(admin, "funding")
            events = await admin.messages(desk, limit=200)
        ours = [event for event in events if key_of(event).get("question") == number]
        return [kind_of(event) for event in ours if not is_edit(event)]


@asynccontextmanager
async def a_scene(
    premises: Premises, *faults: tuple[str, Fault, int | None]
) -> AsyncIterator[Scene]:
    """The bot behind a proxy with these faults (path, fault, times) from the start."""
    account = await premises.newcomer("member")
    async with (
        FaultProxy(premises.synapse.base_url) as proxy,
        premises.person(account) as member,
    ):
        [cluster] = await premises.enters(member, "logistics")
        for path, fault, times in faults:
            proxy.fault(fault, path=path, times=times)
        config = premises.configure("behind-proxy.yaml", homeserver=proxy.url)
        async with BotProcess(config) as bot:
            yield Scene(premises, proxy, bot, member, cluster)


@pytest.fixture
async def scene(premises: Premises) -> AsyncIterator[Scene]:
    async with a_scene(premises) as scene:
        await scene.bot.ready()
        yield scene


def spoiled(spoil: Callable[[dict[str, Any]], None]) -> Fault:
    """The homeserver's answer, after somebody had a hand in it."""

    async def answer(exchange: Exchange) -> web.StreamResponse:
        true = await exchange.fetch()
        body = json.loads(true.body)
        spoil(body)
        return exchange.whole(true.status, true.headers, json.dumps(body).encode())

    return answer


async def test_it_waits_for_a_homeserver_that_is_down_when_it_starts(premises: Premises) -> None:
    async with a_scene(premises, ("", cut_before, None)) as scene:
        await scene.bot.logged("sign_in_failed")
        answer = await scene.bot.until_ready_is(False)
        assert list(answer["faults"]) == ["homeserver"]
        assert "no answer" in answer["faults"]["homeserver"]
        asked = await scene.ask()
        scene.proxy.clear()
        await scene.bot.ready()
        await scene.acknowledged(asked)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(html_502, id="502 HTML"),
        pytest.param(status(200, body="<html>Welcome to the guest network</html>"), id="200 HTML"),
        pytest.param(status(200, body={}), id="200 with nothing in it"),
        pytest.param(status(429, body={"retry_after_ms": 500}), id="429"),
        pytest.param(cut_body, id="cut body"),
        pytest.param(truncated_json, id="truncated JSON"),
    ],
)
async def test_a_fault_of_sync_passes(premises: Premises, fault: Fault) -> None:
    """What was said meanwhile is heard, and answered once."""
    async with a_scene(premises, (SYNC, fault, 1)) as scene:
        asked = await scene.ask()
        await scene.bot.logged("sync_failed")
        await scene.acknowledged(asked)
        await scene.bot.ready()
        assert await scene.said(asked) == ["question.ack"]


@pytest.mark.parametrize(
    ("fault", "arrives"),
    [
        pytest.param(html_502, False, id="502 HTML"),
        pytest.param(cut_after_accept, True, id="cut after it was accepted"),
        pytest.param(cut_body, True, id="cut body"),
        pytest.param(truncated_json, True, id="truncated JSON"),
    ],
)
async def test_what_is_sent_under_a_fault_appears_once(
    scene: Scene, fault: Fault, arrives: bool
) -> None:
    """Also when the homeserver took it and only its answer was lost (`arrives`)."""
    rule = scene.proxy.fault(fault, path=SEND, times=2)
    await scene.works()
    assert rule.hits == 2
    if arrives:
        assert scene.proxy.requests(SEND)[0].status in (None, 200)


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [
        pytest.param(status(429, body={"retry_after_ms": 1500}), 1.5, id="body only"),
        pytest.param(status(429, headers={"Retry-After": "2"}), 2.0, id="header only"),
    ],
)
async def test_a_rate_limit_is_kept_to(scene: Scene, fault: Fault, seconds: float) -> None:
    scene.proxy.fault(fault, path=SEND)
    await scene.works()
    [refused] = [each for each in scene.proxy.requests(SEND) if each.status == 429]
    again = [each for each in scene.proxy.requests(SEND) if each.path == refused.path]
    assert [each.status for each in again] == [429, 200]
    assert again[1].at - again[0].at >= seconds


async def test_slow_bytes_are_waited_for(premises: Premises) -> None:
    trickle = slow_bytes(chunk=200, pause=0.05)
    async with a_scene(premises, (SYNC, trickle, None), (SEND, trickle, None)) as scene:
        await scene.works()
        assert scene.bot.log("sync_failed") == scene.bot.log("send_failed") == []


MALFORMED: list[Any] = [
    "not an event",
    None,
    {},
    {"type": "m.room.message", "sender": "@somebody:else", "content": {"body": "no id"}},
    {"event_id": "$no-content", "type": "m.room.message", "sender": "@somebody:else"},
    {"event_id": "$no-type", "sender": "@somebody:else", "content": {}, "origin_server_ts": 1},
    {
        "event_id": "$odd-types",
        "type": "m.room.message",
        "sender": ["@somebody:else"],
        "content": {"msgtype": 7, "body": None, "m.relates_to": "?"},
        "origin_server_ts": "yesterday",
    },
]


async def test_malformed_events_and_sections_harm_no_other(scene: Scene) -> None:
    def spoil(answer: dict[str, Any]) -> None:
        rooms = answer.get("rooms", {}).get("join", {})
        for section in rooms.values():
            section["timeline"]["events"][:0] = MALFORMED
        if rooms:
            rooms |= {"!null": None, "!text": "a section", "!odd": {"timeline": 7, "state": []}}

    scene.proxy.fault(spoiled(spoil), path=SYNC, times=None)
    await scene.works()
    assert {each["room"] for each in scene.bot.log("room_section_skipped")} == {"!null", "!text"}
    assert scene.bot.log("event_skipped") != []
    assert await scene.bot.figure("clusterdesk_inbox_dead_letters") == 0


async def test_a_broken_homeserver_is_not_hammered(scene: Scene) -> None:
    """Less than one request a second, to each of what is asked for."""
    sending = scene.proxy.fault(html_502, path=SEND, times=None)
    asked = await scene.ask()
    await hit(sending)
    syncing = scene.proxy.fault(status(500, body={"errcode": "M_UNKNOWN"}), path=SYNC, times=None)
    await scene.member.say(scene.cluster, "This ends the long poll that is under way.")
    await hit(syncing)
    assert await scene.bot.until_ready_is(False)
    await asyncio.sleep(UNDER_WAY_SECONDS)

    since = time.monotonic()
    await asyncio.sleep(BROKEN_SECONDS)
    for path in (SYNC, SEND):
        times = [each.at for each in scene.proxy.requests(path) if each.at > since]
        assert 0 < len(times) < BROKEN_SECONDS
        assert all(later - sooner >= 1 for sooner, later in pairwise(times))

    # It would go on by itself, after a pause that has grown to a quarter of a minute.
    scene.proxy.clear()
    assert await scene.bot.stop() == 0
    scene.bot.start()
    number = key_of(await scene.acknowledged(asked))["question"]
    await scene.bot.ready()
    await scene.bot.quiet()
    assert await scene.said(asked) == ["question.ack"]
    assert await scene.said_at_desk(number) == ["question.card", "question.offer"]


async def test_a_revoked_token_stops_nothing_for_good(scene: Scene) -> None:
    """Red with the reason; the process stays, what is queued is kept, and a new token suffices."""
    sending = scene.proxy.fault(html_502, path=SEND, times=None)
    asked = await scene.ask()
    await hit(sending)
    await log_out(scene.premises)
    scene.proxy.clear()

    await scene.bot.logged("token_rejected")
    answer = await scene.bot.until_ready_is(False)
    assert "token" in answer["faults"]
    assert await scene.bot.figure("clusterdesk_outbox_depth") > 0
    assert await scene.said(asked) == []

    scene.premises.give_token(await log_in(scene.premises))
    number = key_of(await scene.acknowledged(asked))["question"]
    await scene.bot.ready()
    await scene.bot.quiet()
    assert await scene.said(asked) == ["question.ack"]
    assert await scene.said_at_desk(number) == ["question.card", "question.offer"]


async def log_out(premises: Premises) -> None:
    """As somebody does who removes the session from the account's settings."""
    async with as_the_bot(premises, premises.token) as account:
        await account.request("POST", "logout", body={})


async def log_in(premises: Premises) -> str:
    """A new token of the same device."""
    credentials = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": premises.bot.user_id},
        "password": premises.bot.password,
        "device_id": premises.bot.device_id,
    }
    async with as_the_bot(premises, "") as account:
        answer = await account.request("POST", "login", body=credentials)
    return str(answer["access_token"])


def as_the_bot(premises: Premises, token: str) -> Person:
    url, user_id = premises.synapse.base_url, premises.bot.user_id
    return Person(url, user_id, access_token=token, listen=False)


@pytest.mark.crash
@pytest.mark.parametrize("moment", ["before-create", "after-create"])
async def test_a_kill_while_a_direct_room_is_made_leaves_one_room(
    premises: Premises, moment: str
) -> None:
    """Making a room cannot be repeated as sending can: the half-made one is found again."""
    async with premises.person(await premises.newcomer("member")) as member:
        await premises.enters(member)
        async with BotProcess(premises.config, crash_at=f"{moment}:1") as bot:
            assert await bot.ended() == -signal.SIGKILL
        async with BotProcess(premises.config) as bot:
            await bot.ready()
            direct = await member.accept(await member.wait_for_invite(premises.bot.user_id))
            await member.wait_for(lambda event: kind_of(event) == "welcome", direct)
            await bot.quiet()
        assert member.invites() == []
        assert [kind_of(event) for event in member.seen].count("welcome") == 1


async def hit(rule: Rule) -> None:
    async with asyncio.timeout(PATIENCE):
        while rule.hits == 0:  # noqa: ASYNC110 - the proxy gives nothing to wait for
            await asyncio.sleep(0.02)
