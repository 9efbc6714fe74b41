"""The one clock of places and answers: the database's, so that several web machines agree."""

from __future__ import annotations

from datetime import datetime

from django.db import connection
from django.utils import timezone


def now() -> datetime:
    """This moment. SQLite runs in this process and has no other clock than it."""
    if connection.vendor == "sqlite":
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        moment: datetime = cursor.fetchone()[0]
    return moment


def elapsed_ms(since: datetime) -> int:
    """Milliseconds since then; negative where the clock was set back."""
    return round((now() - since).total_seconds() * 1000)
