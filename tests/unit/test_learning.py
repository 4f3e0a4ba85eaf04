import random
from collections.abc import Mapping

import pytest

from bot.domain.routing.learning import (
    COMPARED_FROM,
    FEWEST,
    Sample,
    Verdict,
    fit,
    hit,
    mrr,
    sample,
    verdict,
)
from bot.domain.routing.ranking import FORMULA, Ranked

EVEN = {"active": 1.0, "fits": 1.0}
SIZE = 6


def score(parts: Mapping[str, float], weights: Mapping[str, float]) -> float:
    return sum(weights[name] * value for name, value in parts.items())


def history(count: int, truth: Mapping[str, float], seed: int = 1) -> list[Sample]:
    """Whoever is best by ``truth`` answers. Candidates in the order of even weights."""
    lot = random.Random(seed)
    samples = []
    for _ in range(count):
        drawn = [{"active": lot.gauss(0, 1), "fits": lot.gauss(0, 1)} for _ in range(SIZE)]
        drawn.sort(key=lambda parts: -score(parts, EVEN))
        best = max(range(SIZE), key=lambda place: score(drawn[place], truth))
        samples.append(Sample(tuple(drawn), frozenset({best})))
    return samples


def test_without_data_it_is_the_formula() -> None:
    assert fit([]) == FORMULA
    useless = Sample(({"active": 1.0}, {"active": 2.0}), frozenset({0, 1}))
    assert fit([useless]) == FORMULA


def test_parts_that_never_differ_keep_their_weights() -> None:
    learned = fit(history(30, {"active": 0.0, "fits": 1.0}))
    assert learned.keys() == FORMULA.keys()
    assert learned["language"] == FORMULA["language"]


def test_few_answers_move_the_weights_little_and_many_move_them_far() -> None:
    truth = {"active": 0.0, "fits": 1.0}
    few, many = (fit(history(count, truth)) for count in (3, 300))
    assert many["active"] < few["active"]
    assert abs(few["active"] - 1) < 0.3
    assert many["fits"] > 3 * abs(many["active"])


def test_the_order_of_samples_does_not_matter() -> None:
    samples = history(40, {"active": 0.2, "fits": 1.0})
    assert fit(samples) == pytest.approx(fit(samples[::-1]))


def test_what_is_learned_wins_where_the_formula_is_wrong() -> None:
    found = verdict(history(200, {"active": -1.0, "fits": 1.0}))
    assert found.answered == 200
    assert found.compared == 200 - COMPARED_FROM
    assert found.learned_mrr > found.formula_mrr + 0.2
    assert found.use


def test_it_is_not_used_where_the_formula_is_right() -> None:
    found = verdict(history(200, EVEN))
    assert found.formula_mrr == 1.0
    assert not found.use


def test_it_is_not_used_on_too_few_answers() -> None:
    found = verdict(history(FEWEST - 1, {"active": -1.0, "fits": 1.0}))
    assert found.learned_mrr > found.formula_mrr
    assert not found.use
    assert verdict(history(FEWEST, {"active": -1.0, "fits": 1.0})).use


@pytest.mark.parametrize(
    ("answered", "learned_mrr", "learned_hit", "use"),
    [
        (80, 0.51, 0.6, True),
        (80, 0.5, 0.7, False),
        (80, 0.6, 0.5, False),
        (49, 0.9, 0.9, False),
    ],
)
def test_it_is_used_only_if_it_wins(
    answered: int, learned_mrr: float, learned_hit: float, use: bool
) -> None:
    assert Verdict(answered, 30, 0.5, 0.6, learned_mrr, learned_hit).use is use


def test_questions_nobody_answered_are_not_learned_from() -> None:
    silent = Sample(({"active": 1.0}, {"active": 2.0}), frozenset())
    assert fit([silent] * 60) == FORMULA
    assert verdict([silent] * 60).answered == 0


def test_a_sample_remembers_who_answered_by_place() -> None:
    ranked = [Ranked(name, 0.0, {"active": value}, ()) for name, value in (("a", 2.0), ("b", 1.0))]
    assert sample(ranked, {"b"}) == Sample(({"active": 2.0}, {"active": 1.0}), frozenset({1}))


def test_figures_of_nothing_are_zero() -> None:
    assert (mrr([]), hit([])) == (0.0, 0.0)
    assert mrr([1, 2]) == 0.75
    assert hit([1, 4]) == 0.5
