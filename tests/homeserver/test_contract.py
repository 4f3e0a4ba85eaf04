"""The real client on a real Synapse keeps the contract that the fake keeps."""

import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from bot.demo.homeserver import PrivateSynapse
from bot.demo.person import Person
from bot.matrix.client import MatrixClient
from bot.services.homeserver import Homeserver
from tests.support import PersonFactory
from tests.support.contract import Account, HomeserverContract

pytestmark = pytest.mark.homeserver


class SynapseWorld:
    def __init__(
        self, synapse: PrivateSynapse, people: PersonFactory, clients: AsyncExitStack
    ) -> None:
        self._synapse = synapse
        self._people = people
        self._clients = clients

    async def account(self, name: str) -> Account:
        unique = f"{name}-{secrets.token_hex(4)}"
        made = await self._synapse.register(unique, secrets.token_urlsafe())
        client = MatrixClient(self._synapse.base_url, made.user_id, made.access_token)
        return Account(made.user_id, await self._clients.enter_async_context(client))

    async def person(self, name: str) -> Person:
        return await self._people(name)

    def with_wrong_token(self, account: Account) -> Homeserver:
        stranger = MatrixClient(self._synapse.base_url, account.user_id, "wrong")
        self._clients.push_async_callback(stranger.close)
        return stranger

    def alias(self, name: str) -> str:
        return f"#{name}-{secrets.token_hex(4)}:{self._synapse.server_name}"


class TestSynapse(HomeserverContract):
    @pytest.fixture
    async def world(
        self, synapse: PrivateSynapse, people: PersonFactory
    ) -> AsyncIterator[SynapseWorld]:
        async with AsyncExitStack() as clients:
            yield SynapseWorld(synapse, people, clients)
