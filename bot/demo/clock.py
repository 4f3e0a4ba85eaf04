"""The demo's clock: the machine's, until the demo moves it on to show what time does."""

from datetime import UTC, datetime, timedelta


class DemoClock:
    def __init__(self) -> None:
        self._ahead = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def jump_to(self, instant: datetime) -> None:
        """Never backwards."""
        self._ahead = max(self._ahead, instant - datetime.now(UTC))
