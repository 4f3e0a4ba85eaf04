"""Which desk a question belongs to, and whom of its experts to ask first.

The interface is made to last, the matching of texts is lean: words, folded and cut to their stems,
compared with the words that describe desks, clusters and what experts know. A word of several desks
says little about which of them is meant, so it weighs little.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache, lru_cache
from hashlib import sha256
from math import log
from typing import TypeAlias

from bot.domain.language import FUNCTION_WORDS

Gram: TypeAlias = tuple[str, ...]

_LONGEST_TERM = 4
"""Words; of a longer text only the single words count."""
_PART_OF_TERM = 0.3
"""What one word of a longer term is worth: “call for projects” is not about every call."""
_CLEAR_LEAD = 1.3

_LANGUAGE_POINTS = 3.0
_CLUSTER_POINTS = 2.0
_TOPIC_POINTS = 3.0
_REST_POINTS = 1.0
_LOAD_POINTS = 1.0
"""Taken off for each open question."""
_LONG_REST = timedelta(days=14)
_NONE_NAMED = 0.5
"""The share of points for somebody who named no languages, or no clusters."""

_TOKEN = re.compile(r"[^\W_]+")
_TALK = re.compile(r"\b(?:[jmnt]|qu)['’]ai\b|\bai-je\b|\by ai\b|\bd['’]aide\b")
"""“ai” and “aide” are words of French talk, and what people ask about."""
_LIGATURES = str.maketrans({"œ": "oe", "æ": "ae"})
_ENDINGS = ("s", "x", "en", "e")
_SHORTEST = 3
"""Letters that remain when an ending of plural or gender is cut off."""
_DOUBLED = re.compile(r"([a-z])\1")
_LAST_SOUNDS = {"v": "f", "z": "s", "y": "i"}
"""bedrijven – bedrijf, huizen – huis, subsidies – subsidy."""
_ASKING = (
    "goedemorgen goedemiddag goedenavond help helpen ask vraag vragen question questions demande "
    "demander info information informatie idée idee idea cherche cherchons chercher recherchons "
    "zoekt zoeken zoek seek seeking find trouver vinden savoir weten connaître kennen svp possible "
    "mogelijk"
)


@dataclass(frozen=True, slots=True)
class Topic:
    """A desk or a cluster, and the words and terms (“call for projects”) that speak of it."""

    key: str
    words: frozenset[str]


class DeskReason(StrEnum):
    EXPLICIT = "explicit"
    WORDS = "words"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class DeskChoice:
    """``sure`` is False when no word speaks for the desk, or nearly as much for the runner-up."""

    desk: str
    score: float
    runner_up: str | None
    reason: DeskReason
    sure: bool


@dataclass(frozen=True, slots=True)
class QuestionFacts:
    number: int
    asker: str
    desk: str
    cluster: str | None
    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """One person, once. Whoever named no clusters or languages may well know the one asked for.

    ``topics`` are words and terms as the person wrote them. ``open_load`` counts the questions
    they have an offer for or have taken.
    """

    user_id: str
    desks: frozenset[str]
    clusters: frozenset[str] = frozenset()
    languages: frozenset[str] = frozenset()
    topics: frozenset[str] = frozenset()
    is_away: bool = False
    open_load: int = 0
    last_offer_at: datetime | None = None


class Why(StrEnum):
    LANGUAGE = "language"
    CLUSTER = "cluster"
    TOPICS = "topics"
    LOAD = "load"
    RESTED = "rested"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why somebody ranks where they do.

    ``value`` is the language, the cluster's key, their own words that the question has (with
    commas), how many questions they have, or the days since their last offer ("": never).
    """

    why: Why
    value: str


@dataclass(frozen=True, slots=True)
class Ranked:
    user_id: str
    score: float
    reasons: tuple[Reason, ...]


def words(text: str) -> list[str]:
    """The stems of the words that carry meaning, in order."""
    return [stem for _, stem in _stems(text)]


def choose_desk(
    text: str, desks: Sequence[Topic], explicit: str | None, default: str
) -> DeskChoice:
    """The desk named by the asker, else the one whose words the text has, else ``default``."""
    if explicit is not None:
        return DeskChoice(explicit, 0.0, None, DeskReason.EXPLICIT, sure=True)
    scores = word_scores(text, desks)
    if not scores:
        return DeskChoice(default, 0.0, None, DeskReason.DEFAULT, sure=False)
    best, *others = sorted(scores, key=lambda key: (-scores[key], key != default))
    runner_up = others[0] if others else None
    sure = runner_up is None or scores[best] >= scores[runner_up] * _CLEAR_LEAD
    return DeskChoice(best, scores[best], runner_up, DeskReason.WORDS, sure)


def choose_cluster(text: str, clusters: Sequence[Topic]) -> str | None:
    """The cluster the words speak of; None when they speak of none, or of several alike."""
    scores = word_scores(text, clusters)
    best = max(scores.values(), default=0.0)
    leaders = [key for key, score in scores.items() if score == best]
    return leaders[0] if len(leaders) == 1 else None


def word_scores(text: str, topics: Sequence[Topic]) -> dict[str, float]:
    """How much the text speaks of each topic, if it does."""
    index = _index(tuple(topics))
    scores: dict[str, float] = {}
    for gram in dict.fromkeys(_grams(words(text))):
        for key, weight in index.get(gram, {}).items():
            scores[key] = scores.get(key, 0.0) + weight
    return {key: round(score, 6) for key, score in scores.items()}


