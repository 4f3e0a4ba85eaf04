"""What routing keeps at hand: who answered what, what it was about, and what experts say they know.

Everything here stands in the database too and is read from it at the start. Afterwards each
transaction that changes it tells so when it is committed: what was rolled back was never known.
Vectors that are missing are remembered as missing (bot.services.routing.rebuilding makes them).
"""

from collections.abc import Collection, Container, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from bot.domain.routing.ranking import Vote
from bot.services.encoding import Text, Vector, Vectors
from bot.services.routing.desks import Correction
from bot.services.routing.knowledge import Knowledge
from bot.services.routing.profiles import Profile, ProfileMatcher

Likeness = Mapping[int, float]
"""How alike earlier questions, or answers, are to a new question, by number, from 0 to 1."""

PROFILE_SCALE = 2.0
"""A profile that fits is half as like a question as an answer to it: a few words stand for much."""


@dataclass(slots=True)
class Past:
    """One earlier question: whether others may be shown it, and whether its answer helped.

    ``hidden``: one of those who wrote it does not want it shown. ``answers`` has for each expert
    the number their answer is known by, and when they gave it.
    """

    asker: str
    public: bool = True
    hidden: bool = False
    answers: dict[str, tuple[int, datetime]] = field(default_factory=dict)
    helped: bool | None = None

    @property
    def shown(self) -> bool:
        return self.public and not self.hidden


@dataclass(frozen=True, slots=True)
class _Shown(Container[int]):
    past: Mapping[int, Past]
    but: Collection[int]

    def __contains__(self, number: object) -> bool:
        past = self.past.get(number) if isinstance(number, int) else None
        return past is not None and past.shown and bool(past.answers) and number not in self.but


@dataclass(frozen=True, slots=True)
class Declared:
    """What an expert says they know, and the vectors of it, once they are made."""

    texts: tuple[Text, ...]
    vectors: Vectors | None = None


class Memory:
    def __init__(self) -> None:
        self.questions = Knowledge()
        self.answers = Knowledge()
        self.past: dict[int, Past] = {}
        self.declared: dict[str, Declared] = {}
        self.corrections: dict[int, Correction] = {}
        """Of the questions whose desk a person told, those that have a vector."""
        self._desks: dict[int, str] = {}
        self.questions_without_vector: set[int] = set()
        self.answers_without_vector: set[int] = set()
        self._answered_by: dict[str, dict[int, None]] = {}
        self._refused_by: dict[str, set[int]] = {}
        self._profiles: tuple[list[str], ProfileMatcher] | None = None

    def put(self, number: int, text: Text, vector: Vector | None, past: Past) -> None:
        """A question is new, or was reworded."""
        known = self.past.get(number)
        if known is not None:
            past.answers, past.helped = known.answers, known.helped
            past.hidden = known.hidden
        self.past[number] = past
        self.put_question(number, text, vector)

    def put_question(self, number: int, text: Text, vector: Vector | None) -> None:
        self.questions.put(number, text.words, text.language, vector)
        _mark(self.questions_without_vector, number, vector)
        if desk := self._desks.get(number):
            self.corrected(number, desk, vector)

    def put_answer(self, key: int, text: Text, vector: Vector | None) -> None:
        self.answers.put(key, text.words, text.language, vector)
        _mark(self.answers_without_vector, key, vector)

    def drop(self, number: int) -> None:
        """A question was taken back, or its asker erased: nothing of it is found any more."""
        self.questions.drop(number)
        self.questions_without_vector.discard(number)
        self._desks.pop(number, None)
        self.corrections.pop(number, None)
        if past := self.past.get(number):
            past.public = False

    def hide(self, number: int, *, hidden: bool = True) -> None:
        """Somebody who wrote it does not want others to be shown it, or does again."""
        if past := self.past.get(number):
            past.hidden = hidden

    def answered(self, number: int, expert: str, key: int, at: datetime) -> None:
        """``key`` is the number of the expert's first message in answer to question ``number``."""
        if past := self.past.get(number):
            past.answers.setdefault(expert, (key, at))
            self._answered_by.setdefault(expert, {})[number] = None

    def unanswered(self, number: int, expert: str) -> None:
        """The last of what they answered was taken back."""
        past = self.past.get(number)
        if past is not None and expert in past.answers:
            self._forget_answer(past.answers.pop(expert)[0])
        self._answered_by.get(expert, {}).pop(number, None)

    def helped(self, number: int, helped: bool | None) -> None:
        if past := self.past.get(number):
            past.helped = helped

    def refused(self, number: int, expert: str, *, still: bool = True) -> None:
        """They passed it as not their field; or, not ``still``, they answer it after all."""
        refused = self._refused_by.setdefault(expert, set())
        (refused.add if still else refused.discard)(number)

    def corrected(self, number: int, desk: str, vector: Vector | None) -> None:
        """A person said which desk this question belongs to."""
        self._desks[number] = desk
        if vector is not None:
            self.corrections[number] = Correction(desk, vector)
        else:
            self.corrections.pop(number, None)

    def declares(self, expert: str, declared: Declared | None) -> None:
        if declared is None:
            self.declared.pop(expert, None)
        else:
            self.declared[expert] = declared
        self._profiles = None

    def forget(self, user_id: str) -> None:
        """A person was erased."""
        for number in list(self._answered_by.get(user_id, ())):
            self.unanswered(number, user_id)
        self._refused_by.pop(user_id, None)
        self.declares(user_id, None)
        for number, past in self.past.items():
            if past.asker == user_id:
                past.asker = ""
                self.drop(number)

    def votes(self, expert: str, likeness: Likeness, now: datetime, but: int) -> tuple[Vote, ...]:
        """Of every question they answered, ``but`` the one that is asked now. ``likeness`` is that
        of answers."""
        votes = []
        for number in self._answered_by.get(expert, ()):
            key, at = self.past[number].answers[expert]
            if number != but:
                votes.append(Vote(likeness.get(key, 0.0), now - at, self.past[number].helped))
        return tuple(votes)

    def not_their_field(self, expert: str, likeness: Likeness) -> float:
        """``likeness`` is that of questions."""
        refused = self._refused_by.get(expert, ())
        return max((likeness.get(number, 0.0) for number in refused), default=0.0)

    def shown(self, but: Collection[int] = ()) -> Container[int]:
        """The answered questions that others may be shown."""
        return _Shown(self.past, but)

    def fits(self, text: Text, vector: Vector | None) -> dict[str, float]:
        """How like the question is to what each expert declares, from 0 to 1, on the scale of
        answers."""
        if self._profiles is None:
            people = sorted(self.declared)
            profiles = [_profile(self.declared[each]) for each in people]
            self._profiles = people, ProfileMatcher(profiles)
        people, matcher = self._profiles
        if not people:
            return {}
        found = matcher.likeness(text.words, text.language, vector)
        scaled = (found * PROFILE_SCALE).clip(0.0, 1.0).tolist()
        return dict(zip(people, scaled, strict=True))

    def _forget_answer(self, key: int) -> None:
        self.answers.drop(key)
        self.answers_without_vector.discard(key)


def _mark(without: set[int], number: int, vector: Vector | None) -> None:
    (without.add if vector is None else without.discard)(number)


def _profile(declared: Declared) -> Profile:
    languages = frozenset(each.language for each in declared.texts if each.language)
    return Profile(tuple(each.words for each in declared.texts), declared.vectors, languages)
