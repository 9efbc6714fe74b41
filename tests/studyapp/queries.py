"""Counting the queries of a call."""

from __future__ import annotations

from collections.abc import Callable

from django.db import connection
from django.test.utils import CaptureQueriesContext


def queries(call: Callable[[], object]) -> int:
    """How many queries the call makes, not counting savepoints."""
    with CaptureQueriesContext(connection) as captured:
        call()
    return sum("SAVEPOINT" not in query["sql"] for query in captured.captured_queries)
