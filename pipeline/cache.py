"""Tables and tensors that are computed once per run, and values kept in memory during a stage."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from pipeline.store.run_directory import RunDirectory
from pipeline.store.writers import Writer

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass
class SharedTables:
    """Tables that methods compute once per run, however many SAEs it has.

    The stage `labels` makes and writes them; the other stages read what it wrote.
    """

    directory: RunDirectory
    writer: Writer | None = None
    """The writer of the stage or piece that is running."""
    ready: frozenset[str] = frozenset()
    """Files of the running stage that finished pieces of it have made."""
    memo: dict[Any, Any] = field(default_factory=dict)
    """Values kept from one call to the next, by a key that contains all that they depend on."""
    unfinished: str = ""
    """Why labels are still missing, in one line; set by a method that has not got all its answers
    yet. The stage then does not count as done."""
    _made: dict[str, pa.Table] = field(default_factory=dict)

    def get(self, relative: str, make: Callable[[], pa.Table]) -> pa.Table:
        """The table at `relative` in the run directory, made by `make` if it does not exist yet."""
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
        """Tensors at `relative`, made and written unless a file with the same stamp exists.

        The stamp contains all that they depend on and is stored as the file's metadata, so that a
        stage that was killed can re-use what it had made. Without a writer nothing is written.
        """
        key = (relative, tuple(sorted(stamp.items())))
        if key not in self.memo:
            self.memo[key] = self.stored(relative, stamp) or self._written(relative, stamp, make())
        found: Mapping[str, npt.NDArray[Any]] = self.memo[key]
        return found

    def stored(
        self, relative: str, stamp: Mapping[str, str]
    ) -> Mapping[str, npt.NDArray[Any]] | None:
        """The tensors at `relative` if they were made under the same stamp; else None."""
        if not self.directory.path_of(relative).is_file():
            return None
        tensors, metadata = self.directory.read_tensors(relative)
        if metadata != dict(stamp):
            return None
        if self.writer is not None and self._owns(relative):
            self.writer.keep(relative)
        return tensors

    def _owns(self, relative: str) -> bool:
        """Whether the file is to be made here: each stage writes into its own folder."""
        if self.writer is None or relative in self.ready:
            return False
        return relative.startswith(f"{self.writer.stage}/")

    def _written(
        self,
        relative: str,
        stamp: Mapping[str, str],
        tensors: Mapping[str, npt.NDArray[Any]],
    ) -> Mapping[str, npt.NDArray[Any]]:
        if self.writer is not None and self._owns(relative):
            self.writer.write_tensors(relative, tensors, stamp)
        return tensors
