"""Transactions that need not be on the disk before the site answers.

Waiting for the disk takes longer than everything else that a request does, and SQLite lets only one
writer wait at a time. Nothing that was committed is lost when a process of the site ends. A power
failure, or a crash of PostgreSQL itself, can lose such a transaction only together with all later
ones: as soon as an ordinary one is on the disk, so is every earlier one, because both databases
write their logs in order.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction


@contextmanager
def on_disk_with_the_next() -> Iterator[None]:
    """A transaction for what is worth nothing without a later, ordinary one: a trial was shown, or
    heard, which only its answer makes use of."""
    if connection.in_atomic_block:
        yield  # it is the outer transaction that is committed
        return
    is_sqlite = connection.vendor == "sqlite"
    if is_sqlite:
        _execute("PRAGMA synchronous=NORMAL")
    try:
        with transaction.atomic():
            if not is_sqlite:
                _execute("SET LOCAL synchronous_commit TO off")
            yield
    finally:
        if is_sqlite:
            _execute("PRAGMA synchronous=FULL")


def _execute(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)
