"""Provisioning on the in-memory homeserver: what is made, kept, told, survived and followed."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import delete, select

from bot.domain.errors import UserError
from bot.domain.incoming import Tombstone
from bot.domain.rooms.fields import Field
from bot.domain.rooms.model import MARKER, Place
from bot.domain.rooms.plan import Leave, SetField
from bot.services.homeserver import (
    Homeserver,
    RateLimited,
    Refused,
    ServerFault,
    TokenRejected,
    Unreachable,
)
from bot.services.instance import Instance
from bot.services.rooms import Outcome, Provisioner, describe, tombstoned
from bot.services.rooms.survey import desired_of
from bot.services.routing.router import Router
from config import locales
from config.network import Network, load_network
from storage import members, outbox, rooms
from storage.database import Database
from storage.outbox import OutboxRow
from storage.rooms import Room
from tests.support.clock import Clock
from tests.support.fake_matrix import FakeMatrix

SERVER = "example.org"
BOT, ANN, BEN, EVE = (f"@{name}:{SERVER}" for name in ("bot", "ann", "ben", "eve"))
READS = {"joined_rooms", "joined_members", "room_state", "resolve_alias", "default_room_version"}
NETWORK = load_network("innov-eurometropolis")
ROOMS = 11
COPIED = [
    *("m.room.name", "m.room.topic", "m.room.join_rules"),
    *("m.room.history_visibility", "m.room.guest_access"),
]
"""What a homeserver copies when it upgrades a room."""


class Killed(Exception):
    """The process ends here."""


class Mortal:
    """The port, until the ``dies_at``-th request: carried out or not, its caller is no more."""

    def __init__(self, homeserver: Homeserver, dies_at: int, *, carried_out: bool) -> None:
        self._homeserver = homeserver
        self._left = dies_at
        self._carried_out = carried_out

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self._homeserver, name)

        async def request(*args: Any, **kwargs: Any) -> Any:
            self._left -= 1
            is_last = self._left == 0
            if is_last and not self._carried_out:
                raise Killed
            answer = await method(*args, **kwargs)
            if is_last:
                raise Killed
            return answer

        return request


@dataclass
class Setting:
    matrix: FakeMatrix
    database: Database
    clock: Clock
    network: Network = field(default_factory=lambda: NETWORK)
    admins: frozenset[str] = frozenset({ANN})
    slept: list[float] = field(default_factory=list)
    progress: list[str] = field(default_factory=list)

    @property
    def instance(self) -> Instance:
        texts = locales.load(self.network.languages)
        return Instance(BOT, self.network, texts, self.admins, Router(self.network))

    def provisioner(
        self,
        homeserver: Any = None,
        version: str | None = None,
        sleep: Callable[[float], Awaitable[None]] | None = None,
    ) -> Provisioner:
        return Provisioner(
            homeserver or self.matrix.client(BOT),
            self.database,
            self.instance,
            self.clock,
            sleep=sleep or self._sleep,
            progress=self.progress.append,
            room_version=version,
        )

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)

    async def apply(self) -> Outcome:
        return await self.provisioner().apply()

    async def writes(self) -> list[str]:
        """The requests of another run that change something."""
        before = len(self.matrix.calls)
        await self.apply()
        return [call.method for call in self.matrix.calls[before:] if call.method not in READS]

    async def rows(self) -> dict[str, Room]:
        async with self.database.uow("test", self.clock()) as uow:
            return {row.key: row for row in await rooms.managed(uow.session)}

    async def room_id(self, key: str) -> str:
        return (await self.rows())[key].room_id

    async def queued(self) -> list[OutboxRow]:
        async with self.database.uow("test", self.clock()) as uow:
            found = await uow.session.scalars(select(OutboxRow).order_by(OutboxRow.id))
            return list(found)

    async def alerts(self) -> list[str]:
        """What is to be said in the control room."""
        control = await self.room_id("control")
        rows = [row for row in await self.queued() if row.lane == control]
        return [row.content["body"] for row in rows if row.content]

    def content(self, room_id: str, type: str, key: str = "") -> dict[str, Any]:
        return dict(self.matrix.rooms[room_id].content(type, key))

    def alias(self, key: str) -> str:
        return f"#{self.network.alias(key)}:{SERVER}"

    async def delete(self, key: str) -> None:
        """As the homeserver's admin does it: everybody is out, and the address is free."""
        await self.matrix.client(BOT).delete_alias(self.alias(key))
        self.matrix.leave(BOT, await self.room_id(key))

    async def is_whole(self) -> None:
        """Exactly the planned rooms, each once, each in its place."""
        rows = await self.rows()
        ids = {row.room_id for row in rows.values()}
        assert len(rows) == len(ids) == ROOMS
        assert self.matrix.joined_rooms(BOT) == ids
        assert all(row.ready_at for row in rows.values())
        space = rows["space"].room_id
        for key, row in rows.items():
            marker = self.content(row.room_id, MARKER)
            assert marker == {"network": self.network.key, "kind": row.kind, "key": key}
            assert self.matrix.resolve_alias(self.alias(key)) == row.room_id
            assert self.content(row.room_id, "m.room.canonical_alias")["alias"] == self.alias(key)
            is_child = key not in ("space", "control")
            assert bool(self.content(space, "m.space.child", row.room_id)) is is_child
            assert bool(self.content(row.room_id, "m.space.parent", space)) is is_child
            assert self.matrix.rooms[row.room_id].power(ANN) >= 100


