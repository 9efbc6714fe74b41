"""A snapshot of the database while an export reads it and answers keep arriving.

SQLite: a deferred transaction in WAL mode sees what was committed before its first read and does
not block writers; Django's own transactions take the write lock at once. PostgreSQL: a read-only
transaction with repeatable reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction


@contextmanager
def snapshot() -> Iterator[None]:
    """Let every query inside see the same state; inside a transaction, that transaction's state."""
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
        # The first read fixes the state, so read something now.
        cursor.execute("SELECT 1 FROM studyapp_study LIMIT 1")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ROLLBACK")
