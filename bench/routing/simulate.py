"""A desk over a year, of made-up people: what balancing the load costs, and what exploring brings.

Each expert knows some topics well and others less (a latent skill), is there on some days, and
answers what they can with a probability of their own; enthusiasts answer more. Profiles are blurred
views of the skills. Ten answers of the past year are known of some experts, none of others. Every
question is ranked by the product's ``rank`` and asked of the wave of its ``pick``.

``busiest``: share of the questions in which the most-asked expert was asked. ``hit``: share of the
questions with somebody in the wave who could have answered. ``newcomers``: share of the experts
without a past who were asked at least ten times.
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
LAST = 20
CAN = 0.5
"""Skill from which on somebody could have answered."""
_YEAR = timedelta(days=365)
_START = datetime(2026, 1, 5, tzinfo=UTC)
_UNBALANCED = {**FORMULA, "asked": 0.0, "load": 0.0}


async def run() -> dict[str, Any]:
    measured = {
        f"{name}_{size}": _mean([_year(seed, size, weights, explore) for seed in range(DESKS)])
        for size in (1, 3)
        for name, weights, explore in (
            ("balanced", FORMULA, ranking.EXPLORE),
            ("unbalanced", _UNBALANCED, ranking.EXPLORE),
            ("without_exploring", FORMULA, 0.0),
        )
    }
    ours, plain = measured["balanced_3"], measured["unbalanced_3"]
    return {
        "part": "simulate",
        "experts": EXPERTS,
        "questions": QUESTIONS,
        "desks": DESKS,
        **ours,
        "cost": round(plain["hit"] - ours["hit"], 3),
        "cost_of_exploring": round(measured["without_exploring_3"]["hit"] - ours["hit"], 3),
        "by_wave": measured,
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
    waves: deque[tuple[int, ...]] = field(default_factory=lambda: deque(maxlen=LAST))
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
        asked = Counter(expert for wave in self.waves for expert in wave)
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

    def ask(self, wave: Sequence[int], about: NDArray[np.float64], now: datetime) -> None:
        """The first who can and wants to answers; the others are told."""
        self.waves.append(tuple(wave))
        for expert in wave:
            self.asks[expert] += 1
            self.last_offer[expert] = now
        for expert in wave:
            chance = self.willing[expert] * min(self.ability(expert, about) / CAN, 1.0)
            if self.lot.random() < chance:
                self.past[expert].append((about, now))
                return


def _year(seed: int, size: int, weights: Mapping[str, float], explore: float) -> dict[str, float]:
    desk, could, times = _Desk.drawn(seed), list[bool](), Counter[int]()
    for number in range(QUESTIONS):
        now = _START + _YEAR * (number / QUESTIONS)
        about = desk.topics()
        people = list(desk.candidates(about, now))
        ranked = rank(QuestionFacts(number, "", "expertise", None, ""), people, now, weights)
        wave = [int(each.user_id) for each in pick(ranked, people, size, number, explore)]
        could.append(any(desk.ability(expert, about) >= CAN for expert in wave))
        desk.ask(wave, about, now)
        times.update(wave)
    return {
        "busiest": max(times.values()) / QUESTIONS,
        "hit": float(np.mean(could)),
        "newcomers": float(np.mean([times[new] >= 10 for new in range(EXPERTS // 2, EXPERTS)])),
    }


def _mean(years: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: round(float(np.mean([year[name] for year in years])), 3) for name in years[0]}