@pytest.fixture
def setting(matrix: FakeMatrix, database: Database, clock: Clock) -> Setting:
    return Setting(matrix, database, clock)


@pytest.fixture
async def made(setting: Setting) -> Setting:
    """After a first run."""
    await setting.apply()
    return setting


# Making


@pytest.mark.parametrize("version", ["11", "12"])
async def test_a_network_is_made_whole(setting: Setting, version: str) -> None:
    setting.matrix.room_version = version
    await setting.apply()
    await setting.is_whole()


async def test_a_second_run_changes_nothing(made: Setting) -> None:
    assert await made.writes() == []


async def test_new_rooms_need_one_request_each_and_one_in_the_space(made: Setting) -> None:
    assert len(made.matrix.called("create_room")) == ROOMS
    assert len(made.matrix.called("put_state")) == ROOMS - 2


async def test_another_version_can_be_asked_for(setting: Setting) -> None:
    await setting.provisioner(version="11").apply()
    versions = {room.version for room in setting.matrix.rooms.values()}
    assert versions == {"11"}
    await setting.is_whole()


async def test_rooms_carry_the_languages_of_the_network(made: Setting) -> None:
    room = await made.room_id("logistics")
    assert made.content(room, "m.room.name")["name"] == "Logistique · Logistiek · Logistics"
    space = await made.room_id("space")
    assert made.content(space, "m.room.name")["name"] == "INNOV'EUROMETROPOLIS"


async def test_members_of_the_space_come_into_its_rooms_and_others_do_not(made: Setting) -> None:
    member, stranger = made.matrix.person(BEN), made.matrix.person(EVE)
    await member.join(made.alias("space"))
    await member.join(made.alias("logistics"))
    for key in ("logistics", "funding", "forum", "control"):
        with pytest.raises(Exception, match="not"):
            await stranger.join(made.alias(key))
    with pytest.raises(Exception, match="not invited"):
        await member.join(made.alias("control"))


async def test_admins_are_invited_to_the_space_and_the_control_room(made: Setting) -> None:
    rows = await made.rows()
    rooms_of_ann = {
        key for key, row in rows.items() if made.matrix.rooms[row.room_id].membership(ANN)
    }
    assert rooms_of_ann == {"space", "control"}


@pytest.mark.parametrize("access", ["knock", "invite"])
async def test_the_space_is_as_open_as_the_network_says(setting: Setting, access: str) -> None:
    setting.network = setting.network.model_copy(update={"access": access})
    await setting.apply()
    rules = setting.content(await setting.room_id("space"), "m.room.join_rules")
    assert rules == {"join_rule": access}


async def test_without_a_human_admin_nothing_is_made(setting: Setting) -> None:
    setting.admins = frozenset({BOT})
    with pytest.raises(UserError) as refusal:
        await setting.apply()
    assert refusal.value.key == "no-admin"
    assert setting.matrix.calls == []


