"""The fake keeps the contract that the real client keeps on Synapse."""

import pytest

from bot.demo.person import Person
from bot.services.homeserver import Homeserver
from tests.support.contract import Account, HomeserverContract
from tests.support.fake_matrix import FakeMatrix


class FakeWorld:
    def __init__(self) -> None:
        self._matrix = FakeMatrix()

    async def account(self, name: str) -> Account:
        user_id = self._user_id(name)
        return Account(user_id, self._matrix.client(user_id))

    async def person(self, name: str) -> Person:
        return self._matrix.person(self._user_id(name))

    def with_wrong_token(self, account: Account) -> Homeserver:
        return self._matrix.client(account.user_id, "wrong")

    def alias(self, name: str) -> str:
        return f"#{name}:{self._matrix.server_name}"

    def _user_id(self, name: str) -> str:
        return f"@{name}:{self._matrix.server_name}"


class TestFake(HomeserverContract):
    @pytest.fixture
    def world(self) -> FakeWorld:
        return FakeWorld()
