"""What people are told when what they asked for cannot be done."""

from bot.domain.content import Piece


class UserError(Exception):
    """A mistake or an impossible wish, explained to the person who made it.

    ``key`` names it for machines. ``message`` is one English sentence that says what to do or to
    type instead; it is marked with `N_` where it is raised, and filled with ``values`` once it has
    been translated. Neither shows in the exception's text: that goes to logs, and values are what
    people wrote.
    """

    def __init__(self, key: str, message: str, /, **values: str | int | Piece) -> None:
        super().__init__(key)
        self.key = key
        self.message = message
        self.values = values