async def test_who_is_there_is_noted_once_and_the_bot_is_left_to_sync(made: Setting) -> None:
    space = await made.room_id("space")
    await made.matrix.person(BEN).join(space)
    async with made.database.uow("test", made.clock()) as uow:
        for row in await rooms.managed(uow.session):
            row.ready_at = None
        await uow.commit()
    await made.apply()
    async with made.database.uow("test", made.clock()) as uow:
        assert await members.members_of(uow.session, space) == {BEN}
        assert await members.display_name(uow.session, BEN) == "ben"


# Plans


async def test_a_plan_says_what_would_be_done_and_does_nothing(setting: Setting) -> None:
    plan = await setting.provisioner().plan()
    lines = [line.body for line in describe(plan, setting.instance.tr("en"))]
    assert len(lines) == ROOMS
    assert lines[0] == "Create the space INNOV'EUROMETROPOLIS, #innov-space:example.org."
    assert setting.matrix.rooms == {}
    assert await setting.rows() == {}


async def test_the_plan_for_rooms_as_they_should_be_is_empty(made: Setting) -> None:
    plan = await made.provisioner().plan()
    assert describe(plan, made.instance.tr("en")) == []


@pytest.mark.parametrize(
    ("dry_run", "answer"),
    [(True, "Give {room} its address."), (False, "✅ 1 change made.")],
)
async def test_admins_are_answered_where_they_asked(
    made: Setting, dry_run: bool, answer: str
) -> None:
    await made.matrix.client(BOT).delete_alias(made.alias("forum"))
    async with made.database.uow("ask", made.clock()) as uow:
        (await members.get(uow.session, ANN, made.clock())).language = "en"
        row = await rooms.find(uow.session, "forum", "forum")
        assert row is not None
        row.applied = {**(row.applied or {}), "alias": None}
        await rooms.request(uow.session, ANN, "!asked-here", dry_run, made.clock())
        await uow.commit()
    await _watch(made, until=lambda: _answered(made))
    (said,) = await made.queued()
    assert said.lane == "!asked-here"
    assert answer.replace("{room}", _name(made, "forum")) in (said.content or {})["body"]
    assert (made.matrix.resolve_alias(made.alias("forum")) is None) is dry_run


# Faults


async def test_the_homeserver_sets_the_pace(setting: Setting) -> None:
    setting.matrix.fail_next("create_room", RateLimited("later", retry_after=59.0), times=2)
    await setting.apply()
    await setting.is_whole()
    assert setting.slept.count(59.0) == 2
    assert "room 1 of 11: the homeserver asks us to wait 59 s" in setting.progress


@pytest.mark.parametrize("carried_out", [True, False])
@pytest.mark.parametrize("method", ["create_room", "put_state", "room_state", "joined_members"])
async def test_lost_answers_do_no_harm(setting: Setting, method: str, carried_out: bool) -> None:
    for error in (Unreachable("cut"), ServerFault("500", status=500)):
        setting.matrix.fail_next(method, error, after_accept=carried_out)
    await setting.apply()
    await setting.is_whole()


async def test_a_homeserver_that_stays_away_is_not_asked_for_ever(setting: Setting) -> None:
    setting.matrix.fail_next("*", Unreachable("down"), times=None)
    with pytest.raises(Unreachable):
        await setting.apply()
    assert len(setting.matrix.calls) < 20
    setting.matrix.heal()
    await setting.apply()
    await setting.is_whole()


async def test_a_dead_token_ends_the_run_at_once(setting: Setting) -> None:
    client = setting.matrix.client(BOT, "a token of yesterday")
    with pytest.raises(TokenRejected):
        await setting.provisioner(client).apply()
    assert len(setting.matrix.calls) == 1


@pytest.mark.parametrize("seed", range(12))
async def test_killed_twice_the_rooms_are_exactly_those_planned(
    setting: Setting, seed: int
) -> None:
    dice = random.Random(seed)
    for requests in (dice.randint(1, 30), dice.randint(13, 24)):
        client = setting.matrix.client(BOT)
        mortal = Mortal(client, requests, carried_out=dice.random() < 0.7)
        with pytest.raises(Killed):
            await setting.provisioner(mortal).apply()
    await setting.apply()
    await setting.is_whole()
    assert await setting.writes() == []


