"""Dumps the database into one file and loads it: SQLite by its backup API, PostgreSQL by pg_dump.

Both copy a snapshot of the database while answers keep arriving.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from django.db import DatabaseError, connection
from psycopg import ConnectionInfo
from psycopg.conninfo import make_conninfo

from studyapp.core.errors import BackupError

NAMES = {"sqlite": "database.sqlite3", "postgresql": "database.dump"}
"""Django's name of the database engine → the file in a backup."""
PARAMETERS = ("host", "port", "user", "dbname", "sslmode", "sslrootcert", "sslcert", "sslkey")


def dump(path: Path) -> None:
    """Write the site's database to `path`. Raises `BackupError` if that fails."""
    if connection.vendor == "sqlite":
        _copy(Path(connection.settings_dict["NAME"]), path)
    else:
        _run("pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={path}")
    path.chmod(0o600)


def load(path: Path) -> None:
    """Load `path` into the site's empty database. Raises `BackupError` if that fails."""
    connection.close()
    if connection.vendor == "sqlite":
        _copy(path, Path(connection.settings_dict["NAME"]))
    else:
        how = ("--clean", "--if-exists", "--no-owner", "--no-privileges", "--single-transaction")
        _run("pg_restore", *how, "--exit-on-error", file=path)


def _copy(source: Path, target: Path) -> None:
    """Copy with SQLite's online backup: everything committed so far, including the WAL."""
    try:
        with (
            closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as read,
            closing(sqlite3.connect(target)) as written,
        ):
            read.backup(written)
    except sqlite3.Error as error:
        raise BackupError(f"{source} cannot be copied to {target}: {error}") from error


def _run(program: str, *options: str, file: Path | None = None) -> None:
    """Run one of PostgreSQL's programs on the site's database."""
    if shutil.which(program) is None:
        raise BackupError(
            f"{program} is not on this machine: install PostgreSQL's client programs, of the "
            "database's version or newer (Debian: apt-get install postgresql-client)"
        )
    where, password = _address()
    command = [program, f"--dbname={where}", *options, *([str(file)] if file else [])]
    done = subprocess.run(  # noqa: S603 - PostgreSQL's programs with fixed options
        command, env=os.environ | {"PGPASSWORD": password},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        raise BackupError(f"{program} failed: {lines[0]}")


def _address() -> tuple[str, str]:
    """Return the address of the site's database for libpq, and the password."""
    try:
        connection.ensure_connection()
    except DatabaseError as error:
        raise BackupError(f"the database cannot be reached: {error}") from error
    info: ConnectionInfo = connection.connection.info
    given = info.get_parameters()
    # The driver's libpq may be newer than these programs, which refuse unknown parameters.
    where = make_conninfo(**{name: given[name] for name in PARAMETERS if name in given})
    password = info.password
    connection.close()
    return where, password
