"""Which encoder the configuration names, and why it is another one, or none, when it is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError

from bot.encoders.default import use_alone, use_and_e5
from bot.encoders.endpoint import EndpointEncoder
from bot.services.encoding import Encoder, EncoderFault, Encoding
from config.locales import N_
from config.settings import Routing

LOADING = 60.0
"""Seconds a model of our own may take to be read from a slow disk."""
LOCAL_BATCH = 4
"""Few enough texts that a question waits a moment only while stored ones are encoded again."""


@dataclass(frozen=True, slots=True)
class Choice:
    """``missing`` names the package for want of which this is not what was asked for."""

    encoder: Encoder | None
    missing: str | None = None

    @property
    def reason(self) -> EncoderFault | None:
        if self.missing is None:
            return None
        return EncoderFault(N_("the package {package} is not installed"), package=self.missing)


def choose(routing: Routing) -> Choice:
    """No model is loaded and nobody is asked: that happens with the first text."""
    if routing.is_endpoint:
        return Choice(_endpoint(routing))
    missing: str | None = None
    for make in _LOCAL[routing.encoder]:
        try:
            # Whoever asks for what there is misses nothing.
            return Choice(make(), None if routing.encoder == "auto" else missing)
        except PackageNotFoundError as error:
            missing = missing or error.name
    return Choice(None, missing)


def encoder_for(routing: Routing) -> Encoder | None:
    return choose(routing).encoder


def encoding_for(routing: Routing, clock: Callable[[], float]) -> Encoding:
    """``clock`` gives seconds that only run forward."""
    choice = choose(routing)
    local = not routing.is_endpoint
    return Encoding(
        choice.encoder,
        clock,
        timeout=routing.timeout,
        loading=max(LOADING, routing.timeout) if local else None,
        batch=LOCAL_BATCH if local else 32,
        reason=choice.reason,
    )


def _endpoint(routing: Routing) -> EndpointEncoder:
    key = routing.api_key.get_secret_value() if routing.api_key else None
    return EndpointEncoder(routing.encoder, routing.model or "", key)


_LOCAL: Mapping[str, Sequence[Callable[[], Encoder]]] = {
    "auto": (use_and_e5, use_alone),
    "use": (use_alone,),
    "use+e5": (use_and_e5, use_alone),
    "lexical": (),
}
"""What makes each: the first whose packages are there."""
