"""Time and memory to route one question, end to end, with the real encoder.

From the text of a question to the wave: encode, look for known answers, likeness to every past
answer, votes of every expert, ranking, picking. A child process does it, so that its memory is that
of routing alone (the interpreter and the encoder included). Encoding alone is the baseline. Past
texts are words drawn by Zipf's law without the fifty most frequent, which are function words, and
their vectors are random: neither makes less work than real ones.
"""

import asyncio
import json
import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from bench.processes import python, rss_kb
from bench.routing.encoders import DEFAULT, encoder
from bot.domain.routing.ranking import Candidate, QuestionFacts, Vote, pick, rank
from bot.services.encoding import Encoder, Text, unit
from bot.services.routing.knowledge import Knowledge, Vector, settle
from bot.services.routing.router import text_of

ANSWERS = 10_000
EXPERTS = 200
ROUNDS = 200
WORDS = 40
WAVE = 3
_LANGUAGES = ("fr", "nl", "en")
_VOCABULARY = 20_000
_ZIPF = np.cumsum(1 / np.arange(50, 50 + _VOCABULARY))
_NOW = datetime(2027, 1, 4, 9, tzinfo=UTC)
_MAIN = "import sys; from bench.routing.latency import child; child(*sys.argv[1:])"


async def run(*, encoder_name: str = DEFAULT) -> dict[str, Any]:
    with TemporaryDirectory(prefix="clusterdesk-bench-") as folder:
        log = Path(folder) / "child.log"
        async with python("-c", _MAIN, encoder_name, log=log) as process:
            await process.wait()
        return json.loads(log.read_text().splitlines()[-1])  # type: ignore[no-any-return]


def child(encoder_name: str) -> None:
    print(json.dumps(asyncio.run(_measured(encoder(encoder_name)))))


async def _measured(chosen: Encoder) -> dict[str, Any]:
    lot = np.random.default_rng(0)
    before = rss_kb(os.getpid())
    await chosen.encode([Text("Wie kan vlasvezels testen?", "nl")])
    loaded = rss_kb(os.getpid())
    desk = _Desk(lot, chosen.dimension)
    settle()
    encoding, routing = [], []
    for number in range(ROUNDS):
        text, language = _text(lot), _LANGUAGES[number % 3]
        started = time.perf_counter()
        vector = (await chosen.encode([text_of(text, language)]))[0]
        encoding.append(time.perf_counter() - started)
        desk.route(number, text, language, vector)
        routing.append(time.perf_counter() - started)
    return {
        "part": "latency",
        "encoder": chosen.name,
        "answers": ANSWERS,
        "experts": EXPERTS,
        **_milliseconds(routing),
        "rss_mb": round(rss_kb(os.getpid()) / 1024, 1),
        "rss_of_knowledge_mb": round((rss_kb(os.getpid()) - loaded) / 1024, 1),
        "baselines": {
            "encoding_alone": {
                **_milliseconds(encoding),
                "rss_mb": round(loaded / 1024, 1),
                "rss_before_mb": round(before / 1024, 1),
            }
        },
    }


class _Desk:
    """What the bot has in memory of a desk that has been busy for years."""

    def __init__(self, lot: np.random.Generator, dimension: int) -> None:
        self.questions, self.answers = Knowledge(), Knowledge()
        for number in range(ANSWERS):
            vector = unit(lot.standard_normal((1, dimension), dtype=np.float32))[0]
            language = _LANGUAGES[number % 3]
            self.questions.put(number, _text(lot), language, vector)
            self.answers.put(number, _text(lot), language, vector)
        self.given_by = lot.integers(EXPERTS, size=ANSWERS).tolist()
        self.ages = [timedelta(hours=float(hours)) for hours in lot.integers(20_000, size=ANSWERS)]

    def route(self, number: int, text: str, language: str, vector: Vector) -> None:
        self.questions.closest(text, language, vector, range(ANSWERS))
        alike = self.answers.likeness(text, language, vector)
        votes: list[list[Vote]] = [[] for _ in range(EXPERTS)]
        for answer, (expert, age) in enumerate(zip(self.given_by, self.ages, strict=True)):
            votes[expert].append(Vote(alike.get(answer, 0.0), age))
        candidates = [
            Candidate(f"@expert{n}:example.org", tuple(theirs)) for n, theirs in enumerate(votes)
        ]
        facts = QuestionFacts(number, "@asker:example.org", "expertise", None, language)
        pick(rank(facts, candidates, _NOW), candidates, WAVE, number)


def _text(lot: np.random.Generator) -> str:
    ranks = np.searchsorted(_ZIPF, lot.random(WORDS) * _ZIPF[-1])
    return " ".join(f"woord{rank}" for rank in ranks)


def _milliseconds(seconds: Sequence[float]) -> dict[str, float]:
    p50, p95 = np.percentile(seconds, [50, 95]) * 1000
    return {"p50_ms": round(float(p50), 1), "p95_ms": round(float(p95), 1)}
