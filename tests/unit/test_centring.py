from collections.abc import Sequence

import numpy as np
import pytest

from bot.encoders.blend import BlendedEncoder
from bot.encoders.centring import CentredEncoder, neutral_sentences, plain
from bot.encoders.default import use_alone, use_and_e5
from bot.encoders.local import AT_A_TIME, LocalEncoder
from bot.services.encoding import Encoder, EncoderFault, Text, Vectors, unit
from tests.support.toy_encoder import ToyEncoder

SENTENCES = {"fr": ["oui", "non"], "nl": ["ja", "nee"]}
ACCENTS = {"fr": [3.0, 0.0], "nl": [0.0, 3.0], None: [0.0, 0.0]}


class Accented:
    """Meaning in the first two dimensions, and a strong accent of the language in the others."""

    name = "accented/1"
    dimension = 4

    def __init__(self, faults: int = 0) -> None:
        self.faults = faults
        self.calls = 0

    async def encode(self, texts: Sequence[Text]) -> Vectors:
        self.calls += 1
        if self.calls <= self.faults:
            raise EncoderFault("not yet")
        return unit(np.array([self._vector(text) for text in texts], dtype=np.float32))

    def _vector(self, text: Text) -> list[float]:
        if not text.words:
            return [0.0] * 4
        yes = text.words in {"oui", "ja", "yes"}
        return [float(yes), float(not yes), *ACCENTS[text.language]]


async def test_what_a_language_adds_is_taken_away() -> None:
    raw, centred = Accented(), CentredEncoder(Accented(), SENTENCES)
    texts = [Text("oui", "fr"), Text("ja", "nl"), Text("non", "fr")]
    before, after = await raw.encode(texts), await centred.encode(texts)
    assert before[0] @ before[2] > before[0] @ before[1]
    assert after[0] @ after[1] == pytest.approx(1, abs=1e-5)
    assert after[0] @ after[2] == pytest.approx(-1, abs=1e-5)


async def test_an_unknown_language_loses_the_mean_of_all() -> None:
    centred = CentredEncoder(Accented(), SENTENCES)
    [unknown, foreign] = await centred.encode([Text("oui"), Text("oui", None)])
    assert np.linalg.norm(unknown) == pytest.approx(1, abs=1e-5)
    assert unknown @ foreign == pytest.approx(1, abs=1e-5)


async def test_vectors_have_length_one_and_an_empty_text_stays_empty() -> None:
    centred = CentredEncoder(Accented(), SENTENCES)
    vectors = await centred.encode([Text("ja", "nl"), Text("", "fr")])
    assert np.linalg.norm(vectors, axis=1).tolist() == pytest.approx([1, 0], abs=1e-5)
    assert (await centred.encode([])).shape == (0, 4)


async def test_the_means_are_computed_once_and_again_after_a_fault() -> None:
    inner = Accented(faults=1)
    centred = CentredEncoder(inner, SENTENCES)
    with pytest.raises(EncoderFault):
        await centred.encode([Text("ja", "nl")])
    await centred.encode([Text("ja", "nl")])
    await centred.encode([Text("nee", "nl")])
    assert inner.calls == 4  # the fault, the means, and one for each text


def test_other_sentences_are_another_encoder() -> None:
    one, other = CentredEncoder(Accented(), SENTENCES), CentredEncoder(Accented(), {"fr": ["oui"]})
    assert one.name.startswith("accented/1-centred-")
    assert one.name != other.name
    assert one.name == CentredEncoder(Accented(), SENTENCES).name


def test_the_shipped_sentences_are_parallel_and_all_different() -> None:
    shipped = neutral_sentences()
    assert set(shipped) == {"en", "fr", "nl"}
    assert len({len(each) for each in shipped.values()}) == 1
    for each in shipped.values():
        assert len(set(each)) == len(each) >= 24
        assert all(sentence == sentence.strip() != "" for sentence in each)


def test_printed_and_typed_texts_are_read_alike() -> None:
    assert plain("l’aide\u202f?") == plain("l'aide ?")


async def test_a_blend_is_the_weighted_mean_of_cosines() -> None:
    parts: tuple[Encoder, Encoder] = (Accented(), ToyEncoder())
    blend = BlendedEncoder((3.0, parts[0]), (1.0, parts[1]))
    assert blend.name == "0.75*accented/1+0.25*toy/1"
    texts = [Text("lab test", "fr"), Text("lab money", "nl")]
    vectors, (a, b) = await blend.encode(texts), [await each.encode(texts) for each in parts]
    assert vectors.shape == (2, blend.dimension) == (2, 12)
    assert np.linalg.norm(vectors, axis=1).tolist() == pytest.approx([1, 1], abs=1e-5)
    assert vectors[0] @ vectors[1] == pytest.approx(0.75 * a[0] @ a[1] + 0.25 * b[0] @ b[1])


async def test_a_fault_of_one_part_is_a_fault_of_the_blend() -> None:
    blend = BlendedEncoder((1.0, ToyEncoder()), (1.0, Accented(faults=1)))
    with pytest.raises(EncoderFault):
        await blend.encode([Text("lab", "fr")])


def test_the_default_encoders_say_what_was_done() -> None:
    alone, both = use_alone(), use_and_e5()
    assert (alone.dimension, both.dimension) == (512, 896)
    assert alone.name.startswith("use-m3/")
    assert "-centred-" in alone.name
    assert alone.name.removesuffix("-titled") in both.name
    assert "e5-small-q4/" in both.name


async def test_a_model_sees_a_few_texts_at_a_time_and_no_blank_one() -> None:
    seen: list[list[str]] = []

    def model(texts: list[str]) -> list[list[float]]:
        seen.append(texts)
        return [[float(text), 1.0] for text in texts]

    encoder = LocalEncoder("model/1", 2, lambda: model, characters=3)
    texts = [Text(str(n)) for n in range(40)] + [Text("  "), Text("1234567")]
    vectors = await encoder.encode(texts)
    assert max(map(len, seen)) == AT_A_TIME
    assert [each for some in seen for each in some] == [*map(str, range(40)), "123"]
    assert vectors[7] == pytest.approx(unit(np.array([[7, 1]], dtype=np.float32))[0])
    assert not vectors[40].any()
