"""The installed program, as an operator runs it: started, stopped, checked, copied, doubled."""

import shutil
import socket
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import pytest_asyncio

from bot.check import check
from bot.demo.homeserver import PrivateSynapse
from bot.demo.person import Event, Person
from bot.matrix.client import MatrixClient
from tests.support import databases, postgres
from tests.support.bot_process import BotProcess, Premises, clusterdesk, is_edit, settle
from tests.support.house import kind_of, thread_of

pytestmark = pytest.mark.homeserver

PATIENCE = 30.0
NOWHERE = "http://127.0.0.1:9"
DATABASE = "clusterdesk.db"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def premises(
    synapse: PrivateSynapse, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Premises]:
    """A network whose rooms are made; its bot is not running."""
    premises = await settle(synapse, tmp_path_factory.mktemp("bot"))
    async with BotProcess(premises.config) as bot:
        await bot.provisioned()
        await bot.quiet()
        assert await bot.stop() == 0
    yield premises


@pytest.fixture
async def running(premises: Premises) -> AsyncIterator[BotProcess]:
    async with BotProcess(premises.config) as bot:
        await bot.ready()
        await bot.provisioned()
        yield bot


@pytest.fixture
async def member(premises: Premises) -> AsyncIterator[Person]:
    async with premises.person(await premises.newcomer("member")) as person:
        await premises.enters(person)
        yield person


async def is_answered(member: Person, room: str) -> None:
    """What was said there before has been dealt with by then."""
    mark = member.mark()
    sent = await member.say(room, "!about")
    await member.wait_for(
        lambda event: kind_of(event) == "reply" and thread_of(event) == sent,
        room,
        timeout=PATIENCE,
        since=mark,
    )


async def test_it_stops_cleanly_when_asked_to(premises: Premises, member: Person) -> None:
    async with BotProcess(premises.config, as_installed=True) as bot:
        await bot.ready()
        [cluster] = await premises.enters(member, "logistics")
        await is_answered(member, cluster)
        assert await bot.stop() == 0
        assert bot.log()[-1]["event"] == "stopped"
        assert "Traceback" not in bot.text()


def is_join(event: Event, user_id: str) -> bool:
    return event.get("state_key") == user_id and event["content"].get("membership") == "join"


async def test_it_hears_everybody_who_opens_a_direct_room(
    premises: Premises, running: BotProcess, member: Person
) -> None:
    """It notes who is there as soon as it has joined, and goes on when sync tells of it too."""
    for _ in range(4):
        room = await member.create_room(
            preset="trusted_private_chat", is_direct=True, invite=[premises.bot.user_id]
        )
        await member.wait_for(lambda event: is_join(event, premises.bot.user_id), room)
        mark = member.mark()
        await member.say(room, "help")
        await member.wait_for(
            lambda event: kind_of(event) == "help", room, timeout=PATIENCE, since=mark
        )
    assert not [each for each in running.log() if each["event"] == "loop_failed"]


async def test_it_also_stops_while_the_homeserver_is_away(premises: Premises) -> None:
    config = premises.configure("nowhere.yaml", homeserver=NOWHERE)
    async with BotProcess(config, as_installed=True) as bot:
        await bot.logged("sign_in_failed")
        assert await bot.stop() == 0
        assert "Traceback" not in bot.text()


async def test_a_second_process_is_refused(premises: Premises, running: BotProcess) -> None:
    code, printed = await clusterdesk(premises.config, "run")
    assert code == 1
    assert "✗ another clusterdesk already runs this network with this database" in printed
    assert "Traceback" not in printed
    assert (await running.readyz())[0] == 200


@pytest.fixture
def postgres_url() -> Iterator[str]:
    with postgres.server() as server:
        if server is None:
            pytest.skip(postgres.MISSING)
        with databases.new_postgres(server) as url:
            yield url


