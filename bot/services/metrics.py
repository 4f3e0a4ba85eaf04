"""What Prometheus sees.

Two kinds of figures stand side by side. What only this process knows (events handled, commands,
sends) is counted here and begins at zero with it. What the database knows (`bot.services.figures`)
is read at each scrape: it is right after a restart, and the same whichever process is asked, so
with several of them it must not be added up.
"""

import re
from collections.abc import Iterator
from itertools import accumulate
from math import inf

from prometheus_client import CollectorRegistry, Counter, Histogram, Metric, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from bot.services.figures import BOUNDS, Durations, Figures, Queue

SEND_BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Seconds."""


class Metrics:
    """Counts what one bot does, in a registry of its own.

    It is what the dispatcher and the relay want of their `Tally` and their `Watch`.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._events = Counter(
            "clusterdesk_events",
            "Matrix events handed to the bot's handlers; one tried again counts again.",
            ["kind"],
            registry=self.registry,
        )
        self._commands = Counter(
            "clusterdesk_commands", "Commands run.", ["command"], registry=self.registry
        )
        self._send_seconds = Histogram(
            "clusterdesk_send_seconds",
            "How long the homeserver took to accept what the bot sent.",
            buckets=SEND_BOUNDS,
            registry=self.registry,
        )
        self._retries = Counter(
            "clusterdesk_send_retries",
            "Sends put off because of rate limits or faults.",
            registry=self.registry,
        )
        self._refusals = Counter(
            "clusterdesk_send_refusals",
            "Sends the homeserver refused for good; each is kept as a dead letter.",
            registry=self.registry,
        )
        self._figures = _FiguresCollector()
        self.registry.register(self._figures)
        ProcessCollector(registry=self.registry)

    def event(self, kind: str) -> None:
        self._events.labels(_snake_case(kind)).inc()

    def command(self, name: str) -> None:
        self._commands.labels(name).inc()

    def sent(self, seconds: float) -> None:
        self._send_seconds.observe(seconds)

    def retried(self) -> None:
        self._retries.inc()

    def buried(self) -> None:
        self._refusals.inc()

    def render(self, figures: Figures | None, accept: str = "") -> tuple[bytes, str]:
        """The exposition and its content type, in the format an Accept header asks for.

        ``figures`` is None when the database could not be read: they are left out then, because
        old ones would look like new ones.
        """
        self._figures.current = figures
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type


class _FiguresCollector(Collector):
    def __init__(self) -> None:
        self.current: Figures | None = None

    def collect(self) -> Iterator[Metric]:
        figures = self.current
        yield GaugeMetricFamily(
            "clusterdesk_database_up",
            "1 when the database could be read for this scrape.",
            value=float(figures is not None),
        )
        if figures is None:
            return
        yield _questions(figures)
        yield _durations(
            "clusterdesk_question_first_offer_seconds",
            "From a question to the first offer of it to an expert; all questions there are.",
            figures.first_offer,
        )
        yield _durations(
            "clusterdesk_question_first_answer_seconds",
            "From a question to the first answer to it; all questions there are.",
            figures.first_answer,
        )
        yield from _queue("inbox", "Matrix events", figures.inbox)
        yield from _queue("outbox", "Messages", figures.outbox)


def _questions(figures: Figures) -> Metric:
    family = GaugeMetricFamily(
        "clusterdesk_questions", "Questions there are, by status.", labels=["status"]
    )
    for status, number in figures.questions.items():
        family.add_metric([status], number)
    return family


def _durations(name: str, documentation: str, durations: Durations) -> Metric:
    bounds = (*BOUNDS, inf)
    cumulative = accumulate(durations.counts.get(bound, 0) for bound in bounds)
    return HistogramMetricFamily(
        name,
        documentation,
        buckets=list(zip(map(_le, bounds), cumulative, strict=True)),
        sum_value=durations.total,
    )


def _le(bound: float) -> str:
    return "+Inf" if bound == inf else str(bound)


def _queue(name: str, what: str, queue: Queue) -> Iterator[Metric]:
    prefix = f"clusterdesk_{name}"
    yield GaugeMetricFamily(f"{prefix}_depth", f"{what} waiting.", value=queue.waiting)
    yield GaugeMetricFamily(
        f"{prefix}_oldest_seconds", "For how long the oldest could have gone.", value=queue.age
    )
    yield GaugeMetricFamily(
        f"{prefix}_dead_letters", f"{what} given up and kept.", value=queue.dead
    )


def _snake_case(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