async def test_a_room_that_cannot_be_made_is_told_and_made_later(made: Setting) -> None:
    await made.delete("forum")
    made.matrix.fail_next("create_room", Refused("no more rooms", status=400), times=None)
    for _ in range(2):
        assert (await made.apply()).taken == ()
    (alert,) = await made.alerts()
    assert "no more rooms" in alert
    made.matrix.heal()
    await made.apply()
    await made.is_whole()


async def test_without_a_space_no_room_is_made_that_could_be_nobodys(setting: Setting) -> None:
    setting.matrix.fail_next("create_room", Refused("no spaces", status=400), times=3)
    await setting.apply()
    assert set(await setting.rows()) == {"control"}
    await setting.apply()
    await setting.is_whole()


async def test_people_who_cannot_be_invited_at_once_do_not_stop_the_room(setting: Setting) -> None:
    refusal = Refused("Cannot invite so many users at once", status=400)
    setting.matrix.fail_next("create_room", refusal)
    await setting.apply()
    await setting.is_whole()
    assert setting.matrix.rooms[await setting.room_id("space")].membership(ANN) == "invite"


# Identity


async def test_a_lost_database_finds_its_rooms_again(made: Setting) -> None:
    before = {key: row.room_id for key, row in (await made.rows()).items()}
    async with made.database.uow("test", made.clock()) as uow:
        await uow.session.execute(delete(Room))
        await uow.commit()
    assert await made.writes() == []
    assert {key: row.room_id for key, row in (await made.rows()).items()} == before
    await made.is_whole()


async def test_a_half_made_room_is_completed(setting: Setting) -> None:
    body = {
        "room_alias_name": "innov-logistics",
        "power_level_content_override": {"users": {BOT: 100}},
    }
    with pytest.raises(Refused):
        await setting.matrix.client(BOT).create_room(body)
    half_made = setting.matrix.resolve_alias(setting.alias("logistics"))
    await setting.apply()
    await setting.is_whole()
    assert await setting.room_id("logistics") == half_made


async def test_a_half_made_space_that_is_none_is_given_up(setting: Setting) -> None:
    body = {"room_alias_name": "innov-space", "power_level_content_override": {"users": {BOT: 1}}}
    with pytest.raises(Refused):
        await setting.matrix.client(BOT).create_room(body)
    await setting.apply()
    await setting.is_whole()


async def test_an_orphan_is_put_into_the_space(made: Setting) -> None:
    space, room = await made.room_id("space"), await made.room_id("funding")
    client = made.matrix.client(BOT)
    await client.put_state(space, "m.space.child", {}, room)
    await client.put_state(room, "m.space.parent", {}, space)
    await client.put_state(room, MARKER, {})
    await made.apply()
    await made.is_whole()


async def test_a_second_room_for_a_place_is_left(made: Setting) -> None:
    (body,) = made.matrix.called("create_room")[-1].args
    other = {key: value for key, value in body.items() if key != "room_alias_name"}
    await made.matrix.client(BOT).create_room(other)
    await made.delete("funding")
    outcome = await made.apply()
    assert [type(step) for step in outcome.taken].count(Leave) == 1
    await made.is_whole()


async def test_a_strangers_room_is_never_taken_and_told_once(setting: Setting) -> None:
    stranger = setting.matrix.person(EVE)
    marker = {"network": setting.network.key, "kind": "cluster", "key": "logistics"}
    room = await stranger.create_room(
        room_alias_name="innov-logistics",
        preset="public_chat",
        initial_state=[{"type": MARKER, "state_key": "", "content": marker}],
    )
    await setting.matrix.client(BOT).join(room)
    before = dict(setting.matrix.rooms[room].state())
    for _ in range(2):
        outcome = await setting.apply()
        assert len(outcome.notices) == 1
    assert setting.matrix.rooms[room].state() == before
    rows = await setting.rows()
    assert len(rows) == ROOMS - 1
    assert "logistics" not in rows
    (alert,) = await setting.alerts()
    assert setting.alias("logistics") in alert


