"""Waiting out what passes by itself: rate limits as long as they last, faults for a while."""

from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

from bot.domain.backoff import Backoff
from bot.services.homeserver import RateLimited, ServerFault, Unreachable

P = ParamSpec("P")
T = TypeVar("T")

MOST_FAULTS = 8
SHORTEST_WAIT = 0.05


class Patience:
    """``waits(seconds)`` is called before each pause that the homeserver asked for."""

    def __init__(
        self, sleep: Callable[[float], Awaitable[None]], waits: Callable[[float], None]
    ) -> None:
        self._sleep = sleep
        self._waits = waits

    async def __call__(
        self, request: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """For what may be asked twice. Raises ``HomeserverError``."""
        backoff = Backoff()
        for _ in range(MOST_FAULTS):
            try:
                return await self.once(request, *args, **kwargs)
            except (Unreachable, ServerFault):
                await self._sleep(backoff.next())
        return await self.once(request, *args, **kwargs)

    async def once(
        self, request: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """For what must not be done twice: a refusal by the rate limiter did nothing."""
        while True:
            try:
                return await request(*args, **kwargs)
            except RateLimited as limit:
                seconds = max(limit.retry_after, SHORTEST_WAIT)
                self._waits(seconds)
                await self._sleep(seconds)
