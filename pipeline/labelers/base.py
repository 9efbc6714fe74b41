"""What a labeling method gets, and what it must answer.

A labeler is made without arguments and keeps no state between calls: what it needs is in the
`LabelingContext`. It names features from their exemplars, and it reads tracks: how strongly, in
its own way of hearing, does a track say a text? The reading is what scorers hold a label against
on tracks that had no part in making it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from pipeline.artifacts import RunDirectory, StageWriter
from pipeline.config import RunConfig
from pipeline.errors import PipelineError
from pipeline.progress import Progress
from pipeline.records import (
    ExemplarRecord,
    FeatureRecord,
    LabelCandidate,
    TrackRecord,
    records_from,
)

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["LabelCandidate", "Labeler", "LabelingContext", "SharedTables", "failed", "open_context"]

Floats = npt.NDArray[np.float64]


@dataclass
class SharedTables:
    """Tables that methods compute once a run, whatever number of SAEs it has.

    Inside the stage `labels` a table is made and written; any other stage reads what is there.
    """

    directory: RunDirectory
    writer: StageWriter | None = None
    """The writer of the stage `labels`, while it runs."""
    _made: dict[str, pa.Table] = field(default_factory=dict)

    def get(self, relative: str, make: Callable[[], pa.Table]) -> pa.Table:
        """The table at `relative` in the run directory, made by `make` if it has to be."""
        if relative not in self._made:
            if self.writer is None:
                self._made[relative] = self.directory.read_table(relative)
            else:
                table = make()
                self.writer.write_table(relative, table)
                self._made[relative] = table
        return self._made[relative]


@dataclass(frozen=True)
class LabelingContext:
    """One SAE of a run, as labelers and scorers see it."""

    directory: RunDirectory
    sae: str
    """NAME, as in `features/NAME.parquet`."""
    tracks: tuple[TrackRecord, ...]
    """The usable tracks, in the order of `maxima`; axis `track` of every reading."""
    features: tuple[FeatureRecord, ...]
    """The kept features, by index."""
    exemplars: dict[str, tuple[ExemplarRecord, ...]]
    """Feature to its exemplars, strongest first."""
    config: RunConfig
    progress: Progress
    tables: SharedTables

    @cached_property
    def maxima(self) -> npt.NDArray[np.float32]:
        """Largest activation [track, kept feature] of each track, normalised."""
        return self._activations("max")

    @cached_property
    def means(self) -> npt.NDArray[np.float32]:
        """Mean activation [track, kept feature] over each track's frames, normalised."""
        return self._activations("mean")

    @cached_property
    def place_of(self) -> dict[str, int]:
        """Track to its place on the axis `track`."""
        return {record.track: place for place, record in enumerate(self.tracks)}

    def exemplar_places(self, feature: str) -> npt.NDArray[np.intp]:
        """Places on the axis `track` of a feature's exemplars, strongest first."""
        found = [self.place_of[row.track] for row in self.exemplars.get(feature, ())]
        return np.asarray(found, dtype=np.intp)

    def in_split(self, *splits: str) -> npt.NDArray[np.bool_]:
        """Which tracks [track] belong to one of the splits."""
        return np.asarray([record.split in splits for record in self.tracks], dtype=bool)

    def audio_path(self, record: TrackRecord) -> Path:
        """Where a track's audio lies."""
        if self.config.corpus.path is None:
            raise PipelineError("the config names no corpus; give --corpus")
        return self.config.corpus.path / record.path

    def labels(self, method: str) -> list[LabelCandidate]:
        """What a method wrote for this SAE."""
        table = self.directory.read_table(f"labels/{self.sae}/{method}.parquet")
        return records_from(LabelCandidate, table)

    def _activations(self, name: str) -> npt.NDArray[np.float32]:
        relative = f"features/{self.sae}.activations.safetensors"
        tensors, metadata = self.directory.read_tensors(relative)
        rows = {track: row for row, track in enumerate(json.loads(metadata["tracks"]))}
        order = [rows[record.track] for record in self.tracks]
        columns = [feature.index for feature in self.features]
        return np.asarray(tensors[name][np.ix_(order, columns)], dtype=np.float32)


class Labeler(Protocol):
    """A labeling method. Its calls are pure: the same context gives the same answer."""

    def prepare(self, context: LabelingContext) -> None:
        """Make what all SAEs of the run share and what takes long, telling the progress.

        The stage calls it before `label`; a method that needs nothing of the kind returns.
        """

    def label(
        self, context: LabelingContext, features: Sequence[FeatureRecord]
    ) -> Iterator[LabelCandidate]:
        """Candidates of each feature in turn: ranks from 1, the texts of a feature distinct.

        At most `context.config.labels.candidates` a feature. A feature that cannot be named gets
        one candidate of status `failed`, with its reason and without a text.
        """

    def reading(self, context: LabelingContext, texts: Sequence[str]) -> Floats:
        """How strongly each track says each text, [text, track]: more is more, the unit is free.

        Raises `PipelineError` for a text that the method could not have given.
        """


def failed(feature: str, reason: str) -> LabelCandidate:
    """The one candidate of a feature that could not be named."""
    return LabelCandidate(
        feature=feature, rank=1, text="", confidence=0.0, description="", status="failed",
        reason=reason,
    )  # fmt: skip


def open_context(
    config: RunConfig,
    directory: RunDirectory,
    sae: str,
    *,
    progress: Progress,
    tables: SharedTables | None = None,
) -> LabelingContext:
    """The context of one SAE of a run whose stage `exemplars` is done."""
    tracks = records_from(TrackRecord, directory.read_table("corpus.parquet"))
    features = records_from(FeatureRecord, directory.read_table(f"features/{sae}.parquet"))
    rows = records_from(ExemplarRecord, directory.read_table(f"exemplars/{sae}.parquet"))
    exemplars: dict[str, tuple[ExemplarRecord, ...]] = {}
    for row in sorted(rows, key=lambda row: (row.feature, row.rank)):
        exemplars[row.feature] = (*exemplars.get(row.feature, ()), row)
    return LabelingContext(
        directory=directory,
        sae=sae,
        tracks=tuple(record for record in tracks if record.status == "ok"),
        features=tuple(record for record in features if record.kept),
        exemplars=exemplars,
        config=config,
        progress=progress,
        tables=tables or SharedTables(directory),
    )
