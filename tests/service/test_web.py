"""The web side over real HTTP, on a migrated database."""

import asyncio
import socket
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer
from icalendar import Calendar
from prometheus_client.parser import text_string_to_metric_families

from bot.services.health import Health
from bot.services.instance import Instance
from bot.services.metrics import Metrics
from bot.services.routing.router import Router
from bot.web import probes
from bot.web.app import Application, CannotListen, PortTaken, make_app, serve
from config import locales
from config.network import load_network
from storage import inbox, outbox
from storage.calendar import CalendarEvent
from storage.database import Database
from storage.inbox import Arrival
from storage.questions import Question
from tests.support.clock import MONDAY, Clock

Client = TestClient[Any, Any]

BRUSSELS = ZoneInfo("Europe/Brussels")
SECRET = "hunter2"
NOWHERE = (
    "sqlite+aiosqlite:////nowhere/clusterdesk.db",
    f"postgresql+asyncpg://somebody:{SECRET}@127.0.0.1:1/network",
)
PATHS = ("/livez", "/readyz", "/metrics", "/calendar/all.ics", "/calendar/logistics.ics")

OTHER_PATHS = ("/", "/calendar", "/calendar/", "/calendar/none.ics", "/.git/config", "/static/")


@pytest.fixture
def instance() -> Instance:
    network = load_network("innov-eurometropolis")
    return Instance(
        "@clusterdesk:test.local",
        network,
        locales.load(network.languages),
        admins=frozenset({"@admin:test.local"}),
        router=Router(network),
    )


@pytest.fixture
def health() -> Health:
    return Health()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def app(
    health: Health, metrics: Metrics, database: Database, instance: Instance, clock: Clock
) -> Application:
    return make_app(health, metrics, database, instance, clock)


@pytest.fixture
async def client(app: Application) -> AsyncIterator[Client]:
    async with TestClient(TestServer(app)) as opened:
        yield opened


@pytest.fixture(params=NOWHERE, ids=["sqlite", "postgresql"])
async def lost_client(
    request: pytest.FixtureRequest,
    health: Health,
    metrics: Metrics,
    instance: Instance,
    clock: Clock,
) -> AsyncIterator[Client]:
    """The web side of a bot whose database cannot be reached."""
    database = Database(request.param)
    app = make_app(health, metrics, database, instance, clock)
    async with TestClient(TestServer(app)) as opened:
        yield opened
    await database.close()


async def samples(client: Client) -> dict[str, float]:
    """The metrics, by name and labels as in the exposition: ``name{label="value"}``."""
    response = await client.get("/metrics")
    assert response.status == 200
    found = {}
    for family in text_string_to_metric_families(await response.text()):
        for sample in family.samples:
            labels = ",".join(f'{key}="{value}"' for key, value in sample.labels.items())
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def a_question(asked: datetime, **more: Any) -> Question:
    return Question(
        asker="@member:test.local",
        text="?",
        language="fr",
        desk="funding",
        lane="!room",
        root="$asked",
        created_at=asked,
        last_activity_at=asked,
        **more,
    )


def an_event(title: str, starts_at: datetime, **more: Any) -> CalendarEvent:
    defaults = {"status": "published", "clusters": [], "updated_at": starts_at, "sequence": 0}
    return CalendarEvent(
        title=title,
        description="",
        place="",
        starts_local=f"{starts_at.astimezone(BRUSSELS):%Y-%m-%dT%H:%M}",
        zone=BRUSSELS.key,
        starts_at=starts_at,
        duration_minutes=60,
        organiser="@admin:test.local",
        created_at=starts_at,
        **(defaults | more),
    )


async def add_events(database: Database, *events: CalendarEvent) -> None:
    async with database.uow("test", MONDAY) as uow:
        uow.session.add_all(events)
        await uow.commit()


async def titles(client: Client, name: str) -> set[str]:
    response = await client.get(f"/calendar/{name}.ics")
    assert response.status == 200
    calendar = Calendar.from_ical(await response.text())
    return {str(event["SUMMARY"]) for event in calendar.walk("VEVENT")}


async def test_livez_needs_nothing_but_the_loop(lost_client: Client) -> None:
    response = await lost_client.get("/livez")

    assert response.status == 200
    assert (await response.text()).strip() == "ok"