async def test_without_its_space_only_the_control_room_is_made(setting: Setting) -> None:
    await setting.matrix.person(EVE).create_room(room_alias_name="innov-space")
    await setting.apply()
    assert set(await setting.rows()) == {"control"}
    assert len(await setting.alerts()) == 1


async def test_a_room_somebody_takes_the_bot_out_of_is_asked_for(made: Setting) -> None:
    room = await made.room_id("control")
    made.matrix.leave(BOT, room)
    outcome = await made.apply()
    assert len(outcome.notices) == 1
    assert await made.room_id("control") == room
    assert len(made.matrix.called("create_room")) == ROOMS


async def test_the_bot_comes_back_by_itself_where_it_may(made: Setting) -> None:
    for key in ("space", "forum"):
        await made.matrix.person(ANN).join(made.alias(key))
    made.matrix.leave(BOT, await made.room_id("forum"))
    await made.apply()
    await made.is_whole()


# Drift


async def test_a_humans_change_is_kept_and_told_once(made: Setting) -> None:
    admin = made.matrix.person(ANN)
    room = await made.room_id("logistics")
    await admin.join(made.alias("space"))
    await admin.join(room)
    await admin.put_state(room, "m.room.name", {"name": "Péniches"})
    for _ in range(3):
        assert await made.writes() == []
    (alert,) = await made.alerts()
    assert "Péniches" in alert
    assert made.content(room, "m.room.name")["name"] == "Péniches"
    assert (await made.rows())["logistics"].overrides == ["name"]


async def test_a_change_of_the_network_file_is_written(made: Setting) -> None:
    forum = made.network.forum
    assert forum is not None
    renamed = forum.model_copy(update={"name": {"fr": "Agora", "nl": "Agora", "en": "Agora"}})
    made.network = made.network.model_copy(update={"forum": renamed})
    outcome = await made.apply()
    assert outcome.taken == (SetField(Place("forum", "forum"), Field.NAME),)
    assert made.content(await made.room_id("forum"), "m.room.name")["name"] == "Agora"


async def test_a_new_admin_gets_power_everywhere_and_an_invite(made: Setting) -> None:
    made.admins = frozenset({ANN, BEN})
    await made.apply()
    for row in (await made.rows()).values():
        assert made.matrix.rooms[row.room_id].power(BEN) == 100
    control = made.matrix.rooms[await made.room_id("control")]
    assert control.membership(BEN) == "invite"
    assert await made.writes() == []


async def test_lack_of_power_is_told_once_and_work_goes_on_when_it_is_given(
    setting: Setting,
) -> None:
    setting.matrix.room_version = "11"
    await setting.apply()
    space, room = await setting.room_id("space"), await setting.room_id("forum")
    admin, client = setting.matrix.person(ANN), setting.matrix.client(BOT)
    await admin.join(space)
    await admin.join(room)
    levels = setting.content(room, "m.room.power_levels")
    await client.put_state(room, "m.space.parent", {}, space)
    await client.put_state(room, "m.room.power_levels", levels | {"users": {BOT: 0, ANN: 100}})
    for _ in range(2):
        assert await setting.writes() == []
    (alert,) = await setting.alerts()
    assert "!provision" in alert
    await admin.put_state(room, "m.room.power_levels", levels)
    await setting.apply()
    await setting.is_whole()
    assert (await setting.rows())["forum"].overrides == []


# Upgrades


async def test_an_upgrade_by_an_admin_is_followed(made: Setting) -> None:
    old = await made.room_id("logistics")
    new = await _upgrade(made, old, invite=[BOT])
    async with made.database.uow("say", made.clock()) as uow:
        uow.outbox.send(old, {"msgtype": "m.notice", "body": "late"})
        await uow.commit()
    await _tombstoned(made, old, new)
    await made.apply()
    rows = await made.rows()
    assert rows["logistics"].room_id == new
    assert rows["logistics"].successor is None
    space = rows["space"].room_id
    assert made.content(space, "m.space.child", new)["via"] == [SERVER]
    assert made.content(space, "m.space.child", old)["via"] == [SERVER]
    assert made.content(new, "m.space.parent", space)["canonical"] is True
    assert made.content(new, MARKER)["key"] == "logistics"
    assert made.matrix.resolve_alias(made.alias("logistics")) == new
    async with made.database.uow("test", made.clock()) as uow:
        (waiting,) = await outbox.due(uow.session, made.clock(), 10)
        assert waiting.lane == new
        assert await members.members_of(uow.session, new) == {ANN}
    assert await made.writes() == []


