"""What people are told when what they asked for cannot be done."""

from collections.abc import Callable
from typing import Any, TypeAlias

from bot.domain.content import Piece

Value: TypeAlias = str | int | Piece
ByReader: TypeAlias = Callable[[Any], Value]
"""A function of the reader's translator: for what is called otherwise in each language."""


class UserError(Exception):
    """A mistake or an impossible wish, explained to the person who made it.

    ``key`` names it for machines. ``message`` is one English sentence that says what to do or to
    type instead; it is marked with `N_` where it is raised, and filled with ``values`` once it has
    been translated. Neither shows in the exception's text: that goes to logs, and values are what
    people wrote.
    """

    def __init__(self, key: str, message: str, /, **values: Value | ByReader) -> None:
        super().__init__(key)
        self.key = key
        self.message = message
        self.values = values
