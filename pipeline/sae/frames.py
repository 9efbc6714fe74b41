"""The frames that an SAE is trained on: those of train tracks, shuffled, in bounded memory.

Shards are drawn in random order and gathered into pools of at most `POOL_FRAMES` frames; frames
are shuffled within a pool. Neighbouring frames of a track are nearly equal, so a batch of one
track would be far from independent draws; with several shards per pool it mixes many tracks. A
corpus that fits into one pool is read once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from pipeline.errors import NoActivationsError, PipelineError
from pipeline.sae.checkpoint import StoredSae, refuse_mismatch
from pipeline.sae.ranks import ALONE, Ranks
from pipeline.store.activations import ShardFacts, read_shards, shard_paths
from pipeline.store.run_directory import RunDirectory

POOL_FRAMES = 1_000_000
"""Frames that are shuffled together: at d = 2048 in float16, 4 GB."""


class Position(NamedTuple):
    """Where in the endless sequence of batches a training is."""

    order: Tensor
    """State of the generator at the start of the current pass over the frames, [byte] uint8."""
    taken: int
    """Batches taken since then."""


class Batches(Iterator[Tensor]):
    """Shuffled batches [frame, d] of `size` frames; a pool's remainder under `size` is dropped.

    A pool smaller than `size` is a batch of its own. `position` may be stored at any time; batches
    made from it continue as these would have. They read the current pass's pools up to it again.
    Each of the processes of `ranks` gets its share of every batch, all of them together the batches
    of one process.
    """

    def __init__(
        self,
        frames: TrainingFrames,
        size: int,
        generator: torch.Generator,
        position: Position | None = None,
        ranks: Ranks = ALONE,
    ) -> None:
        self._frames, self._size, self._generator = frames, size, generator
        self._ranks = ranks
        if position is not None:
            generator.set_state(position.order)
        self.position = Position(generator.get_state(), 0)
        self._passes = self._from(position.taken if position else 0)

    def __next__(self) -> Tensor:
        """The next batch; raises `PipelineError` if there is no train frame at all."""
        return next(self._passes)

    def _from(self, skipped: int) -> Iterator[Tensor]:
        while True:
            self.position = Position(self._generator.get_state(), 0)
            found = False
            for pool in self._frames._pools(self._generator):
                found = True
                size_here = min(self._size, len(pool))
                order = torch.randperm(len(pool), generator=self._generator)
                for rows in torch.split(order, size_here):
                    if len(rows) < size_here:
                        continue
                    self.position = Position(self.position.order, self.position.taken + 1)
                    if self.position.taken > skipped:
                        yield pool[self._ranks.share(rows)]
            skipped = 0
            if not found:
                raise PipelineError("no train track has activations: the SAE has nothing to learn")


class TrainingFrames:
    """Endless batches of train frames [frame, d] float16 of one hookpoint.

    For one training: a pool that stays in memory keeps the order in which it was first read.
    """

    def __init__(
        self,
        directory: RunDirectory,
        hookpoint: str,
        tracks: frozenset[str],
        *,
        pool_frames: int = POOL_FRAMES,
    ) -> None:
        self._directory = directory
        self._tracks = tracks
        self._pool_frames = pool_frames
        self._paths = shard_paths(directory, hookpoint)
        self._cached: Tensor | None = None

    def batches(
        self,
        size: int,
        generator: torch.Generator,
        position: Position | None = None,
        ranks: Ranks = ALONE,
    ) -> Batches:
        """Shuffled batches of `size` frames, from `position` on (None: from the start)."""
        return Batches(self, size, generator, position, ranks)

    def sample(self, size: int, generator: torch.Generator) -> Tensor:
        """Up to `size` frames [frame, d] float32 from the first pool."""
        for pool in self._pools(generator):
            rows = torch.randperm(len(pool), generator=generator)[:size]
            return pool[rows].float()
        raise PipelineError("no train track has activations: the SAE has nothing to learn")

    def _pools(self, generator: torch.Generator) -> Iterator[Tensor]:
        """Frames of train tracks in pools [frame, d]; one pass over all shards."""
        if self._cached is not None:
            yield self._cached
            return
        held: list[Tensor] = []
        n_pools = 0
        for number in torch.randperm(len(self._paths), generator=generator).tolist():
            frames = self._read(self._paths[number])
            if held and sum(map(len, held)) + len(frames) > self._pool_frames:
                yield torch.cat(held)
                held, n_pools = [], n_pools + 1
            if len(frames):
                held.append(frames)
        if held:
            pool = torch.cat(held)
            # The only pool of this pass: the next passes need not read the disk again.
            if n_pools == 0:
                self._cached = pool
            yield pool

    def _read(self, path: str) -> Tensor:
        """Frames of a shard's train tracks, [frame, d] float16."""
        tensors, metadata = self._directory.read_tensors(path)
        tracks = ShardFacts.from_metadata(metadata).tracks
        rows = [i for i, track in enumerate(tracks) if track in self._tracks]
        return torch.from_numpy(tensors["activations"][rows]).flatten(0, 1)


def checked_shards(
    directory: RunDirectory, saes: Sequence[StoredSae]
) -> Iterator[tuple[ShardFacts, np.ndarray]]:
    """The activation files that SAEs of one hookpoint read, [track, frame, d] float16 each.

    Raises `PipelineError` if one has a different subject, hookpoint or delay mapping.
    """
    for facts, array in read_shards(directory, saes[0].facts.hookpoint):
        for stored in saes:
            _refuse_foreign(stored, facts)
        yield facts, array


class TrackReader:
    """Activations of single tracks at an SAE's hookpoint, without the rest of their files.

    Raises `PipelineError` if a file is missing or has a different subject, hookpoint or delay
    mapping.
    """

    def __init__(self, directory: RunDirectory, stored: StoredSae) -> None:
        self._directory = directory
        self._places: dict[str, tuple[str, int, ShardFacts]] = {}
        for path in shard_paths(directory, stored.facts.hookpoint):
            if directory.computed is None and not directory.has(path):
                raise NoActivationsError(f"{path} is missing: the run's activations were removed")
            facts = ShardFacts.from_metadata(directory.read_metadata(path))
            _refuse_foreign(stored, facts)
            places = {track: (path, row, facts) for row, track in enumerate(facts.tracks)}
            self._places.update(places)

    def __contains__(self, track: str) -> bool:
        return track in self._places

    def in_file_order(self, tracks: Iterable[str]) -> list[str]:
        """The tracks as they lie in their files: where these are computed when they are read, each
        is computed once."""
        return sorted(tracks, key=lambda track: self._places[track][:2])

    def read(self, track: str) -> tuple[ShardFacts, Tensor]:
        """The metadata of a track's file, and its activations [frame, d] float32."""
        path, row, facts = self._places[track]
        array = self._directory.read_row(path, "activations", row)
        return facts, torch.from_numpy(array).float()


def _refuse_foreign(stored: StoredSae, facts: ShardFacts) -> None:
    refuse_mismatch(
        stored.name,
        stored.facts,
        subject_fingerprint=facts.subject_fingerprint,
        hookpoint=facts.hookpoint,
        delay_mapping=facts.delay_mapping,
    )
