"""Texts whose first line is a title."""

import pytest

from bot.encoders.titled import TitledEncoder
from bot.services.encoding import Text
from tests.support.scripted_encoder import ScriptedEncoder


async def test_a_first_line_weighs_as_much_as_all_that_follows() -> None:
    titled = TitledEncoder(ScriptedEncoder())
    texts = [
        Text("flax\npartner project", titled=True),
        Text("flax", titled=True),
        Text("flax\npartner project"),
        Text(" \n ", titled=True),
        Text("", titled=True),
    ]
    vectors = await titled.encode(texts)
    [plain] = await ScriptedEncoder().encode([Text("flax")])
    assert vectors[1] == pytest.approx(plain)
    assert vectors[0] @ plain == pytest.approx(0.5**0.5)
    assert vectors[2] @ plain < 0.5, "the first line of an answer is no title"
    assert not vectors[3:].any()


async def test_nothing_gives_nothing() -> None:
    titled = TitledEncoder(ScriptedEncoder())
    assert (await titled.encode([])).shape == (0, titled.dimension)
    assert not (await titled.encode([Text("")])).any()
    assert titled.name == "scripted/1-titled"
