"""Whom to ask first: who answers these days, fits the question, and is not asked all the time.

A score is a product of two quantities and some factors. How *active* somebody is: their answers,
each worth less the older it is, by a half-life that is the desk's own pace. How well they *fit*:
the mean likeness of all their answers to the question, whenever they were given, for knowledge
fades slower than attention. What they declare about themselves stands in for the first few answers.
Factors: the language, the cluster, every open question, every recent ask, a “not my field”. The
score is the logarithm of it all, so that factors are summands, and each is a part that can be
shown.

Likeness squared, as in the votes of the StackExchange replays this was compared with: one answer to
the very thing says more than four to things a little like it. Constants were chosen on the
communities coffee and historymeta; figures are reported on others (``python -m bench.routing``).
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from heapq import nsmallest
from math import exp2, fsum, log
from typing import NamedTuple

PACE = 20
"""Answers of the desk: the half-life of activity is the time in which the last so many came."""
SHORTEST, USUAL, LONGEST = timedelta(days=5), timedelta(days=14), timedelta(days=90)
"""Bounds of the half-life, and its least while the desk has fewer answers than that."""
SILENT = 0.1
"""Of a fresh answer: what the activity of somebody is worth who has long been silent."""
FIRST_ANSWERS = 5.0
"""So many answers say as much of what somebody knows as their profile does."""
TYPICAL = 0.02
"""Squared likeness of an answer to just any question: what is assumed of whom nothing is known."""
KNOWLEDGE = 0.8
"""Of a factor in fit, as against one in activity: who is there counts for more than who knows."""
HELPED, DID_NOT_HELP = 1.5, 0.5
"""Factors of an answer that the asker thanked for, or said was no help. Proposed, not measured."""
_THANKS = {None: 1.0, True: HELPED, False: DID_NOT_HELP}
SIMILAR = 0.4
"""Likeness from which on people would call two texts about the same thing."""
FITTING = 0.36
"""Likeness from which on a profile is said to fit: it is shorter and wider than a question."""
LATELY = timedelta(days=30)
LONG_REST = timedelta(days=14)
OFTEN = 5
"""Of the desk's last 20 questions."""

OTHER_LANGUAGE = -1.2
SAME_CLUSTER = 0.4
OPEN_QUESTION = -0.4
"""For each."""
RECENT_ASK = -0.35
"""For each of the desk's last 20 questions that they were asked."""
NOT_THEIR_FIELD = -3.0
"""At likeness 1 to a question they passed as not their field, in proportion below."""

EXPLORE = 0.2
"""The share of waves with somebody in the last place who would not have been asked otherwise."""
EXPLORED_AMONG = 10
CLOSE = 0.7
"""How far below the best somebody may be to be explored in a wave of one: half as likely."""


@dataclass(frozen=True, slots=True)
class QuestionFacts:
    """``language`` is "" where it is not known."""

    number: int
    asker: str
    desk: str
    cluster: str | None
    language: str


class Vote(NamedTuple):
    """A past answer: how alike (0 to 1) its text is to the new question, how long ago it was given,
    and what its asker said of it, if anything. A tuple, for a desk may have thousands."""

    likeness: float
    age: timedelta
    helped: bool | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """One person, once. Whoever named no languages or clusters may well know the one asked for.

    ``profile`` is the likeness (0 to 1) of the question and what they declared. ``open_load``
    counts the questions they have an offer for or have taken, ``recent_asks`` those of the desk's
    last 20 that they were asked, ``asks`` all ever. ``not_my_field`` is the likeness to the most
    alike question they passed as not their field.
    """

    user_id: str
    votes: tuple[Vote, ...] = ()
    profile: float = 0.0
    clusters: frozenset[str] = frozenset()
    languages: frozenset[str] = frozenset()
    open_load: int = 0
    recent_asks: int = 0
    asks: int = 0
    not_my_field: float = 0.0
    last_offer_at: datetime | None = None


