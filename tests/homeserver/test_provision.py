"""Rooms on a real Synapse: made, entered, taken care of, survived and followed."""

import asyncio
import contextlib
import random
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from sqlalchemy import select

from bot.demo.homeserver import PrivateSynapse
from bot.demo.person import Person, RefusedError
from bot.domain.incoming import Tombstone
from bot.domain.rooms.model import MARKER
from bot.matrix.client import MatrixClient
from bot.services.instance import Instance
from bot.services.rooms import Outcome, Provisioner, tombstoned
from bot.services.rooms.survey import desired_of
from bot.services.routing.router import Router
from config import locales
from config.network import Network, load_network
from storage import rooms
from storage.database import Database
from storage.outbox import OutboxRow
from storage.rooms import Room
from tests.support import PersonFactory, databases
from tests.support.proxy import Exchange, FaultProxy, cut_after_accept, status

pytestmark = pytest.mark.homeserver

WHOLE = load_network("innov-eurometropolis")
SMALL = WHOLE.model_copy(
    update={
        "clusters": tuple(each for each in WHOLE.clusters if each.key == "logistics"),
        "desks": tuple(each for each in WHOLE.desks if each.key == "funding"),
    }
)
WRITES = ("PUT", "POST", "DELETE")


@dataclass
class Setting:
    """A bot of its own, with addresses of its own, behind a proxy that can misbehave."""

    synapse: PrivateSynapse
    proxy: FaultProxy
    database: Database
    instance: Instance
    token: str
    admin: Person
    make_person: PersonFactory

    @property
    def bot(self) -> str:
        return self.instance.user_id

    def alias(self, key: str) -> str:
        return f"#{self.instance.network.alias(key)}:{self.instance.server}"

    @contextlib.asynccontextmanager
    async def client(self) -> AsyncIterator[MatrixClient]:
        async with MatrixClient(self.proxy.url, self.bot, self.token) as client:
            yield client

    async def apply(self, version: str | None = None, **options: Any) -> Outcome:
        async with self.client() as client:
            provisioner = Provisioner(
                client, self.database, self.instance, now, room_version=version, **options
            )
            return await provisioner.apply()

    async def writes(self) -> list[str]:
        """The requests of another run that change something."""
        before = len(self.proxy.requests())
        await self.apply()
        return [each.path for each in self.proxy.requests()[before:] if each.method in WRITES]

    async def rows(self) -> dict[str, Room]:
        async with self.database.uow("test", now()) as uow:
            return {row.key: row for row in await rooms.managed(uow.session)}

    async def room_id(self, key: str) -> str:
        return (await self.rows())[key].room_id

    async def alerts(self) -> list[str]:
        async with self.database.uow("test", now()) as uow:
            found = await uow.session.scalars(select(OutboxRow).order_by(OutboxRow.id))
            return [row.content["body"] for row in found if row.content]

    async def is_whole(self) -> None:
        """Exactly the planned rooms, as members see them from the space."""
        planned = {spec.place.key: spec for spec in desired_of(self.instance).rooms}
        rows = await self.rows()
        assert rows.keys() == planned.keys()
        assert all(row.ready_at for row in rows.values())
        async with self.client() as client:
            assert await client.joined_rooms() == {row.room_id for row in rows.values()}
        await self.admin.join(self.alias("space"))
        for key, row in rows.items():
            assert await self.admin.resolve(self.alias(key)) == row.room_id
        seen = await self.hierarchy()
        assert [each["room_id"] for each in seen] == [
            rows[key].room_id for key in planned if key != "control"
        ]
        assert [each["name"] for each in seen] == [
            spec.name for key, spec in planned.items() if key != "control"
        ]

    async def hierarchy(self) -> list[dict[str, Any]]:
        space = await self.room_id("space")
        answer = await self.admin.request("GET", "rooms", space, "hierarchy", api="client/v1")
        return list(answer["rooms"])

    async def state(self, room_id: str, type: str, key: str = "") -> dict[str, Any]:
        async with self.client() as client:
            return await client.state_event(room_id, type, key) or {}


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return databases.make_sqlite_template(tmp_path_factory.mktemp("template") / "network.db")