@pytest.mark.postgres
async def test_a_second_process_stands_by_and_takes_over(
    synapse: PrivateSynapse, tmp_path: Path, postgres_url: str
) -> None:
    premises = await settle(synapse, tmp_path)
    config = premises.configure(database=postgres_url, standby=True)
    async with BotProcess(config) as first, premises.person(premises.admin) as admin:
        await first.provisioned()
        [cluster] = await premises.enters(admin, "logistics")
        async with BotProcess(config) as second:
            await second.logged("standing_by")
            assert await second.stop() == 0
            second.start()
            await second.logged("standing_by")
            assert second.log("web_listens") == []

            await first.kill()
            await second.ready()
            await is_answered(admin, cluster)
            assert await second.stop() == 0


async def test_check_finds_nothing_wrong(premises: Premises) -> None:
    code, printed = await clusterdesk(premises.config, "check")
    assert code == 0
    checked = ("configuration", "network", "data_dir", "database", "homeserver", "web", "encoder")
    assert printed.splitlines() == [f"✓ {each}" for each in checked]


async def test_check_fails_where_anything_is_wrong(premises: Premises) -> None:
    config = premises.configure("nowhere.yaml", homeserver=NOWHERE)
    code, printed = await clusterdesk(config, "check")
    assert code == 1
    assert "✓ database" in printed
    assert "✗ homeserver" in printed


async def findings(config: Path) -> list[str]:
    """What `check` says is wrong."""
    said: list[str] = []
    code = await check(config, said.append)
    wrong = [line for line in said if line.startswith("✗")]
    assert code == bool(wrong)
    return wrong


async def test_check_names_a_homeserver_that_cannot_be_reached(premises: Premises) -> None:
    [found] = await findings(premises.configure("check.yaml", homeserver=NOWHERE))
    assert found.startswith("✗ homeserver: It cannot be used: no answer")
    assert f"Does {NOWHERE}/_matrix/client/versions answer from here?" in found


async def test_check_names_a_wrong_token(premises: Premises) -> None:
    [found] = await findings(with_token(premises, "never-issued"))
    assert found.startswith("✗ access_token: The homeserver rejects it.")
    assert "new token" in found


async def test_check_names_whose_token_it_is(premises: Premises) -> None:
    [found] = await findings(with_token(premises, premises.admin.access_token))
    assert f"belongs to {premises.admin.user_id}" in found
    assert f"user_id says {premises.bot.user_id}" in found


def with_token(premises: Premises, token: str) -> Path:
    return premises.configure("check.yaml", access_token=token, access_token_file=None)


async def test_check_names_an_unknown_network(premises: Premises) -> None:
    [found] = await findings(premises.configure("check.yaml", network="innov-euro"))
    assert "There is no built-in network of that name." in found
    assert "innov-eurometropolis" in found


async def test_check_names_a_database_from_the_future(premises: Premises) -> None:
    var = premises.folder / "future"
    shutil.copytree(premises.folder / "var", var)
    with closing(sqlite3.connect(var / DATABASE)) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    [found] = await findings(premises.configure("check.yaml", data_dir=str(var)))
    assert "the database is at revision 9999" in found
    assert "start the newer version again" in found


async def test_check_names_a_folder_that_cannot_be_written(premises: Premises) -> None:
    in_its_place = premises.folder / "a-file"
    in_its_place.touch()
    [found] = await findings(premises.configure("check.yaml", data_dir=str(in_its_place)))
    assert found.startswith(f"✗ data_dir: {in_its_place} cannot be written: ")


async def test_check_names_a_port_that_is_taken(premises: Premises) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        listen = f"127.0.0.1:{other.getsockname()[1]}"
        [found] = await findings(premises.configure("check.yaml", web={"listen": listen}))
    assert found.startswith(f"✗ web.listen: {listen} is not free: ")
    assert "Choose another port" in found


