"""For all tests: assertions in shared ones explain themselves, and logs are plain and quick."""

import pytest
import structlog
from hypothesis import settings

# Machines are shared and noisy: how long an example takes is no finding.
settings.register_profile("shared", deadline=None)
settings.load_profile("shared")

pytest.register_assert_rewrite("tests.support.contract")


@pytest.fixture(autouse=True)
def plain_logs() -> None:
    """structlog draws tracebacks as pictures unless told otherwise, which takes seconds each."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["level", "event"]),
        ],
        wrapper_class=structlog.BoundLogger,
        logger_factory=structlog.PrintLoggerFactory(),
    )
