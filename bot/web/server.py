"""Listening: from an application to an open port, and back."""

import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from aiohttp import web
from yarl import URL

log = structlog.get_logger()

Application = web.Application

SHUTDOWN_SECONDS = 5.0


class CannotListen(Exception):
    """The web side cannot be served at this address; the text is a sentence with a remedy."""

    def __init__(self, host: str, port: int, reason: str, remedy: str) -> None:
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        super().__init__(f"cannot listen on {address}: {reason}; {remedy}")


class PortTaken(CannotListen):
    def __init__(self, host: str, port: int) -> None:
        super().__init__(
            host,
            port,
            "another program has this port",
            "stop it, or choose another port in the configuration (web.listen)",
        )


@asynccontextmanager
async def serve(app: Application, listen: tuple[str, int] | None) -> AsyncIterator[URL | None]:
    """Serve ``app`` at (host, port) while the block runs; port 0 takes a free one.

    Gives the address it listens on; with ``listen`` None nothing is served. Raises
    ``CannotListen``, most often as ``PortTaken``.
    """
    if listen is None:
        yield None
        return
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        url = await _start(runner, *listen)
        log.info("web_listens", url=str(url))
        yield url
    finally:
        await runner.cleanup()


async def _start(runner: web.AppRunner, host: str, port: int) -> URL:
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        raise _cannot(host, port, error) from error
    return URL.build(scheme="http", host=host, port=runner.addresses[0][1])


def _cannot(host: str, port: int, error: OSError) -> CannotListen:
    if error.errno == errno.EADDRINUSE:
        return PortTaken(host, port)
    if error.errno == errno.EACCES:
        remedy = "choose one above 1023 in the configuration (web.listen)"
        return CannotListen(host, port, "this port is for privileged programs", remedy)
    remedy = "name one of its own in the configuration (web.listen), such as 127.0.0.1"
    return CannotListen(host, port, "this machine does not have this address", remedy)
