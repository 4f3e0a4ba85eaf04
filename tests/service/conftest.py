"""What service tests stand on: both kinds of database, a fake homeserver, a settable clock."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from storage.database import Database
from tests.support import databases, postgres
from tests.support.clock import Clock
from tests.support.fake_matrix import FakeMatrix

ENGINES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return databases.make_sqlite_template(tmp_path_factory.mktemp("template") / "network.db")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Server]:
    """Skips where there is none, unless one is required (tests/support/postgres.py)."""
    with postgres.server() as server:
        if server is None:
            pytest.skip(postgres.MISSING)
        yield server


@pytest.fixture(scope="session")
def postgres_url(postgres_server: postgres.Server) -> Iterator[str]:
    with databases.new_postgres(postgres_server) as url:
        databases.migrate(url)
        yield url


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """Which kind of database the test runs on."""
    return str(request.param)


@pytest.fixture
def database_url(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A migrated database without rows. A test that changes its tables takes a new one."""
    if engine == "sqlite":
        template = request.getfixturevalue("sqlite_template")
        return databases.fresh_sqlite(template, tmp_path / "network.db")
    url: str = request.getfixturevalue("postgres_url")
    databases.empty_postgres(url)
    return url


@pytest.fixture
def new_database_url(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database of the test's own that no migration has touched."""
    if engine == "sqlite":
        yield databases.sqlite_url(tmp_path / "new.db")
        return
    with databases.new_postgres(request.getfixturevalue("postgres_server")) as url:
        yield url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = Database(database_url)
    try:
        yield opened
    finally:
        await opened.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def matrix(clock: Clock) -> FakeMatrix:
    return FakeMatrix(clock=clock)
