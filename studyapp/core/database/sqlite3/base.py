"""Django's SQLite, with transactions that wait in turn.

SQLite lets one connection write at a time. Another one that wants to tries again and again, and
sleeps up to 0.1 s in between: with many listeners, nobody writes for much of the time while
everybody waits. Here a transaction first waits for a lock of the operating system, which wakes the
next one as soon as it is free. SQLite's own lock still decides, and a single statement outside of
any transaction waits only for that one.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections import defaultdict
from typing import Any

from django.db import OperationalError
from django.db.backends.sqlite3 import base

SUFFIX = "-turn"
"""Of the file beside the database that is locked; it stays empty."""
DEFAULT_SECONDS = 5.0
"""How long to wait for another transaction if the settings do not say (as in `sqlite3`)."""
_threads: dict[str, threading.Lock] = defaultdict(threading.Lock)
"""By database: one thread of this process at a time waits for other processes."""


class Turn:
    """A connection's right to begin a transaction. If its process dies, the next one gets it."""

    def __init__(self, database: str, seconds: float) -> None:
        self._database, self._seconds = database, seconds
        self._file: int | None = None
        self._is_ours = False

    def take(self) -> None:
        """Wait for it. Raises `OperationalError` if other threads keep it for too long."""
        if self._is_ours:
            return
        if not _threads[self._database].acquire(timeout=self._seconds):
            raise OperationalError("database is locked")
        self._is_ours = True
        try:
            if self._file is None:
                self._file = os.open(self._database + SUFFIX, os.O_CREAT | os.O_RDWR, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX)
        except BaseException:
            self.give_up()
            raise

    def give_up(self) -> None:
        """Let the next one begin."""
        if not self._is_ours:
            return
        self._is_ours = False
        if self._file is not None:
            fcntl.flock(self._file, fcntl.LOCK_UN)
        _threads[self._database].release()

    def close(self) -> None:
        """Give it up, and close the file."""
        self.give_up()
        if self._file is not None:
            os.close(self._file)
            self._file = None


_Usual: Any = base.DatabaseWrapper
"""Its stubs lack the methods that are overridden here."""


class DatabaseWrapper(_Usual):  # type: ignore[misc]
    """A connection whose transactions wait in turn."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._turn: Turn | None = None

    def _start_transaction_under_autocommit(self) -> None:
        if self.is_in_memory_db():
            super()._start_transaction_under_autocommit()
            return
        if self._turn is None:
            seconds = self.settings_dict["OPTIONS"].get("timeout", DEFAULT_SECONDS)
            self._turn = Turn(str(self.settings_dict["NAME"]), seconds)
        self._turn.take()
        try:
            super()._start_transaction_under_autocommit()
        except BaseException:
            self._turn.give_up()
            raise

    def _commit(self) -> None:
        # After a failed commit comes a rollback.
        super()._commit()
        self._give_up()

    def _rollback(self) -> None:
        try:
            super()._rollback()
        finally:
            self._give_up()

    def _close(self) -> None:
        try:
            super()._close()
        finally:
            if self._turn is not None:
                self._turn.close()
                self._turn = None

    def _give_up(self) -> None:
        if self._turn is not None:
            self._turn.give_up()
