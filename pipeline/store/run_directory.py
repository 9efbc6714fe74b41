"""A run directory: reading its files, and the writers through which alone it changes.

Every write is atomic and hashed; see `pipeline.store.writers`.
"""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from pipeline.errors import BusyError, PipelineError
from pipeline.files.text import decoded, json_of
from pipeline.store.ledger import Ledger
from pipeline.store.run_shapes import checked_description, checked_manifest
from pipeline.store.safetensors import TensorFile, all_tensors, open_tensors, opened_tensors
from pipeline.store.writers import (
    MANIFEST_FILE,
    PARTIAL,
    SCRATCH,
    Piece,
    PieceWriter,
    Scratch,
    StageWriter,
    write_json_atomically,
)

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

Kind = TypeVar("Kind")

RUN_FILE = "run.json"
LOCK_FILE = ".lock"


class Computed(Protocol):
    """Files that are computed when they are read, in place of stored ones."""

    def has(self, relative: str) -> bool:
        """Whether this file is one of them."""

    def read(self, relative: str) -> tuple[dict[str, np.ndarray], dict[str, str]]:
        """Tensors and metadata, as they would be stored."""

    def metadata(self, relative: str) -> dict[str, str]:
        """Metadata only."""


class RunDirectory:
    """One run's files: reading them, and writing new ones through `writer`."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path).resolve()
        self.computed: Computed | None = None
        """Set for a run whose activations are not stored."""

    @property
    def begun(self) -> bool:
        """Whether there is a run here, that is, a `run.json`."""
        return (self.path / RUN_FILE).is_file()

    def begin(self, description: Mapping[str, Any]) -> None:
        """Write `run.json` into a new or empty folder.

        Raises `PipelineError` if the folder holds anything that a run did not put there.
        """
        if self.path.exists() and not self.path.is_dir():
            raise PipelineError(f"{self.path} is a file; a run needs a directory")
        others = [entry.name for entry in self.path.glob("*") if entry.name != PARTIAL]
        if any(not name.startswith(".") for name in others):
            raise PipelineError(
                f"{self.path} is not empty and holds no run ({', '.join(sorted(others)[:3])}); "
                "give an empty or new directory"
            )
        self.path.mkdir(parents=True, exist_ok=True)
        write_json_atomically(self.path / RUN_FILE, description)

    def path_of(self, relative: str) -> Path:
        """Absolute path of a file of the run, which need not exist.

        Raises `PipelineError` if `relative` leads outside the run directory.
        """
        path = (self.path / relative).resolve()
        if not path.is_relative_to(self.path):
            raise PipelineError(f"{relative!r} leads outside the run directory {self.path}")
        return path

    def read_json(self, relative: str) -> Any:
        """The JSON in a file of the run; raises `PipelineError` if it is missing or broken."""
        path = self.path_of(relative)
        try:
            return json_of(decoded(path.read_bytes(), str(path)), str(path))
        except FileNotFoundError as error:
            raise PipelineError(f"{path} is missing; is {self.path} a run directory?") from error
        except OSError as error:
            raise PipelineError(f"{path} cannot be read: {error.strerror}") from error

    def description(self, *needed: str) -> dict[str, Any]:
        """`run.json`; raises `PipelineError` if it is missing, broken, or lacks a needed part."""
        return checked_description(self.read_json(RUN_FILE), self.path / RUN_FILE, needed)

    def read_table(self, relative: str) -> pa.Table:
        """The Parquet table in a file of the run; raises `PipelineError` if it cannot be read."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = self.path_of(relative)
        try:
            return pq.read_table(path, partitioning=None)
        except FileNotFoundError as error:
            raise PipelineError(f"{path} is missing; has its stage been run?") from error
        except (pa.ArrowException, OSError) as error:
            raise PipelineError(f"{path} is not a Parquet table: {error}") from error

    def read_tensors(self, relative: str) -> tuple[dict[str, np.ndarray], dict[str, str]]:
        """Tensors and metadata of a safetensors file of the run."""
        if self.computed is not None and self.computed.has(relative):
            return self.computed.read(relative)
        return all_tensors(self.path_of(relative))

    def tensor_file(self, relative: str) -> TensorFile:
        """A safetensors file of the run, to be read in parts."""
        return TensorFile(self.path_of(relative))

    def open_tensors(self, relative: str) -> Any:
        """A safetensors file of the run for many small reads, open while the result is in use:
        `get_slice(name)[part]`, `get_tensor(name)`, `metadata()`."""
        return open_tensors(self.path_of(relative))

    def read_row(self, relative: str, name: str, row: int) -> np.ndarray:
        """One row of the tensor `name` along its first axis, without reading the other rows."""
        if self.computed is not None and self.computed.has(relative):
            found: np.ndarray = self.computed.read(relative)[0][name][row]
            return found
        with opened_tensors(self.path_of(relative)) as opened:
            array: np.ndarray = opened.get_slice(name)[row]
            return array

    def read_metadata(self, relative: str) -> dict[str, str]:
        """Metadata of a safetensors file of the run, without its tensors."""
        if self.computed is not None and self.computed.has(relative):
            return self.computed.metadata(relative)
        with opened_tensors(self.path_of(relative)) as opened:
            return opened.metadata() or {}

    def manifest(self) -> dict[str, Any]:
        """`{"stages": {STAGE: {"files": {relative: sha256}, "seconds", "finished_at",
        "summary"}}}`; no stages if none is done."""
        if not (self.path / MANIFEST_FILE).exists():
            return {"stages": {}}
        return checked_manifest(self.read_json(MANIFEST_FILE), self.path / MANIFEST_FILE)

    def is_done(self, stage: str) -> bool:
        """Whether the manifest has the stage's entry."""
        return stage in self.manifest()["stages"]

    def nested(self) -> list[RunDirectory]:
        """The runs nested in this one, its controls in `recovery/NAME`, sorted by name."""
        found = [RunDirectory(file.parent) for file in self.path.glob(f"recovery/*/{RUN_FILE}")]
        return sorted(found, key=lambda directory: directory.path)

    def digest(self, *stages: str) -> str:
        """SHA-256 over the names and hashes of all files of these finished stages.

        Stored beside a result, it shows later whether the files that it was made from have changed.
        """
        entries = self.manifest()["stages"]
        files = sorted(
            f"{name} {digest}\n"
            for stage in stages
            for name, digest in entries.get(stage, {"files": {}})["files"].items()
        )
        return hashlib.sha256("".join(files).encode()).hexdigest()

    def forget(self, stages: Collection[str]) -> list[str]:
        """Remove stages from the manifest, and delete the files that no other stage owns; what is
        unfinished of them goes too.

        Returns the deleted files of the manifest. It is written first, so that if the process is
        killed in between, no stage counts as done whose files are gone.
        """
        manifest = self.manifest()
        entries = [manifest["stages"].pop(stage, {"files": {}}) for stage in stages]
        kept = {name for entry in manifest["stages"].values() for name in entry["files"]}
        gone = sorted({name for entry in entries for name in entry["files"]} - kept)
        write_json_atomically(self.path / MANIFEST_FILE, manifest)
        pieces = [piece for stage in stages for piece in self.scratch(stage).pieces()]
        unfinished = {name for piece in pieces for name in piece.files} - kept
        for name in {*gone, *unfinished}:
            self.path_of(name).unlink(missing_ok=True)
        for stage in stages:
            self.scratch(stage).clear()
        return gone

    def summary(self, stage: str) -> dict[str, Any]:
        """The summary in a stage's manifest entry; raises `PipelineError` if it is not done."""
        entry = self.manifest()["stages"].get(stage)
        if entry is None:
            raise PipelineError(f"stage {stage} of {self.path} is not done")
        summary: dict[str, Any] = entry["summary"]
        return summary

    def sae_names(self) -> tuple[str, ...]:
        """Names of the run's SAEs, in the config's order, once the stage `sae` is done."""
        return tuple(self.stated("sae", "saes", list))

    def stated(self, stage: str, name: str, kind: type[Kind]) -> Kind:
        """One value from a finished stage's summary; raises `PipelineError` if it is not a `kind`,
        or if the stage is not done."""
        found = self.summary(stage).get(name)
        if not isinstance(found, kind):
            where = self.path / MANIFEST_FILE
            raise PipelineError(f"{where} is damaged: {name} of stage {stage} is {found!r:.60}")
        return found

    def ledger(self, relative: str) -> Ledger:
        """A ledger of the run, whose lines survive when a stage is killed."""
        return Ledger(self.path_of(relative))

    def scratch(self, stage: str) -> Scratch:
        """Where a stage keeps what it would lose if it were killed."""
        return Scratch(self.path / SCRATCH / stage)

    def writer(self, stage: str) -> StageWriter:
        """A context in which the stage writes its files."""
        return StageWriter(self, stage)

    def piece_writer(self, stage: str, piece: str, *, key: str) -> PieceWriter:
        """A context in which one piece of a stage is written."""
        return PieceWriter(self, stage, piece, key)

    def finished_piece(self, stage: str, piece: str, *, key: str) -> Piece | None:
        """The record of a finished piece of a stage that is not done yet; None if there is none
        with this key whose files are all there."""
        found = self.scratch(stage).piece(piece, key)
        whole = found is not None and all(self.path_of(name).is_file() for name in found.files)
        return found if whole else None

    @contextmanager
    def lock(self, *, shared: bool = False) -> Iterator[None]:
        """Keep all other processes out of this run while the context lasts; with `shared`, only
        those that do not share it.

        Whoever makes a piece of a stage shares the lock; everything else is alone. Raises
        `BusyError` at once if another process holds the lock. The operating system releases it with
        the process, so a killed process leaves no lock behind.
        """
        # Not only for writing: on NFS a shared lock needs a file that is open for reading.
        with (self.path / LOCK_FILE).open("a+") as stream:
            try:
                fcntl.flock(stream, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise BusyError(f"another process is working on the run {self.path}") from error
            yield
