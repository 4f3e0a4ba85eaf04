"""How long to leave a failing homeserver alone."""

import random


class Backoff:
    """Seconds that double from ``first`` to ``most``, each spread by half either way, so that
    many clients of one homeserver do not come back at the same moment."""

    def __init__(self, first: float = 2.0, most: float = 60.0) -> None:
        self._first = first
        self._most = most
        self._failures = 0

    def next(self) -> float:
        seconds = min(self._most, self._first * 2.0**self._failures)
        self._failures = min(self._failures + 1, 16)
        return seconds * random.uniform(0.5, 1.5)

    def reset(self) -> None:
        self._failures = 0
