"""Time as a test wants it."""

from datetime import UTC, datetime, timedelta

MONDAY = datetime(2027, 1, 11, 9, 0, tzinfo=UTC)


class Clock:
    """Stands still until it is set (``clock.now = ...``) or advanced. Call it for the time."""

    def __init__(self, now: datetime = MONDAY) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, by: timedelta) -> None:
        self.now += by