class Why(StrEnum):
    ANSWERED = "answered"
    LAST_ANSWER = "last_answer"
    ACTIVE = "active"
    PROFILE = "profile"
    LANGUAGE = "language"
    OTHER_LANGUAGE = "other_language"
    CLUSTER = "cluster"
    LOAD = "load"
    OFTEN_ASKED = "often_asked"
    RESTED = "rested"
    NEWCOMER = "newcomer"
    NOT_MY_FIELD = "not_my_field"
    EXPLORED = "explored"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why somebody ranks where they do. ``value`` is a number in digits, a language or a key:

    ANSWERED how many similar questions, LAST_ANSWER days since the last of them, ACTIVE answers of
    the last 30 days (when none was similar), PROFILE likeness in per cent, LANGUAGE and
    OTHER_LANGUAGE that of the question, CLUSTER its key, LOAD open questions, OFTEN_ASKED how many
    of the desk's last 20 questions, RESTED days since their last offer, NOT_MY_FIELD likeness in
    per cent; the others "".
    """

    why: Why
    value: str = ""


@dataclass(frozen=True, slots=True)
class Ranked:
    """``parts`` by name; the score is their sum, each times its weight."""

    user_id: str
    score: float
    parts: Mapping[str, float]
    reasons: tuple[Reason, ...]


FORMULA: Mapping[str, float] = {
    "active": 1.0,
    "fits": 1.0,
    "language": 1.0,
    "cluster": 1.0,
    "load": 1.0,
    "asked": 1.0,
    "field": 1.0,
}
"""The parts, and what each weighs as long as nothing better was learned."""


def pace(ages: Collection[timedelta]) -> timedelta:
    """The half-life of activity in a desk whose answers are so old.

    What is lately where ten people answer a day is not what it is where one does a week.
    """
    if len(ages) <= PACE:
        return min(max([USUAL, *ages]), LONGEST)
    return min(max(nsmallest(PACE + 1, ages)[-1], SHORTEST), LONGEST)


def rank(
    question: QuestionFacts,
    candidates: Sequence[Candidate],
    now: datetime,
    weights: Mapping[str, float] = FORMULA,
    half_life: timedelta | None = None,
) -> list[Ranked]:
    """Best first. Who may not be asked at all is left out by the caller.

    ``half_life`` is the ``pace`` of the candidates' own answers if it is not given. Those who come
    out equal are ordered by their last offers, then by lot: the same lot whenever the question is
    ranked, another one for the next question.
    """
    fading = half_life or pace([vote.age for each in candidates for vote in each.votes])
    known = [(each, _ranked(question, each, now, weights, fading)) for each in candidates]
    known.sort(key=lambda pair: _order(pair[0], pair[1], question.number))
    return [ranked for _, ranked in known]


def pick(
    ranked: Sequence[Ranked],
    candidates: Iterable[Candidate],
    size: int,
    question_number: int,
    explore: float = EXPLORE,
) -> list[Ranked]:
    """The people of a wave: the best, but now and then somebody to get to know in the last place.

    Without it, who was never asked would never be. Whether it happens is a lot of the question.
    A wave of one takes only somebody nearly as good as the best.
    """
    best, rest = list(ranked[:size]), ranked[max(size, 0) :]
    if not best or lot(question_number, "explore") >= explore:
        return best
    asks = {each.user_id: each.asks for each in candidates}
    willing = [each for each in rest if _may_be_explored(each)]
    newcomers = [each for each in willing if not asks.get(each.user_id)]
    among = {each.user_id for each in ranked[:EXPLORED_AMONG]}
    pool = newcomers or [each for each in willing if each.user_id in among]
    if size == 1:
        pool = [each for each in pool if best[0].score - each.score <= CLOSE]
    if not pool:
        return best
    chosen = min(pool, key=lambda each: asks.get(each.user_id, 0))
    return [*best[:-1], replace(chosen, reasons=(*chosen.reasons, Reason(Why.EXPLORED)))]


def lot(question_number: int, what: str) -> float:
    """From 0 up to 1, the same each time it is drawn."""
    drawn = sha256(f"{question_number} {what}".encode()).digest()
    return int.from_bytes(drawn[:6]) / 2**48


def parts(question: QuestionFacts, candidate: Candidate, half_life: timedelta) -> dict[str, float]:
    """What speaks for somebody and against them, as logarithms of factors."""
    return {
        "active": log(_activity(candidate, half_life)),
        "fits": KNOWLEDGE * log(_fit(candidate) / TYPICAL),
        "language": _language(question.language, candidate.languages),
        "cluster": SAME_CLUSTER * (question.cluster in candidate.clusters),
        "load": OPEN_QUESTION * candidate.open_load,
        "asked": RECENT_ASK * candidate.recent_asks,
        "field": NOT_THEIR_FIELD * candidate.not_my_field,
    }


def _ranked(
    question: QuestionFacts,
    candidate: Candidate,
    now: datetime,
    weights: Mapping[str, float],
    half_life: timedelta,
) -> Ranked:
    found = parts(question, candidate, half_life)
    score = fsum(weights.get(name, 0.0) * value for name, value in found.items())
    reasons = tuple(_reasons(question, candidate, now))
    return Ranked(candidate.user_id, round(score, 6), found, reasons)


def _order(
    candidate: Candidate, ranked: Ranked, question_number: int
) -> tuple[float, datetime, float, str]:
    never = datetime.min.replace(tzinfo=UTC)
    drawn = lot(question_number, candidate.user_id)
    return (-ranked.score, candidate.last_offer_at or never, drawn, candidate.user_id)


def _activity(candidate: Candidate, half_life: timedelta) -> float:
    """In fresh answers. Whoever was never asked counts as if they had just given one, for their
    silence says nothing yet; each ask halves that."""
    span = half_life.total_seconds()
    halvings = [vote.age.total_seconds() / span for vote in candidate.votes]
    answers = fsum([exp2(-each) if each > 0 else 1.0 for each in halvings])
    return answers + SILENT + exp2(-candidate.asks)


def _fit(candidate: Candidate) -> float:
    """The mean squared likeness of their answers, with the profile in place of the first few."""
    assumed = FIRST_ANSWERS * max(max(candidate.profile, 0.0) ** 2, TYPICAL)
    shown = fsum([vote.likeness**2 * _THANKS[vote.helped] for vote in candidate.votes])
    return (shown + assumed) / (len(candidate.votes) + FIRST_ANSWERS)


def _may_be_explored(ranked: Ranked) -> bool:
    """Not with what they do not read, or said they know nothing of."""
    against = {Why.OTHER_LANGUAGE, Why.NOT_MY_FIELD}
    return not any(each.why in against for each in ranked.reasons)


def _language(spoken: str, languages: frozenset[str]) -> float:
    return OTHER_LANGUAGE if spoken and languages and spoken not in languages else 0.0


def _reasons(question: QuestionFacts, candidate: Candidate, now: datetime) -> Iterator[Reason]:
    """Those that matter, the weightiest first."""
    yield from _answers(candidate)
    if candidate.profile >= FITTING:
        yield Reason(Why.PROFILE, str(round(100 * candidate.profile)))
    if question.language in candidate.languages:
        yield Reason(Why.LANGUAGE, question.language)
    elif question.language and candidate.languages:
        yield Reason(Why.OTHER_LANGUAGE, question.language)
    if question.cluster is not None and question.cluster in candidate.clusters:
        yield Reason(Why.CLUSTER, question.cluster)
    yield from _claims_on_time(candidate, now)
    if candidate.not_my_field >= SIMILAR:
        yield Reason(Why.NOT_MY_FIELD, str(round(100 * candidate.not_my_field)))


def _answers(candidate: Candidate) -> Iterator[Reason]:
    ages = [vote.age for vote in candidate.votes if vote.likeness >= SIMILAR]
    if ages:
        yield Reason(Why.ANSWERED, str(len(ages)))
        yield Reason(Why.LAST_ANSWER, str(max(min(ages).days, 0)))
    elif lately := sum(vote.age <= LATELY for vote in candidate.votes):
        yield Reason(Why.ACTIVE, str(lately))


def _claims_on_time(candidate: Candidate, now: datetime) -> Iterator[Reason]:
    if candidate.open_load:
        yield Reason(Why.LOAD, str(candidate.open_load))
    if candidate.recent_asks >= OFTEN:
        yield Reason(Why.OFTEN_ASKED, str(candidate.recent_asks))
    last = candidate.last_offer_at
    if candidate.asks == 0 and not candidate.votes and last is None:
        yield Reason(Why.NEWCOMER)
    elif last is not None and now - last >= LONG_REST:
        yield Reason(Why.RESTED, str((now - last).days))
