"""A private Matrix homeserver for the demonstration and the tests.

It is an ordinary Synapse, run by the same interpreter as a process of its own: loopback only,
SQLite, everything in one directory. Nothing is faked, so what works here works for an operator.

The process cannot outlive us. It reads its standard input, a pipe that nobody writes to; the kernel
closes the pipe when we die, however we die, and it leaves at once. It has a session of its own, so
that Ctrl-C in a terminal reaches us only, and we stop it when the bot has said its goodbyes.

    HomeserverError
    ├── SynapseMissingError   the `demo` extra is not installed
    ├── StartError            its port is taken, or the process left or stayed silent;
    │                         carries the end of its log
    └── AdminError            the admin API said no, for example because a name is taken
"""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import quote

import aiohttp

Limits = Literal["stock", "off"]

START_PATIENCE = 90.0
"""Seconds until a silent start counts as failed; without compiled bytecode a start takes ten."""

STOP_PATIENCE = 10.0
"""Seconds between SIGTERM and SIGKILL."""

_HOST = "127.0.0.1"

_CHILD = """
import os, runpy, threading

def leave_with_parent():
    os.read(0, 1)
    os._exit(1)

threading.Thread(target=leave_with_parent, daemon=True).start()
runpy.run_module("synapse.app.homeserver", run_name="__main__", alter_sys=True)
"""

_NO_LIMIT = {"per_second": 1_000_000, "burst_count": 1_000_000}
_LIMITS_OFF: dict[str, Any] = {
    **dict.fromkeys(
        (
            "rc_message",
            "rc_registration",
            "rc_admin_redaction",
            "rc_joins_per_room",
            "rc_third_party_invite",
            "rc_media_create",
            "rc_delayed_event_mgmt",
            "rc_room_creation",
            "rc_reports",
            "rc_user_directory",
            "rc_profile",
        ),
        _NO_LIMIT,
    ),
    "rc_login": dict.fromkeys(("address", "account", "failed_attempts"), _NO_LIMIT),
    "rc_joins": dict.fromkeys(("local", "remote"), _NO_LIMIT),
    "rc_invites": dict.fromkeys(("per_room", "per_user", "per_issuer"), _NO_LIMIT),
}


class HomeserverError(Exception):
    """The private homeserver could not do what it was asked."""


class SynapseMissingError(HomeserverError):
    def __init__(self) -> None:
        super().__init__(
            "The private homeserver needs Synapse, which is not installed. "
            "Install it with: pip install clusterdesk[demo]"
        )


class StartError(HomeserverError):
    def __init__(self, reason: str, log_tail: str = "") -> None:
        super().__init__(f"The private homeserver did not start: {reason}\n{log_tail}".rstrip())


class AdminError(HomeserverError):
    def __init__(self, act: str, answer: Mapping[str, Any]) -> None:
        self.errcode: str = answer.get("errcode", "M_UNKNOWN")
        super().__init__(f"{act}: {self.errcode} {answer.get('error', '')}".rstrip())


@dataclass(frozen=True, slots=True)
class Account:
    """A registered user and the session that registration opened for it."""

    user_id: str
    device_id: str
    access_token: str = field(repr=False)
    password: str = field(repr=False)


