"""The bot's loops: whatever ends one, it is started again, and `/readyz` says so meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from bot import app
from bot.app import Bot
from config.settings import Settings

Run = Callable[[], Awaitable[None]]


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Bot]:
    settings = Settings(
        homeserver="http://127.0.0.1:9",
        user_id="@clusterdesk:test.local",
        access_token="secret",
        admins=["@admin:test.local"],
        data_dir=tmp_path,
    )
    made = Bot(settings)
    made.health.synced(None)
    yield made
    await made.close()


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the bot wanted to wait; it waits for a moment only."""
    wanted: list[float] = []
    sleep = asyncio.sleep

    async def briefly(seconds: float) -> None:
        wanted.append(seconds)
        await sleep(0.01)

    monkeypatch.setattr("bot.app.asyncio.sleep", briefly)
    return wanted


def failing(times: int) -> tuple[Run, asyncio.Event]:
    """A loop that fails so often and then runs; the event says that it does."""
    runs, left = asyncio.Event(), [times]

    async def run() -> None:
        left[0] -= 1
        if left[0] >= 0:
            raise KeyError("something")
        runs.set()
        await asyncio.Event().wait()

    return run, runs


async def ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


async def test_a_loop_that_fails_makes_it_red_until_it_runs_again(
    bot: Bot, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "RUNS_AGAIN_SECONDS", 0.05)
    run, runs = failing(2)
    keeping = asyncio.create_task(bot._keep("worker", run))
    await asyncio.wait_for(runs.wait(), 5)
    assert bot.health.faults == {"worker": "the worker loop fails (KeyError)"}
    async with asyncio.timeout(5):
        while not bot.health.ready:
            await asyncio.wait([keeping], timeout=0.01)
    await ended(keeping)


async def test_only_an_answer_says_that_sync_runs_again(
    bot: Bot, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "RUNS_AGAIN_SECONDS", 0.0)
    run, runs = failing(1)
    keeping = asyncio.create_task(bot._keep("sync", run))
    await asyncio.wait_for(runs.wait(), 5)
    await asyncio.wait([keeping], timeout=0.05)
    assert "sync" in bot.health.faults
    bot.health.synced(None)
    assert bot.health.ready
    await ended(keeping)


@pytest.mark.parametrize(("well", "soon"), [(0.0, True), (60.0, False)])
async def test_only_a_loop_that_ran_well_is_started_again_soon(
    bot: Bot, pauses: list[float], monkeypatch: pytest.MonkeyPatch, well: float, soon: bool
) -> None:
    monkeypatch.setattr(app, "RUNS_WELL_SECONDS", well)
    run, runs = failing(6)
    keeping = asyncio.create_task(bot._keep("worker", run))
    await asyncio.wait_for(runs.wait(), 5)
    assert (pauses[5] <= 3.0) is soon
    await ended(keeping)
