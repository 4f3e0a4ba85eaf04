"""Events: drafted, announced, answered, reminded of, moved, cancelled; and news."""

from bot.services.calendar.coming import withdrawn
from bot.services.calendar.feed import UnknownCluster, ics
from bot.services.calendar.reminding import tick

__all__ = ["UnknownCluster", "ics", "tick", "withdrawn"]
