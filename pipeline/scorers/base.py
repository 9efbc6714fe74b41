"""What a scorer answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping

from pipeline.config import RunConfig
from pipeline.context import SaeContext
from pipeline.store.tables import ScoreRecord

CONTRAST_RANKS = 5
"""A label is contrasted with other features' labels of these ranks: those that could have been
options of a trial, which has five."""


class Scorer(ABC):
    """A way to grade labels. It is made without arguments and keeps no state between calls."""

    def outside(self, config: RunConfig) -> Mapping[str, str]:
        """Of each config section of its own, a fingerprint of the files that it names.

        Part of the run's key. Raises `PipelineError` if a file is missing.
        """
        return {}

    def heard_by(self, context: SaeContext) -> str:
        """What listened for all methods alike: its fingerprint; empty where each has its own."""
        return ""

    @abstractmethod
    def score(self, context: SaeContext, method: str) -> Iterator[ScoreRecord]:
        """One record for each label that `method` gave the SAE's features, in their order.

        A label that cannot be graded gets status `failed` with its reason, and null figures. A
        method's failed candidate is no label and gets no record.
        """
