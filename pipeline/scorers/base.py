"""What a scorer answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from pipeline.labelers.base import LabelingContext
from pipeline.records import ScoreRecord


class Scorer(Protocol):
    """A way to grade labels. It is made without arguments and keeps no state between calls."""

    def score(self, context: LabelingContext, method: str) -> Iterator[ScoreRecord]:
        """One record for each label that `method` gave the SAE's features, in their order.

        A label that cannot be graded gets status `failed` with its reason, and null figures. A
        method's failed candidate is no label and gets no record.
        """
