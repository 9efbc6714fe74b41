"""One SAE of a run as labelers, scorers and CLAP's store see it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.cache import SharedTables
from pipeline.config import RunConfig
from pipeline.corpus.tracks import usable_in_table_order
from pipeline.errors import PipelineError
from pipeline.progress import Progress
from pipeline.store.run_directory import RunDirectory
from pipeline.store.tables import (
    ExemplarRecord,
    FeatureRecord,
    LabelCandidate,
    NeighbourRecord,
    TrackRecord,
    records_from,
)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SaeContext:
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
    def neighbours(self) -> dict[str, tuple[str, ...]]:
        """Feature to the kept features nearest by decoder cosine, nearest first."""
        table = self.directory.read_table(f"features/{self.sae}.neighbours.parquet")
        found: dict[str, tuple[str, ...]] = {}
        for row in sorted(records_from(NeighbourRecord, table), key=lambda r: (r.feature, r.rank)):
            found[row.feature] = (*found.get(row.feature, ()), row.neighbour)
        return found

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
