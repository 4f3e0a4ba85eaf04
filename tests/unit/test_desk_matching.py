import numpy as np
import pytest

from bot.domain.routing.desks import DeskReason
from bot.services.encoding import Text
from bot.services.routing.desks import (
    ClusterMatcher,
    Correction,
    DeskMatcher,
    Vector,
    describe,
    sentences,
)
from config.network import Cluster, Desk
from tests.support.toy_encoder import ToyEncoder


def desk(key: str, words: str, *asks: str) -> Desk:
    text = {"en": f"The desk {key}"}
    listed = {"en": tuple(words.split())}
    return Desk(key=key, name=text, topic=text, words=listed, asks={"en": asks} if asks else None)


DESKS = [
    desk("purse", "money euro", "Who pays for beer?", "A grant for flax", "Money for a truck"),
    desk("bench", "test lab", "Who can test beer?", "A lab for flax", "Measure a truck"),
    desk("world", "export customs", "Export of beer", "Flax to Canada", "A truck abroad"),
]
CLUSTERS = [
    Cluster(
        key=key,
        name={"en": f"{key} cluster"},
        topic={"en": topic},
        words={"en": tuple(topic.split())},
    )
    for key, topic in (("fields", "flax fibre"), ("roads", "truck pallet"))
]


async def vector(text: str) -> Vector:
    encoded: Vector = (await ToyEncoder().encode([Text(text)]))[0]
    return encoded


@pytest.fixture
async def matcher() -> DeskMatcher:
    return await DeskMatcher.build([describe(each) for each in DESKS], ToyEncoder())


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("Een subsidie voor vlas?", "purse"),
        ("Qui fait un prime pour le camion", "purse"),
        ("labo pour la bière", "bench"),
        ("vlas naar het buitenland", "world"),
    ],
)
async def test_a_question_in_another_language_finds_its_desk(
    matcher: DeskMatcher, text: str, key: str
) -> None:
    choice = matcher.choose(text, await vector(text), None, "bench")
    assert (choice.desk, choice.reason, choice.sure) == (key, DeskReason.MEANING, True)


async def test_the_desk_named_by_the_asker_is_taken(matcher: DeskMatcher) -> None:
    text = "subsidie"
    choice = matcher.choose(text, await vector(text), "world", "bench")
    assert (choice.desk, choice.reason, choice.sure) == ("world", DeskReason.EXPLICIT, True)


async def test_a_theme_that_all_desks_share_is_not_sure(matcher: DeskMatcher) -> None:
    choice = matcher.choose("bière", await vector("bière"), None, "bench")
    assert not choice.sure
    assert choice.runner_up is not None


async def test_two_desks_in_one_question_are_both_named(matcher: DeskMatcher) -> None:
    text = "subsidie labo"
    choice = matcher.choose(text, await vector(text), None, "world")
    assert not choice.sure
    assert {choice.desk, choice.runner_up} == {"purse", "bench"}


async def test_a_correction_moves_questions_like_it_and_no_other(matcher: DeskMatcher) -> None:
    moved = Correction("world", await vector("subsidy for a brewery"))
    alike, other = "Een subsidie voor bier", "Een subsidie voor een vrachtwagen en vlas"
    before = [matcher.choose(each, await vector(each), None, "bench") for each in (alike, other)]
    assert [choice.desk for choice in before] == ["purse", "purse"]
    after = matcher.choose(alike, await vector(alike), None, "bench", [moved])
    assert (after.desk, after.reason) == ("world", DeskReason.CORRECTIONS)
    far = "labo vlas"
    without = matcher.evidence(far, await vector(far))
    assert matcher.evidence(far, await vector(far), [moved]) == without


async def test_more_corrections_weigh_more_but_never_more_than_one(matcher: DeskMatcher) -> None:
    asked = await vector("labo bière camion")
    near = Correction("world", await vector("labo bière"))
    weights = [
        next(e.corrections for e in matcher.evidence("", asked, [near] * n) if e.key == "world")
        for n in (0, 1, 2, 50)
    ]
    assert weights == sorted(weights)
    assert weights[0] == 0
    assert weights[1] < weights[2] < weights[3] <= 1


async def test_a_correction_of_another_encoder_is_passed_over(matcher: DeskMatcher) -> None:
    asked = await vector("labo")
    old = Correction("world", np.ones(3, dtype=np.float32))
    assert matcher.evidence("labo", asked, [old]) == matcher.evidence("labo", asked)


@pytest.mark.parametrize("text", ["", "👍", "5", "xyzzy", "{ }; //"])
async def test_a_text_that_says_nothing_goes_to_the_default(
    matcher: DeskMatcher, text: str
) -> None:
    choice = matcher.choose(text, await vector(text), None, "world")
    assert (choice.desk, choice.reason, choice.sure) == ("world", DeskReason.DEFAULT, False)


def test_without_an_encoder_the_words_decide() -> None:
    matcher = DeskMatcher([describe(each) for each in DESKS])
    choice = matcher.choose("Customs papers for flax", None, None, "bench")
    assert (choice.desk, choice.reason, choice.sure) == ("world", DeskReason.WORDS, True)
    unknown = matcher.choose("Flax", None, None, "bench")
    assert (unknown.desk, unknown.reason, unknown.sure) == ("bench", DeskReason.DEFAULT, False)


async def test_a_network_without_asks_is_matched_by_topics_and_words() -> None:
    bare = [desk("purse", "money grant"), desk("bench", "test lab")]
    matcher = await DeskMatcher.build([describe(each) for each in bare], ToyEncoder())
    asked = "een laboratoire voor bier"
    [purse, bench] = matcher.evidence(asked, await vector(asked))
    assert purse.meaning is not None
    assert bench.meaning is not None
    assert bench.meaning > purse.meaning


async def test_a_network_without_clusters_has_none_to_choose() -> None:
    matcher = await ClusterMatcher.build([], ToyEncoder())
    assert matcher.choose("camion", await vector("camion")) is None


async def test_one_desk_alone_is_always_it() -> None:
    matcher = await DeskMatcher.build([describe(DESKS[0])], ToyEncoder())
    choice = matcher.choose("labo", await vector("labo"), None, "purse")
    assert (choice.desk, choice.runner_up, choice.sure) == ("purse", None, True)


async def test_the_longest_description_does_not_win_by_its_length() -> None:
    wordy = desk("purse", "money", *["Money for beer"] * 30)
    matcher = await DeskMatcher.build([describe(wordy), describe(DESKS[1])], ToyEncoder())
    [purse, bench] = matcher.evidence("labo vlas", await vector("labo vlas"))
    assert purse.meaning is not None
    assert bench.meaning is not None
    assert bench.meaning > purse.meaning


async def test_the_cluster_is_said_only_when_it_is_clear() -> None:
    matcher = await ClusterMatcher.build([describe(each) for each in CLUSTERS], ToyEncoder())
    assert matcher.choose("camion", await vector("camion")) == "roads"
    assert matcher.choose("camion lin", await vector("camion lin")) is None
    assert matcher.choose("subsidie", await vector("subsidie")) is None
    assert matcher.choose("", None) is None


def test_sentences_keep_their_language_and_their_order() -> None:
    texts = sentences([describe(each) for each in DESKS[:1]])
    assert texts == [
        Text("The desk purse", "en"),
        Text("money, euro", "en"),
        Text("Who pays for beer?", "en"),
        Text("A grant for flax", "en"),
        Text("Money for a truck", "en"),
    ]
