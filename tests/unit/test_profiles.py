import numpy as np
import pytest

from bot.services.encoding import Text
from bot.services.routing.ngrams import LetterIndex
from bot.services.routing.profiles import Profile, ProfileMatcher
from tests.support.toy_encoder import ToyEncoder


async def profile(language: str, *texts: str) -> Profile:
    vectors = await ToyEncoder().encode([Text(each, language) for each in texts])
    return Profile(texts, vectors, frozenset({language}))


async def likeness(text: str, language: str, *profiles: Profile) -> list[float]:
    [vector] = await ToyEncoder().encode([Text(text, language)])
    return list(map(float, ProfileMatcher(profiles).likeness(text, language, vector)))


async def test_a_profile_in_another_language_is_found() -> None:
    flax = await profile("nl", "vlas", "laboratoire")
    beer = await profile("nl", "bier", "geld")
    [first, second] = await likeness("flax lab", "en", flax, beer)
    assert first > 0.5 > second


async def test_letters_count_more_in_one_language() -> None:
    shared, other = "zygomorph XK-7", "anders"
    same, cross = await profile("en", shared, "lab"), await profile("nl", shared, "lab")
    plain = await profile("en", other, "lab")
    values = await likeness("xk-7 zygomorph truck", "en", same, cross, plain)
    assert values[0] > values[1] > values[2]


async def test_several_texts_are_one_person() -> None:
    both = await profile("en", "flax", "beer")
    [asked_flax] = await likeness("lin", "fr", both)
    [asked_beer] = await likeness("bière", "fr", both)
    assert asked_flax == pytest.approx(asked_beer, abs=1e-5)


async def test_without_an_encoder_the_letters_decide() -> None:
    matcher = ProfileMatcher([Profile(("vlasvezels",)), Profile(("bier",)), Profile(())])
    values = matcher.likeness("Wie test vlasvezel?", "nl", None)
    assert values.argmax() == 0
    assert values[2] == 0


async def test_a_profile_without_words_is_like_nothing() -> None:
    empty = await profile("fr", "")
    assert await likeness("flax", "en", empty, await profile("en", "flax")) == [
        0,
        pytest.approx(1, abs=1e-5),
    ]


async def test_nobody_to_choose_from() -> None:
    assert await likeness("flax", "en") == []


@pytest.mark.parametrize("text", ["", "👍", "a", "vlas " * 6000, "for (i = 0; i < 9; i++) { }"])
async def test_any_text_has_a_likeness_from_0_to_1(text: str) -> None:
    values = await likeness(text, "en", await profile("en", "flax lab"), await profile("fr", "lin"))
    assert np.isfinite(values).all()
    assert all(0 <= each <= 1 + 1e-5 for each in values)


def test_letters_see_what_languages_share() -> None:
    index = LetterIndex(["composites et matériaux biosourcés", "élevage de vaches"])
    values = index.likeness("biobased composieten")
    assert values[0] > 0 == pytest.approx(values[1], abs=0.05)
    assert index.likeness("ÉLEVAGE de vaches")[1] == pytest.approx(1, abs=1e-5)
    assert index.likeness("").tolist() == [0, 0]
