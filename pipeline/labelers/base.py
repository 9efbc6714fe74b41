"""What a labeling method must answer.

A labeler keeps no state between calls: what it needs is in the `SaeContext`. It names
features from their exemplars, and it may read tracks: how strongly, in its own way of hearing,
does a track say a text? The scorer `reading` holds a label against that on tracks that had no
part in making it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from pipeline.config import RunConfig
from pipeline.context import Floats, SaeContext
from pipeline.store.tables import (
    FeatureRecord,
    LabelCandidate,
)


class Labeler(ABC):
    """A labeling method. Its calls are pure: the same context gives the same answer.

    A method of one's own needs `label`; all else has an answer that is right for most.
    """

    takes_variant: ClassVar[bool] = False
    """Whether the method may be asked for as `METHOD@VARIANT`, each a method of its own."""

    def __init__(self, variant: str = "") -> None:
        self.variant = variant

    def outside(self, config: RunConfig) -> Mapping[str, str]:
        """Of each config section of its own, a fingerprint of the files that it names.

        Part of the run's key. Raises `PipelineError` if a file is missing, naming where it goes.
        """
        return {}

    def ready(self, config: RunConfig) -> None:  # noqa: B027 - most need nothing
        """Raise `PipelineError` if a key, package or the like is missing: before any work."""

    def sources(self, config: RunConfig) -> tuple[str, ...]:
        """The methods whose labels this one is made of; they are asked first."""
        return ()

    def prepare(self, context: SaeContext) -> None:  # noqa: B027 - most need nothing
        """Make what all SAEs of the run share and what takes long, telling the progress."""

    @abstractmethod
    def label(
        self, context: SaeContext, features: Sequence[FeatureRecord]
    ) -> Iterator[LabelCandidate]:
        """Candidates of each feature in turn: ranks from 1, the texts of a feature distinct.

        At most `context.config.labels.candidates` a feature. A feature that cannot be named gets
        one candidate of status `failed`, with its reason and without a text.
        """

    def reading(self, context: SaeContext, texts: Sequence[str]) -> Floats | None:
        """How strongly each track says each text, [text, track]: more is more, the unit is free.

        None if the method has no ear of its own. Raises `PipelineError` for a text that the
        method could not have given.
        """
        return None


def failed(feature: str, reason: str) -> LabelCandidate:
    """The one candidate of a feature that could not be named."""
    return LabelCandidate(
        feature=feature, rank=1, text="", confidence=0.0, description="", status="failed",
        reason=reason,
    )  # fmt: skip