class PrivateSynapse:
    """A Synapse of one's own: `async with PrivateSynapse() as homeserver: ...`.

    It is not tied to an event loop: one instance may serve tests that each have their own.
    A temporary directory is removed by `stop` unless `keep` is set; a directory that was given is
    never removed, and a later instance may go on with what it holds.
    """

    def __init__(
        self,
        *,
        directory: Path | None = None,
        keep: bool = False,
        port: int | None = None,
        server_name: str = "demo.local",
        limits: Limits = "stock",
    ) -> None:
        self.server_name = server_name
        self.limits = limits
        self.port = port or _free_port()
        self._given_directory = directory
        self._keep = keep
        self._directory: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._registration_secret = secrets.token_hex(32)
        self._admin: Account | None = None

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    @property
    def base_url(self) -> str:
        return f"http://{_HOST}:{self.port}"

    @property
    def directory(self) -> Path:
        """Where everything lies: configuration, database, media, log. Valid once started."""
        if self._directory is None:
            raise HomeserverError("The private homeserver has not been started.")
        return self._directory

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    async def start(self) -> None:
        """Return once it answers. Raise `SynapseMissingError` or `StartError`.

        After `kill` it starts again on the same port with the same data.
        """
        if self.running:
            return
        _require_synapse()
        self._reap()
        if not _is_free(self.port):
            raise StartError(f"port {self.port} is taken by another program")
        self._directory = self._directory or self._make_directory()
        _write_configuration(self.directory, self._configuration())
        self._process = self._spawn()
        await self._until_it_answers(self._process)

    async def stop(self) -> None:
        """Leave no process, and no file that was not asked to be kept."""
        try:
            await self._terminate()
        finally:
            self.kill()
            self._remove_directory()

    def kill(self) -> None:
        """End it with SIGKILL, as a power cut would; the data stays for another `start`."""
        if self._process is not None:
            self._process.kill()
            self._reap()

    async def restart(self) -> None:
        """Stop it in an orderly way and start it again: same port, same data."""
        await self._terminate()
        await self.start()

    def log_tail(self, lines: int = 30) -> str:
        with contextlib.suppress(FileNotFoundError):
            return "\n".join(self._log_path.read_text(errors="replace").splitlines()[-lines:])
        return ""

    async def register(self, name: str, password: str, admin: bool = False) -> Account:
        """Create a user with a session. Raise `AdminError` when the name is taken."""
        path = "/_synapse/admin/v1/register"
        async with self._client() as client:
            async with client.get(path) as response:
                nonce = (await _accepted(response, f"register {name}"))["nonce"]
            body = _signed_registration(self._registration_secret, nonce, name, password, admin)
            async with client.post(path, json=body) as response:
                made = await _accepted(response, f"register {name}")
        return Account(made["user_id"], made["device_id"], made["access_token"], password)

    async def override_ratelimit(self, user_id: str) -> None:
        """Exempt one user from every rate limit, as operators may do for their bot."""
        self._admin = self._admin or await self._register_admin()
        path = f"/_synapse/admin/v1/users/{quote(user_id, safe='')}/override_ratelimit"
        no_limit = {"messages_per_second": 0, "burst_count": 0}
        async with (
            self._client(self._admin.access_token) as client,
            client.post(path, json=no_limit) as response,
        ):
            await _accepted(response, f"override_ratelimit {user_id}")

    async def _register_admin(self) -> Account:
        # The data may come from an earlier instance: a name of its own never collides.
        name = f"homeserver-admin-{secrets.token_hex(4)}"
        return await self.register(name, secrets.token_urlsafe(), admin=True)

    def _client(self, token: str | None = None) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            self.base_url,
            headers={"Authorization": f"Bearer {token}"} if token else None,
            timeout=aiohttp.ClientTimeout(total=60),
        )

    @property
    def _log_path(self) -> Path:
        return self.directory / "synapse.log"

    def _make_directory(self) -> Path:
        if self._given_directory is None:
            return Path(tempfile.mkdtemp(prefix="clusterdesk-homeserver-"))
        self._given_directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        return self._given_directory.resolve()

    def _remove_directory(self) -> None:
        if self._directory and not (self._given_directory or self._keep):
            shutil.rmtree(self._directory)
            self._directory = None
            self._admin = None

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self._log_path.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-P", "-c", _CHILD, "-c", str(self.directory / "homeserver.yaml")],
                cwd=self.directory,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def _until_it_answers(self, process: subprocess.Popen[bytes]) -> None:
        try:
            async with asyncio.timeout(START_PATIENCE), self._client() as client:
                while not await _is_healthy(client):
                    if process.poll() is not None:
                        raise StartError(f"exit code {process.returncode}", self.log_tail())
                    await asyncio.sleep(0.05)
        except TimeoutError:
            reason = f"no answer in {START_PATIENCE:.0f} seconds"
            raise StartError(reason, self.log_tail()) from None

    async def _terminate(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(self._process.wait, STOP_PATIENCE)
        self.kill()

    def _reap(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.wait()
            if process.stdin is not None:
                process.stdin.close()

    def _configuration(self) -> dict[str, Any]:
        listener = {
            "type": "http",
            "port": self.port,
            "bind_addresses": [_HOST],
            "resources": [{"names": ["client"], "compress": False}],
        }
        return {
            "server_name": self.server_name,
            "public_baseurl": f"{self.base_url}/",
            "listeners": [listener],
            "database": {
                "name": "sqlite3",
                "args": {"database": str(self.directory / "homeserver.db")},
            },
            "media_store_path": str(self.directory / "media"),
            "signing_key_path": str(self.directory / "signing.key"),
            "log_config": str(self.directory / "log.yaml"),
            "registration_shared_secret": self._registration_secret,
            # Cheap hashes: these accounts live for minutes, and many are made at once.
            "bcrypt_rounds": 4,
            "federation_domain_whitelist": [],
            "trusted_key_servers": [],
            "suppress_key_server_warning": True,
            "presence": {"enabled": False},
            "report_stats": False,
        } | (_LIMITS_OFF if self.limits == "off" else {})


def _require_synapse() -> None:
    try:
        metadata.version("matrix-synapse")
    except metadata.PackageNotFoundError:
        raise SynapseMissingError from None


def _free_port() -> int:
    """A port outside the ephemeral ranges of Linux and macOS.

    While the homeserver is down nothing holds its port. In the ephemeral range an outgoing
    connection may take it, even that of a client which tries to reach the homeserver and then
    talks to itself.
    """
    ports = secrets.SystemRandom().sample(range(20_000, 30_000), 100)
    for port in ports:
        if _is_free(port):
            return port
    raise HomeserverError("No free port between 20000 and 29999.")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError:
            return False
        return True


def _write_configuration(directory: Path, configuration: Mapping[str, Any]) -> None:
    """Synapse reads YAML, and JSON is YAML."""
    (directory / "homeserver.yaml").write_text(json.dumps(configuration, indent=2))
    (directory / "log.yaml").write_text(json.dumps(_log_configuration(), indent=2))
    signing_key = directory / "signing.key"
    if not signing_key.exists():
        seed = base64.b64encode(os.urandom(32)).decode().rstrip("=")
        signing_key.write_text(f"ed25519 a_demo {seed}\n")


def _log_configuration() -> dict[str, Any]:
    return {
        "version": 1,
        "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"level": "WARNING", "handlers": ["stderr"]},
        "disable_existing_loggers": False,
    }


async def _is_healthy(client: aiohttp.ClientSession) -> bool:
    try:
        async with client.get("/health") as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False


def _signed_registration(
    secret: str, nonce: str, name: str, password: str, admin: bool
) -> dict[str, Any]:
    """Synapse, "Register users with shared-secret registration"."""
    signed = "\0".join((nonce, name, password, "admin" if admin else "notadmin"))
    mac = hmac.new(secret.encode(), signed.encode(), hashlib.sha1).hexdigest()
    return {"nonce": nonce, "username": name, "password": password, "admin": admin, "mac": mac}


async def _accepted(response: aiohttp.ClientResponse, act: str) -> dict[str, Any]:
    answer: dict[str, Any] = await response.json()
    if response.status != 200:
        raise AdminError(act, answer)
    return answer
