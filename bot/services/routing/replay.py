"""The history of a desk asked again: who would have been asked, by what was known at the time.

Used by the benchmark on public communities and by the nightly learning on a network's own history.
Each question meets the answers given until then, in the product's own knowledge and ranking; what
happened later cannot be seen. Who answered in the end is the truth it is measured by. That somebody
did not answer does not show that they could not have: figures compare rankings, not desks.
"""

from collections import Counter, deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from bot.domain.routing.learning import Sample, sample
from bot.domain.routing.ranking import (
    FORMULA,
    Candidate,
    QuestionFacts,
    Ranked,
    Vote,
    pace,
    rank,
)
from bot.services.routing.knowledge import Knowledge, Vector

LEAST_ANSWERS = 3
TESTED = 0.4
"""Of the questions, the last ones: the first have no past to rank by."""
WAVE = 3
LAST_QUESTIONS = 20


@dataclass(frozen=True, slots=True)
class PastAnswer:
    """``text`` and ``vector`` are those of ``knowledge.evidence``."""

    expert: str
    at: datetime
    text: str
    vector: Vector | None = None
    helped: bool | None = None


@dataclass(frozen=True, slots=True)
class PastQuestion:
    facts: QuestionFacts
    text: str
    at: datetime
    vector: Vector | None = None
    answers: tuple[PastAnswer, ...] = ()


@dataclass(frozen=True, slots=True)
class Moment:
    """A question when it was asked. ``answered_by`` came later; it holds candidates only."""

    question: PastQuestion
    candidates: tuple[Candidate, ...]
    answered_by: frozenset[str]
    half_life: timedelta


@dataclass(frozen=True, slots=True)
class Outcome:
    moment: Moment
    ranked: tuple[Ranked, ...]

    @property
    def place(self) -> int:
        """Of the first who answered; 1 is the best."""
        of = self.moment.answered_by
        return next(n for n, each in enumerate(self.ranked, 1) if each.user_id in of)


def moments(
    history: Collection[PastQuestion],
    people: Mapping[str, Candidate] | None = None,
    tested: float = TESTED,
    least_answers: int = LEAST_ANSWERS,
) -> Iterator[Moment]:
    """The last ``tested`` of the questions that somebody answered whom the bot could have asked.

    ``people`` are the experts of the desk, as far as they do not change; without them, candidates
    are all who have given ``least_answers`` by then.
    """
    questions = sorted(history, key=lambda each: (each.at, each.facts.number))
    past = _Past()
    later = deque(_answers(questions))
    skipped = len(questions) - int(len(questions) * tested)
    for place, question in enumerate(questions):
        while later and later[0][1].at < question.at:
            past.take(*later.popleft())
        if place >= skipped:
            moment = past.meets(question, people, least_answers)
            if moment.answered_by:
                yield moment


def replay(
    met: Sequence[Moment], weights: Mapping[str, float] = FORMULA, *, balanced: bool = False
) -> list[Outcome]:
    """``balanced`` counts whom the ranking would have asked lately, as the product does. A history
    cannot credit those who were never asked, so its figures are a lower bound then."""
    outcomes = []
    waves = deque[tuple[str, ...]](maxlen=LAST_QUESTIONS)
    for moment in met:
        asked = Counter(user for wave in waves for user in wave) if balanced else Counter[str]()
        candidates = [replace(c, recent_asks=asked[c.user_id]) for c in moment.candidates]
        facts, at = moment.question.facts, moment.question.at
        ranked = rank(facts, candidates, at, weights, moment.half_life)
        waves.append(tuple(each.user_id for each in ranked[:WAVE]))
        outcomes.append(Outcome(moment, tuple(ranked)))
    return outcomes


def samples(outcomes: Sequence[Outcome]) -> list[Sample]:
    """What is learned from."""
    return [sample(each.ranked, each.moment.answered_by) for each in outcomes]


def _answers(questions: Sequence[PastQuestion]) -> list[tuple[PastQuestion, PastAnswer]]:
    pairs = [(question, answer) for question in questions for answer in question.answers]
    return sorted(pairs, key=lambda pair: (pair[1].at, pair[0].facts.number, pair[1].expert))


@dataclass(slots=True)
class _Past:
    """What was answered so far."""

    answers: list[PastAnswer] = field(default_factory=list)
    by: dict[str, list[int]] = field(default_factory=dict)
    knowledge: Knowledge = field(default_factory=Knowledge)

    def take(self, question: PastQuestion, answer: PastAnswer) -> None:
        number = len(self.answers)
        self.answers.append(answer)
        self.by.setdefault(answer.expert, []).append(number)
        self.knowledge.put(number, answer.text, question.facts.language or None, answer.vector)

    def meets(
        self, question: PastQuestion, people: Mapping[str, Candidate] | None, least: int
    ) -> Moment:
        facts = question.facts
        alike = self.knowledge.likeness(question.text, facts.language or None, question.vector)
        known = people or {
            expert: Candidate(expert, asks=len(given))
            for expert, given in self.by.items()
            if len(given) >= least
        }
        candidates = tuple(
            replace(each, votes=tuple(self._votes(user_id, alike, question.at)))
            for user_id, each in known.items()
            if user_id != facts.asker
        )
        answered_by = {each.expert for each in question.answers} & {c.user_id for c in candidates}
        half_life = pace([vote.age for each in candidates for vote in each.votes])
        return Moment(question, candidates, frozenset(answered_by), half_life)

    def _votes(self, expert: str, alike: Mapping[int, float], at: datetime) -> Iterator[Vote]:
        for number in self.by.get(expert, ()):
            answer = self.answers[number]
            yield Vote(alike.get(number, 0.0), at - answer.at, answer.helped)
