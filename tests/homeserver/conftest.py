"""One Synapse for all tests of a worker, and people of its own for each test.

A test may kill or restart the shared homeserver, but leaves it running.
"""

import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
import pytest_asyncio

from bot.demo.homeserver import PrivateSynapse
from bot.demo.person import Person
from tests.support import PersonFactory


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def synapse() -> AsyncIterator[PrivateSynapse]:
    """Without rate limits. It belongs to no event loop, so each test may use its own."""
    async with PrivateSynapse(limits="off") as homeserver:
        yield homeserver


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stock_synapse() -> AsyncIterator[PrivateSynapse]:
    """With the rate limits that operators have unless they change them."""
    async with PrivateSynapse(limits="stock") as homeserver:
        yield homeserver


@pytest.fixture
async def people(synapse: PrivateSynapse) -> AsyncIterator[PersonFactory]:
    async with _people_of(synapse) as make:
        yield make


@pytest.fixture
async def stock_people(stock_synapse: PrivateSynapse) -> AsyncIterator[PersonFactory]:
    async with _people_of(stock_synapse) as make:
        yield make


@asynccontextmanager
async def _people_of(homeserver: PrivateSynapse) -> AsyncIterator[PersonFactory]:
    async with AsyncExitStack() as stack:

        async def make(name: str, *, admin: bool = False, listen: bool = True) -> Person:
            unique = f"{name}-{secrets.token_hex(4)}"
            account = await homeserver.register(unique, secrets.token_urlsafe(), admin)
            person = Person(
                homeserver.base_url,
                account.user_id,
                access_token=account.access_token,
                password=account.password,
                listen=listen,
            )
            return await stack.enter_async_context(person)

        yield make
