"""The clock for places and answers: the database's, so that several web machines agree."""

from __future__ import annotations

from datetime import datetime

from django.db import connection
from django.utils import timezone


def now() -> datetime:
    """Return the current time. SQLite has no clock other than that of this process."""
    if connection.vendor == "sqlite":
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        moment: datetime = cursor.fetchone()[0]
    return moment


def elapsed_ms(since: datetime) -> int:
    """Return the milliseconds since that time; negative if the clock was set back."""
    return round((now() - since).total_seconds() * 1000)
