from bot.domain.routing.known import ENOUGH, Known, closest, together

ALL = range(100)


def test_the_closest_come_first_and_are_few() -> None:
    meaning = {1: 0.5, 2: 0.9, 3: 0.7, 4: 0.6}
    assert [each.number for each in closest(meaning, {}, ALL)] == [2, 3, 4]


def test_what_is_beside_the_point_is_not_shown() -> None:
    assert closest({1: ENOUGH - 0.01}, {2: 0.3}, ALL) == []


def test_small_hints_in_both_views_are_not_enough() -> None:
    assert closest({1: 0.4}, {1: 0.4}, ALL) == []


def test_one_view_that_is_sure_is_enough() -> None:
    assert closest({1: 0.5}, {1: 0.2}, ALL) == [Known(1, 0.6)]
    assert closest({}, {1: 0.5}, ALL) == [Known(1, 0.5)]


def test_words_in_common_put_one_before_another_of_like_meaning() -> None:
    meaning, words = {1: 0.6, 2: 0.58, 3: 0.2}, {2: 0.2, 3: 0.25}
    assert [each.number for each in closest(meaning, words, ALL)] == [2, 1]


def test_another_language_is_no_fault() -> None:
    meaning, words = {1: 0.7, 2: 0.5}, {2: 0.3}
    assert [each.number for each in closest(meaning, words, ALL)] == [2, 1]
    assert [each.number for each in closest(meaning, words, ALL, across={1})] == [1, 2]


def test_only_what_was_answered_is_shown() -> None:
    assert [each.number for each in closest({1: 0.9, 2: 0.8}, {}, {2})] == [2]


def test_of_equals_the_later_is_shown_first() -> None:
    assert [each.number for each in closest({1: 0.6, 2: 0.6}, {}, ALL)] == [2, 1]


def test_views_together_stay_within_bounds() -> None:
    assert together(0.0, 0.3) == 0.3
    assert together(1.0, 0.3) == 1.0
