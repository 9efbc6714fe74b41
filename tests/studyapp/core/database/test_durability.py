"""What reaches the disk with the next transaction, and what by itself."""

from __future__ import annotations

import pytest
from django.db import connection, transaction

from studyapp.core.database.durability import on_disk_with_the_next

pytestmark = pytest.mark.django_db(transaction=True)


def setting() -> str | int:
    """Whether a commit waits for the disk, in the database's own words."""
    is_sqlite = connection.vendor == "sqlite"
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA synchronous" if is_sqlite else "SHOW synchronous_commit")
        found: str | int = cursor.fetchone()[0]
    return found


def test_only_the_transaction_itself_does_not_wait() -> None:
    usual = setting()
    with on_disk_with_the_next():
        # Only SQLite's: PostgreSQL would lose what it had not written when it is killed.
        assert setting() == (1 if connection.vendor == "sqlite" else usual)
    assert setting() == usual
    with pytest.raises(ZeroDivisionError), on_disk_with_the_next():
        raise ZeroDivisionError
    assert setting() == usual


def test_inside_another_transaction_that_one_decides() -> None:
    usual = setting()
    with transaction.atomic(), on_disk_with_the_next():
        assert setting() == usual


def test_sqlite_waits_unless_told_otherwise() -> None:
    assert connection.vendor != "sqlite" or setting() == 2
