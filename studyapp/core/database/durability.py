"""Transactions of SQLite that need not be on the disk before the site answers.

Waiting for the disk takes longer than everything else that a request does, and SQLite lets only one
writer wait at a time. Nothing that was committed is lost when a process of the site is killed. A
power failure can lose such a transaction only together with all later ones: as soon as an ordinary
one is on the disk, so is every earlier one, since SQLite writes its log in order.

PostgreSQL waits every time: its writers wait together, and what it had not written would be lost
when its own process is killed, which leaves the site and its listeners where they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DEFAULT_DB_ALIAS, connections, transaction


@contextmanager
def on_disk_with_the_next() -> Iterator[None]:
    """A transaction for what is worth nothing without a later, ordinary one: a trial was shown, or
    heard, which only its answer makes use of."""
    database = connections[DEFAULT_DB_ALIAS]
    if database.vendor != "sqlite" or database.in_atomic_block:
        # In an outer transaction it is that one which is committed.
        with transaction.atomic():
            yield
        return
    with database.cursor() as cursor:
        cursor.execute("PRAGMA synchronous=NORMAL")
        try:
            with transaction.atomic():
                yield
        finally:
            cursor.execute("PRAGMA synchronous=FULL")
