"""Tables and tensors that are computed once per run, and what is kept in memory for a stage."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from pipeline.store.run_directory import RunDirectory, StageWriter

if TYPE_CHECKING:
    import pyarrow as pa


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
