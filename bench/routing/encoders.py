"""Encoders by name: what the product takes by default, and each of those it ships with."""

from collections.abc import Callable, Mapping

from bot.encoders import local
from bot.services.encoding import Encoder

DEFAULT = "use"
BY_NAME: Mapping[str, Callable[[], Encoder]] = {"use": local.use, "e5": local.e5}


def encoder(name: str = DEFAULT) -> Encoder:
    return BY_NAME[name]()
