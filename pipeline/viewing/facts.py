"""One feature's figures: histogram over tracks, activation over time, tracks at quantiles.

Activations are normalised as in the run; times are in seconds from the start of the clip.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pipeline.corpus.tracks import usable_tracks
from pipeline.store.activations import ShardFacts
from pipeline.store.records import records_from
from pipeline.store.run_directory import RunDirectory
from pipeline.store.tables import NeighbourRecord, TrackRecord

if TYPE_CHECKING:
    import numpy as np

    from pipeline.features.summaries import Summaries
    from pipeline.sae.checkpoint import StoredSae
    from pipeline.sae.frames import TrackReader

BINS = 24
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
LEVELS = 255
"""Maximum of a timeline's values, which are whole numbers from 0."""


@dataclass(frozen=True)
class Timeline:
    """A feature's activation over a clip, corrected for the codebook delay."""

    values: tuple[int, ...]
    """One value per frame, from 0 to `LEVELS`, which represents `scale`."""
    scale: float
    """The activation that `LEVELS` represents: the largest of all frames."""
    frame_rate: float
    """Frames per second."""
    first_frame: int
    """Audio frame of the first value; frame i lasts from i / rate to (i + 1) / rate seconds."""


@dataclass(frozen=True)
class Histogram:
    """Histogram of the mean activation over validation tracks in which the feature is active."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    silent: int
    """Number of validation tracks in which the feature is never active."""


@dataclass(frozen=True)
class QuantileTrack:
    """The validation track whose mean activation is closest to a quantile over active tracks."""

    quantile: float
    track: str
    mean_activation: float


@dataclass(frozen=True)
class FeatureFacts:
    """All figures of one feature; `timelines` are keyed by track."""

    histogram: Histogram
    quantiles: tuple[QuantileTrack, ...]
    timelines: dict[str, Timeline]
    neighbours: tuple[tuple[str, float], ...]
    """Identifier and cosine of the decoder directions, nearest first."""

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain values for JSON."""
        return asdict(self)


class SaeReader:
    """Reads features of one SAE of a finished run; data that they share are read only once."""

    def __init__(self, directory: RunDirectory, sae: str) -> None:
        self.directory, self.sae = directory, sae

    def facts(self, index: int, exemplars: Sequence[str]) -> FeatureFacts:
        """The figures of latent `index`, with timelines of `exemplars` and of its quantile tracks.

        Raises `PipelineError` if a file of the run is missing or broken.
        """
        tracks, means = self._validation_means(index)
        quantiles = quantile_tracks(tracks, means)
        wanted = dict.fromkeys([*exemplars, *(row.track for row in quantiles)])
        return FeatureFacts(
            histogram=histogram(means),
            quantiles=quantiles,
            timelines=self._timelines(index, list(wanted)),
            neighbours=tuple(self._neighbours.get(f"{self.sae}/{index}", ())),
        )

    @cached_property
    def tracks(self) -> dict[str, TrackRecord]:
        """All usable tracks of the run, by identifier."""
        return {track.track: track for track in usable_tracks(self.directory)}

    def _validation_means(self, index: int) -> tuple[list[str], np.ndarray]:
        import numpy as np

        column, names = self._summaries.column(index), self._summaries.tracks
        means = np.zeros(len(names), dtype=np.float32)
        means[column.tracks] = column.mean
        here = np.array(
            [name in self.tracks and self.tracks[name].split == "validation" for name in names],
            dtype=bool,
        )
        return [name for name, keep in zip(names, here, strict=True) if keep], means[here]

    def _timelines(self, index: int, wanted: Sequence[str]) -> dict[str, Timeline]:
        import torch

        from pipeline.features.encoding import frames_of

        latent, stored = torch.tensor([index]), self._stored
        found: dict[str, Timeline] = {}
        for track in wanted:
            if track in self._reader:
                facts, frames = self._reader.read(track)
                values = frames_of(stored.sae, frames, latent)[:, 0].numpy()
                found[track] = timeline(values / stored.facts.activation_scale, facts)
        return found

    @cached_property
    def _summaries(self) -> Summaries:
        from pipeline.features.summaries import open_summaries

        return open_summaries(self.directory, self.sae)

    @cached_property
    def _stored(self) -> StoredSae:
        from pipeline.sae import checkpoint

        return checkpoint.load(self.directory, self.sae)

    @cached_property
    def _reader(self) -> TrackReader:
        from pipeline.sae.frames import TrackReader

        return TrackReader(self.directory, self._stored)

    @cached_property
    def _neighbours(self) -> dict[str, list[tuple[str, float]]]:
        table = self.directory.read_table(f"features/{self.sae}.neighbours.parquet")
        near: dict[str, list[tuple[str, float]]] = {}
        for row in sorted(records_from(NeighbourRecord, table), key=lambda r: (r.feature, r.rank)):
            near.setdefault(row.feature, []).append((row.neighbour, row.cosine))
        return near


def histogram(means: np.ndarray) -> Histogram:
    """Histogram of active tracks' means [track], in `BINS` equal bins from 0 to the largest."""
    import numpy as np

    active = means[means > 0]
    top = float(active.max()) if len(active) else 1.0
    counts, edges = np.histogram(active, bins=BINS, range=(0.0, top))
    return Histogram(
        edges=tuple(round(float(edge), 6) for edge in edges),
        counts=tuple(int(count) for count in counts),
        silent=int((means <= 0).sum()),
    )


def quantile_tracks(tracks: Sequence[str], means: np.ndarray) -> tuple[QuantileTrack, ...]:
    """For each of `QUANTILES` the active track closest to it; each track is listed only once."""
    import numpy as np

    active = [(float(mean), track) for mean, track in zip(means, tracks, strict=True) if mean > 0]
    chosen: dict[str, QuantileTrack] = {}
    for quantile in QUANTILES if active else ():
        level = float(np.quantile([mean for mean, _ in active], quantile))
        mean, track = min(active, key=lambda pair: (abs(pair[0] - level), pair[1]))
        chosen.setdefault(track, QuantileTrack(quantile, track, round(mean, 6)))
    return tuple(chosen.values())


def timeline(values: np.ndarray, facts: ShardFacts) -> Timeline:
    """Activations [frame] ≥ 0, quantised to `LEVELS` levels of their maximum."""
    scale = float(values.max()) if len(values) else 0.0
    levels = (values / scale * LEVELS).round().astype(int).tolist() if scale else [0] * len(values)
    return Timeline(tuple(levels), round(scale, 6), facts.frame_rate, facts.first_frame)
