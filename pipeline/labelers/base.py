"""What a labeling method gets, and what it must answer.

A labeler keeps no state between calls: what it needs is in the `LabelingContext`. It names
features from their exemplars, and it may read tracks: how strongly, in its own way of hearing,
does a track say a text? The scorer `reading` holds a label against that on tracks that had no
part in making it.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from pipeline.config import RunConfig
from pipeline.errors import PipelineError
from pipeline.progress import Progress
from pipeline.store.run_directory import RunDirectory, StageWriter
from pipeline.store.tables import (
    ExemplarRecord,
    FeatureRecord,
    LabelCandidate,
    NeighbourRecord,
    TrackRecord,
    records_from,
)

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "LabelCandidate", "Labeler", "LabelingContext", "SharedTables", "failed", "open_context",
]  # fmt: skip

Floats = npt.NDArray[np.float64]


@dataclass
class SharedTables:
    """Tables that methods compute once a run, whatever number of SAEs it has.

    Inside the stage `labels` a table is made and written; any other stage reads what is there.
    """

    directory: RunDirectory
    writer: StageWriter | None = None
    """The writer of the stage that runs."""
    memo: dict[Any, Any] = field(default_factory=dict)
    """What one call leaves for the next, by a key that says all of what it depends on."""
    unfinished: str = ""
    """Why labels are missing for now, in one line: what a method asked for and did not get. Set by
    a method whose rows are not its last word; the stage is not done then."""
    _made: dict[str, pa.Table] = field(default_factory=dict)

    def get(self, relative: str, make: Callable[[], pa.Table]) -> pa.Table:
        """The table at `relative` in the run directory, made by `make` if it has to be."""
        if relative not in self._made:
            if self.writer is None or not self._owns(relative):
                self._made[relative] = self.directory.read_table(relative)
            else:
                table = make()
                self.writer.write_table(relative, table)
                self._made[relative] = table
        return self._made[relative]

    def tensors(
        self,
        relative: str,
        stamp: Mapping[str, str],
        make: Callable[[], Mapping[str, npt.NDArray[Any]]],
    ) -> Mapping[str, npt.NDArray[Any]]:
        """Tensors at `relative`, made and written unless a file of the same stamp is there.

        The stamp says all that they depend on; it is the file's metadata. A stage that was killed
        finds here what it had made. Without a writer what is not there is made and not kept.
        """
        key = (relative, tuple(sorted(stamp.items())))
        if key not in self.memo:
            self.memo[key] = self._stored(relative, stamp) or self._written(relative, stamp, make())
        found: Mapping[str, npt.NDArray[Any]] = self.memo[key]
        return found

    def _stored(
        self, relative: str, stamp: Mapping[str, str]
    ) -> Mapping[str, npt.NDArray[Any]] | None:
        if not self.directory.path_of(relative).is_file():
            return None
        tensors, metadata = self.directory.read_tensors(relative)
        if metadata != dict(stamp):
            return None
        if self.writer is not None and self._owns(relative):
            self.writer.keep(relative)
        return tensors

    def _owns(self, relative: str) -> bool:
        """Whether the file belongs to the stage that runs: stages write into folders of theirs."""
        return self.writer is not None and relative.startswith(f"{self.writer.stage}/")

    def _written(
        self,
        relative: str,
        stamp: Mapping[str, str],
        tensors: Mapping[str, npt.NDArray[Any]],
    ) -> Mapping[str, npt.NDArray[Any]]:
        if self.writer is not None and self._owns(relative):
            self.writer.write_tensors(relative, tensors, stamp)
        return tensors


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

    def prepare(self, context: LabelingContext) -> None:  # noqa: B027 - most need nothing
        """Make what all SAEs of the run share and what takes long, telling the progress."""

    @abstractmethod
    def label(
        self, context: LabelingContext, features: Sequence[FeatureRecord]
    ) -> Iterator[LabelCandidate]:
        """Candidates of each feature in turn: ranks from 1, the texts of a feature distinct.

        At most `context.config.labels.candidates` a feature. A feature that cannot be named gets
        one candidate of status `failed`, with its reason and without a text.
        """

    def reading(self, context: LabelingContext, texts: Sequence[str]) -> Floats | None:
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
