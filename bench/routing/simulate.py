"""A desk over a year, of made-up people: what balancing the load costs, and what exploring brings.

Each expert knows some topics well and others less (a latent skill), is there on some days, and
answers what they can with a probability of their own. Profiles are blurred views of the skills.
Half of the experts have a past, the others none. The product's ``rank`` and ``pick`` choose whom to
ask: one, and two more if that one does not answer; beside it, three at once.

``busiest``: share of the questions in which the most-asked expert was asked. ``hit3``: share of the
questions with somebody among the asked who could have answered. ``asks``: people asked for each.
``newcomers``: share of the experts without a past who were asked at least ten times.
"""

from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot.domain.routing import ranking
from bot.domain.routing.ranking import FORMULA, Candidate, QuestionFacts, Vote, pick, rank

DESKS = 5
EXPERTS = 20
QUESTIONS = 500
TOPICS = 12
WAVES = (1, 2)
"""As in the product: one by name, and if they do not answer, two more."""
ALL_AT_ONCE = (3,)
LAST = 20
CAN = 0.5
"""Skill from which on somebody could have answered."""
_YEAR = timedelta(days=365)
_START = datetime(2026, 1, 5, tzinfo=UTC)
_UNBALANCED = {**FORMULA, "asked": 0.0, "load": 0.0}


async def run() -> dict[str, Any]:
    measured = {
        f"{name}_{'_'.join(map(str, waves))}": _mean(
            [_year(seed, waves, weights, explore) for seed in range(DESKS)]
        )
        for waves in (WAVES, ALL_AT_ONCE)
        for name, weights, explore in (
            ("balanced", FORMULA, ranking.EXPLORE),
            ("unbalanced", _UNBALANCED, ranking.EXPLORE),
            ("without_exploring", FORMULA, 0.0),
        )
    }
    ours, plain = measured["balanced_1_2"], measured["unbalanced_1_2"]
    return {
        "part": "simulate",
        "experts": EXPERTS,
        "questions": QUESTIONS,
        "desks": DESKS,
        **ours,
        "cost_hit3": round(plain["hit3"] - ours["hit3"], 3),
        "exploring_cost_hit3": round(measured["without_exploring_1_2"]["hit3"] - ours["hit3"], 3),
        "by_waves": measured,
        "baselines": {"unbalanced": plain},
    }


@dataclass(slots=True)
class _Desk:
    lot: np.random.Generator
    skills: NDArray[np.float64]
    """Shape (experts, topics)."""
    willing: NDArray[np.float64]
    days: NDArray[np.bool_]
    """On which weekdays each is there."""
    past: list[list[tuple[NDArray[np.float64], datetime]]]
    last_asked: deque[tuple[int, ...]] = field(default_factory=lambda: deque(maxlen=LAST))
    asks: Counter[int] = field(default_factory=Counter)
    last_offer: dict[int, datetime] = field(default_factory=dict)

    @classmethod
    def drawn(cls, seed: int) -> "_Desk":
        lot = np.random.default_rng(seed)
        skills = lot.beta(0.6, 1.8, (EXPERTS, TOPICS))
        willing = lot.beta(2, 2, EXPERTS)
        days = lot.random((EXPERTS, 7)) < 0.7
        desk = cls(lot, skills, willing, days, [[] for _ in range(EXPERTS)])
        for expert in range(EXPERTS // 2):
            for _ in range(int(lot.geometric(0.1))):
                at = _START - _YEAR * float(lot.random())
                desk.past[expert].append((desk.topics(expert), at))
        return desk

    def topics(self, of: int | None = None) -> NDArray[np.float64]:
        """What a text is about, as a direction: anything, or what the expert is good at."""
        weights = None if of is None else self.skills[of] / self.skills[of].sum()
        about = self.lot.random(TOPICS) * 0.15
        about[self.lot.choice(TOPICS, p=weights)] += 1
        direction: NDArray[np.float64] = about / np.linalg.norm(about)
        return direction

    def candidates(self, about: NDArray[np.float64], now: datetime) -> Iterator[Candidate]:
        asked = Counter(expert for some in self.last_asked for expert in some)
        for expert in np.flatnonzero(self.days[:, now.weekday()]).tolist():
            past = self.past[expert]
            votes = tuple(Vote(0.7 * float(text @ about) ** 2, now - at) for text, at in past)
            declared = self.skills[expert] / np.linalg.norm(self.skills[expert])
            yield Candidate(
                str(expert),
                votes,
                profile=0.6 * float(declared @ about),
                recent_asks=asked[expert],
                asks=self.asks[expert] + len(votes),
                last_offer_at=self.last_offer.get(expert),
            )

    def ability(self, expert: int, about: NDArray[np.float64]) -> float:
        """Weighted by how much of the question each topic is."""
        return float(self.skills[expert] @ about / about.sum())

    def ask(self, wave: Sequence[int], about: NDArray[np.float64], now: datetime) -> bool:
        """Whether somebody answered: the first who can and wants to; the others are told."""
        for expert in wave:
            self.asks[expert] += 1
            self.last_offer[expert] = now
        for expert in wave:
            chance = self.willing[expert] * min(self.ability(expert, about) / CAN, 1.0)
            if self.lot.random() < chance:
                self.past[expert].append((about, now))
                return True
        return False


def _year(
    seed: int, waves: Sequence[int], weights: Mapping[str, float], explore: float
) -> dict[str, float]:
    desk, could, times = _Desk.drawn(seed), list[bool](), Counter[int]()
    for number in range(QUESTIONS):
        now = _START + _YEAR * (number / QUESTIONS)
        about, asked = desk.topics(), list[int]()
        for size in waves:
            left = [c for c in desk.candidates(about, now) if int(c.user_id) not in asked]
            ranked = rank(QuestionFacts(number, "", "expertise", None, ""), left, now, weights)
            wave = [int(each.user_id) for each in pick(ranked, left, size, number, explore)]
            asked += wave
            if desk.ask(wave, about, now):
                break
        desk.last_asked.append(tuple(asked))
        could.append(any(desk.ability(expert, about) >= CAN for expert in asked))
        times.update(asked)
    return {
        "busiest": max(times.values()) / QUESTIONS,
        "hit3": float(np.mean(could)),
        "asks": times.total() / QUESTIONS,
        "newcomers": float(np.mean([times[new] >= 10 for new in range(EXPERTS // 2, EXPERTS)])),
    }


def _mean(years: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: round(float(np.mean([year[name] for year in years])), 3) for name in years[0]}
