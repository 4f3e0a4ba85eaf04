"""What speaks for each desk, or each cluster: meaning, words, and what was corrected before.

A room is described by sentences: its topic, its words a few at a time, and for desks the things
people typically ask there. They are the examples of a small regression (kernel ridge on unit
vectors) that learns what tells the desks apart: a sentence near to two desks speaks for neither,
and the theme of a question, which desks share, weighs little. Comparing with the nearest sentence,
or with the mean of a desk, does not do that and finds fewer desks.

Corrections come on top, and only near to them: a question that is unlike all that were corrected
is not moved at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from bot.domain.routing.desks import DeskChoice, Evidence, choose_cluster, choose_desk
from bot.domain.routing.terms import Topic, word_scores
from bot.services.encoding import Encoder, Text, Vectors
from config.network import Cluster, Desk

Vector = NDArray[np.float32]

WORDS_AT_A_TIME = 6
LOCALITY = 4.0
"""Of the kernel: a sentence counts for a seventh at a cosine of a half."""
SMOOTHING = 1.0
ALIKE = 0.4
"""Cosine above which two questions are about the same thing. Of centred vectors, the same question
in another language lies around 0.7 (99 % above 0.46), another question below 0.4 (99.9 %)."""


@dataclass(frozen=True, slots=True)
class Described:
    """A desk or a cluster; ``sentences`` are for the encoder, ``topic`` for the words."""

    key: str
    topic: Topic
    sentences: tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class Correction:
    """A question somebody moved to this desk, or confirmed there; its vector is personal data."""

    desk: str
    vector: Vector


def describe(room: Desk | Cluster) -> Described:
    listed = [word for words in room.words.values() for word in words]
    sentences = [Text(topic, language) for language, topic in room.topic.items()]
    for language, words in room.words.items():
        for start in range(0, len(words), WORDS_AT_A_TIME):
            sentences.append(Text(", ".join(words[start : start + WORDS_AT_A_TIME]), language))
    asks = (room.asks if isinstance(room, Desk) else None) or {}
    sentences += [Text(ask, language) for language, each in asks.items() for ask in each]
    return Described(
        room.key, Topic(room.key, frozenset([*room.name.values(), *listed])), tuple(sentences)
    )


class RoomMatcher:
    """Rooms of one kind, described. Without an encoder it knows their words only."""

    def __init__(self, rooms: Sequence[Described], vectors: Vectors | None = None) -> None:
        """``vectors``: of all sentences, room after room; see ``sentences``."""
        self._rooms = tuple(rooms)
        self._topics = [room.topic for room in rooms]
        self._model = None if vectors is None or not rooms else _Regression(self._rooms, vectors)

    @classmethod
    async def build(cls, rooms: Sequence[Described], encoder: Encoder) -> Self:
        """Takes seconds: the sentences are many. Raises ``EncoderFault``."""
        described = sentences(rooms)
        return cls(rooms, await encoder.encode(described) if described else None)

    def evidence(
        self, text: str, vector: Vector | None, corrections: Sequence[Correction] = ()
    ) -> list[Evidence]:
        """For each room. ``vector`` is the text's, of the encoder the matcher was built with; None
        or 0 where there is none."""
        words = word_scores(text, self._topics)
        if self._model is None or vector is None or not vector.any():
            return [Evidence(room.key, None, words.get(room.key, 0.0)) for room in self._rooms]
        meaning = self._model.scores(vector)
        corrected = _corrected(vector, corrections)
        return [
            Evidence(room.key, float(score), words.get(room.key, 0.0), corrected.get(room.key, 0.0))
            for room, score in zip(self._rooms, meaning, strict=True)
        ]


class DeskMatcher(RoomMatcher):
    def choose(
        self,
        text: str,
        vector: Vector | None,
        explicit: str | None,
        default: str,
        corrections: Sequence[Correction] = (),
    ) -> DeskChoice:
        return choose_desk(self.evidence(text, vector, corrections), explicit, default)


class ClusterMatcher(RoomMatcher):
    def choose(self, text: str, vector: Vector | None) -> str | None:
        """For a question whose room does not say; None unless one cluster is clearly meant."""
        return choose_cluster(self.evidence(text, vector))


def sentences(rooms: Sequence[Described]) -> list[Text]:
    return [sentence for room in rooms for sentence in room.sentences]


class _Regression:
    """Kernel ridge regression on the rooms' sentences, each room weighing as much as another."""

    def __init__(self, rooms: Sequence[Described], vectors: Vectors) -> None:
        counts = [len(room.sentences) for room in rooms]
        belongs = np.repeat(np.arange(len(rooms)), counts)
        targets = np.eye(len(rooms))[belongs] - 1 / len(rooms)
        rarity = np.array(counts)[belongs] * len(rooms) / len(belongs)
        self._vectors = vectors
        kernel = _kernel(vectors, vectors) + SMOOTHING * np.diag(rarity)
        self._weights = np.linalg.solve(kernel, targets).astype(np.float32)

    def scores(self, vector: Vector) -> Vector:
        scores: Vector = _kernel(vector, self._vectors) @ self._weights
        return scores


def _kernel(some: NDArray[np.float32], others: Vectors) -> NDArray[np.float32]:
    kernel: NDArray[np.float32] = np.exp(LOCALITY * (some @ others.T - 1))
    return kernel


def _corrected(vector: Vector, corrections: Sequence[Correction]) -> dict[str, float]:
    """For each desk, from 0 to 1: many close examples come near to 1, none above the threshold
    leaves exactly 0."""
    left: dict[str, float] = {}
    for each in corrections:
        if each.vector.shape == vector.shape:
            likeness = (float(each.vector @ vector) - ALIKE) / (1 - ALIKE)
            left[each.desk] = left.get(each.desk, 1.0) * (1 - min(max(likeness, 0.0), 1.0))
    return {desk: 1 - share for desk, share in left.items()}
