"""One bot at a time: whoever holds the network's lock may run it.

SQLite: a lock on a file beside the database, which the system releases when the process ends,
however it ends. PostgreSQL: an advisory lock, held by a connection of its own; a process whose
connection broke no longer holds it and must stop.
"""

import asyncio
import fcntl
import hashlib
import os
from pathlib import Path
from typing import Protocol

from sqlalchemy import URL, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

CHECK_SECONDS = 5.0


class Lock(Protocol):
    async def take(self) -> bool:
        """True when it is ours now, False when another process has it."""
        ...

    async def lost(self) -> None:
        """Returns only if the lock is lost while we hold it."""
        ...

    async def release(self) -> None: ...


def lock_for(url: URL, network: str, user_id: str) -> Lock:
    if url.get_backend_name() == "sqlite":
        assert url.database is not None
        return FileLock(Path(url.database + ".lock"))
    return AdvisoryLock(url, f"clusterdesk:{network}:{user_id}")


class FileLock:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    async def take(self) -> bool:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    async def lost(self) -> None:
        await asyncio.Event().wait()

    async def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class AdvisoryLock:
    def __init__(self, url: URL, name: str) -> None:
        self._engine = create_async_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        digest = hashlib.sha256(name.encode()).digest()
        self._key = int.from_bytes(digest[:8], "big", signed=True)
        self._connection: AsyncConnection | None = None

    async def take(self) -> bool:
        connection = await self._engine.connect()
        taken = await connection.scalar(
            text("SELECT pg_try_advisory_lock(:key)"), {"key": self._key}
        )
        if not taken:
            await connection.close()
            return False
        self._connection = connection
        return True

    async def lost(self) -> None:
        assert self._connection is not None
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            try:
                await self._connection.scalar(text("SELECT 1"))
            except (DBAPIError, OSError):
                return

    async def release(self) -> None:
        if self._connection is not None:
            await self._connection.close()
            self._connection = None
        await self._engine.dispose()
