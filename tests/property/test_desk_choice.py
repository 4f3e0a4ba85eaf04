"""Whatever speaks for desks: one is chosen, and a sure choice is a clear one."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from bot.domain.routing.desks import (
    DeskReason,
    Evidence,
    choose_cluster,
    choose_desk,
    margin,
    scored,
)

KEYS = ["funding", "project", "expertise", "international"]
shares = st.floats(0, 1)


@st.composite
def evidences(draw: st.DrawFn) -> list[Evidence]:
    keys = draw(st.lists(st.sampled_from(KEYS), min_size=1, unique=True))
    has_encoder = draw(st.booleans())
    return [
        Evidence(
            key,
            draw(st.floats(-0.5, 1.2)) if has_encoder else None,
            draw(st.floats(0, 9)),
            draw(shares) if has_encoder else 0.0,
        )
        for key in keys
    ]


@given(evidences())
def test_a_desk_is_always_chosen_and_differs_from_the_runner_up(evidence: list[Evidence]) -> None:
    choice = choose_desk(evidence, None, KEYS[0])
    assert choice.desk in {KEYS[0], *(each.key for each in evidence)}
    assert choice.runner_up != choice.desk
    assert choice.sure is False or choice.reason is not DeskReason.DEFAULT


@given(evidences(), st.sampled_from(KEYS))
def test_who_names_a_desk_gets_it(evidence: list[Evidence], named: str) -> None:
    choice = choose_desk(evidence, named, KEYS[0])
    assert (choice.desk, choice.sure, choice.reason) == (named, True, DeskReason.EXPLICIT)


@given(evidences())
def test_the_order_of_desks_does_not_matter(evidence: list[Evidence]) -> None:
    turned = list(reversed(evidence))
    assert choose_desk(turned, None, KEYS[0]) == choose_desk(evidence, None, KEYS[0])
    assert margin(turned) == margin(evidence) >= 0


@given(evidences(), st.data())
def test_a_correction_never_speaks_against_its_desk(
    evidence: list[Evidence], data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(evidence) - 1))
    more = [
        replace(each, corrections=min(1.0, each.corrections + 0.3)) if n == place else each
        for n, each in enumerate(evidence)
    ]
    assert scored(more)[evidence[place].key] >= scored(evidence)[evidence[place].key]
    if choose_desk(evidence, None, KEYS[0]).desk == evidence[place].key:
        assert choose_desk(more, None, KEYS[0]).desk == evidence[place].key


@given(evidences())
def test_the_cluster_is_one_of_those_there_are_or_none(evidence: list[Evidence]) -> None:
    assert choose_cluster(evidence) in {None, *(each.key for each in evidence)}
    assert choose_cluster([]) is None
