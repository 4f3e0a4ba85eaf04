"""The rooms on the homeserver: made, kept as they should be, followed when replaced."""

from bot.services.rooms.provisioner import Provisioner
from bot.services.rooms.run import Outcome
from bot.services.rooms.texts import Notice, Plan, describe
from bot.services.rooms.upgrades import tombstoned

__all__ = ["Notice", "Outcome", "Plan", "Provisioner", "describe", "tombstoned"]
