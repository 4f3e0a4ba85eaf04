"""Which desk a question belongs to, and which cluster it speaks of: decided from evidence.

Three things speak for a desk: what the question means compared with what people ask there, the
words it shares with the desk's description, and where coordinators have sent questions like it. Who
names a desk gets that one. When two desks are close the choice is not sure, and the asker is asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

WORDS_WEIGHT = 0.15
"""Meaning reads more than words do: they only tip the balance between desks that are close."""
SURE_MARGIN = 0.08
"""Decides four questions in five, on the questions it was chosen with."""
CLUSTER_MARGIN = 0.05
_CLEAR_LEAD = 1.3
"""Without an encoder: how many times the runner-up's words."""


class DeskReason(StrEnum):
    EXPLICIT = "explicit"
    MEANING = "meaning"
    WORDS = "words"
    CORRECTIONS = "corrections"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for one desk, or one cluster.

    ``meaning`` is about 1 for a text just like those of this desk and like none of another; None
    without an encoder. ``words`` counts weighted words, from 0. ``corrections`` is 0 where nothing
    like this question was ever corrected to this desk, and nears 1 the more and the closer those
    are that were.
    """

    key: str
    meaning: float | None = None
    words: float = 0.0
    corrections: float = 0.0


@dataclass(frozen=True, slots=True)
class DeskChoice:
    """``sure`` is False when nothing speaks for the desk, or nearly as much for the runner-up."""

    desk: str
    score: float
    runner_up: str | None
    reason: DeskReason
    sure: bool


def choose_desk(evidence: Sequence[Evidence], explicit: str | None, default: str) -> DeskChoice:
    """The desk named by the asker, else the one most speaks for, else ``default``."""
    if explicit is not None:
        return DeskChoice(explicit, 0.0, None, DeskReason.EXPLICIT, sure=True)
    if not any(map(_speaks, evidence)):
        return DeskChoice(default, 0.0, None, DeskReason.DEFAULT, sure=False)
    scores = scored(evidence)
    best, *others = sorted(scores, key=lambda key: (-scores[key], key != default, key))
    if not _is_meant(evidence):
        others = [key for key in others if scores[key] > 0]
    runner_up = others[0] if others else None
    sure = runner_up is None or _is_clear(evidence, scores[best], scores[runner_up])
    return DeskChoice(best, scores[best], runner_up, _reason(evidence, best), sure)


def choose_cluster(evidence: Sequence[Evidence]) -> str | None:
    """The cluster the text speaks of; None unless one is clearly ahead of the others."""
    scores = scored(evidence)
    best, *others = sorted(scores, key=lambda key: -scores[key]) or [""]
    if not best or scores[best] <= 0:
        return None
    ahead = scores[best] - max((scores[key] for key in others), default=0.0)
    return best if ahead >= CLUSTER_MARGIN else None


def margin(evidence: Sequence[Evidence]) -> float:
    """How far the best is ahead of the next: the confidence in a choice."""
    best, *others = sorted(scored(evidence).values(), reverse=True) or [0.0]
    return best - others[0] if others else max(best, 0.0)


def scored(evidence: Sequence[Evidence]) -> dict[str, float]:
    words = sum(each.words for each in evidence)
    return {
        each.key: round(
            (each.meaning or 0.0)
            + (WORDS_WEIGHT if _is_meant(evidence) else 1.0) * each.words / (words + 1)
            + each.corrections,
            6,
        )
        for each in evidence
    }


def _speaks(each: Evidence) -> bool:
    return each.meaning is not None or each.words > 0 or each.corrections > 0


def _is_meant(evidence: Sequence[Evidence]) -> bool:
    return any(each.meaning is not None for each in evidence)


def _is_clear(evidence: Sequence[Evidence], best: float, next_best: float) -> bool:
    if _is_meant(evidence):
        return best - next_best >= SURE_MARGIN
    return best >= next_best * _CLEAR_LEAD


def _reason(evidence: Sequence[Evidence], best: str) -> DeskReason:
    """Corrections, when another desk would have been chosen without them."""
    uncorrected = scored([Evidence(each.key, each.meaning, each.words) for each in evidence])
    corrected = any(each.key == best and each.corrections for each in evidence)
    if corrected and max(uncorrected.values()) > uncorrected[best]:
        return DeskReason.CORRECTIONS
    return DeskReason.MEANING if _is_meant(evidence) else DeskReason.WORDS
