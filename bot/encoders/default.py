"""The encoders of the network's own machine, as routing uses them."""

from bot.encoders.blend import BlendedEncoder
from bot.encoders.centring import CentredEncoder
from bot.encoders.local import e5, use
from bot.encoders.titled import TitledEncoder
from bot.services.encoding import Encoder

USE_WEIGHT, E5_WEIGHT = 0.5, 0.5


def use_alone() -> Encoder:
    return TitledEncoder(CentredEncoder(use()))


def use_and_e5() -> Encoder:
    """Each is centred by itself: after that their cosines have one scale (E5's lie above 0.7)."""
    parts = ((USE_WEIGHT, CentredEncoder(use())), (E5_WEIGHT, CentredEncoder(e5())))
    return TitledEncoder(BlendedEncoder(*parts))
