"""What labelers, scorers and the store of CLAP embeddings read about one SAE of a run."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.cache import SharedTables
from pipeline.config import RunConfig
from pipeline.corpus.tracks import usable_in_table_order
from pipeline.errors import PipelineError
from pipeline.features.summaries import Summaries, open_summaries
from pipeline.progress import Progress
from pipeline.store.records import records_from
from pipeline.store.run_directory import RunDirectory
from pipeline.store.tables import (
    ExemplarRecord,
    FeatureRecord,
    LabelCandidate,
    NeighbourRecord,
    TrackRecord,
)

Floats = npt.NDArray[np.float64]


class Active(NamedTuple):
    """The tracks in which a feature is active."""

    tracks: npt.NDArray[np.intp]
    """Ascending places on the axis `track`, [entry]."""
    max: npt.NDArray[np.float32]
    """f_j(x), the maximum over each track's frames, normalised, [entry]."""


@dataclass(frozen=True)
class SaeContext:
    """One SAE of a run: its kept features, their exemplars and activations, and the tracks."""

    directory: RunDirectory
    sae: str
    """NAME, as in `features/NAME.parquet`."""
    tracks: tuple[TrackRecord, ...]
    """The usable tracks; their order is that of the axis `track` in every array."""
    features: tuple[FeatureRecord, ...]
    """The kept features, sorted by index."""
    exemplars: dict[str, tuple[ExemplarRecord, ...]]
    """Exemplars of each feature, strongest first."""
    config: RunConfig
    progress: Progress
    tables: SharedTables

    def active(self, place: int) -> Active:
        """Where the kept feature at `place` is active; read from disk, one feature at a time."""
        column = self._summaries.column(self.features[place].index)
        tracks = self._place_of_summary[column.tracks]
        order = np.argsort(tracks, kind="stable")
        return Active(tracks[order], np.asarray(column.max[order], dtype=np.float32))

    @cached_property
    def neighbours(self) -> dict[str, tuple[str, ...]]:
        """The nearest kept features of each feature by decoder cosine, nearest first."""
        table = self.directory.read_table(f"features/{self.sae}.neighbours.parquet")
        found: dict[str, tuple[str, ...]] = {}
        for row in sorted(records_from(NeighbourRecord, table), key=lambda r: (r.feature, r.rank)):
            found[row.feature] = (*found.get(row.feature, ()), row.neighbour)
        return found

    @cached_property
    def column_of(self) -> dict[str, int]:
        """The place of each kept feature in `features`."""
        return {record.feature: place for place, record in enumerate(self.features)}

    @cached_property
    def place_of(self) -> dict[str, int]:
        """Position of each track on the axis `track`."""
        return {record.track: place for place, record in enumerate(self.tracks)}

    def exemplar_places(self, feature: str) -> npt.NDArray[np.intp]:
        """Positions of a feature's exemplars on the axis `track`, strongest first."""
        found = [self.place_of[row.track] for row in self.exemplars.get(feature, ())]
        return np.asarray(found, dtype=np.intp)

    def in_split(self, *splits: str) -> npt.NDArray[np.bool_]:
        """Which tracks [track] belong to one of the splits."""
        return np.asarray([record.split in splits for record in self.tracks], dtype=bool)

    def audio_path(self, record: TrackRecord) -> Path:
        """Path of a track's audio file."""
        if self.config.corpus.path is None:
            raise PipelineError("the config names no corpus; use --corpus DIR")
        return self.config.corpus.path / record.path

    def labels(self, method: str) -> list[LabelCandidate]:
        """The labels that a method wrote for this SAE."""
        table = self.directory.read_table(f"labels/{self.sae}/{method}.parquet")
        return records_from(LabelCandidate, table)

    @cached_property
    def _summaries(self) -> Summaries:
        return open_summaries(self.directory, self.sae)

    @cached_property
    def _place_of_summary(self) -> npt.NDArray[np.intp]:
        """The place on the axis `track` of each track of the summaries, which are sorted."""
        return np.array([self.place_of[track] for track in self._summaries.tracks], dtype=np.intp)


def open_context(
    config: RunConfig,
    directory: RunDirectory,
    sae: str,
    *,
    progress: Progress,
    tables: SharedTables | None = None,
) -> SaeContext:
    """The context of one SAE of a run whose stage `exemplars` is done."""
    features = records_from(FeatureRecord, directory.read_table(f"features/{sae}.parquet"))
    rows = records_from(ExemplarRecord, directory.read_table(f"exemplars/{sae}.parquet"))
    exemplars: dict[str, tuple[ExemplarRecord, ...]] = {}
    for row in sorted(rows, key=lambda row: (row.feature, row.rank)):
        exemplars[row.feature] = (*exemplars.get(row.feature, ()), row)
    return SaeContext(
        directory=directory,
        sae=sae,
        tracks=tuple(usable_in_table_order(directory)),
        features=tuple(record for record in features if record.kept),
        exemplars=exemplars,
        config=config,
        progress=progress,
        tables=tables or SharedTables(directory),
    )
