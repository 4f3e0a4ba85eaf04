"""PostgreSQL for the tests: the server named in the environment, or a private one.

``CLUSTERDESK_TEST_POSTGRES`` names a server, ``postgresql+asyncpg://user@host/database``, whose
user may create databases. Without it a private cluster is started in a temporary directory: on
loopback and a free port, without passwords, and without fsync (fast, and worthless after a power
cut). ``CLUSTERDESK_REQUIRE_POSTGRES`` makes it an error that neither is to be had, so that nobody
takes a run on SQLite alone for the whole one.

One server for all the processes of a command::

    python -m tests.support.postgres run -- pytest -n 2
"""

from __future__ import annotations

import argparse
import asyncio
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
from sqlalchemy.engine import make_url

ADDRESS = "CLUSTERDESK_TEST_POSTGRES"
REQUIRED = "CLUSTERDESK_REQUIRE_POSTGRES"
MISSING = f"No PostgreSQL: install Debian's package postgresql, or name a server in {ADDRESS}."
START_SECONDS = 60.0
STOP_SECONDS = 10.0

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
}


class PostgresError(Exception):
    """There is no PostgreSQL to test on, or it did not start: the message says which and why."""


class Server:
    """A PostgreSQL server on which the tests make and drop their own databases."""

    def __init__(self, address: str) -> None:
        self.address = address

    def url(self, database: str) -> str:
        return make_url(self.address).set(database=database).render_as_string(hide_password=False)

    def create_database(self, template: str | None = None) -> str:
        """The URL of a new database, a copy of the database named ``template`` if given.

        Nobody may be connected to the template meanwhile.
        """
        name = f"test_{uuid4().hex}"
        self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{template or "template1"}"')
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Drop it, and whoever is still connected to it."""
        self._execute(f'DROP DATABASE IF EXISTS "{make_url(url).database}" WITH (FORCE)')

    def _execute(self, statement: str) -> None:
        """In a thread with a loop of its own, so that plain and async fixtures can both call it."""
        with ThreadPoolExecutor(max_workers=1) as pool:
            pool.submit(asyncio.run, _execute(self.address, statement)).result()


class PrivatePostgres(Server):
    """A server of our own, gone with everything in it after ``stop()``."""

    def __init__(self, directory: Path, process: subprocess.Popen[bytes], port: int) -> None:
        super().__init__(f"postgresql+asyncpg://clusterdesk@127.0.0.1:{port}/postgres")
        self._directory = directory
        self._process = process

    def stop(self) -> None:
        _end(self._process)
        shutil.rmtree(self._directory)


@contextmanager
def server() -> Iterator[Server | None]:
    """The server for these tests; None where there is none and none is required."""
    if address := os.environ.get(ADDRESS):
        yield Server(address)
    elif _programs() is None and not os.environ.get(REQUIRED):
        yield None
    else:
        private = start()
        try:
            yield private
        finally:
            private.stop()


def start() -> PrivatePostgres:
    """Make a private cluster and wait until it answers. Raises PostgresError."""
    programs = _programs()
    if programs is None:
        raise PostgresError(MISSING)
    directory = Path(tempfile.mkdtemp(prefix="clusterdesk-postgres-"))
    try:
        _initialise(programs, directory)
        return _serve_on_free_port(programs, directory)
    except BaseException:
        shutil.rmtree(directory)
        raise


def run(command: Sequence[str]) -> int:
    """Run the command with the server's address in its environment; its exit code."""
    with server() as found:
        environment = dict(os.environ)
        if found is None:
            print("No PostgreSQL found: testing on SQLite alone.", flush=True)
        else:
            environment[ADDRESS] = found.address
        process = subprocess.Popen(command, env=environment)
        # Ctrl-C reaches the command as well: let it finish first, then stop the server.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        code = process.wait()
    return code if code >= 0 else 128 - code


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.support.postgres")
    actions = parser.add_subparsers(required=True)
    action = actions.add_parser("run", help="run a command with a PostgreSQL server at hand")
    action.add_argument("command", nargs="+")
    try:
        return run(parser.parse_args().command)
    except PostgresError as problem:
        print(problem, file=sys.stderr)
        return 1


def _programs() -> Path | None:
    """The folder of initdb and postgres; Debian keeps them off the PATH."""
    if initdb := shutil.which("initdb"):
        return Path(initdb).resolve().parent
    folders = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    return max(folders, key=lambda folder: float(folder.parent.name), default=None)


def _initialise(programs: Path, directory: Path) -> None:
    account = _account()
    if account:
        shutil.chown(directory, account["user"], account["group"])
    result = subprocess.run(
        [
            programs / "initdb",
            f"--pgdata={directory / 'data'}",
            "--username=clusterdesk",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        ],
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        **account,
    )
    if result.returncode != 0:
        raise PostgresError(result.stdout)


def _account() -> dict[str, Any]:
    """Whom to run as: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return {}
    known = {account.pw_name: account for account in pwd.getpwall()}
    account = known.get("postgres") or known["nobody"]
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _serve_on_free_port(programs: Path, directory: Path) -> PrivatePostgres:
    """Another program may take the free port before PostgreSQL does: then try the next one."""
    for _ in range(3):
        port = _free_port()
        process = _serve(programs, directory, port)
        try:
            if _answers(process, directory):
                return PrivatePostgres(directory, process, port)
        except BaseException:
            _end(process)
            raise
    raise PostgresError((directory / "log").read_text(encoding="utf-8"))


def _serve(programs: Path, directory: Path, port: int) -> subprocess.Popen[bytes]:
    settings = [f"--{name}={value}" for name, value in SETTINGS.items()]
    with (directory / "log").open("ab") as log:
        return subprocess.Popen(
            [programs / "postgres", "-D", directory / "data", "-p", str(port), *settings],
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            **_account(),
        )


def _answers(process: subprocess.Popen[bytes], directory: Path) -> bool:
    """Wait for the word `ready` in postmaster.pid, as pg_ctl does; False if the server ends."""
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None:
        if "ready" in _postmaster_status(directory):
            return True
        if time.monotonic() > deadline:
            raise PostgresError(f"PostgreSQL was not ready after {START_SECONDS:.0f} seconds.")
        time.sleep(0.05)
    return False


def _postmaster_status(directory: Path) -> list[str]:
    try:
        return (directory / "data" / "postmaster.pid").read_text(encoding="utf-8").split()
    except FileNotFoundError:
        return []


def _end(process: subprocess.Popen[bytes]) -> None:
    """PostgreSQL's immediate shutdown: nothing in the cluster is worth a clean one."""
    process.send_signal(signal.SIGQUIT)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def _execute(address: str, statement: str) -> None:
    dsn = make_url(address).set(drivername="postgresql").render_as_string(hide_password=False)
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


if __name__ == "__main__":
    sys.exit(main())
