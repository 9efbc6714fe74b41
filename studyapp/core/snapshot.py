"""One state of the database for as long as an export reads, while answers go on coming in.

SQLite: a deferred transaction in WAL mode sees what was committed at its first read and keeps no
writer waiting; Django's own transactions begin by taking the write lock. PostgreSQL: repeatable
read, read only.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction


@contextmanager
def snapshot() -> Iterator[None]:
    """Inside it every query sees the same state. Within another transaction it is that one's."""
    if connection.in_atomic_block:
        yield
    elif connection.vendor == "sqlite":
        with _deferred():
            yield
    else:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield


@contextmanager
def _deferred() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("BEGIN DEFERRED")
        # The state is fixed by the first read, so that it is the one of this moment.
        cursor.execute("SELECT 1 FROM studyapp_study LIMIT 1")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ROLLBACK")
