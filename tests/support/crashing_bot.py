"""`clusterdesk run` that ends itself with SIGKILL at a marked point.

    python -m tests.support.crashing_bot CONFIG [POINT:N]

A point is passed many times; at the N-th passage the process is gone, without a word and without
cleaning up. Without a point it runs on. The product knows nothing of this: what is marked is
patched from outside, before the command line is called. So is what makes a test wait: the bot looks
at the clock, and for a new token, every second.
"""

import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from bot import app, cli
from bot.matrix.client import MatrixClient
from storage.database import Uow

HURRY = 1.0
"""Seconds."""


class Fuse:
    def __init__(self, passages: int) -> None:
        self._left = passages

    def burn(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


Applies = Callable[[Any], bool]
MARKED: dict[str, tuple[type, str, Applies]] = {
    # What came in and the new token, stored.
    "sync": (Uow, "commit", lambda uow: uow.cause == "sync"),
    # What was decided, stored.
    "decide": (Uow, "commit", lambda uow: uow.outbox.added > 0),
    # A message or reaction, given to the homeserver.
    "send": (MatrixClient, "send_event", lambda client: True),
    # What was sent, noted as sent.
    "note": (Uow, "commit", lambda uow: uow.cause == "relay"),
    # A room, made by the homeserver.
    "create": (MatrixClient, "create_room", lambda client: True),
}
POINTS = tuple(f"{moment}-{point}" for point in MARKED for moment in ("before", "after"))


def arm(point: str, passages: int) -> None:
    """Let the process die at the `passages`-th passage of one of `POINTS`."""
    moment, _, name = point.partition("-")
    owner, method, applies = MARKED[name]
    original = getattr(owner, method)
    fuse = Fuse(passages)

    async def marked(self: Any, *args: Any, **kwargs: Any) -> Any:
        is_marked = applies(self)
        if is_marked and moment == "before":
            fuse.burn()
        result = await original(self, *args, **kwargs)
        if is_marked and moment == "after":
            fuse.burn()
        return result

    setattr(owner, method, marked)


def hurry() -> None:
    vars(app).update(
        Pace=partial(app.Pace, timedelta(seconds=HURRY)),
        TOKEN_POLL_SECONDS=HURRY,
    )


def run(config: Path, crash_at: str | None) -> None:
    hurry()
    if crash_at is not None:
        point, _, passages = crash_at.partition(":")
        arm(point, int(passages))
    sys.argv = ["clusterdesk", "run", "--config", str(config), "--log-format", "json"]
    cli.main()


def be_born(config: Path, crash_at: str | None, log: Path, environment: dict[str, str]) -> None:
    """In a process forked by `multiprocessing`: make it like one that was started by itself."""
    threading.Thread(target=leave_with_parent, daemon=True).start()
    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    with log.open("ab") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    run(config, crash_at)


def leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    multiprocessing.connection.wait([parent.sentinel])
    os._exit(1)


if __name__ == "__main__":
    run(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None)