def rank(
    question: QuestionFacts,
    candidates: Iterable[Candidate],
    now: datetime,
    already_asked: Collection[str],
) -> list[Ranked]:
    """Who may be offered the question, best first. ``already_asked`` includes who passed.

    Those who come out equal are asked in the order of their last offers, then by lot: the same lot
    whenever the question is ranked, another one for the next question.
    """
    eligible = [each for each in candidates if _may_be_asked(each, question, already_asked)]
    asked = frozenset(words(question.text))
    ranked = [(each, _ranked(each, question, asked, now)) for each in eligible]
    ranked.sort(key=lambda pair: _order(pair[0], pair[1], question))
    return [each for _, each in ranked]


def _may_be_asked(
    candidate: Candidate, question: QuestionFacts, already_asked: Collection[str]
) -> bool:
    return (
        candidate.user_id != question.asker
        and candidate.user_id not in already_asked
        and question.desk in candidate.desks
        and not candidate.is_away
    )


def _order(
    candidate: Candidate, ranked: Ranked, question: QuestionFacts
) -> tuple[float, datetime, str, str]:
    lot = sha256(f"{question.number} {candidate.user_id}".encode()).hexdigest()
    never = datetime.min.replace(tzinfo=UTC)
    return (-ranked.score, candidate.last_offer_at or never, lot, candidate.user_id)


def _ranked(
    candidate: Candidate, question: QuestionFacts, asked: Collection[str], now: datetime
) -> Ranked:
    known = _known(candidate.topics, asked)
    rest = _rest(candidate.last_offer_at, now)
    score = (
        _share(question.language, candidate.languages) * _LANGUAGE_POINTS
        + _share(question.cluster, candidate.clusters) * _CLUSTER_POINTS
        + (1 - 0.5 ** len(known)) * _TOPIC_POINTS
        + min(rest / _LONG_REST, 1.0) * _REST_POINTS
        - candidate.open_load * _LOAD_POINTS
    )
    reasons = tuple(_reasons(candidate, question, known, rest))
    return Ranked(candidate.user_id, round(score, 6), reasons)


def _share(wanted: str | None, named: Collection[str]) -> float:
    if wanted is None:
        return 0.0
    return float(wanted in named) if named else _NONE_NAMED


def _rest(last_offer_at: datetime | None, now: datetime) -> timedelta:
    return _LONG_REST if last_offer_at is None else max(now - last_offer_at, timedelta())


def _known(topics: Iterable[str], asked: Collection[str]) -> list[str]:
    """Their own words that the question has, each stem once."""
    written = [pair for topic in sorted(topics) for pair in _stems(topic)]
    return list({stem: word for word, stem in written if stem in asked}.values())


def _reasons(
    candidate: Candidate, question: QuestionFacts, known: Sequence[str], rest: timedelta
) -> Iterator[Reason]:
    if question.language in candidate.languages:
        yield Reason(Why.LANGUAGE, question.language)
    if question.cluster is not None and question.cluster in candidate.clusters:
        yield Reason(Why.CLUSTER, question.cluster)
    if known:
        yield Reason(Why.TOPICS, ", ".join(known))
    if candidate.open_load:
        yield Reason(Why.LOAD, str(candidate.open_load))
    if rest >= _LONG_REST:
        yield Reason(Why.RESTED, str(rest.days) if candidate.last_offer_at else "")


@lru_cache(maxsize=16)
def _index(topics: tuple[Topic, ...]) -> dict[Gram, dict[str, float]]:
    """For each term or word, the topics it speaks of and how strongly (inverse frequency)."""
    index: dict[Gram, dict[str, float]] = {}
    for topic in topics:
        for gram, weight in _described(topic).items():
            index.setdefault(gram, {})[topic.key] = weight
    return {
        gram: {key: weight * log((len(topics) + 0.5) / len(keys)) for key, weight in keys.items()}
        for gram, keys in index.items()
    }


def _described(topic: Topic) -> dict[Gram, float]:
    weights: dict[Gram, float] = {}
    for term in topic.words:
        stems = tuple(words(term))
        parts = {(stem,): _PART_OF_TERM for stem in stems}
        whole = {stems: float(len(stems))} if 0 < len(stems) <= _LONGEST_TERM else {}
        for gram, weight in (parts | whole).items():
            weights[gram] = max(weight, weights.get(gram, 0.0))
    return weights


def _grams(stems: Sequence[str]) -> Iterator[Gram]:
    for length in range(1, _LONGEST_TERM + 1):
        for start in range(len(stems) - length + 1):
            yield tuple(stems[start : start + length])


def _stems(text: str) -> Iterator[tuple[str, str]]:
    """Each word that carries meaning, as it was written, with its stem."""
    plain = unicodedata.normalize("NFKC", text).lower()
    for word in _TOKEN.findall(_TALK.sub(" ", plain)):
        stem = _stem(word)
        if len(stem) > 1 and not {word, stem} & _stop_words():
            yield word, stem


@cache
def _stop_words() -> frozenset[str]:
    """With French ones as they are typed without accents; but “thèse” is not English “these”."""
    unaccented = map(_unaccented, FUNCTION_WORDS["fr"])
    return frozenset(_ASKING.split()).union(*FUNCTION_WORDS.values(), unaccented)


@lru_cache(maxsize=4096)
def _stem(word: str) -> str:
    """Cut until nothing more comes off: a stem is its own stem."""
    word = _unaccented(word)
    while (shorter := _shortened(word)) != word:
        word = shorter
    return word


def _shortened(word: str) -> str:
    ending = next(filter(word.endswith, _ENDINGS), "")
    if len(word) - len(ending) >= _SHORTEST:
        word = word.removesuffix(ending)
    word = _DOUBLED.sub(r"\1", word)
    return word[:-1] + _LAST_SOUNDS.get(word[-1], word[-1])


def _unaccented(word: str) -> str:
    decomposed = unicodedata.normalize("NFKD", word.casefold().translate(_LIGATURES))
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))
