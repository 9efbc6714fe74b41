"""What the stages after `features` have in common: kept features, and what comes before them.

A piece is the work on the kept features of an SAE; of `labels` and `scores` also what methods or
scorers compute once per run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any, Protocol

from pipeline.cache import SharedTables
from pipeline.config import RunConfig
from pipeline.context import SaeContext, open_context
from pipeline.corpus.tracks import usable_tracks
from pipeline.progress import Progress
from pipeline.store.records import records_from
from pipeline.store.run_directory import RunDirectory
from pipeline.store.tables import FeatureRecord

SHARED = "shared."
"""How the names of pieces begin that are computed once per run."""


class Sharing(Protocol):
    """A labeler or a scorer."""

    def shared(self) -> Mapping[str, Callable[[SaeContext], object]]:
        """What it computes once per run, by name."""
        ...


class PerFeature:
    """A stage in pieces (`pipeline.pieces.Pieces`) that works on the kept features of all SAEs."""

    unit = "feature"
    at_once = 1  # Each piece uses all of `machine.workers` for its tracks.

    def __init__(
        self, config: RunConfig, directory: RunDirectory, sharing: Iterable[Sharing]
    ) -> None:
        self._config, self._directory = config, directory
        self._saes = directory.sae_names()
        self._shared = {name: make for one in sharing for name, make in one.shared().items()}
        self._memo: dict[Any, Any] = {}
        """What this process keeps from one piece to the next."""

    def _context(self, sae: str, tables: SharedTables, progress: Progress) -> SaeContext:
        return open_context(self._config, self._directory, sae, progress=progress, tables=tables)

    @cached_property
    def _tracks(self) -> int:
        return len(usable_tracks(self._directory))

    @cached_property
    def _kept(self) -> dict[str, int]:
        """The number of kept features of each SAE."""
        tables = {s: self._directory.read_table(f"features/{s}.parquet") for s in self._saes}
        return {
            sae: sum(row.kept for row in records_from(FeatureRecord, table))
            for sae, table in tables.items()
        }
