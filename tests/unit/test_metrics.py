import re
from math import inf

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families

from bot.outbox import Watch
from bot.services.figures import Durations, Figures, Queue
from bot.services.health import NOT_YET, TOKEN_REJECTED, Health, Part
from bot.services.metrics import Metrics
from commands.dispatch import Tally

Labels = tuple[tuple[str, str], ...]

FIGURES = Figures(
    questions={"open": 2, "answered": 1, "closed": 0, "withdrawn": 0},
    first_offer=Durations({10.0: 2, 300.0: 1}, total=131.5),
    first_answer=Durations({3600.0: 1, inf: 1}, total=2_000_000.0),
    inbox=Queue(waiting=3, dead=1, age=7.5),
    outbox=Queue(waiting=4, dead=2, age=90.0),
)


def samples(text: str) -> dict[tuple[str, Labels], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def shown(metrics: Metrics, figures: Figures | None = FIGURES) -> dict[tuple[str, Labels], float]:
    return samples(metrics.render(figures)[0].decode())


def test_metrics_are_what_the_relay_and_the_dispatcher_tell() -> None:
    metrics = Metrics()
    watch: Watch = metrics
    tally: Tally = metrics
    for kind in ("Message", "Message", "MembershipChange"):
        tally.event(kind)
    tally.command("ask")
    watch.sent(0.2)
    watch.retried()
    watch.buried()

    found = shown(metrics)

    assert found["clusterdesk_events_total", (("kind", "message"),)] == 2
    assert found["clusterdesk_events_total", (("kind", "membership_change"),)] == 1
    assert found["clusterdesk_commands_total", (("command", "ask"),)] == 1
    assert found["clusterdesk_send_retries_total", ()] == 1
    assert found["clusterdesk_send_refusals_total", ()] == 1
    assert found["clusterdesk_send_seconds_bucket", (("le", "0.1"),)] == 0
    assert found["clusterdesk_send_seconds_bucket", (("le", "0.25"),)] == 1
    assert found["clusterdesk_send_seconds_sum", ()] == pytest.approx(0.2)


def test_figures_of_the_database_are_shown_as_they_are() -> None:
    found = shown(Metrics())

    assert found["clusterdesk_database_up", ()] == 1
    assert found["clusterdesk_questions", (("status", "open"),)] == 2
    assert found["clusterdesk_questions", (("status", "closed"),)] == 0
    assert found["clusterdesk_inbox_depth", ()] == 3
    assert found["clusterdesk_inbox_dead_letters", ()] == 1
    assert found["clusterdesk_outbox_depth", ()] == 4
    assert found["clusterdesk_outbox_oldest_seconds", ()] == 90
    assert found["clusterdesk_outbox_dead_letters", ()] == 2


def test_histograms_of_questions_are_cumulative_and_complete() -> None:
    found = shown(Metrics())
    offer = "clusterdesk_question_first_offer_seconds"
    answer = "clusterdesk_question_first_answer_seconds"

    assert found[f"{offer}_bucket", (("le", "10.0"),)] == 2
    assert found[f"{offer}_bucket", (("le", "60.0"),)] == 2
    assert found[f"{offer}_bucket", (("le", "300.0"),)] == 3
    assert found[f"{offer}_bucket", (("le", "+Inf"),)] == 3
    assert found[f"{offer}_count", ()] == 3
    assert found[f"{offer}_sum", ()] == 131.5
    assert found[f"{answer}_bucket", (("le", "1209600.0"),)] == 1
    assert found[f"{answer}_bucket", (("le", "+Inf"),)] == 2


def test_figures_that_cannot_be_read_are_left_out_not_repeated() -> None:
    metrics = Metrics()
    metrics.command("ask")
    metrics.render(FIGURES)

    found = shown(metrics, figures=None)

    assert found["clusterdesk_database_up", ()] == 0
    assert found["clusterdesk_commands_total", (("command", "ask"),)] == 1
    assert not [name for name, _ in found if re.search("questions|inbox|outbox|offer", name)]


def test_two_bots_in_one_process_do_not_share_counters() -> None:
    one, other = Metrics(), Metrics()
    one.retried()

    assert shown(other)["clusterdesk_send_retries_total", ()] == 0


def test_the_format_follows_the_accept_header() -> None:
    metrics = Metrics()
    metrics.event("Message")

    plain, plain_type = metrics.render(FIGURES)
    opened, open_type = metrics.render(FIGURES, "application/openmetrics-text; version=1.0.0")

    assert plain_type.startswith("text/plain; version=")
    assert open_type.startswith("application/openmetrics-text; version=1.0.0")
    # The library annotates its other parser only.
    families = parse_openmetrics(opened.decode())  # type: ignore[no-untyped-call]
    names = {family.name for family in families}
    assert "clusterdesk_events" in names
    assert b"clusterdesk_events_total" in plain


def test_every_metric_is_described() -> None:
    text = Metrics().render(FIGURES)[0].decode()
    families = list(text_string_to_metric_families(text))

    assert families
    assert not [family.name for family in families if not family.documentation]


def test_a_bot_that_has_heard_nothing_is_not_ready() -> None:
    health = Health()

    assert not health.ready
    assert health.faults == {"homeserver": NOT_YET}


def test_the_first_answer_makes_it_ready() -> None:
    health = Health()
    health.synced(None)

    assert health.ready
    assert health.faults == {}


def test_a_rejected_token_is_not_the_homeservers_fault() -> None:
    health = Health()
    health.synced("token")

    assert health.faults == {"token": TOKEN_REJECTED}

    health.synced("no answer")
    assert health.faults == {"homeserver": "no answer", "token": TOKEN_REJECTED}

    health.synced(None)
    assert health.ready


def test_each_part_has_its_own_fault() -> None:
    health = Health()
    health.set(Part.HOMESERVER, None)
    health.set("database", "gone")
    health.set("token", "old")

    assert health.faults == {"database": "gone", "token": "old"}
    health.set("database", None)
    assert health.faults == {"token": "old"}


def test_an_answer_says_that_sync_runs_again() -> None:
    health = Health()
    health.set("sync", "the sync loop fails (IntegrityError)")
    health.set("worker", "the worker loop fails (KeyError)")

    health.synced(None)
    assert health.faults == {"worker": "the worker loop fails (KeyError)"}


def test_an_unknown_part_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="kitchen"):
        Health().set("kitchen", None)
