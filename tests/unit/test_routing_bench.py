"""The benchmark's own file and figures; what it measures is not tested here."""

from collections import Counter
from pathlib import Path

import pytest

from bench.routing import crosslingual, desks
from bench.routing.desks import Answer, Case, figures
from bot.services.encoding import Text
from config.network import load_network

GOLD = Path(desks.__file__).with_name("desks.tsv")
HEADER = "conceptUri,iscoGroup,preferredLabel,altLabels,description\n"


def test_the_questions_are_spread_over_desks_and_clusters() -> None:
    network = load_network("innov-eurometropolis")
    asked = desks.cases(GOLD)
    assert len(asked) >= 3 * 80
    assert len({(case.text.words, case.text.language) for case in asked}) == len(asked)
    assert all(case.text.words.strip() == case.text.words != "" for case in asked)
    places = Counter((case.desk, case.cluster) for case in asked)
    assert set(places) == {(d.key, c.key) for d in network.desks for c in network.clusters}
    assert min(places.values()) >= 3 * 5


def test_no_question_describes_its_desk() -> None:
    network = load_network("innov-eurometropolis")
    asks = {ask.casefold() for desk in network.desks for ask in (desk.asks or {})["en"]}
    assert asks.isdisjoint(case.text.words.casefold() for case in desks.cases(GOLD))


def test_a_question_is_of_one_half_in_all_languages() -> None:
    halves = {(case.id, desks.half(case)) for case in desks.cases(GOLD)}
    assert len(halves) == len({identifier for identifier, _ in halves})
    assert set(Counter(half for _, half in halves)) == {"dev", "test"}


def test_figures_of_a_few_answers() -> None:
    def answer(language: str, **scores: float) -> Answer:
        return Answer(Case("q", "a", "", Text("", language)), scores)

    found = figures(
        [
            answer("en", a=0.9, b=0.1, c=0.0),
            answer("en", a=0.8, b=0.1, c=0.0),
            answer("fr", a=0.7, b=0.1, c=0.0),
            answer("nl", a=0.6, b=0.1, c=0.0),
            answer("nl", a=0.1, b=0.2, c=0.0),
        ]
    )
    assert found == {
        "accuracy": 0.8,
        "precision_at_80": 1.0,
        "top_2": 1.0,
        "by_language": {"en": 1.0, "fr": 1.0, "nl": 0.5},
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for language in desks.LANGUAGES:
        rows = [
            f'uri/{group}/{n},{group},name {n} {language},"other\nname {n} {language}",of {group}'
            for group, size in (("big", 12), ("small", 4))
            for n in range(size)
        ]
        path = tmp_path / f"esco_occupations_{language}.csv"
        path.write_text(HEADER + "\n".join(rows), encoding="utf-8")
    return tmp_path


def test_an_expert_is_a_group_with_enough_occupations(folder: Path) -> None:
    [group] = crosslingual.read(folder)
    assert len(group.declared) == crosslingual.OCCUPATIONS
    assert group.asked not in group.declared
    assert set(group.asked) == set(desks.LANGUAGES)
    assert group.asked["fr"].endswith(" fr, other\nof big")
