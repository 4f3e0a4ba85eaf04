"""What routing keeps at hand: who answered what, what it was about, and what experts say they know.

Everything here stands in the database too and is read from it at the start. Afterwards each
transaction that changes it tells so when it is committed: what was rolled back was never known.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bot.domain.routing.ranking import Vote
from bot.services.encoding import Text, Vector
from bot.services.routing.knowledge import Knowledge

Likeness = Mapping[int, float]
"""How alike earlier questions are to a new one, by number, from 0 to 1."""


@dataclass(slots=True)
class Past:
    """One earlier question: who answered it and when first, whether the asker said it helped,
    and whether others may be shown it."""

    asked_at: datetime
    asker: str
    public: bool = True
    answered: dict[str, datetime] = field(default_factory=dict)
    helped: bool | None = None


@dataclass(slots=True)
class Declared:
    """What an expert says they know, in texts of any language, and the vectors of those."""

    texts: Sequence[Text]
    vectors: Sequence[Vector | None]


class Memory:
    def __init__(self) -> None:
        self.knowledge = Knowledge()
        self.past: dict[int, Past] = {}
        self.without_vector: set[int] = set()
        self.declared: dict[str, Declared] = {}
        self._answered_by: dict[str, set[int]] = {}
        self._refused_by: dict[str, set[int]] = {}

    def put(self, number: int, text: Text, vector: Vector | None, past: Past) -> None:
        """A question is new, or was reworded."""
        known = self.past.get(number)
        if known is not None:
            past.answered, past.helped = known.answered, known.helped
        self.past[number] = past
        self.encoded(number, text, vector)

    def encoded(self, number: int, text: Text, vector: Vector | None) -> None:
        self.knowledge.put(number, text.words, text.language, vector)
        (self.without_vector.add if vector is None else self.without_vector.discard)(number)

    def drop(self, number: int) -> None:
        """It was taken back, or its asker erased: nothing of it is found any more."""
        self.knowledge.drop(number)
        self.without_vector.discard(number)
        if past := self.past.get(number):
            past.public = False

    def answered(self, number: int, expert: str, at: datetime) -> None:
        if past := self.past.get(number):
            past.answered.setdefault(expert, at)
            self._answered_by.setdefault(expert, set()).add(number)

    def unanswered(self, number: int, expert: str) -> None:
        """Their last answer to it was taken back."""
        if past := self.past.get(number):
            past.answered.pop(expert, None)
            self._answered_by.get(expert, set()).discard(number)

    def helped(self, number: int, helped: bool | None) -> None:
        if past := self.past.get(number):
            past.helped = helped

    def refused(self, number: int, expert: str, *, still: bool = True) -> None:
        """They passed it as not their field; or, not ``still``, they answer it after all."""
        refused = self._refused_by.setdefault(expert, set())
        (refused.add if still else refused.discard)(number)

    def refusals(self, expert: str) -> set[int]:
        return set(self._refused_by.get(expert, ()))

    def declares(self, expert: str, declared: Declared | None) -> None:
        if declared is None:
            self.declared.pop(expert, None)
        else:
            self.declared[expert] = declared

    def forget(self, user_id: str) -> None:
        """A person was erased."""
        for number in self._answered_by.pop(user_id, set()):
            self.past[number].answered.pop(user_id, None)
        self._refused_by.pop(user_id, None)
        self.declared.pop(user_id, None)
        for number, past in self.past.items():
            if past.asker == user_id:
                past.asker = ""
                self.drop(number)

    def votes(self, expert: str, likeness: Likeness, now: datetime, but: int) -> tuple[Vote, ...]:
        """Of every question they answered, ``but`` the one that is asked now."""
        return tuple(
            Vote(likeness.get(number, 0.0), now - past.answered[expert], past.helped)
            for number, past in self._answers_of(expert)
            if number != but
        )

    def _answers_of(self, expert: str) -> list[tuple[int, Past]]:
        return [(each, self.past[each]) for each in sorted(self._answered_by.get(expert, ()))]

    def not_their_field(self, expert: str, likeness: Likeness) -> float:
        refused = self._refused_by.get(expert, ())
        return max((likeness.get(number, 0.0) for number in refused), default=0.0)

    def shown(self) -> set[int]:
        """The answered questions that others may be shown."""
        return {number for number, past in self.past.items() if past.public and past.answered}
