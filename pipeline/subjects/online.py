"""Activations that are not stored: computed when they are read (`run --online`).

At the paper's size activations take 1.6 TB. Under `[machine] online` the stage `activations` writes
only which tracks belong to which shard (`pipeline.store.activations.PLAN`). Whoever then reads a
shard gets what its file would hold, to the byte. One forward pass gives all hookpoints, and the
last shards are kept, so that readers of other hookpoints and SAEs that follow closely need no pass
of their own.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING

from pipeline.config import RunConfig
from pipeline.corpus.tracks import usable_tracks
from pipeline.errors import PipelineError
from pipeline.store.activations import ShardFacts, named_in, planned
from pipeline.store.run_directory import RunDirectory
from pipeline.store.tables import TrackRecord
from pipeline.subjects import load_subject
from pipeline.subjects.extraction import extracted, shard_arrays

if TYPE_CHECKING:
    import numpy as np

    from pipeline.subjects.base import ActivationSource

Arrays = dict[str, "np.ndarray"]
"""By hookpoint, [track, frame, d] float16."""


def require(config: RunConfig) -> None:
    """Raise `PipelineError` if a run of this config cannot do without stored activations."""
    if config.machine.online and not config.sae.together and not config.sae.checkpoint:
        raise PipelineError(
            "a run whose activations are not stored needs [sae] together = true: SAEs that are "
            "trained one by one read the corpus in orders of their own"
        )


class OnlineShards:
    """The activation files of a run that stores none; see `run_directory.Computed`.

    For several threads at once: one computes, the others wait for it.
    """

    def __init__(self, config: RunConfig, directory: RunDirectory) -> None:
        self._config, self._directory = config, directory
        self._limit = config.machine.memory_gb * 1e9
        """Bytes of activations that are kept."""
        self._kept: OrderedDict[str, Arrays] = OrderedDict()
        self._computing = Lock()
        self._loaded: tuple[ActivationSource, dict[str, TrackRecord]] | None = None
        self._plan: dict[str, dict[str, str]] | None = None

    def has(self, relative: str) -> bool:
        """Whether the path is that of an activation file which the run does not store."""
        if named_in(relative) is None:
            return False
        if self._plan is None:
            self._plan = planned(self._directory)
        return self._plan is not None

    def read(self, relative: str) -> tuple[Arrays, dict[str, str]]:
        """Tensors and metadata of an activation file, as they would be stored.

        Raises `PipelineError` if a track of the shard has no activations.
        """
        hookpoint, shard = named_in(relative) or ("", "")
        with self._computing:
            if shard not in self._kept:
                self._kept[shard] = self._computed(shard)
                while len(self._kept) > 1 and _bytes_of(self._kept) > self._limit:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(shard)
            return {"activations": self._kept[shard][hookpoint]}, self.metadata(relative)

    def metadata(self, relative: str) -> dict[str, str]:
        """The metadata of an activation file, which need no computing."""
        hookpoint, shard = named_in(relative) or ("", "")
        return (self._plan or {})[shard] | {"hookpoint": hookpoint}

    def _computed(self, shard: str) -> Arrays:
        config = self._config
        if self._loaded is None:
            subject: ActivationSource = load_subject(config.subject, device=config.machine.device)
            self._loaded = subject, {one.track: one for one in usable_tracks(self._directory)}
        subject, tracks = self._loaded
        names = ShardFacts.from_metadata((self._plan or {})[shard] | {"hookpoint": ""}).tracks
        parts = list(extracted(subject, config, [tracks[name] for name in names]))
        for part in parts:
            for track, reason in part.reasons.items():
                raise PipelineError(
                    f"track {track}: {reason}; a run whose activations are not stored cannot set "
                    "it aside: repair the file, or run without --online"
                )
        return shard_arrays(parts)


def _bytes_of(kept: OrderedDict[str, Arrays]) -> int:
    return sum(array.nbytes for arrays in kept.values() for array in arrays.values())
