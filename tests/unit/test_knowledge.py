import tracemalloc

import numpy as np
import pytest

from bot.services.encoding import unit
from bot.services.routing.knowledge import MIDDLE_FROM, Knowledge, Vector, evidence


def vectors(count: int, dimension: int = 16, seed: int = 0) -> Vector:
    lot = np.random.default_rng(seed)
    return unit(lot.standard_normal((count, dimension)).astype(np.float32))


def filled(count: int = 60) -> tuple[Knowledge, Vector]:
    knowledge, some = Knowledge(), vectors(count)
    for number, vector in enumerate(some):
        knowledge.put(number, "", ("fr", "nl")[number % 2], vector)
    return knowledge, some


def centred(some: Vector, language: int) -> tuple[Vector, Vector]:
    theirs = some[language::2]
    middle = theirs.sum(axis=0) / (len(theirs) + MIDDLE_FROM)
    return unit(some - middle), middle


def test_meaning_is_the_cosine_from_the_middle_of_each_language() -> None:
    knowledge, some = filled()
    asked = vectors(1, seed=1)[0]
    found = knowledge.likeness("", "fr", asked)
    from_french = unit((asked - centred(some, 0)[1])[None])[0]
    for number in range(len(some)):
        expected = max(float(centred(some, number % 2)[0][number] @ from_french), 0.0)
        assert found.get(number, 0.0) == pytest.approx(expected, abs=0.02)


def test_what_is_dropped_or_replaced_leaves_no_trace() -> None:
    knowledge, some = filled()
    for number in range(0, 60, 3):
        knowledge.put(number, "autre chose", "en", some[-number])
    for number in range(0, 60, 3):
        knowledge.drop(number)
        knowledge.drop(number)
    fresh = Knowledge()
    for number, vector in enumerate(some):
        if number % 3:
            fresh.put(number, "", ("fr", "nl")[number % 2], vector)
    asked = vectors(1, seed=1)[0]
    found, expected = (each.likeness("autre", "nl", asked) for each in (knowledge, fresh))
    assert len(knowledge) == len(fresh)
    assert found.keys() == expected.keys()
    assert found == pytest.approx(expected, abs=1e-4)


def test_without_vectors_words_do_alone() -> None:
    knowledge = Knowledge()
    knowledge.put(1, "Qui peut tester des fibres de lin ?", "fr", None)
    knowledge.put(2, "Quel camion pour livrer en ville ?", "fr", None)
    found = knowledge.likeness("test de fibres", "fr", None)
    assert found.keys() == {1}
    assert 0 < found[1] < 1


def test_words_of_another_language_weigh_little_and_of_an_unknown_one_in_full() -> None:
    found = {}
    for language in ("nl", "en", None):
        knowledge = Knowledge()
        knowledge.put(1, "Interreg", language, None)
        found[language] = knowledge.likeness("Interreg", "nl", None)[1]
    assert found["en"] < found["nl"] / 5
    assert found[None] == found["nl"]


def test_vectors_of_nothing_are_like_nothing() -> None:
    knowledge = Knowledge()
    knowledge.put(1, "👍", None, np.zeros(16, np.float32))
    knowledge.put(2, "…", None, vectors(1)[0])
    assert knowledge.likeness("", None, np.zeros(16, np.float32)) == {}
    assert len(knowledge) == 2


def test_an_empty_knowledge_knows_nothing() -> None:
    assert Knowledge().likeness("vlas", "nl", vectors(1)[0]) == {}


def test_vectors_of_another_encoder_are_refused() -> None:
    knowledge, _ = filled()
    with pytest.raises(ValueError, match="shape"):
        knowledge.put(99, "", "fr", np.ones(8, np.float32))
    assert len(knowledge) == 60


def test_the_vector_that_was_given_is_not_changed() -> None:
    knowledge, _ = filled()
    asked = vectors(1, seed=1)[0]
    before = asked.copy()
    knowledge.likeness("", "en", asked)
    assert (asked == before).all()


def test_the_closest_are_shown_across_languages_if_answered() -> None:
    knowledge, some = filled()
    found = knowledge.closest("", "en", some[7], answered={7, 8})
    assert [each.number for each in found] == [7]
    assert knowledge.closest("", "en", some[7], answered={8}) == []


def test_ten_thousand_questions_take_little_memory() -> None:
    rows = vectors(2_000, 896)
    tracemalloc.start()
    knowledge = Knowledge()
    for number in range(10_000):
        knowledge.put(number, "", "nl", rows[number % 2_000])
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken < 20_000_000


def test_a_short_answer_is_kept_with_its_question() -> None:
    assert evidence("Until when are calls open?", "Until March.").endswith("calls open?")
    long = "word " * 30
    assert evidence("Until when?", long) == long
