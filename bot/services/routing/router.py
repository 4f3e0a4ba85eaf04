"""Routing's eyes: what a text means, which desk that is for, what is known already.

It reads memory and asks pure rules; it changes nothing and waits for nothing. Whoever calls it with
a text that is not encoded yet is interrupted by ``Unencoded`` (bot.services.encoding).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import TypeVar

from bot.domain.routing.desks import DeskChoice
from bot.domain.routing.known import Known
from bot.domain.routing.ranking import FORMULA
from bot.services.encoding import Encoding, Text, Unencoded, Vector, Vectors
from bot.services.routing.desks import ClusterMatcher, DeskMatcher, describe, sentences
from bot.services.routing.memory import Memory
from config.network import Network

T = TypeVar("T")

LONGEST = 4_000
"""Characters of a text that are looked at; what it is about stands at its beginning."""


class Router:
    """``weights`` are the formula's, or those a ranker has learned from the network's history."""

    def __init__(self, network: Network, encoding: Encoding | None = None) -> None:
        self.encoding = encoding or Encoding(None, time.monotonic)
        self.memory = Memory()
        self.woken = asyncio.Event()
        self.formula: Mapping[str, float] = FORMULA
        self.weights = self.formula
        self._rooms = [describe(each) for each in network.desks]
        self._themes = [describe(each) for each in network.clusters]
        self._desks = DeskMatcher(self._rooms)
        self._clusters = ClusterMatcher(self._themes)
        self._default = network.default_desk if network.desks else ""
        self.is_described = False

    def weighed(self, parts: Mapping[str, float]) -> dict[str, float]:
        """What each part added to somebody's score."""
        return {name: self.weights.get(name, 0.0) * value for name, value in parts.items()}

    def wake(self) -> None:
        """There may be vectors to make."""
        self.woken.set()

    def meaning(self, text: Text) -> Vector | None:
        """None when there is no encoder to ask, or none that works. Raises ``Unencoded``."""
        return self.encoding.recent(text)

    def descriptions(self) -> Sequence[Text]:
        """The sentences that describe desks and clusters; their vectors go to ``described``."""
        return [*sentences(self._rooms), *sentences(self._themes)]

    def described(self, vectors: Vectors) -> None:
        """From now on desks are told by meaning, not by words alone."""
        desks = len(sentences(self._rooms))
        if self._rooms:
            self._desks = DeskMatcher(self._rooms, vectors[:desks])
        if self._themes:
            self._clusters = ClusterMatcher(self._themes, vectors[desks:])
        self.is_described = True

    def desk(self, text: Text, explicit: str | None) -> DeskChoice:
        corrections = list(self.memory.corrections.values())
        meant = None if explicit else self.meaning(text)
        return self._desks.choose(text.words, meant, explicit, self._default, corrections)

    def cluster(self, text: Text) -> str | None:
        """The cluster the text speaks of, if it does clearly."""
        return self._clusters.choose(text.words, self.meaning(text))

    def known(self, text: Text, vector: Vector | None, but: Collection[int]) -> list[Known]:
        """Earlier questions whose answers may help, the closest first."""
        shown = self.memory.shown(but)
        return self.memory.questions.closest(text.words, text.language, vector, shown)


async def understood(router: Router, work: Callable[[], Awaitable[T]]) -> T:
    """Do a piece of work; a text that it needs encoded is encoded outside of it, and it is done
    again. Without a working encoder it goes on by words."""
    while True:
        try:
            return await work()
        except Unencoded as missing:
            await router.encoding.vectors([missing.text])


def text_of(words: str, language: str | None, *, titled: bool = True) -> Text:
    """What people write in one go begins with what it is about; answers do not."""
    return Text(words[:LONGEST], language, titled)
