"""Logging: fixed event names with fields, for people or for machines. No message text, no keys."""

import logging
import sys

import structlog


def configure(log_format: str, *, verbose: bool, quiet: bool = False) -> None:
    """``quiet`` leaves only errors, for commands that talk to a person on the terminal."""
    level = logging.ERROR if quiet else logging.DEBUG if verbose else logging.INFO
    renderer = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            # Locals hold what people wrote.
            exception_formatter=structlog.dev.plain_traceback,
        )
    )
    exceptions = [structlog.processors.format_exc_info] if log_format == "json" else []
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            *exceptions,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    # nio validates and logs what it does not know; we parse for ourselves.
    logging.getLogger("nio").setLevel(logging.ERROR)
