"""Which versions are at work."""

import platform
import sqlite3
from importlib.metadata import version

from storage.migrate import head


def versions() -> dict[str, str]:
    return {
        "clusterdesk": version("clusterdesk"),
        "matrix-nio": version("matrix-nio"),
        "SQLAlchemy": version("SQLAlchemy"),
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
        "database schema": head(),
    }
