"""How much each part of the ranking should weigh, learned from who answered.

A conditional logistic model: of the candidates of a question, the chance that it is this one who
answers is the exponential of their score, as a share of all. Scores are those of the formula with
other weights, and the formula is what it starts from: a penalty keeps each weight near the
formula's until answers say otherwise, so that nothing learned is the formula itself.

What was learned is used only if it did better on questions it had not seen: each was ranked by
weights fitted to what came before it.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from math import exp, fsum, sqrt
from typing import TypeAlias

from bot.domain.routing.ranking import FORMULA, Ranked

Weights: TypeAlias = Mapping[str, float]
Row: TypeAlias = tuple[float, ...]

PENALTY = 10.0
"""Questions that must speak for it before a weight moves by its own standardised size."""
FEWEST = 50
"""Answered questions of one's own below which nothing learned is used."""
COMPARED_FROM = 30
"""Answered questions before the first that is compared: below, the formula was better, or as good,
on replay. What is used has won on twenty at least."""
REFIT = 10
"""Questions between one fit and the next while comparing; a fit leaves out the newest so many,
whose answers may still come."""
_STEPS = 12
_LEAST_SPREAD = 1e-9


@dataclass(frozen=True, slots=True)
class Sample:
    """One question: the parts of each candidate, in the formula's order, and which of them
    answered."""

    parts: tuple[Mapping[str, float], ...]
    answered: frozenset[int]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Of questions ranked by the formula and by what was learned from those before them."""

    answered: int
    compared: int
    formula_mrr: float
    formula_hit: float
    learned_mrr: float
    learned_hit: float

    @property
    def use(self) -> bool:
        better = self.learned_mrr > self.formula_mrr and self.learned_hit >= self.formula_hit
        return self.answered >= FEWEST and better


@dataclass(frozen=True, slots=True)
class Compared:
    """One question: at which place the formula had who answered it, and at which ``weights`` that
    were fitted to what came before."""

    formula: int
    learned: int
    weights: Weights


def sample(ranked: Sequence[Ranked], answered: Container[str]) -> Sample:
    return Sample(
        tuple(each.parts for each in ranked),
        frozenset(place for place, each in enumerate(ranked) if each.user_id in answered),
    )


def fit(samples: Sequence[Sample], start: Weights = FORMULA) -> dict[str, float]:
    """The most likely weights, given that they were likely near ``start`` before."""
    useful = [each for each in samples if 0 < len(each.answered) < len(each.parts)]
    spreads = _spreads(useful, start)
    names = [name for name, spread in spreads.items() if spread > _LEAST_SPREAD]
    rows = [_rows(each, names, spreads) for each in useful]
    prior = [start[name] * spreads[name] for name in names]
    weights = list(prior)
    for _ in range(_STEPS):
        slope, curve = _derivatives(rows, useful, weights, prior)
        step = _solve(curve, slope)
        weights = [weight + change for weight, change in zip(weights, step, strict=True)]
        if max(map(abs, step), default=0.0) < 1e-6:
            break
    learned = {name: w / spreads[name] for name, w in zip(names, weights, strict=True)}
    return {**start, **learned}


def verdict(samples: Sequence[Sample], start: Weights = FORMULA) -> Verdict:
    """``samples`` in the order of time. Those that nobody of the candidates answered say nothing;
    those before the first fit are not compared."""
    answered = [each for each in samples if each.answered]
    return judged(len(answered), compared(answered, start))


def compared(answered: Sequence[Sample], start: Weights = FORMULA) -> list[Compared]:
    """Of each question from number ``COMPARED_FROM`` on."""
    found: list[Compared] = []
    for since in range(COMPARED_FROM, len(answered), REFIT):
        weights = fit(answered[: since - REFIT], start)
        for each in answered[since : since + REFIT]:
            found.append(Compared(_place(each, start), _place(each, weights), weights))
    return found


def judged(answered: int, questions: Sequence[Compared]) -> Verdict:
    formula = [each.formula for each in questions]
    learned = [each.learned for each in questions]
    return Verdict(
        answered=answered,
        compared=len(questions),
        formula_mrr=mrr(formula),
        formula_hit=hit(formula),
        learned_mrr=mrr(learned),
        learned_hit=hit(learned),
    )


def mrr(places: Sequence[int]) -> float:
    """Mean reciprocal rank of the first who answered; 0 of nothing."""
    return fsum(1 / place for place in places) / max(len(places), 1)


def hit(places: Sequence[int], most: int = 3) -> float:
    """The share of questions with somebody who answered among the first."""
    return sum(place <= most for place in places) / max(len(places), 1)


def _place(of: Sample, weights: Weights) -> int:
    scores = [fsum(weights.get(name, 0.0) * x for name, x in each.items()) for each in of.parts]
    order = sorted(range(len(scores)), key=lambda place: (-round(scores[place], 6), place))
    return next(n for n, place in enumerate(order, 1) if place in of.answered)


def _spreads(samples: Sequence[Sample], names: Weights) -> dict[str, float]:
    """Standard deviation of each part among the candidates of a question."""
    spreads = {}
    for name in names:
        squares, count = 0.0, 0
        for each in samples:
            values = [parts.get(name, 0.0) for parts in each.parts]
            mean = fsum(values) / len(values)
            squares += fsum((value - mean) ** 2 for value in values)
            count += len(values)
        spreads[name] = sqrt(squares / count) if count else 0.0
    return spreads


def _rows(of: Sample, names: Sequence[str], spreads: Weights) -> list[Row]:
    return [tuple(parts.get(name, 0.0) / spreads[name] for name in names) for parts in of.parts]


def _derivatives(
    rows: Sequence[Sequence[Row]],
    samples: Sequence[Sample],
    weights: Sequence[float],
    prior: Sequence[float],
) -> tuple[list[float], list[list[float]]]:
    """Of the logarithm of the posterior: its slope, and its curvature with the sign turned."""
    size = range(len(weights))
    slope = [PENALTY * (was - is_) for was, is_ in zip(prior, weights, strict=True)]
    curve = [[PENALTY * (i == j) for j in size] for i in size]
    for each, candidates in zip(samples, rows, strict=True):
        chances = _chances(candidates, weights)
        mean = [fsum(p * x[i] for p, x in zip(chances, candidates, strict=True)) for i in size]
        share = 1 / len(each.answered)
        for i in size:
            slope[i] += fsum(share * candidates[place][i] for place in each.answered) - mean[i]
            for j in size:
                both = fsum(p * x[i] * x[j] for p, x in zip(chances, candidates, strict=True))
                curve[i][j] += both - mean[i] * mean[j]
    return slope, curve


def _chances(candidates: Sequence[Row], weights: Sequence[float]) -> list[float]:
    scores = [fsum(w * x for w, x in zip(weights, row, strict=True)) for row in candidates]
    top = max(scores)
    powers = [exp(score - top) for score in scores]
    total = fsum(powers)
    return [power / total for power in powers]


def _solve(matrix: Sequence[Sequence[float]], right: Sequence[float]) -> list[float]:
    """Gauss's elimination; the matrix is positive definite, by the penalty."""
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for i, pivot in enumerate(rows):
        for row in rows[i + 1 :]:
            factor = row[i] / pivot[i]
            row[i:] = [a - factor * b for a, b in zip(row[i:], pivot[i:], strict=True)]
    found: list[float] = []
    for i in reversed(range(len(rows))):
        known = fsum(rows[i][-2 - n] * value for n, value in enumerate(found))
        found.append((rows[i][-1] - known) / rows[i][i])
    return found[::-1]