@contextlib.asynccontextmanager
async def a_bot(
    synapse: PrivateSynapse, people: PersonFactory, database_url: str, network: Network
) -> AsyncIterator[Setting]:
    unique = secrets.token_hex(4)
    account = await synapse.register(f"bot-{unique}", secrets.token_urlsafe())
    admin = await people("admin", listen=False)
    network = network.model_copy(update={"alias_prefix": f"t{unique}-"})
    texts = locales.load(network.languages)
    admins = frozenset({admin.user_id})
    instance = Instance(account.user_id, network, texts, admins, Router(network))
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(FaultProxy(synapse.base_url))
        database = await stack.enter_async_context(_closing(Database(database_url)))
        yield Setting(synapse, proxy, database, instance, account.access_token, admin, people)


@pytest.fixture
def network() -> Network:
    """A test that is about the whole network says so (``of_all_rooms``)."""
    return SMALL


of_all_rooms = pytest.mark.parametrize("network", [WHOLE], ids=["whole"])


@pytest.fixture
async def setting(
    synapse: PrivateSynapse,
    people: PersonFactory,
    template: Path,
    tmp_path: Path,
    network: Network,
) -> AsyncIterator[Setting]:
    url = databases.fresh_sqlite(template, tmp_path / "network.db")
    async with a_bot(synapse, people, url, network) as found:
        yield found


@pytest.fixture
async def stock_setting(
    stock_synapse: PrivateSynapse, stock_people: PersonFactory, template: Path, tmp_path: Path
) -> AsyncIterator[Setting]:
    url = databases.fresh_sqlite(template, tmp_path / "network.db")
    async with a_bot(stock_synapse, stock_people, url, WHOLE) as found:
        yield found


@of_all_rooms
@pytest.mark.parametrize("version", [None, "11"])
async def test_a_network_is_made_and_a_second_run_changes_nothing(
    setting: Setting, version: str | None
) -> None:
    await setting.apply(version)
    await setting.is_whole()
    created = await setting.state(await setting.room_id("forum"), "m.room.create")
    assert created["room_version"] == (version or "12")
    assert await setting.writes() == []


async def test_members_of_the_space_may_come_in_and_others_may_not(setting: Setting) -> None:
    await setting.apply()
    member = await setting.make_person("member", listen=False)
    with pytest.raises(RefusedError):
        await member.join(setting.alias("logistics"))
    await member.join(setting.alias("space"))
    for key in ("logistics", "funding", "forum"):
        await member.join(setting.alias(key))
    with pytest.raises(RefusedError):
        await member.join(setting.alias("control"))
    room = await setting.room_id("logistics")
    await member.say(room, "Bonjour, goeiedag, hello")
    await member.put_state(room, "org.matrix.msc3401.call.member", {}, member.user_id)
    with pytest.raises(RefusedError):
        await member.put_state(room, "m.room.name", {"name": "Mine"})
    with pytest.raises(RefusedError):
        await member.invite(room, setting.bot)


@pytest.mark.parametrize("version", [None, "11"])
async def test_admins_hold_power_in_every_room(setting: Setting, version: str | None) -> None:
    await setting.apply(version)
    await setting.admin.join(setting.alias("space"))
    for key, row in (await setting.rows()).items():
        await setting.admin.join(row.room_id)
        await setting.admin.put_state(row.room_id, "m.room.topic", {"topic": f"The {key} room"})
        levels = await setting.admin.state(row.room_id, "m.room.power_levels")
        levels["kick"] = 60
        await setting.admin.put_state(row.room_id, "m.room.power_levels", levels)


@of_all_rooms
@pytest.mark.parametrize("seed", range(4))
async def test_killed_twice_the_rooms_are_exactly_those_planned(
    setting: Setting, seed: int
) -> None:
    dice = random.Random(seed)
    for requests in (dice.randint(5, 30), dice.randint(14, 26)):
        await _killed_at(setting, requests, carried_out=dice.random() < 0.7)
    await setting.apply()
    await setting.is_whole()
    assert await setting.writes() == []


