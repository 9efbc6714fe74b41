"""The interface of a labeling method.

A labeler keeps no state between calls; all that it needs is in the `SaeContext`. It labels features
from their exemplars. It may also score how well a text fits a track by its own measure (`reading`);
the scorer `reading` evaluates labels by that on tracks that were not used to make them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import ClassVar

from pipeline.config import RunConfig
from pipeline.context import Floats, SaeContext
from pipeline.store.tables import FeatureRecord, LabelCandidate


class Labeler(ABC):
    """A labeling method. Its calls are pure: the same context gives the same result.

    A new method must implement `label`; the defaults of all other methods suit most.
    """

    takes_variant: ClassVar[bool] = False
    """Whether the method can be named `METHOD@VARIANT`; each variant is a separate method."""
    one_piece: ClassVar[bool] = False
    """Whether one process labels all SAEs, by all variants: so for a service that is paid, because
    the budget is checked once, against what all of them need and what the ledger says."""

    def __init__(self, variant: str = "") -> None:
        self.variant = variant

    def outside(self, config: RunConfig) -> Mapping[str, str]:
        """For each config section that belongs to the method, a fingerprint of the files it names.

        Part of the run's key. Raises `PipelineError` if a file is missing, saying where it belongs.
        """
        return {}

    def ready(self, config: RunConfig) -> None:  # noqa: B027 - most need nothing
        """Raise `PipelineError` if a key, package or file is missing; called before any work is
        done, and by pages, so it loads and hashes nothing."""

    def sources(self, config: RunConfig) -> tuple[str, ...]:
        """The methods whose labels this one uses; they are run first."""
        return ()

    def shared(self) -> Mapping[str, Callable[[SaeContext], object]]:
        """What is computed once for all SAEs of the run: the table's or file's name, and what
        makes it. Each is a piece of the stage, which others wait for."""
        return {}

    def prepare(self, context: SaeContext) -> None:  # noqa: B027 - most need nothing
        """Compute what is slow or shared by all SAEs of the run, reporting progress."""

    @abstractmethod
    def label(
        self, context: SaeContext, features: Sequence[FeatureRecord]
    ) -> Iterator[LabelCandidate]:
        """Candidates for each feature in turn: ranks from 1, distinct texts within a feature.

        At most `context.config.labels.candidates` per feature. A feature that cannot be labelled
        gets one candidate of status `failed`, with a reason and no text.
        """

    def reading(self, context: SaeContext, texts: Sequence[str]) -> Floats | None:
        """Score of each text for each track, [text, track]; higher = better match, arbitrary units.

        None if the method cannot score tracks. Raises `PipelineError` for a text that the method
        could not have produced.
        """
        return None


def failed(feature: str, reason: str) -> LabelCandidate:
    """The single candidate of a feature that could not be labelled, with the reason."""
    return LabelCandidate(
        feature=feature, rank=1, text="", confidence=0.0, description="", status="failed",
        reason=reason,
    )  # fmt: skip
