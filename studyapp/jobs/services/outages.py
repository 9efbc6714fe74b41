"""A database that is away for a moment: what a worker does meanwhile.

Nobody else can take a job while the database is away, and whoever holds one keeps working. What
another worker took in the meantime is noticed at the next check (`jobs.LostError`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import InterfaceError, OperationalError, connection

logger = logging.getLogger(__name__)
T = TypeVar("T")

AWAY = (OperationalError, InterfaceError)
"""What Django raises where the database does not answer, or where its connection broke."""
PATIENCE_SECONDS = 600.0
PAUSE_SECONDS = 1.0


class Outage:
    """Counts how long the database has been away; raises once that is too long."""

    def __init__(self) -> None:
        self._since: float | None = None

    def note(self, error: Exception) -> None:
        """Drop the broken connection, so that the next query opens another.

        Raises `error` within a transaction, which is lost, and after `PATIENCE_SECONDS`.
        """
        if connection.in_atomic_block:
            raise error
        connection.close()
        now = time.monotonic()
        if self._since is None:
            self._since = now
            logger.warning("the database does not answer; the work goes on: %s", error)
        if now - self._since > PATIENCE_SECONDS:
            raise error

    def over(self) -> None:
        """The database answered."""
        self._since = None


def patiently(do: Callable[[], T]) -> T:
    """What `do` gives, tried again while the database is away; `do` is whole or nothing."""
    outage = Outage()
    while True:
        try:
            return do()
        except AWAY as error:
            outage.note(error)
        time.sleep(PAUSE_SECONDS)
