"""Splits a stream into lists, so that only one of them is in memory at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

Row = TypeVar("Row")


def batched(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    """Yield lists of up to `size` rows, as `itertools.batched` does from Python 3.12 on."""
    rows = iter(rows)
    while batch := list(islice(rows, size)):
        yield batch
