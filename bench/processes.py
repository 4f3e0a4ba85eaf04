"""Child processes, and what the kernel says they use. Linux only: it reads ``/proc``."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

START_SECONDS = 60.0
STOP_SECONDS = 10.0
_TICKS = os.sysconf("SC_CLK_TCK")


class ChildFailed(Exception):
    """A measured process ended too early, or did not do what it was started for."""


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads so far, in steps of 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def rss_kb(pid: int) -> int:
    return next(
        int(line.split()[1])
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith("VmRSS:")
    )


@asynccontextmanager
async def python(
    *arguments: str, log: Path, environment: Mapping[str, str] | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """This interpreter as a child; its output goes to ``log``. Stopped on the way out."""
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**_plain_environment(), **(environment or {})},
        )
    try:
        yield process
    finally:
        await _stop(process)


def _written(log: Path) -> str:
    return log.read_text(errors="replace")


async def logged(process: asyncio.subprocess.Process, log: Path, words: str) -> None:
    """Until the process has written ``words``. Raises ``ChildFailed`` with the end of its log."""
    deadline = time.monotonic() + START_SECONDS
    while words not in _written(log):
        if process.returncode is not None or time.monotonic() > deadline:
            raise ChildFailed(f"no {words} in the log:\n{tail(log)}")
        await asyncio.sleep(0.02)


def tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-20:])


def _plain_environment() -> dict[str, str]:
    """Settings of the shell must not change what is measured."""
    return {name: each for name, each in os.environ.items() if not name.startswith("CLUSTERDESK_")}


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
