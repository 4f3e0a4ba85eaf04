"""What everything here works with."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from bot.domain.rooms.model import Desired
from bot.services.homeserver import Homeserver
from bot.services.instance import Instance
from bot.services.rooms.patience import Patience
from storage.database import Database, Uow

PROVISION = "provision"
"""The cause of transactions that say nothing, and the job of what is said once."""


@dataclass(frozen=True, slots=True)
class Tools:
    """``progress`` is told what is going on, a line each time. ``room_version`` is that of new
    rooms; None takes the homeserver's default."""

    homeserver: Homeserver
    database: Database
    instance: Instance
    desired: Desired
    clock: Callable[[], datetime]
    sleep: Callable[[float], Awaitable[None]]
    progress: Callable[[str], None]
    room_version: str | None = None

    @property
    def command(self) -> str:
        """What admins type to have the rooms looked after."""
        return f"{self.instance.prefix}provision"

    def uow(self, cause: str = PROVISION) -> Uow:
        return self.database.uow(cause, self.clock())

    def patience(self, waits: Callable[[float], None] = lambda seconds: None) -> Patience:
        return Patience(self.sleep, waits)
