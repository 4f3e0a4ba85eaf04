"""The private homeserver and the person at a client, on a real Synapse."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest

from bot.demo import homeserver
from bot.demo.homeserver import AdminError, PrivateSynapse, StartError, SynapseMissingError
from bot.demo.person import NotSeenError, NotStartedError, Person, RefusedError, body_of
from tests.support import PersonFactory
from tests.support.proxy import FaultProxy, html_502, status

pytestmark = pytest.mark.homeserver


async def room_of(owner: Person, *others: Person) -> str:
    room = await owner.create_room(invite=[other.user_id for other in others])
    for other in others:
        await other.accept(await other.wait_for_invite(owner.user_id))
    return room


def accepts_connections(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def becomes_silent(port: int) -> bool:
    deadline = time.monotonic() + 5
    while accepts_connections(port):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


async def test_two_people_talk(people: PersonFactory) -> None:
    anna, bram = await people("anna"), await people("bram")
    room = await room_of(anna, bram)

    said = await anna.say(room, "Bonjour", html="<b>Bonjour</b>", mentions=[bram.user_id])
    heard = await bram.wait_for(lambda event: body_of(event) == "Bonjour", room)

    assert (heard["event_id"], heard["sender"]) == (said, anna.user_id)
    assert heard["content"]["formatted_body"] == "<b>Bonjour</b>"
    assert heard["content"]["m.mentions"] == {"user_ids": [bram.user_id]}
    assert (await bram.event(room, said))["content"] == heard["content"]


async def test_thread_and_replies(people: PersonFactory) -> None:
    anna, bram = await people("anna"), await people("bram")
    room = await room_of(anna, bram)

    root = await anna.say(room, "Who knows flax?")
    first = await bram.say(room, "I do", thread=root)
    second = await anna.say(room, "And hemp?", thread=root, reply_to=first)
    aside = await bram.say(room, "What is this about?", reply_to=root)

    thread = await bram.thread_messages(room, root)
    assert [event["event_id"] for event in thread] == [first, second]
    plain, reply = (event["content"]["m.relates_to"] for event in thread)
    assert (plain["is_falling_back"], plain["m.in_reply_to"]["event_id"]) == (True, root)
    assert (reply["is_falling_back"], reply["m.in_reply_to"]["event_id"]) == (False, first)
    outside = (await anna.event(room, aside))["content"]["m.relates_to"]
    assert outside == {"m.in_reply_to": {"event_id": root}}


async def test_reaction_edit_and_redaction(people: PersonFactory) -> None:
    anna, bram = await people("anna"), await people("bram")
    room = await room_of(anna, bram)
    said = await anna.say(room, "Tuseday")

    reaction = await bram.react(room, said, "✅")
    seen = await anna.wait_for(lambda event: event["type"] == "m.reaction", room)
    assert seen["event_id"] == reaction
    assert seen["content"]["m.relates_to"]["key"] == "✅"

    edit = await anna.edit(room, said, "Tuesday")
    seen = await bram.wait_for(lambda event: event["event_id"] == edit, room)
    assert seen["content"]["m.new_content"]["body"] == "Tuesday"
    assert seen["content"]["m.relates_to"] == {"rel_type": "m.replace", "event_id": said}

    redaction = await anna.redact(room, said, "wrong room")
    seen = await bram.wait_for(lambda event: event["event_id"] == redaction, room)
    assert seen["content"]["reason"] == "wrong room"
    assert body_of(await bram.event(room, said)) == ""


async def test_files(people: PersonFactory) -> None:
    anna, bram = await people("anna"), await people("bram", listen=False)
    mxc = await anna.upload("prix 2 €".encode(), "text/plain", "prix.txt")
    assert mxc.startswith("mxc://demo.local/")
    assert (await bram.download(mxc)).decode() == "prix 2 €"
    with pytest.raises(RefusedError) as refused:
        await bram.download("mxc://demo.local/unknown")
    assert refused.value.status == 404


async def test_rooms_state_and_profile(people: PersonFactory) -> None:
    anna, bram = await people("anna"), await people("bram")
    local_name = anna.name
    room = await anna.create_room(preset="public_chat", room_alias_name=local_name)
    alias = f"#{local_name}:demo.local"

    assert await bram.resolve(alias) == room
    assert await bram.join(alias) == room
    assert await bram.joined_rooms() == [room]

    await anna.put_state(room, "m.room.topic", {"topic": "Flax"})
    assert await bram.state(room, "m.room.topic") == {"topic": "Flax"}
    await bram.set_display_name("Bram De Wever")
    renamed = await anna.wait_for(
        lambda event: event["content"].get("displayname") == "Bram De Wever", room
    )
    assert renamed["state_key"] == bram.user_id

    await bram.leave(room)
    assert await bram.joined_rooms() == []
    with pytest.raises(RefusedError, match="403 M_FORBIDDEN") as refused:
        await bram.say(room, "Still here?")
    assert refused.value.errcode == "M_FORBIDDEN"


async def test_direct_rooms_are_kept_on_both_sides(people: PersonFactory) -> None:
    anna, bram = await people("anna"), await people("bram")
    room = await anna.direct_room(bram.user_id)
    invite = await bram.wait_for_invite(anna.user_id)

    assert (invite.room_id, invite.direct) == (room, True)
    assert bram.invites() == [invite]
    await bram.accept(invite)
    assert bram.invites() == []
    assert await bram.account_data("m.direct") == {anna.user_id: [room]}
    assert await anna.direct_room(bram.user_id) == room
    assert await bram.direct_room(anna.user_id) == room


async def test_an_invite_can_be_declined(people: PersonFactory) -> None:
    anna, bram = await people("anna", listen=False), await people("bram")
    room = await anna.create_room()
    await anna.invite(room, bram.user_id)
    invite = await bram.wait_for_invite()
    await bram.leave(invite.room_id)
    assert bram.invites() == []


async def test_waiting_looks_back_to_the_mark(people: PersonFactory) -> None:
    anna = await people("anna")
    room = await anna.create_room()

    def is_again(event: dict[str, object]) -> bool:
        return body_of(event) == "again"

    first = await anna.say(room, "again")
    assert (await anna.wait_for(is_again, room))["event_id"] == first
    mark = anna.mark()
    assert (await anna.wait_for(is_again, room))["event_id"] == first

    second = await anna.say(room, "again")
    assert (await anna.wait_for(is_again, room, since=mark))["event_id"] == second


async def test_waiting_in_vain_tells_who_for_what_and_what_was_seen(
    people: PersonFactory,
) -> None:
    anna = await people("anna")
    room = await anna.create_room()
    said = await anna.say(room, "Nobody will answer this")
    await anna.wait_for(lambda event: event["event_id"] == said)

    with pytest.raises(NotSeenError) as vain:
        await anna.wait_for(lambda event: body_of(event) == "an answer", room, timeout=0.2)
    assert anna.user_id in str(vain.value)
    assert 'body_of(event) == "an answer"' in str(vain.value)
    assert "not seen in 0.2 seconds" in str(vain.value)
    assert "Nobody will answer this" in str(vain.value).splitlines()[-1]

    with pytest.raises(NotSeenError, match="waited for a card"):
        await anna.wait_for(lambda event: False, timeout=0.1, awaited="a card")


async def test_who_does_not_listen_cannot_wait(people: PersonFactory) -> None:
    deaf = await people("deaf", listen=False)
    with pytest.raises(NotStartedError):
        await deaf.wait_for(lambda event: True)


async def test_nothing_is_missed_in_a_burst(synapse: PrivateSynapse, people: PersonFactory) -> None:
    """More events than the homeserver puts into one /sync or one page; the rest is fetched."""
    anna, bram = await people("anna", listen=False), await people("bram", listen=False)
    room = await anna.create_room(preset="public_chat")
    await bram.join(room)
    root = await anna.say(room, "Count with me")
    async with (
        FaultProxy(synapse.base_url) as proxy,
        Person(proxy.url, bram.user_id, access_token=bram.access_token) as listener,
    ):
        outage = proxy.fault(html_502, path="/sync$", times=None)
        sent = [await anna.say(room, str(number), thread=root) for number in range(120)]
        proxy.remove(outage)
        await listener.wait_for(lambda event: event["event_id"] == sent[-1], timeout=60)

    heard = [event["event_id"] for event in listener.seen if body_of(event).isdigit()]
    assert heard == sent
    assert [event["event_id"] for event in await bram.thread_messages(room, root)] == sent


async def test_rate_limits_are_waited_out(synapse: PrivateSynapse, people: PersonFactory) -> None:
    anna = await people("anna", listen=False)
    room = await anna.create_room()
    async with (
        FaultProxy(synapse.base_url) as proxy,
        Person(proxy.url, anna.user_id, access_token=anna.access_token, listen=False) as limited,
    ):
        proxy.fault(status(429, headers={"Retry-After": "1"}), path="/send/")
        proxy.fault(status(429, body={"retry_after_ms": 300}), path="/send/")
        start = time.monotonic()
        said = await limited.say(room, "patience")
        assert time.monotonic() - start > 1.2
        assert [one.status for one in proxy.requests("/send/")] == [429, 429, 200]
    assert body_of((await anna.messages(room))[-1]) == "patience"
    assert (await anna.messages(room))[-1]["event_id"] == said


async def test_a_dead_session_is_told_to_those_who_wait(people: PersonFactory) -> None:
    anna = await people("anna")
    await anna.request("POST", "logout", body={})
    with pytest.raises(NotSeenError, match="M_UNKNOWN_TOKEN"):
        await anna.wait_for(lambda event: False)


async def test_login_opens_another_device(synapse: PrivateSynapse) -> None:
    account = await synapse.register("polyglot", "a good password")
    async with Person(synapse.base_url, account.user_id, password="a good password") as person:
        assert person.device_id not in (None, account.device_id)
        assert (await person.request("GET", "account", "whoami"))["user_id"] == account.user_id
    with pytest.raises(RefusedError, match="M_FORBIDDEN"):
        async with Person(synapse.base_url, account.user_id, password="wrong"):
            pass


async def test_messages_are_the_newest_in_order(people: PersonFactory) -> None:
    anna = await people("anna", listen=False)
    room = await anna.create_room()
    sent = [await anna.say(room, str(number)) for number in range(5)]
    assert [event["event_id"] for event in await anna.messages(room, limit=3)] == sent[-3:]
    whole = await anna.messages(room)
    assert whole[0]["type"] == "m.room.create"
    assert [event["event_id"] for event in whole[-5:]] == sent


async def test_a_taken_name_is_refused(synapse: PrivateSynapse) -> None:
    await synapse.register("twice", "secret")
    with pytest.raises(AdminError) as refused:
        await synapse.register("twice", "secret")
    assert refused.value.errcode == "M_USER_IN_USE"


async def test_data_outlives_restart_and_kill_and_people_listen_on(
    synapse: PrivateSynapse, people: PersonFactory
) -> None:
    anna, bram = await people("anna"), await people("bram")
    room = await room_of(anna, bram)
    before = await anna.say(room, "before")
    url, first_pid = synapse.base_url, synapse.pid

    await synapse.restart()
    assert (synapse.base_url, synapse.running) == (url, True)
    assert synapse.pid != first_pid
    between = await anna.say(room, "between")
    await bram.wait_for(lambda event: event["event_id"] == between, room)

    synapse.kill()
    assert not synapse.running
    await synapse.start()
    after = await anna.say(room, "after")
    await bram.wait_for(lambda event: event["event_id"] == after, room)
    sent = [event["event_id"] for event in await bram.messages(room) if body_of(event)]
    assert sent == [before, between, after]


async def test_stop_leaves_no_process_and_no_file() -> None:
    async with PrivateSynapse() as server:
        pid, directory = server.pid, server.directory
        account = await server.register("anna", "secret")
        person = Person(server.base_url, account.user_id, access_token=account.access_token)
        await person.start()
        assert (directory / "homeserver.db").exists()
        start = time.monotonic()
    assert time.monotonic() - start < 5  # a long poll under way does not hold it up
    await person.close()

    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert not directory.exists()
    assert not accepts_connections(server.port)


async def test_a_given_directory_stays_and_can_be_taken_up_again(tmp_path: Path) -> None:
    directory = tmp_path / "kept"
    async with PrivateSynapse(directory=directory, server_name="kept.local") as first:
        account = await first.register("anna", "secret")
        await first.override_ratelimit(account.user_id)
    async with (
        PrivateSynapse(directory=directory, server_name="kept.local") as second,
        Person(second.base_url, account.user_id, access_token=account.access_token) as anna,
    ):
        assert anna.user_id == "@anna:kept.local"
        await second.override_ratelimit(anna.user_id)
    assert (directory / "homeserver.db").exists()


async def test_stock_limits_bite_and_can_be_lifted_for_one(
    stock_synapse: PrivateSynapse, stock_people: PersonFactory
) -> None:
    anna, bram = await stock_people("anna", listen=False), await stock_people("bram", listen=False)
    await stock_synapse.override_ratelimit(bram.user_id)
    room = await bram.create_room()
    for number in range(15):
        await bram.say(room, str(number))

    async with FaultProxy(stock_synapse.base_url) as proxy:
        token = anna.access_token
        async with Person(proxy.url, anna.user_id, access_token=token, listen=False) as limited:
            room = await limited.create_room()
            for number in range(10):
                await limited.say(room, str(number))
        assert 429 in [one.status for one in proxy.requests()]


@pytest.fixture
def temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[Path]]:
    """What lies in the folder for temporary files, which is this test's own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return lambda: list(tmp_path.iterdir())