async def test_rooms_whose_answers_are_lost_are_made_once(setting: Setting) -> None:
    setting.proxy.fault(cut_after_accept, method="POST", path=r"/createRoom$", times=2)
    setting.proxy.fault(status(502, body="<html>"), method="PUT", path=r"/m\.space\.child/")
    await setting.apply(sleep=_briefly)
    await setting.is_whole()


async def test_a_run_that_begins_while_the_last_one_is_still_served_makes_no_room_twice(
    setting: Setting,
) -> None:
    for _ in range(3):
        await _killed_at(setting, 1, carried_out=True, path=r"/createRoom$", waits=False)
    await setting.apply()
    await setting.is_whole()


async def test_a_strangers_room_at_our_address_is_left_alone(setting: Setting) -> None:
    stranger = await setting.make_person("stranger", listen=False)
    name = setting.alias("funding").removeprefix("#").partition(":")[0]
    theirs = await stranger.create_room(room_alias_name=name, invite=[setting.bot])
    outcome = await setting.apply(sleep=_briefly)
    assert len(outcome.notices) == 1
    rows = await setting.rows()
    assert rows.keys() == {"space", "control", "logistics", "forum"}
    assert await stranger.resolve(setting.alias("funding")) == theirs
    assert len(await setting.alerts()) == 1


async def test_a_half_made_room_is_completed(setting: Setting) -> None:
    name = setting.alias("logistics").removeprefix("#").partition(":")[0]
    broken = {
        "room_alias_name": name,
        "power_level_content_override": {"users": {setting.bot: 100}},
    }
    async with setting.client() as client:
        with pytest.raises(Exception, match="Creator"):
            await client.create_room(broken)
    half_made = await setting.admin.resolve(setting.alias("logistics"))
    await setting.apply(sleep=_briefly)
    await setting.is_whole()
    assert await setting.room_id("logistics") == half_made
    await setting.admin.join(half_made)
    await setting.admin.put_state(half_made, "m.room.name", {"name": "Logistics"})


async def test_a_humans_name_stays_and_is_told_once(setting: Setting) -> None:
    await setting.apply()
    room = await setting.room_id("logistics")
    await setting.admin.join(setting.alias("space"))
    await setting.admin.join(room)
    await setting.admin.put_state(room, "m.room.name", {"name": "Péniches"})
    for _ in range(2):
        assert await setting.writes() == []
    assert await setting.state(room, "m.room.name") == {"name": "Péniches"}
    (alert,) = await setting.alerts()
    assert "Péniches" in alert


async def test_a_lost_database_finds_its_rooms_again(
    setting: Setting, template: Path, tmp_path: Path
) -> None:
    await setting.apply()
    before = {key: row.room_id for key, row in (await setting.rows()).items()}
    empty = Database(databases.fresh_sqlite(template, tmp_path / "new.db"))
    async with _closing(empty):
        found = replace(setting, database=empty)
        assert await found.writes() == []
        assert {key: row.room_id for key, row in (await found.rows()).items()} == before


async def test_an_upgrade_by_an_admin_is_followed(setting: Setting) -> None:
    await setting.apply("11")
    await setting.admin.join(setting.alias("space"))
    old = await setting.room_id("logistics")
    new = await _upgrade(setting, old)
    await setting.apply()
    rows = await setting.rows()
    assert rows["logistics"].room_id == new
    space = rows["space"].room_id
    assert (await setting.state(new, MARKER))["key"] == "logistics"
    assert (await setting.state(new, "m.space.parent", space))["canonical"] is True
    for room in (old, new):
        assert (await setting.state(space, "m.space.child", room))["via"]
    assert await setting.admin.resolve(setting.alias("logistics")) == new
    member = await setting.make_person("member", listen=False)
    await member.join(setting.alias("space"))
    await member.join(setting.alias("logistics"))
    assert await setting.writes() == []


