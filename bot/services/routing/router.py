"""Routing's eyes: what a text means, which desk that is for, who knows about it, what is known.

It reads memory and asks pure rules; it changes nothing and waits for nothing. Whoever calls it with
a text that is not encoded yet is interrupted by ``Unencoded`` (bot.services.encoding).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import TypeVar

from bot.domain.routing.lean import DeskChoice, Topic, choose_cluster, choose_desk
from bot.domain.routing.ranking import FORMULA
from bot.services.encoding import Encoding, Text, Unencoded, Vector
from bot.services.routing.memory import Declared, Memory
from config.network import Cluster, Desk, Network

T = TypeVar("T")

LONGEST = 4_000
"""Characters of a text that are looked at; what a question is about stands at its beginning."""


class Router:
    """``weights`` are the formula's, or those a ranker has learned from the network's history."""

    def __init__(self, network: Network, encoding: Encoding | None = None) -> None:
        self.encoding = encoding or Encoding(None, time.monotonic)
        self.memory = Memory()
        self.woken = asyncio.Event()
        self.weights: Mapping[str, float] = FORMULA
        self._desks = [_topic(each) for each in network.desks]
        self._clusters = [_topic(each) for each in network.clusters]
        self._default = network.default_desk if network.desks else ""

    def wake(self) -> None:
        """There may be vectors to make."""
        self.woken.set()

    def meaning(self, text: Text) -> Vector | None:
        """None when there is no encoder to ask, or none that works. Raises ``Unencoded``."""
        return self.encoding.recent(text)

    def desk(self, text: Text, explicit: str | None) -> DeskChoice:
        return choose_desk(text.words, self._desks, explicit, self._default)

    def cluster(self, text: Text) -> str | None:
        """The cluster the text speaks of, if it does clearly."""
        return choose_cluster(text.words, self._clusters)

    def profile(self, declared: Declared | None, text: Text, vector: Vector | None) -> float:
        """How well what somebody declares fits a question, from 0 to 1."""
        if declared is None or vector is None:
            return 0.0
        known = [each for each in declared.vectors if each is not None]
        return max((float(each @ vector) for each in known), default=0.0)

    def known(self, text: Text, vector: Vector | None, but: Collection[int]) -> dict[int, float]:
        """Earlier questions whose answers may help, with their likeness, the best first."""
        likeness = self.memory.knowledge.likeness(text.words, text.language, vector)
        shown = self.memory.shown().difference(but)
        best = sorted((each for each in shown if each in likeness), key=lambda n: -likeness[n])
        return {number: likeness[number] for number in best[:3] if likeness[number] > 0.5}


async def understood(router: Router, work: Callable[[], Awaitable[T]]) -> T:
    """Do a piece of work; a text that it needs encoded is encoded outside of it, and it is done
    again. Without a working encoder it goes on by words."""
    while True:
        try:
            return await work()
        except Unencoded as missing:
            await router.encoding.vectors([missing.text])


def text_of(words: str, language: str | None) -> Text:
    return Text(words[:LONGEST], language)


def _topic(described: Desk | Cluster) -> Topic:
    listed = [word for several in described.words.values() for word in several]
    return Topic(described.key, frozenset([*described.name.values(), *listed]))
