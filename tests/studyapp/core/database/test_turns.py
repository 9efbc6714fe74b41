"""SQLite's transactions wait in turn, and nobody waits for a process that has died."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError
from django.db.utils import ConnectionHandler

from studyapp.core.database.sqlite3.base import Turn

HOLD = """
import sys
from studyapp.core.database.sqlite3.base import Turn
turn = Turn(sys.argv[1], 60)
turn.take()
print("taken", flush=True)
sys.stdin.read()
"""


def open_database(folder: Path) -> Any:
    """A connection of its own, whatever database the tests use."""
    options = {"transaction_mode": "IMMEDIATE", "timeout": 60}
    own = {
        "ENGINE": "studyapp.core.database.sqlite3",
        "NAME": str(folder / "x"),
        "OPTIONS": options,
    }
    connection: Any = ConnectionHandler({"default": own})["default"]
    connection.ensure_connection()
    return connection


def begin(connection: Any) -> None:
    """As `transaction.atomic` does."""
    connection.set_autocommit(False, force_begin_transaction_with_broken_autocommit=True)


def is_free(database: Path) -> bool:
    """Whether a transaction could begin at once."""
    turn = Turn(str(database), 0.001)
    try:
        turn.take()
    except OperationalError:
        return False
    turn.close()
    return True


def test_a_second_one_waits_until_the_first_has_given_up(tmp_path: Path) -> None:
    database = tmp_path / "x"
    first, second, has_begun = Turn(str(database), 60), Turn(str(database), 60), threading.Event()
    first.take()
    first.take()  # a repetition changes nothing

    def wait() -> None:
        second.take()
        has_begun.set()

    waiting = threading.Thread(target=wait)
    waiting.start()
    assert not is_free(database)
    assert not has_begun.is_set()
    first.give_up()
    waiting.join(timeout=60)
    assert has_begun.is_set()
    second.close()
    first.close()
    assert is_free(database)


def test_a_killed_process_gives_up(tmp_path: Path) -> None:
    database = tmp_path / "x"
    command = [sys.executable, "-c", HOLD, str(database)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "taken\n"
        turn = Turn(str(database), 60)
        waiting = threading.Thread(target=turn.take)
        waiting.start()
        holder.kill()
        holder.wait(timeout=60)
        waiting.join(timeout=60)
    assert not waiting.is_alive()
    turn.close()


@pytest.mark.django_db
@pytest.mark.parametrize("end", ["commit", "rollback", "close"])
def test_a_connection_has_it_for_as_long_as_a_transaction_lasts(tmp_path: Path, end: str) -> None:
    connection = open_database(tmp_path)
    begin(connection)
    assert not is_free(tmp_path / "x")
    getattr(connection, end)()
    assert is_free(tmp_path / "x")
    connection.close()


@pytest.mark.django_db
def test_a_transaction_that_cannot_begin_gives_up(tmp_path: Path) -> None:
    connection = open_database(tmp_path)
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
    with pytest.raises(OperationalError, match="within a transaction"):
        begin(connection)
    assert is_free(tmp_path / "x")
    connection.close()
