"""What the scorers that use CLAP share: labels, their texts' embeddings, cosines with tracks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from pipeline.clap import backends
from pipeline.clap.base import Floats32
from pipeline.clap.store import stamp, text_embeddings, track_embeddings
from pipeline.config import RunConfig
from pipeline.context import SaeContext
from pipeline.scorers.base import CONTRAST_RANKS, Scorer
from pipeline.scorers.held_out import generator
from pipeline.store.tables import LabelCandidate

RIVALS = 200
"""Maximum number of other features' labels that a contrast is averaged over, drawn at random."""


class ClapScorer(Scorer):
    """A scorer that uses CLAP, the same model for every method."""

    uses_texts: ClassVar[bool] = True

    def shared(self) -> Mapping[str, Callable[[SaeContext], object]]:
        """CLAP's embeddings of all usable tracks."""
        return {"clap-tracks": track_embeddings}

    def outside(self, config: RunConfig) -> Mapping[str, str]:
        """CLAP's files."""
        return {"clap": backends.fingerprint(config.clap)}

    def ready(self, config: RunConfig) -> None:
        """Raise `PipelineError` if CLAP is missing."""
        backends.ready(config.clap)

    def heard_by(self, context: SaeContext) -> str:
        """CLAP's backend and fingerprint."""
        return stamp(context)["clap"]


@dataclass(frozen=True)
class Labelled:
    """One method's labels of one SAE, and their texts' embeddings."""

    labels: tuple[LabelCandidate, ...]
    texts: tuple[str, ...]
    """Distinct and sorted."""
    embeddings: Floats32
    """[text, width]."""

    @cached_property
    def row(self) -> dict[str, int]:
        """The row of each text in `embeddings`."""
        return {text: place for place, text in enumerate(self.texts)}

    @cached_property
    def rivals(self) -> tuple[npt.NDArray[np.str_], npt.NDArray[np.intp]]:
        """Feature and row of each label of rank 1 to `CONTRAST_RANKS`, in the labels' order."""
        known = [label for label in self.labels if label.rank <= CONTRAST_RANKS]
        features = np.asarray([label.feature for label in known], dtype=np.str_)
        return features, np.asarray([self.row[label.text] for label in known], dtype=np.intp)


def labelled(context: SaeContext, method: str) -> Labelled | None:
    """The method's labels, or None if it has none."""
    labels = tuple(label for label in context.labels(method) if label.status == "ok")
    if not labels:
        return None
    texts = tuple(sorted({label.text for label in labels}))
    return Labelled(labels, texts, text_embeddings(context, texts))


def cosines(
    context: SaeContext,
    found: Labelled,
    rows: Sequence[int] | npt.NDArray[np.intp],
    tracks: npt.NDArray[np.intp],
) -> Floats32:
    """Cosines [row, track] of some texts with some tracks; both sides have norm 1.

    Never of all texts with all tracks: 40,000 texts and 160,000 tracks would take 26 GB.
    """
    heard = track_embeddings(context)[tracks]
    return np.asarray(found.embeddings[rows] @ heard.T, dtype=np.float32)


def rivals(context: SaeContext, found: Labelled, feature: str) -> npt.NDArray[np.intp]:
    """Rows of other features' labels of rank 1 to `CONTRAST_RANKS`; a random `RIVALS` of them if
    there are more. A text that several features have is listed several times."""
    features, rows = found.rivals
    others = rows[features != feature]
    drawn = generator(context, feature, "rivals").permutation(len(others))[:RIVALS]
    return np.asarray(others[np.sort(drawn)], dtype=np.intp)


def rows_of(found: Labelled, own: Sequence[LabelCandidate]) -> list[int]:
    """The rows of some labels' texts."""
    row = found.row
    return [row[label.text] for label in own]