async def test_a_closed_successor_is_asked_for_once_and_followed_after_an_invite(
    made: Setting,
) -> None:
    old = await made.room_id("control")
    new = await _upgrade(made, old)
    await _tombstoned(made, old, new)
    for _ in range(2):
        await made.apply()
    (alert,) = await made.alerts()
    assert new in alert
    assert await made.room_id("control") == old
    await made.matrix.person(ANN).invite(new, BOT)
    await made.apply()
    assert await made.room_id("control") == new


async def test_a_successor_that_does_not_name_its_predecessor_is_left(made: Setting) -> None:
    old = await made.room_id("logistics")
    new = await _upgrade(made, old, predecessor="!other", preset="public_chat")
    await _tombstoned(made, old, new)
    for _ in range(2):
        await made.apply()
    assert await made.room_id("logistics") == old
    assert new not in made.matrix.joined_rooms(BOT)
    (alert,) = await made.alerts()
    assert new in alert


async def test_a_replaced_direct_room_is_given_up(made: Setting) -> None:
    async with made.database.uow("test", made.clock()) as uow:
        await rooms.save(uow.session, rooms.DIRECT, BEN, "!direct", made.clock())
        await uow.commit()
    await _tombstoned(made, "!direct", "!next")
    async with made.database.uow("test", made.clock()) as uow:
        assert await rooms.by_id(uow.session, "!direct") is None


async def test_watching_follows_upgrades_as_they_come(made: Setting) -> None:
    old = await made.room_id("logistics")
    new = await _upgrade(made, old, invite=[BOT])
    await _tombstoned(made, old, new)

    async def followed() -> bool:
        return made.content(new, MARKER).get("key") == "logistics"

    await _watch(made, until=followed)
    assert len(await made.rows()) == ROOMS


async def _watch(setting: Setting, until: Callable[[], Awaitable[bool]]) -> None:
    """Let the provisioner watch; each of its pauses is a moment to see whether it is done."""
    done = asyncio.Event()

    async def pause(_seconds: float) -> None:
        if await until():
            done.set()
        await asyncio.sleep(0.01)

    provisioner = setting.provisioner(sleep=pause)
    task = asyncio.create_task(provisioner.watch())
    try:
        async with asyncio.timeout(10):
            await done.wait()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _answered(setting: Setting) -> bool:
    async with setting.database.uow("test", setting.clock()) as uow:
        return await rooms.requested(uow.session) is None


def _name(setting: Setting, key: str) -> str:
    desired = desired_of(setting.instance)
    return next(spec.name for spec in desired.rooms if spec.place.key == key)


async def _upgrade(setting: Setting, old: str, predecessor: str | None = None, **body: Any) -> str:
    """A new room by an admin, and the tombstone in the old one; the alias stays where it was."""
    admin = setting.matrix.person(ANN)
    for room in (await setting.room_id("space"), old):
        await admin.join(room)
    create = {"predecessor": {"room_id": predecessor or old}}
    copied = [
        {"type": type, "state_key": "", "content": setting.content(old, type)} for type in COPIED
    ]
    new = await admin.create_room(creation_content=create, initial_state=copied, **body)
    levels = setting.content(new, "m.room.power_levels")
    await admin.put_state(new, "m.room.power_levels", levels | {"users": {BOT: 100}})
    await admin.put_state(old, "m.room.tombstone", {"body": "moved", "replacement_room": new})
    return new


async def _tombstoned(setting: Setting, old: str, new: str) -> None:
    incoming = Tombstone(room_id=old, event_id="$t", sender=ANN, at=setting.clock(), successor=new)
    async with setting.database.uow("$t", setting.clock()) as uow:
        await tombstoned(uow, setting.instance, incoming)
        await uow.commit()