async def test_readyz_is_red_until_the_homeserver_has_answered(
    client: Client, health: Health
) -> None:
    before = await client.get("/readyz")
    health.synced(None)
    after = await client.get("/readyz")

    assert before.status == 503
    assert await before.json() == {
        "ready": False,
        "faults": {"homeserver": "the homeserver has not answered yet"},
    }
    assert after.status == 200
    assert await after.json() == {"ready": True, "faults": {}}


async def test_readyz_says_that_the_token_is_rejected(client: Client, health: Health) -> None:
    health.synced("token")
    response = await client.get("/readyz")

    assert response.status == 503
    assert (await response.json())["faults"] == {"token": "the homeserver rejects the access token"}


async def test_readyz_says_that_the_database_is_gone_and_no_more(
    lost_client: Client, health: Health
) -> None:
    health.synced(None)
    response = await lost_client.get("/readyz")

    assert response.status == 503
    said = await response.text()
    assert "the database does not answer" in said
    assert not [word for word in (SECRET, "somebody", "nowhere", "127.0.0.1") if word in said]


async def test_readyz_does_not_wait_for_a_stuck_database(
    client: Client,
    health: Health,
    database: Database,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not database.is_sqlite:
        pytest.skip("nobody waits for a writer in PostgreSQL")
    monkeypatch.setattr(probes, "PROBE_SECONDS", 0.05)
    health.synced(None)

    async with database.uow("stuck", clock()):
        stuck = await client.get("/readyz")
    free = await client.get("/readyz")

    assert stuck.status == 503
    assert list((await stuck.json())["faults"]) == ["database"]
    assert free.status == 200


async def test_metrics_count_what_the_parts_tell(client: Client, metrics: Metrics) -> None:
    metrics.event("Reaction")
    metrics.command("ask")
    found = await samples(client)

    assert found['clusterdesk_events_total{kind="reaction"}'] == 1
    assert found['clusterdesk_commands_total{command="ask"}'] == 1
    assert found["clusterdesk_database_up"] == 1


async def test_metrics_of_an_empty_database_are_zeros(client: Client) -> None:
    found = await samples(client)

    for status in ("open", "answered", "closed", "withdrawn"):
        assert found[f'clusterdesk_questions{{status="{status}"}}'] == 0
    for queue in ("inbox", "outbox"):
        for figure in ("depth", "oldest_seconds", "dead_letters"):
            assert found[f"clusterdesk_{queue}_{figure}"] == 0
    for first in ("offer", "answer"):
        assert found[f"clusterdesk_question_first_{first}_seconds_count"] == 0


async def test_questions_are_counted_by_status_and_by_how_long_they_took(
    client: Client, database: Database, clock: Clock
) -> None:
    asked = clock.now
    soon, later = asked + timedelta(seconds=10), asked + timedelta(hours=3)
    async with database.uow("test", asked) as uow:
        uow.session.add_all(
            [
                a_question(asked),
                a_question(asked, first_offer_at=soon),
                a_question(asked, first_offer_at=soon, first_answer_at=later, status="answered"),
                a_question(
                    asked,
                    first_offer_at=asked + timedelta(days=30),
                    first_answer_at=asked + timedelta(days=31),
                    status="closed",
                ),
            ]
        )
        await uow.commit()

    found = await samples(client)
    again = await samples(client)

    assert found['clusterdesk_questions{status="open"}'] == 2
    assert found['clusterdesk_questions{status="answered"}'] == 1
    offer = "clusterdesk_question_first_offer_seconds"
    assert found[f'{offer}_bucket{{le="10.0"}}'] == 2
    assert found[f'{offer}_bucket{{le="1209600.0"}}'] == 2
    assert found[f'{offer}_bucket{{le="+Inf"}}'] == 3
    assert found[f"{offer}_sum"] == pytest.approx(20 + 30 * 86_400, abs=0.01)
    answer = "clusterdesk_question_first_answer_seconds"
    assert found[f'{answer}_bucket{{le="7200.0"}}'] == 0
    assert found[f'{answer}_bucket{{le="14400.0"}}'] == 1
    assert found[f"{answer}_count"] == 2
    assert [again[f"{name}_count"] for name in (offer, answer)] == [3, 2]


async def test_the_outbox_shows_its_depth_the_age_of_what_may_go_and_its_dead(
    client: Client, database: Database, clock: Clock
) -> None:
    start = clock.now
    async with database.uow("first", start) as uow:
        uow.outbox.send("!room", {}, not_before=start + timedelta(minutes=2))
        uow.outbox.send("!room", {}, not_before=start + timedelta(days=1))
        buried = uow.outbox.send("!room", {})
        await uow.commit()
        await outbox.bury(uow.session, buried.id, "no")
        await uow.commit()

    clock.advance(timedelta(minutes=1))
    held = await samples(client)
    clock.advance(timedelta(minutes=2))
    due = await samples(client)

    assert held["clusterdesk_outbox_depth"] == due["clusterdesk_outbox_depth"] == 2
    assert held["clusterdesk_outbox_oldest_seconds"] == 0
    assert due["clusterdesk_outbox_oldest_seconds"] == 60
    assert due["clusterdesk_outbox_dead_letters"] == 1


async def test_the_inbox_shows_its_depth_age_and_dead(
    client: Client, database: Database, clock: Clock
) -> None:
    async with database.uow("sync", clock()) as uow:
        arrivals = [Arrival("!room", f"$event{number}", {}) for number in range(4)]
        await inbox.record(uow.session, arrivals, clock())
        rows = await inbox.ready(uow.session, clock(), 10)
        await inbox.done(uow.session, rows[0].id)
        await inbox.failed(uow.session, rows[1].id, "why", None)
        await uow.commit()
    clock.advance(timedelta(seconds=30))
    found = await samples(client)

    assert found["clusterdesk_inbox_depth"] == 2
    assert found["clusterdesk_inbox_oldest_seconds"] == 30
    assert found["clusterdesk_inbox_dead_letters"] == 1


async def test_metrics_of_the_process_outlive_the_database(
    lost_client: Client, metrics: Metrics
) -> None:
    metrics.retried()
    found = await samples(lost_client)

    assert found["clusterdesk_database_up"] == 0
    assert found["clusterdesk_send_retries_total"] == 1
    assert "clusterdesk_outbox_depth" not in found


async def test_metrics_are_openmetrics_for_who_asks(client: Client) -> None:
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
    plain = await client.get("/metrics")
    opened = await client.get("/metrics", headers=accept)

    assert plain.headers["Content-Type"].startswith("text/plain; version=")
    assert opened.headers["Content-Type"].startswith("application/openmetrics-text")
    assert (await opened.text()).endswith("# EOF\n")


async def test_a_calendar_is_what_calendar_programs_read(
    client: Client, database: Database, clock: Clock
) -> None:
    await add_events(database, an_event("Visite à Lille", clock.now + timedelta(days=2)))
    response = await client.get("/calendar/all.ics")

    assert response.headers["Content-Type"] == "text/calendar; charset=utf-8"
    (event,) = Calendar.from_ical(await response.text()).walk("VEVENT")
    assert event["SUMMARY"] == "Visite à Lille"
    assert event.decoded("DTSTART") == clock.now + timedelta(days=2)


async def test_a_clusters_calendar_has_its_events_and_those_of_all(
    client: Client, database: Database, clock: Clock
) -> None:
    soon = clock.now + timedelta(days=1)
    await add_events(
        database,
        an_event("for all", soon),
        an_event("logistics", soon, clusters=["logistics"]),
        an_event("both", soon, clusters=["materials", "logistics"]),
        an_event("materials", soon, clusters=["materials"]),
        an_event("draft", soon, status="draft"),
    )

    assert await titles(client, "all") == {"for all", "logistics", "both", "materials"}
    assert await titles(client, "logistics") == {"for all", "logistics", "both"}
    assert await titles(client, "agro-health") == {"for all"}


async def test_what_was_and_what_was_cancelled_stay_for_a_while(
    client: Client, database: Database, clock: Clock
) -> None:
    await add_events(
        database,
        an_event("last month", clock.now - timedelta(days=30)),
        an_event("long ago", clock.now - timedelta(days=800)),
        an_event("cancelled", clock.now + timedelta(days=3), status="cancelled"),
    )
    text = await (await client.get("/calendar/all.ics")).text()

    assert await titles(client, "all") == {"last month", "cancelled"}
    assert "STATUS:CANCELLED" in text


async def test_an_unchanged_calendar_is_not_sent_again(
    client: Client, database: Database, clock: Clock
) -> None:
    event = an_event("Visite", clock.now + timedelta(days=2))
    await add_events(database, event)
    first = await client.get("/calendar/all.ics")
    etag = first.headers["ETag"]

    clock.advance(timedelta(hours=1))
    same = await client.get("/calendar/all.ics", headers={"If-None-Match": etag})
    weak = await client.head("/calendar/all.ics", headers={"If-None-Match": f'"x", W/{etag}'})
    other = await client.get("/calendar/logistics.ics", headers={"If-None-Match": etag})
    async with database.uow("test", clock()) as uow:
        uow.session.add(event)
        event.title, event.updated_at = "Visite à Gand", clock()
        await uow.commit()
    changed = await client.get("/calendar/all.ics", headers={"If-None-Match": etag})

    assert same.status == weak.status == 304
    assert await same.read() == b""
    assert same.headers["ETag"] == weak.headers["ETag"] == etag
    assert other.status == 200
    assert changed.status == 200
    assert changed.headers["ETag"] != etag


async def test_a_calendar_is_asked_for_again_each_time(client: Client) -> None:
    response = await client.get("/calendar/all.ics")

    assert response.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize("name", ["none", "funding", "control", "ALL", "..%2fall", "a'b", "é"])
async def test_an_unknown_cluster_is_a_sentence(client: Client, name: str) -> None:
    response = await client.get(f"/calendar/{name}.ics", headers={"Accept-Language": "en-GB, nl"})

    assert response.status == 404
    assert response.headers["Content-Type"].startswith("text/plain")
    assert await response.text() == (
        "There is no such calendar. "
        "These exist: all, agro-health, materials, logistics, imaging-ict"
    )


async def test_a_calendar_that_cannot_be_read_is_asked_for_later(lost_client: Client) -> None:
    response = await lost_client.get("/calendar/all.ics", headers={"Accept-Language": "en"})

    assert response.status == 503
    assert int(response.headers["Retry-After"]) > 0
    said = await response.text()
    assert "try again" in said
    assert not [word for word in (SECRET, "somebody", "nowhere") if word in said]


async def test_head_is_get_without_the_body(client: Client) -> None:
    for path in PATHS:
        got = await client.get(path)
        headed = await client.head(path)

        assert headed.status == got.status
        assert headed.headers["Content-Type"] == got.headers["Content-Type"]
        assert await headed.read() == b""


async def test_it_is_read_only(client: Client) -> None:
    for path in PATHS:
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
            response = await client.request(method, path)

            assert response.status == 405
            assert response.headers["Allow"] == "GET,HEAD"


async def test_no_answer_tells_what_serves_it(client: Client) -> None:
    for path in (*PATHS, *OTHER_PATHS):
        for method in ("GET", "POST"):
            response = await client.request(method, path)

            assert "Server" not in response.headers
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert "Cache-Control" in response.headers
            assert "aiohttp" not in await response.text()


async def test_there_are_no_other_pages(client: Client) -> None:
    for path in OTHER_PATHS:
        assert (await client.get(path)).status == 404


async def test_serving_begins_and_ends_with_the_block(app: Application) -> None:
    async with serve(app, ("127.0.0.1", 0)) as url:
        assert url is not None
        async with aiohttp.ClientSession() as session, session.get(url / "livez") as response:
            assert response.status == 200
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", url.port)


async def test_without_an_address_nothing_is_served(app: Application) -> None:
    async with serve(app, None) as url:
        assert url is None


async def test_a_taken_port_is_a_sentence(app: Application) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(
            PortTaken, match=rf"cannot listen on 127\.0\.0\.1:{port}: .*web\.listen"
        ):
            async with serve(app, ("127.0.0.1", port)):
                pytest.fail("it must not serve")


async def test_an_address_of_another_machine_is_a_sentence(app: Application) -> None:
    with pytest.raises(CannotListen, match=r"192\.0\.2\.1:0: this machine does not have"):
        async with serve(app, ("192.0.2.1", 0)):
            pytest.fail("it must not serve")
