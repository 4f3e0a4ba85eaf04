"""Encoders fail, hang and answer nonsense; a question is delayed once at most, and never lost."""

import asyncio
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from bot.services.encoding import (
    LONGEST_REST,
    Encoder,
    EncoderFault,
    Encoding,
    Text,
    Unencoded,
    Vectors,
)

LINEN = Text("Who spins flax?", "en")
HEMP = Text("Qui file le chanvre ?", "fr")
Answer = Vectors | Exception | Callable[[int], Any]


def right(count: int) -> Vectors:
    return np.eye(count, 3, dtype=np.float32)


class Scripted:
    """Answers as the script says, then rightly. What it was asked is in ``asked``."""

    name = "scripted/1"
    dimension = 3

    def __init__(self, *script: Answer) -> None:
        self._script: Iterator[Answer] = iter(script)
        self.asked: list[Sequence[Text]] = []
        self.closed = False

    async def encode(self, texts: Sequence[Text]) -> Vectors:
        self.asked.append(texts)
        answer = next(self._script, right)
        if isinstance(answer, Exception):
            raise answer
        found = answer(len(texts)) if callable(answer) else answer
        vectors: Vectors = await found if asyncio.iscoroutine(found) else found
        return vectors

    async def close(self) -> None:
        self.closed = True


class Seconds:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Seconds:
    return Seconds()


def events(logs: Sequence[MutableMapping[str, Any]]) -> list[str]:
    return [entry["event"] for entry in logs]


async def test_without_an_encoder_there_are_no_vectors(clock: Seconds) -> None:
    encoding = Encoding(None, clock, reason=EncoderFault("the package is missing"))
    assert await encoding.vectors([LINEN]) is None
    assert encoding.recent(LINEN) is None
    assert (encoding.name, encoding.dimension) == (None, None)
    assert str(encoding.fault) == "the package is missing"


async def test_vectors_come_back_in_order_from_batches_of_32(clock: Seconds) -> None:
    encoder = Scripted(lambda count: np.full((count, 3), 1), lambda count: np.full((count, 3), 2))
    found = await Encoding(encoder, clock).vectors([Text(str(n)) for n in range(40)])
    assert [len(batch) for batch in encoder.asked] == [32, 8]
    assert found is not None
    assert found[:, 0].tolist() == [1] * 32 + [2] * 8
    assert found.dtype == np.float32


async def test_no_texts_have_no_vectors(clock: Seconds) -> None:
    found = await Encoding(Scripted(), clock).vectors([])
    assert found is not None
    assert found.shape == (0, 3)


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (EncoderFault("refused the key"), "refused the key"),
        (ValueError("Who spins flax?"), "it fails with ValueError"),
        (np.zeros((2, 3), dtype=np.float32), "its vectors have the wrong shape (2×3)"),
        (np.zeros((1, 4), dtype=np.float32), "its vectors have the wrong shape (1×4)"),
        (np.full((1, 3), np.nan, dtype=np.float32), "its vectors hold what is not a number"),
        (lambda _: asyncio.sleep(60), "it does not answer in time"),
    ],
)
async def test_a_fault_is_said_once_until_it_is_over(
    clock: Seconds, answer: Answer, fault: str
) -> None:
    encoding = Encoding(Scripted(answer, answer), clock, timeout=0.02)
    with capture_logs() as logs:
        for _ in range(2):
            assert await encoding.vectors([LINEN]) is None
            assert str(encoding.fault) == fault
            clock.now += 3600
        assert await encoding.vectors([LINEN]) is not None
        assert await encoding.vectors([LINEN]) is not None
    assert events(logs) == ["encoder_failed", "encoder_recovered"]
    assert logs[0]["reason"] == fault
    assert encoding.fault is None


async def test_a_failing_encoder_is_left_in_peace_longer_and_longer(clock: Seconds) -> None:
    encoder = Scripted(*[EncoderFault("down")] * 9)
    encoding = Encoding(encoder, clock)
    asked_at = []
    began = clock.now
    while len(encoder.asked) < 10:
        before = len(encoder.asked)
        await encoding.vectors([LINEN])
        if len(encoder.asked) > before:
            asked_at.append(clock.now - began)
        clock.now += 1
    waits = [later - earlier for earlier, later in pairwise(asked_at)]
    assert waits == [5, 10, 20, 40, 80, 160, LONGEST_REST, LONGEST_REST, LONGEST_REST]


async def test_after_it_worked_the_next_rest_is_short_again(clock: Seconds) -> None:
    down = EncoderFault("down")
    encoder = Scripted(down, down, down, right, down)
    encoding = Encoding(encoder, clock)
    for _ in range(5):
        await encoding.vectors([LINEN])
        clock.now += 100
    clock.now += -100 + 5
    assert await encoding.vectors([LINEN]) is not None


