"""Replay of public communities: who answered, predicted from what came before.

The last 40 % of the questions are tested; candidates are users with at least 3 answers until then,
the asker removed; a question counts if somebody of them answered. Figures: mean reciprocal rank of
the first who did (mrr), their being the first (p1) or among the first three (hit3), and the chance
that one who answered stands above one who did not but was as active lately, within ×1.5 (auc: the
mean over questions; 0.5 is a coin).

The balancing of load is off, for a history cannot credit those who were never asked; ``balanced``
has it on. The figures in front are those of the product as it would have run: the formula, and from
when on the nightly learning beat it on the questions before, what was learned. ``formula`` and
``learned`` are each of the two alone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from bench.routing import communities
from bench.routing.encoders import DEFAULT, encoder
from bot.domain.routing import learning
from bot.domain.routing.lexical import Bm25
from bot.domain.routing.ranking import FORMULA, lot
from bot.services.routing.replay import Moment, Outcome, PastQuestion, moments, replay, samples
from bot.services.routing.words import tokens

RECENT = timedelta(days=30)
AS_ACTIVE = 1.5
_SAME = 1e-9

Scores: TypeAlias = Mapping[str, float]
Method: TypeAlias = Callable[[Moment], Scores]
Figures: TypeAlias = dict[str, float]


@dataclass(frozen=True, slots=True)
class _Night:
    """What was learned before a question, and by what it was ranked therefore."""

    learned: Mapping[str, float]
    used: Mapping[str, float]


async def run(*paths: Path, encoder_name: str = DEFAULT) -> dict[str, Any]:
    chosen = encoder(encoder_name)
    methods: dict[str, dict[str, list[Figures]]] = {}
    verdicts = {}
    for path in paths:
        history = await communities.read(path, chosen)
        met = list(moments(history))
        everything = samples(replay(list(moments(history, tested=1.0))))
        before = learning.compared(everything)
        nights = _nights(before, len(everything))[len(everything) - len(met) :]
        for name, found in _methods(history, met, nights).items():
            methods.setdefault(name, {})[path.name] = found
        verdicts[path.name] = _verdict(learning.judged(len(everything), before))
    pooled = {
        name: _mean([one for each in by_file.values() for one in each])
        for name, by_file in methods.items()
    }
    return {
        "part": "replay",
        "encoder": chosen.name,
        "questions": sum(map(len, methods["product"].values())),
        **pooled.pop("product"),
        "balanced": pooled.pop("balanced"),
        "learned": pooled.pop("learned"),
        "formula": pooled.pop("formula"),
        "baselines": pooled,
        "files": {
            path.name: {name: _mean(by[path.name]) for name, by in methods.items()}
            for path in paths
        },
        "verdicts": verdicts,
        "note": "load balancing is off except in “balanced”",
    }


def _methods(
    history: Sequence[PastQuestion], met: Sequence[Moment], nights: Sequence[_Night]
) -> dict[str, list[Figures]]:
    by_text = _TextVoting(history)
    baselines: Mapping[str, Method] = {
        "random": _by_lot,
        "most_active": lambda moment: {c.user_id: len(c.votes) for c in moment.candidates},
        "recency": _recency,
        "bm25_voting": by_text.scores,
        "likeness_voting": lambda moment: {
            c.user_id: sum(vote.likeness for vote in c.votes) for c in moment.candidates
        },
    }
    return {
        **{name: [_figures(m, method(m)) for m in met] for name, method in baselines.items()},
        "formula": [_of(outcome) for outcome in replay(met)],
        "balanced": [_of(outcome) for outcome in replay(met, balanced=True)],
        "learned": [_of(one) for one in _weighed(met, [each.learned for each in nights])],
        "product": [_of(one) for one in _weighed(met, [each.used for each in nights])],
    }


def _nights(before: Sequence[learning.Compared], answered: int) -> list[_Night]:
    """One for each of the ``answered`` questions, in the order of time."""
    nights = [_Night(FORMULA, FORMULA)] * min(learning.COMPARED_FROM, answered)
    for place, each in enumerate(before):
        until = place - place % learning.REFIT
        told = learning.judged(learning.COMPARED_FROM + until, before[:until])
        nights.append(_Night(each.weights, each.weights if told.use else FORMULA))
    return nights


def _weighed(met: Sequence[Moment], weights: Sequence[Mapping[str, float]]) -> list[Outcome]:
    return [
        outcome
        for moment, each in zip(met, weights, strict=True)
        for outcome in replay([moment], each)
    ]


def _verdict(told: learning.Verdict) -> dict[str, Any]:
    """What the product would decide at the end of it all."""
    return {
        "answered": told.answered,
        "compared": told.compared,
        "formula": {"mrr": round(told.formula_mrr, 3), "hit3": round(told.formula_hit, 3)},
        "learned": {"mrr": round(told.learned_mrr, 3), "hit3": round(told.learned_hit, 3)},
        "use": told.use,
    }


class _TextVoting:
    """Each earlier question votes for who answered it, by its BM25 score."""

    def __init__(self, history: Sequence[PastQuestion]) -> None:
        self._later = list(history)
        self._index = Bm25()
        self._past: dict[int, PastQuestion] = {}

    def scores(self, moment: Moment) -> Scores:
        """Moments must come in the order of time."""
        while self._later and self._later[0].at < moment.question.at:
            past = self._later.pop(0)
            self._past[past.facts.number] = past
            self._index.add(past.facts.number, tokens(past.text, communities.LANGUAGE))
        found = {candidate.user_id: 0.0 for candidate in moment.candidates}
        alike = self._index.scores(tokens(moment.question.text, communities.LANGUAGE))
        for number, score in alike.items():
            for answer in self._past[number].answers:
                if answer.expert in found and answer.at < moment.question.at:
                    found[answer.expert] += score
        return found


def _by_lot(moment: Moment) -> Scores:
    number = moment.question.facts.number
    return {each.user_id: lot(number, each.user_id) for each in moment.candidates}


def _recency(moment: Moment) -> Scores:
    return {c.user_id: sum(0.5 ** (v.age / RECENT) for v in c.votes) for c in moment.candidates}


def _of(outcome: Outcome) -> Figures:
    return _figures(outcome.moment, {each.user_id: each.score for each in outcome.ranked})


def _figures(moment: Moment, scores: Scores) -> Figures:
    """Of one question. Those who come out equal stand in the order of a lot."""
    drawn = _by_lot(moment)
    order = sorted(scores, key=lambda user: (-scores[user], drawn[user]))
    place = next(n for n, user in enumerate(order, 1) if user in moment.answered_by)
    return {"mrr": 1 / place, "p1": float(place == 1), "hit3": float(place <= 3)} | _auc(
        moment, scores
    )


def _auc(moment: Moment, scores: Scores) -> Figures:
    """Empty where nobody was as active as somebody who answered."""
    active = _recency(moment)
    wins = [
        float(scores[one] > scores[other] + _SAME)
        + 0.5 * float(abs(scores[one] - scores[other]) <= _SAME)
        for one in moment.answered_by
        for other in active.keys() - moment.answered_by
        if 1 / AS_ACTIVE <= active[one] / max(active[other], 1e-12) <= AS_ACTIVE
    ]
    return {"auc": float(np.mean(wins))} if wins else {}


def _mean(figures: Sequence[Figures]) -> Figures:
    names = ("mrr", "p1", "hit3", "auc")
    found = {name: [each[name] for each in figures if name in each] for name in names}
    return {name: round(float(np.mean(every)), 3) for name, every in found.items() if every}
