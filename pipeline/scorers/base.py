"""What every scorer must do: `Scorer`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import ClassVar

from pipeline.config import RunConfig
from pipeline.context import SaeContext
from pipeline.store.tables import ScoreRecord

CONTRAST_RANKS = 5
"""Contrasts are taken over other features' labels of rank 1 to this: those that could have been
among the five options of a trial."""


class Scorer(ABC):
    """A way to grade labels. It is constructed without arguments and keeps no state between
    calls."""

    def outside(self, config: RunConfig) -> Mapping[str, str]:
        """For each config section that only this scorer reads, a fingerprint of the files that the
        section names. Part of the run's key; raises `PipelineError` if a file is missing.
        """
        return {}

    def ready(self, config: RunConfig) -> None:  # noqa: B027 - most need nothing
        """Raise `PipelineError` if a model or package is missing; called before any work is done,
        and by pages, so it loads and hashes nothing."""

    def heard_by(self, context: SaeContext) -> str:
        """Fingerprint of the model that scores all methods' labels alike (column `heard_by`); empty
        where each method's own detector is used."""
        return ""

    def shared(self) -> Mapping[str, Callable[[SaeContext], object]]:
        """What is computed once for all SAEs and methods of the run, as for labelers."""
        return {}

    uses_texts: ClassVar[bool] = False
    """Whether it compares texts by CLAP: then all texts of the run are embedded first, together,
    since an embedding's last digits depend on the texts that are embedded with it."""

    @abstractmethod
    def score(self, context: SaeContext, method: str) -> Iterator[ScoreRecord]:
        """One record per label that `method` gave the SAE's features, in the labels' order.

        A label that cannot be graded gets status `failed` with a reason, and null figures. A failed
        candidate of the method is not a label and gets no record.
        """
