"""Signing in to a real homeserver: a token, or a password that is used once."""

import json
import stat
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot.demo.homeserver import PrivateSynapse
from bot.matrix.client import MatrixClient
from bot.matrix.session import NoCredentials, WrongAccount, session_path, sign_in
from bot.services.homeserver import Refused, TokenRejected
from config.settings import Settings
from tests.support import PersonFactory

pytestmark = pytest.mark.homeserver


def settings_for(synapse: PrivateSynapse, user_id: str, folder: Path, **secrets: str) -> Settings:
    return Settings(
        homeserver=synapse.base_url,
        user_id=user_id,
        data_dir=folder,
        admins=(f"@admin:{synapse.server_name}",),
        access_token=_secret(secrets.get("access_token")),
        password=_secret(secrets.get("password")),
    )


def _secret(value: str | None) -> SecretStr | None:
    return SecretStr(value) if value is not None else None


async def test_a_password_is_used_once(synapse: PrivateSynapse, tmp_path: Path) -> None:
    account = await synapse.register("once", "correct horse")
    settings = settings_for(synapse, account.user_id, tmp_path, password="correct horse")
    devices = []
    for _ in range(3):
        async with MatrixClient(settings.homeserver, settings.user_id) as client:
            devices.append((await sign_in(client, settings)).device_id)
    assert len(set(devices)) == 1
    assert stat.S_IMODE(session_path(settings).stat().st_mode) == 0o600


async def test_a_lost_session_keeps_its_device(synapse: PrivateSynapse, tmp_path: Path) -> None:
    """The homeserver knows what we sent by user and device: a new login names the old one."""
    account = await synapse.register("lost", "correct horse")
    settings = settings_for(synapse, account.user_id, tmp_path, password="correct horse")
    async with MatrixClient(settings.homeserver, settings.user_id) as client:
        first = await sign_in(client, settings)
    kept = json.loads(session_path(settings).read_text())
    session_path(settings).write_text(json.dumps(kept | {"access_token": "syt_gone"}))
    async with MatrixClient(settings.homeserver, settings.user_id) as client:
        again = await sign_in(client, settings)
    assert again.device_id == first.device_id


async def test_a_damaged_session_file_is_replaced(synapse: PrivateSynapse, tmp_path: Path) -> None:
    account = await synapse.register("damaged", "correct horse")
    settings = settings_for(synapse, account.user_id, tmp_path, password="correct horse")
    session_path(settings).write_text("{")
    async with MatrixClient(settings.homeserver, settings.user_id) as client:
        await sign_in(client, settings)
    assert json.loads(session_path(settings).read_text())["user_id"] == account.user_id


async def test_whose_token_it_is_is_checked(
    synapse: PrivateSynapse, people: PersonFactory, tmp_path: Path
) -> None:
    anna, ben = await people("anna", listen=False), await people("ben", listen=False)
    assert anna.access_token is not None
    settings = settings_for(synapse, ben.user_id, tmp_path, access_token=anna.access_token)
    async with MatrixClient(settings.homeserver, settings.user_id) as client:
        with pytest.raises(WrongAccount, match=anna.user_id):
            await sign_in(client, settings)


async def test_what_does_not_work_is_told_apart(
    synapse: PrivateSynapse, people: PersonFactory, tmp_path: Path
) -> None:
    anna = await people("anna", listen=False)
    cases: list[tuple[dict[str, str], type[Exception]]] = [
        ({}, NoCredentials),
        ({"access_token": "syt_wrong"}, TokenRejected),
        ({"password": "wrong"}, Refused),
    ]
    for secrets, expected in cases:
        settings = settings_for(synapse, anna.user_id, tmp_path, **secrets)
        async with MatrixClient(settings.homeserver, settings.user_id) as client:
            with pytest.raises(expected):
                await sign_in(client, settings)