async def test_run_names_a_port_that_is_taken(premises: Premises) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        config = premises.configure("taken.yaml", web={"listen": f"127.0.0.1:{port}"})
        code, printed = await clusterdesk(config, "run")
    assert code == 1
    assert f"✗ cannot listen on 127.0.0.1:{port}: another program has this port" in printed
    assert "Traceback" not in printed


async def test_a_dry_run_beside_a_running_bot_changes_nothing(
    premises: Premises, running: BotProcess
) -> None:
    before = await everything(premises)
    code, printed = await clusterdesk(premises.config, "provision", "--dry-run")
    assert (code, printed.strip()) == (0, "✓ all rooms are as they should be")
    assert await everything(premises) == before

    code, printed = await clusterdesk(premises.config, "provision")
    assert code == 1
    assert "✗ another clusterdesk already runs this network" in printed
    assert (await running.readyz())[0] == 200


async def everything(premises: Premises) -> dict[str, set[str]]:
    """The bot's rooms and the events that are their state, as the homeserver has it."""
    url, user_id = premises.synapse.base_url, premises.bot.user_id
    async with MatrixClient(url, user_id, premises.token) as client:
        rooms = await client.joined_rooms()
        return {
            room: {each["event_id"] for each in await client.room_state(room)} for room in rooms
        }


async def test_a_dry_run_on_an_empty_homeserver_only_prints_the_plan(
    synapse: PrivateSynapse, tmp_path: Path
) -> None:
    premises = await settle(synapse, tmp_path)
    code, printed = await clusterdesk(premises.config, "provision", "--dry-run")
    assert code == 0
    assert len([line for line in printed.splitlines() if line.startswith("• ")]) >= 4
    assert await everything(premises) == {}
    assert not (tmp_path / "var").exists()


async def test_a_copy_is_taken_while_it_runs_and_put_back_when_it_is_stopped(
    premises: Premises, running: BotProcess, member: Person, tmp_path: Path
) -> None:
    """What happened after the copy was taken is worked through again, and not said again."""
    copy = tmp_path / "copy.db"
    [cluster] = await premises.enters(member, "logistics")
    await is_answered(member, cluster)
    code, printed = await clusterdesk(premises.config, "db", "backup", str(copy))
    assert (code, printed.strip()) == (0, f"✓ wrote {copy}")

    asked = await member.say(cluster, "!ask Who knows a grant for a pilot?")
    await is_answered(member, cluster)
    await running.quiet()
    assert questions_in(premises.folder / "var" / DATABASE) == 1
    code, printed = await clusterdesk(premises.config, "db", "restore", str(copy))
    assert (code, printed.strip()) == (
        1,
        "✗ the bot is running with this database; stop it first",
    )

    assert await running.stop() == 0
    code, printed = await clusterdesk(premises.config, "db", "restore", str(copy))
    assert (code, f"✓ restored {copy}" in printed) == (0, True)
    assert questions_in(premises.folder / "var" / DATABASE) == 0
    assert questions_in(premises.folder / "var" / f"{DATABASE}.before-restore") == 1

    running.start()
    await running.ready()
    await is_answered(member, cluster)
    await running.quiet()
    assert questions_in(premises.folder / "var" / DATABASE) == 1
    thread = await member.thread_messages(cluster, asked)
    said = [kind_of(event) for event in thread if not is_edit(event)]
    # Nobody serves the desk here: that is said once as well.
    assert said == ["question.ack", "question.escalation"]


def questions_in(path: Path) -> int:
    with closing(sqlite3.connect(path)) as database:
        counted: int = database.execute("SELECT count(*) FROM questions").fetchone()[0]
    return counted


async def test_a_file_that_is_no_copy_is_refused(premises: Premises, tmp_path: Path) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("Dear database,")
    code, printed = await clusterdesk(premises.config, "db", "restore", str(letter))
    assert code == 1
    assert f"✗ {letter} is not a clusterdesk database" in printed
    code, printed = await clusterdesk(premises.config, "db", "backup", str(letter))
    assert code == 1
    assert f"✗ {letter} exists already; choose another name" in printed
