"""A desk over a year, with random people: who is asked, when, and that every question ends with
somebody.

The pure rules are played against each other as the services do it: filters, ranking, waves, turns.
Each person has hours, holidays, absences and a temper of their own, drawn from a seed.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest

from bot.domain.availability import Own, is_available
from bot.domain.hours import Calendar, WorkingHours
from bot.domain.questions import (
    AskCoordinators,
    AskDesk,
    OfferTo,
    Patience,
    Remind,
    State,
    Step,
    TellAdmins,
    WaitForOpening,
    next_turn,
)
from bot.domain.routing.filters import Presence, bar
from bot.domain.routing.ranking import Candidate, QuestionFacts, Vote, pick, rank

BRUSSELS = ZoneInfo("Europe/Brussels")
START = datetime(2027, 1, 4, 8, 0, tzinfo=UTC)
DESK = Calendar(WorkingHours(frozenset(range(1, 6)), time(9), time(17)), BRUSSELS)
PATIENCE = Patience(
    offer=timedelta(hours=2),
    reminder=timedelta(hours=2),
    wave=timedelta(hours=4),
    claim=timedelta(hours=8),
    coordinator=timedelta(hours=4),
    ask_help=timedelta(days=2),
    close=timedelta(days=3),
    second_wave=2,
    max_offers=5,
)
LANGUAGES = ("fr", "nl", "en")
QUESTIONS = 250
LONGEST = timedelta(days=21)
"""Nobody who waits is forgotten for longer than this, whatever people do."""


@dataclass(slots=True)
class Expert:
    name: str
    own: Own
    languages: frozenset[str]
    topics: frozenset[int]
    answers_at_all: float
    votes: list[tuple[datetime, int]] = field(default_factory=list)
    asked: list[datetime] = field(default_factory=list)


@dataclass(slots=True)
class Question:
    number: int
    asker: str
    topic: int
    language: str
    at: datetime
    state: State = field(default_factory=lambda: State(Step.NONE))
    due: datetime = START
    asked: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    ended: str | None = None


class Year:
    def __init__(self, seed: int) -> None:
        self.dice = Random(seed)
        self.experts = {f"@e{n}:x": self._expert(f"@e{n}:x") for n in range(12)}
        self.questions = [self._question(n) for n in range(1, QUESTIONS + 1)]
        self.shares: Counter[str] = Counter()

    def _expert(self, name: str) -> Expert:
        dice = self.dice
        days = frozenset(dice.sample(range(1, 6), dice.randint(2, 5)))
        starts = dice.randint(8, 11)
        holidays = {date(2027, 1, 1) + timedelta(days=dice.randint(0, 364)) for _ in range(12)}
        away = START + timedelta(days=dice.randint(0, 330))
        return Expert(
            name,
            Own(
                hours=WorkingHours(days, time(starts), time(starts + dice.randint(4, 8))),
                holidays=frozenset(holidays),
                ceiling=dice.randint(1, 6),
                is_away=dice.random() < 0.1,
                away_until=away,
            ),
            frozenset(dice.sample(LANGUAGES, dice.randint(1, 3))),
            frozenset(dice.sample(range(6), 2)),
            dice.uniform(0.1, 0.9),
        )

    def _question(self, number: int) -> Question:
        dice = self.dice
        at = START + timedelta(minutes=dice.randint(0, 360 * 24 * 60))
        asker = dice.choice([*self.experts, "@member:x"])
        language = dice.choice(LANGUAGES)
        return Question(number, asker, dice.randrange(6), language, at, due=at)

    def run(self) -> None:
        """One turn after the other, in the order of time, until nobody waits."""
        for _ in range(QUESTIONS * 12):
            open_ones = [each for each in self.questions if each.ended is None]
            if not open_ones:
                return
            question = min(open_ones, key=lambda each: (each.due, each.number))
            self.turn(question, question.due)
        pytest.fail("questions that never end")

    def turn(self, question: Question, now: datetime) -> None:
        free = [
            each
            for each in self.experts.values()
            if bar(
                Presence(each.name, each.own, tuple(each.asked)),
                DESK,
                question.asker,
                question.asked,
                now,
            )
            is None
        ]
        state = replace(question.state, waiting=len(question.waiting))
        turn = next_turn(state, len(free), ["@c:x"], list(self.experts), PATIENCE, DESK, now)
        match turn:
            case WaitForOpening(until):
                question.due = until
            case OfferTo(size, wave, until):
                self.offer(question, free, size, wave, until, now)
            case Remind(until):
                question.state = replace(state, step=Step.REMINDED)
                self.wait(question, until, now)
            case AskCoordinators(_, until):
                question.waiting.clear()
                question.state = replace(state, step=Step.COORDINATOR)
                self.wait(question, until, now, helps=0.5)
            case AskDesk(_, until):
                question.state = replace(state, step=Step.DESK)
                self.wait(question, until, now, helps=0.5)
            case TellAdmins():
                question.ended = "@admin:x"
        assert question.ended or question.due > now, "every turn but the last has an end"
        assert now - question.at < LONGEST

    def offer(
        self,
        question: Question,
        free: list[Expert],
        size: int,
        wave: int,
        until: datetime,
        now: datetime,
    ) -> None:
        facts = QuestionFacts(question.number, question.asker, "desk", None, question.language)
        candidates = [self.candidate(each, question, now) for each in free]
        ranked = rank(facts, candidates, now)
        chosen = [each.user_id for each in pick(ranked, candidates, size, question.number)]
        self.check(question, chosen, now)
        for name in chosen:
            self.experts[name].asked.append(now)
            self.shares[name] += 1
        question.asked += chosen
        question.waiting = chosen
        question.state = State(Step.OFFER, wave, len(question.asked), len(chosen))
        self.wait(question, until, now)

    def check(self, question: Question, chosen: list[str], now: datetime) -> None:
        assert chosen
        assert question.asker not in chosen
        assert not set(chosen) & set(question.asked), "never twice the same person"
        assert len(chosen) == len(set(chosen))
        for name in chosen:
            expert = self.experts[name]
            assert is_available(expert.own, DESK, expert.asked, now)
            assert expert.own.calendar(DESK).is_open(now)

    def candidate(self, expert: Expert, question: Question, now: datetime) -> Candidate:
        votes = tuple(
            Vote(1.0 if topic == question.topic else 0.1, now - at) for at, topic in expert.votes
        )
        recent = [each for each in self.questions if each.asked and each.at <= now][-20:]
        return Candidate(
            expert.name,
            votes=votes,
            profile=0.8 if question.topic in expert.topics else 0.1,
            languages=expert.languages,
            recent_asks=sum(expert.name in each.asked for each in recent),
            asks=len(expert.asked),
            last_offer_at=expert.asked[-1] if expert.asked else None,
        )

    def wait(self, question: Question, until: datetime, now: datetime, helps: float = 0.0) -> None:
        """Until somebody answers, all have passed, or the time is up."""
        question.due = until
        if helps and self.dice.random() < helps:
            question.ended = "@c:x"
            return
        for name in list(question.waiting):
            expert, drawn = self.experts[name], self.dice.random()
            knows = question.topic in expert.topics
            if drawn < expert.answers_at_all * (1.0 if knows else 0.3):
                expert.votes.append((now, question.topic))
                question.ended = name
                return
            if drawn > 0.85:
                question.waiting.remove(name)
        if not question.waiting and question.state.step in (Step.OFFER, Step.REMINDED):
            question.due = min(until, now + timedelta(minutes=5))


@pytest.mark.parametrize("seed", [2011, 40, 80])
def test_a_year_of_a_desk(seed: int) -> None:
    year = Year(seed)
    year.run()
    ends = Counter(each.ended for each in year.questions)
    by_experts = sum(count for who, count in ends.items() if who in year.experts)
    assert sum(ends.values()) == QUESTIONS, "every question ended with somebody"
    assert by_experts > QUESTIONS / 3
    for name in year.experts:
        share = sum(name in each.asked for each in year.questions) / QUESTIONS
        assert 0 < share < 0.5, "everybody is asked, and nobody all the time"


@pytest.mark.parametrize("seed", [7])
def test_the_same_year_again_is_the_same(seed: int) -> None:
    one, other = Year(seed), Year(seed)
    one.run()
    other.run()
    assert [each.asked for each in one.questions] == [each.asked for each in other.questions]