async def test_questions_that_come_together_are_delayed_once(clock: Seconds) -> None:
    encoder = Scripted(*[lambda _: asyncio.sleep(60)] * 6)
    encoding = Encoding(encoder, clock, timeout=0.02)
    with capture_logs() as logs:
        together = await asyncio.gather(*(encoding.vectors([Text(str(n))]) for n in range(5)))
        assert together == [None] * 5
        assert await encoding.vectors([LINEN]) is None
    assert len(encoder.asked) == 5
    assert events(logs) == ["encoder_failed"]
    clock.now += 5  # one failure, so one short rest; then only one of those who come tries
    await asyncio.gather(*(encoding.vectors([LINEN]) for _ in range(5)))
    assert len(encoder.asked) == 6


async def test_a_cancelled_trial_does_not_bar_the_next(clock: Seconds) -> None:
    encoding = Encoding(Scripted(EncoderFault("down"), lambda _: asyncio.sleep(60)), clock)
    await encoding.vectors([LINEN])
    clock.now += 5
    trial = asyncio.create_task(encoding.vectors([LINEN]))
    await asyncio.sleep(0)
    trial.cancel()
    await asyncio.gather(trial, return_exceptions=True)
    assert await encoding.vectors([LINEN]) is not None


async def test_a_model_may_take_longer_to_load_than_to_answer(clock: Seconds) -> None:
    async def slow(count: int) -> Vectors:
        await asyncio.sleep(0.1)
        return right(count)

    encoding = Encoding(Scripted(slow, slow), clock, timeout=0.02, loading=60)
    assert await encoding.vectors([LINEN]) is not None
    assert await encoding.vectors([LINEN]) is None


# --- handlers -----------------------------------------------------------------------------------


async def handled(encoding: Encoding, text: Text) -> bool:
    """As the worker does it: whether the handler had a vector in the end."""
    try:
        return encoding.recent(text) is not None
    except Unencoded as missing:
        await encoding.vectors([missing.text])
        return encoding.recent(text) is not None


async def test_a_handler_finds_the_vector_when_it_is_called_again(clock: Seconds) -> None:
    encoding = Encoding(Scripted(), clock)
    with pytest.raises(Unencoded):
        encoding.recent(LINEN)
    assert await handled(encoding, LINEN)
    vector = encoding.recent(LINEN)
    assert vector is not None
    assert vector.tolist() == [1, 0, 0]


async def test_a_handler_goes_on_without_a_vector_after_a_failure(clock: Seconds) -> None:
    encoding = Encoding(Scripted(EncoderFault("down")), clock)
    assert not await handled(encoding, LINEN)
    clock.now += 60
    assert encoding.recent(LINEN) is None  # tried in vain: not again for this text
    assert await handled(encoding, HEMP)
    assert await handled(encoding, LINEN)  # it works again


async def test_a_handler_does_not_wait_for_an_encoder_left_in_peace(clock: Seconds) -> None:
    encoding = Encoding(Scripted(EncoderFault("down")), clock)
    await encoding.vectors([HEMP])
    assert encoding.recent(LINEN) is None


async def test_a_vector_outlives_a_failure(clock: Seconds) -> None:
    encoding = Encoding(Scripted(right, EncoderFault("down")), clock)
    await encoding.vectors([LINEN])
    await encoding.vectors([LINEN])
    assert encoding.recent(LINEN) is not None


async def test_the_same_words_in_another_language_are_another_text(clock: Seconds) -> None:
    encoding = Encoding(Scripted(), clock)
    await encoding.vectors([Text("Pension", "fr")])
    with pytest.raises(Unencoded):
        encoding.recent(Text("Pension", "nl"))


async def test_what_is_forgotten_must_be_encoded_again(clock: Seconds) -> None:
    encoding = Encoding(Scripted(), clock)
    await encoding.vectors([LINEN])
    encoding.forget(LINEN)
    encoding.forget(HEMP)
    with pytest.raises(Unencoded):
        encoding.recent(LINEN)


async def test_few_texts_are_remembered_and_the_last_used_longest(clock: Seconds) -> None:
    encoding = Encoding(Scripted(), clock)
    await encoding.vectors([LINEN, HEMP])
    for number in range(511):
        encoding.recent(LINEN)
        await encoding.vectors([Text(str(number))])
    assert encoding.recent(LINEN) is not None
    with pytest.raises(Unencoded):
        encoding.recent(HEMP)


async def test_rebuilding_leaves_the_remembered_texts_alone(clock: Seconds) -> None:
    encoding = Encoding(Scripted(), clock)
    await encoding.vectors([LINEN])
    await encoding.vectors([Text(str(number)) for number in range(600)], keep=False)
    assert encoding.recent(LINEN) is not None
    with pytest.raises(Unencoded):
        encoding.recent(Text("0"))


async def test_no_text_is_kept(clock: Seconds) -> None:
    encoding = Encoding(Scripted(EncoderFault("down")), clock)
    await encoding.vectors([LINEN])
    assert "flax" not in repr(vars(encoding._recent))


async def test_closing_closes_an_encoder_that_holds_something(clock: Seconds) -> None:
    encoder = Scripted()
    await Encoding(encoder, clock).close()
    assert encoder.closed
    await Encoding(None, clock).close()


def test_the_scripted_encoder_is_one() -> None:
    encoder: Encoder = Scripted()
    assert encoder.dimension == 3