async def test_an_upgraded_space_takes_its_rooms_along(setting: Setting) -> None:
    await setting.apply("11")
    new = await _upgrade(setting, await setting.room_id("space"))
    # Nobody else may let the bot into a space that is open to everybody.
    await setting.apply()
    assert await setting.room_id("space") == new
    member = await setting.make_person("member", listen=False)
    await member.join(setting.alias("space"))
    await member.join(setting.alias("funding"))
    listed = {each["room_id"] for each in await setting.hierarchy()}
    assert listed == {
        row.room_id for key, row in (await setting.rows()).items() if key != "control"
    }
    assert await setting.writes() == []


async def test_an_upgrade_that_takes_the_bots_power_is_told_and_mended(setting: Setting) -> None:
    """In version 12 the bot had its power as a creator: only a creator can give it some."""
    await setting.apply()
    await setting.admin.join(setting.alias("space"))
    new = await _upgrade(setting, await setting.room_id("logistics"))
    await setting.apply()
    assert await setting.room_id("logistics") == new
    assert await setting.state(new, MARKER) == {}
    (alert,) = await setting.alerts()
    assert "!provision" in alert
    levels = await setting.admin.state(new, "m.room.power_levels")
    levels["users"] = {**levels.get("users", {}), setting.bot: 100}
    await setting.admin.put_state(new, "m.room.power_levels", levels)
    await setting.apply()
    assert (await setting.state(new, MARKER))["key"] == "logistics"
    assert await setting.writes() == []


async def test_a_closed_successor_is_asked_for_and_followed_after_an_invite(
    setting: Setting,
) -> None:
    await setting.apply("11")
    old = await setting.room_id("control")
    await setting.admin.join(old)
    new = await _upgrade(setting, old)
    for _ in range(2):
        await setting.apply()
    assert await setting.room_id("control") == old
    assert len(await setting.alerts()) == 1
    await setting.admin.invite(new, setting.bot)
    await setting.apply()
    assert await setting.room_id("control") == new


async def test_under_stock_limits_the_homeserver_sets_the_pace(stock_setting: Setting) -> None:
    """Waiting takes minutes; here it is seen to begin, and ends as operators end it."""
    waits = asyncio.Event()
    lines: list[str] = []

    def progress(line: str) -> None:
        lines.append(line)
        if "asks us to wait" in line:
            waits.set()

    task = asyncio.create_task(stock_setting.apply(progress=progress))
    async with asyncio.timeout(60):
        await waits.wait()
    busiest = stock_setting.proxy.busiest(1.0, method="POST")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert busiest <= 12
    await stock_setting.synapse.override_ratelimit(stock_setting.bot)
    await stock_setting.apply()
    await stock_setting.is_whole()


@contextlib.asynccontextmanager
async def _closing(database: Database) -> AsyncIterator[Database]:
    try:
        yield database
    finally:
        await database.close()


async def _briefly(seconds: float) -> None:
    await asyncio.sleep(min(seconds, 0.5))


async def _killed_at(
    setting: Setting, requests: int, *, carried_out: bool, path: str = "", waits: bool = True
) -> None:
    """Run until the homeserver has heard this many requests, then vanish without a word."""
    heard = asyncio.Event()
    seen = 0

    def is_last(_request: web.Request) -> bool:
        nonlocal seen
        seen += 1
        return seen >= requests

    async def hang(exchange: Exchange) -> web.StreamResponse:
        if not waits:
            heard.set()
        if carried_out:
            await exchange.fetch()
        heard.set()
        await asyncio.sleep(60)
        return exchange.cut()

    setting.proxy.fault(hang, path=path, when=is_last, times=1)
    task = asyncio.create_task(setting.apply())
    async with asyncio.timeout(30):
        await heard.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    setting.proxy.clear()


async def _upgrade(setting: Setting, old: str) -> str:
    """As clients do it for an admin, and as the bot then hears of it."""
    await setting.admin.join(old)
    body = {"new_version": "12"}
    answer = await setting.admin.request("POST", "rooms", old, "upgrade", body=body)
    new = str(answer["replacement_room"])
    incoming = Tombstone(
        room_id=old, event_id="$t", sender=setting.admin.user_id, at=now(), successor=new
    )
    async with setting.database.uow(f"$t{new}", now()) as uow:
        await tombstoned(uow, setting.instance, incoming)
        await uow.commit()
    return new
