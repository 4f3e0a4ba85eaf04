"""What the tests share: the cast they play with and the faults they provoke."""

from typing import Protocol

from bot.demo.person import Person


class PersonFactory(Protocol):
    """Makes a new account on the homeserver of the test and connects it; closed by the fixture.

    The account's name begins with `name` and is unique, so many tests may share one homeserver.
    """

    async def __call__(self, name: str, *, admin: bool = False, listen: bool = True) -> Person: ...