async def test_a_failed_start_shows_the_log_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, temporary_files: Callable[[], list[Path]]
) -> None:
    monkeypatch.setattr(homeserver, "_CHILD", "raise SystemExit('the disk is on fire')")
    with pytest.raises(StartError, match=r"exit code 1\n.*the disk is on fire"):
        async with PrivateSynapse():
            pass
    assert temporary_files() == []


async def test_a_silent_process_is_given_up_even_if_it_ignores_sigterm(
    monkeypatch: pytest.MonkeyPatch, temporary_files: Callable[[], list[Path]]
) -> None:
    stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
    monkeypatch.setattr(homeserver, "_CHILD", stubborn)
    monkeypatch.setattr(homeserver, "START_PATIENCE", 1.0)
    monkeypatch.setattr(homeserver, "STOP_PATIENCE", 0.2)
    silent = PrivateSynapse()
    with pytest.raises(StartError, match="no answer in 1 seconds"):
        await silent.start()
    pid = silent.pid
    assert pid is not None
    await silent.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert temporary_files() == []


async def test_a_taken_port_is_named(synapse: PrivateSynapse) -> None:
    with pytest.raises(StartError, match=f"port {synapse.port} is taken"):
        await PrivateSynapse(port=synapse.port).start()


async def test_without_synapse_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", absent)
    with pytest.raises(SynapseMissingError, match=r"pip install clusterdesk\[demo\]"):
        await PrivateSynapse().start()


async def test_dies_with_its_parent(tmp_path: Path) -> None:
    """SIGKILL leaves the parent no time to clean up."""
    script = (
        "import asyncio, pathlib, sys\n"
        "from bot.demo.homeserver import PrivateSynapse\n"
        "async def main():\n"
        "    async with PrivateSynapse(directory=pathlib.Path(sys.argv[1])) as homeserver:\n"
        "        print(homeserver.port, flush=True)\n"
        "        await asyncio.sleep(600)\n"
        "asyncio.run(main())\n"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, str(tmp_path), stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    port = int(await parent.stdout.readline())
    assert accepts_connections(port)

    parent.send_signal(signal.SIGKILL)
    await parent.wait()
    assert await asyncio.to_thread(becomes_silent, port)
