"""The planted concepts of a run's corpus, and the tracks that have them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.corpus.tracks import usable_tracks
from pipeline.errors import PipelineError
from pipeline.store.run_directory import RunDirectory
from pipeline.store.tables import TrackRecord


@dataclass(frozen=True)
class Planted:
    """One concept of `concepts.json`."""

    name: str
    group: str
    tracks: dict[str, frozenset[str]]
    """Usable tracks with the concept, by split."""
    sizes: dict[str, int]
    """Number of usable tracks, by split."""

    def present(self, tracks: Sequence[str], split: str) -> np.ndarray:
        """Whether each of `tracks` of that split has the concept, [track] bool."""
        return np.array([track in self.tracks[split] for track in tracks], dtype=bool)

    def count(self, split: str, *, present: bool = True) -> int:
        """Number of tracks of a split with the concept, or without it."""
        n = len(self.tracks[split])
        return n if present else self.sizes[split] - n

    def gradable(self) -> bool:
        """Whether train and test each have at least two tracks with the concept and two without."""
        counts = [
            self.count(split, present=present)
            for split in ("train", "test")
            for present in (True, False)
        ]
        return min(counts) >= 2


def planted_concepts(directory: RunDirectory) -> list[Planted]:
    """Every concept of the corpus, in the order of `concepts.json`.

    Raises `PipelineError` if the corpus has none.
    """
    if not directory.has("concepts.json"):
        raise PipelineError(
            f"{directory} has no concepts.json: its corpus has no planted concepts to recover"
        )
    tracks = usable_tracks(directory)
    listed = directory.read_json("concepts.json")["concepts"]
    return [_planted(entry["name"], str(entry.get("group", "")), tracks) for entry in listed]


def split_mask(directory: RunDirectory, tracks: Sequence[str], split: str) -> np.ndarray:
    """Whether each of `tracks` is in the split, [track] bool."""
    inside = {track.track for track in usable_tracks(directory) if track.split == split}
    return np.array([track in inside for track in tracks], dtype=bool)


def _planted(name: str, group: str, tracks: list[TrackRecord]) -> Planted:
    splits = ("train", "validation", "test")
    having = {
        split: frozenset(t.track for t in tracks if t.split == split and name in t.tags)
        for split in splits
    }
    sizes = {split: sum(t.split == split for t in tracks) for split in splits}
    return Planted(name, group, having, sizes)
