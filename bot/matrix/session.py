"""Who we are to the homeserver: a token given by the operator, or a session kept from a login.

A password is used once. Logging in at each start would meet the login limit, and every new device
makes the homeserver forget which of our messages it has.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from bot.matrix.client import MatrixClient
from bot.services.homeserver import Identity, TokenRejected
from config.settings import Settings

DEVICE_NAME = "clusterdesk"


@dataclass(frozen=True, slots=True)
class Session:
    user_id: str
    access_token: str
    device_id: str


class WrongAccount(Exception):
    """The token works, and is somebody else's."""

    def __init__(self, expected: str, actual: str) -> None:
        super().__init__(
            f"the access token belongs to {actual}, but user_id says {expected}; "
            "correct one of the two"
        )


class NoCredentials(Exception):
    def __init__(self) -> None:
        super().__init__(
            "there is no access token and no password; set access_token_file in the "
            "configuration, or CLUSTERDESK_ACCESS_TOKEN in the environment"
        )


def session_path(settings: Settings) -> Path:
    return settings.data_dir / "session.json"


async def sign_in(client: MatrixClient, settings: Settings) -> Identity:
    """Give the client a token that works, and make sure whose it is.

    Raises ``WrongAccount``, ``NoCredentials`` or ``HomeserverError``.
    """
    if settings.access_token is not None:
        client.use_token(settings.access_token.get_secret_value())
    elif settings.password is not None:
        await _restore_or_log_in(client, settings, settings.password.get_secret_value())
    else:
        raise NoCredentials
    identity = await client.whoami()
    if identity.user_id != settings.user_id:
        raise WrongAccount(settings.user_id, identity.user_id)
    return identity


async def _restore_or_log_in(client: MatrixClient, settings: Settings, password: str) -> None:
    kept = _read(session_path(settings))
    if kept is not None and kept.user_id != settings.user_id:
        kept = None
    if kept is not None and await _works(client, kept):
        return
    device_id = kept.device_id if kept else None
    made = Session(**await client.login(password, device_id, DEVICE_NAME))
    _write(session_path(settings), made)
    client.use_token(made.access_token)


async def _works(client: MatrixClient, session: Session) -> bool:
    client.use_token(session.access_token)
    try:
        await client.whoami()
    except TokenRejected:
        return False
    return True


def _read(path: Path) -> Session | None:
    try:
        return Session(**json.loads(path.read_text()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        return None  # damaged: a new login replaces it


def _write(path: Path, session: Session) -> None:
    """Readable by nobody else, and whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(asdict(session), file)
    fresh.replace(path)
