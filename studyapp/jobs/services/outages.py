"""What a worker does while the database is down for a short time: it keeps working and retries.

No other worker can claim the job during the outage. If one claims it afterwards, the next check
notices it (`jobs.LeaseLostError`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import InterfaceError, OperationalError, connection

logger = logging.getLogger(__name__)
T = TypeVar("T")

ERRORS = (OperationalError, InterfaceError)
"""Raised by Django if the database does not answer or the connection broke."""
MAX_SECONDS = 600.0
PAUSE_SECONDS = 1.0


class Outage:
    """Measures how long the database has been down, and raises once that is too long."""

    def __init__(self) -> None:
        self._since: float | None = None

    def note(self, error: Exception) -> None:
        """Close the broken connection, so that the next query opens another one.

        Raises `error` inside a transaction, which is lost, and after `MAX_SECONDS`.
        """
        if connection.in_atomic_block:
            raise error
        connection.close()
        now = time.monotonic()
        if self._since is None:
            self._since = now
            logger.warning("the database does not answer; work continues: %s", error)
        if now - self._since > MAX_SECONDS:
            raise error

    def over(self) -> None:
        """Note that the database answered."""
        self._since = None


def with_retries(do: Callable[[], T]) -> T:
    """Return the result of `do`, retried while the database is down; `do` must be atomic."""
    outage = Outage()
    while True:
        try:
            return do()
        except ERRORS as error:
            outage.note(error)
        time.sleep(PAUSE_SECONDS)
