"""What keeps the network alive: listening, the weekly digest, nudges, and the pulse."""

from datetime import datetime

from bot.services.activity import digest, nudges
from bot.services.activity.listening import edited, heard, redacted, spoke
from bot.services.activity.nudges import take
from bot.services.activity.pulse import Pulse, read_pulse, show_pulse
from bot.services.instance import Instance
from storage.database import Database

__all__ = [
    "Pulse",
    "edited",
    "heard",
    "read_pulse",
    "redacted",
    "show_pulse",
    "spoke",
    "take",
    "tick",
]


async def tick(database: Database, instance: Instance, now: datetime) -> None:
    await digest.tick(database, instance, now)
    await nudges.tick(database, instance, now)
