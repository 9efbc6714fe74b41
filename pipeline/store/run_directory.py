"""A run directory: reading its files, and the writers through which alone it changes.

Every write is atomic and hashed; see `pipeline.store.writers`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from pipeline.errors import BusyError, PipelineError
from pipeline.files.text import decoded, json_of
from pipeline.store.files import Files, RemoteFiles
from pipeline.store.ledger import Ledger
from pipeline.store.remote import Remote, cache_of, is_url
from pipeline.store.run_shapes import checked_description, checked_manifest
from pipeline.store.safetensors import TensorFile, all_tensors, open_tensors, opened_tensors
from pipeline.store.writers import (
    MANIFEST_FILE,
    PARTIAL,
    Piece,
    PieceWriter,
    Scratch,
    StageWriter,
    json_bytes,
)

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

Kind = TypeVar("Kind")

RUN_FILE = "run.json"


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

    def __init__(self, place: Path | str | Files) -> None:
        """`place`: a folder, or a URL such as `s3://BUCKET/PREFIX`; `Files` where they have a cache
        or a fence of their own."""
        self.files = place if isinstance(place, Files) else _files(place)
        self.computed: Computed | None = None
        """Set for a run whose activations are not stored."""
        self._digests: dict[str, str] | None = None
        """Hashes in the manifest as it was read last."""

    def __str__(self) -> str:
        return str(self.files)

    @property
    def path(self) -> Path:
        """The folder; of a run in a store, that of the copies."""
        return self.files.path

    @property
    def begun(self) -> bool:
        """Whether there is a run here, that is, a `run.json`."""
        return self.files.read(RUN_FILE) is not None

    def within(self, folder: str) -> RunDirectory:
        """The run that is, or will be, in a folder of this one."""
        return RunDirectory(self.files.within(folder))

    def begin(self, description: Mapping[str, Any]) -> None:
        """Write `run.json` into a new or empty folder.

        Raises `PipelineError` if the folder holds anything that a run did not put there.
        """
        if self.path.exists() and not self.path.is_dir():
            raise PipelineError(f"{self.path} is a file; a run needs a directory")
        others = [name for name in self.files.names() if name != PARTIAL]
        if any(not name.startswith(".") for name in others):
            raise PipelineError(
                f"{self} is not empty and holds no run ({', '.join(sorted(others)[:3])}); "
                "give an empty or new directory"
            )
        self.path.mkdir(parents=True, exist_ok=True)
        if not self.files.begin(RUN_FILE, json_bytes(description)):
            raise BusyError(f"another process has just begun a run in {self}")

    def path_of(self, relative: str) -> Path:
        """Absolute path of a file of the run, which need not exist.

        Raises `PipelineError` if `relative` leads outside the run directory.
        """
        return self.files.find(relative, self._listed)

    def has(self, relative: str) -> bool:
        """Whether a file is there to be read, without fetching it."""
        return self.files.exists(relative, self._listed)

    def _listed(self, relative: str, *, fresh: bool) -> str | None:
        """The SHA-256 of a file in the manifest."""
        if fresh or self._digests is None:
            self.manifest()
        return (self._digests or {}).get(relative)

    def names(self, folder: str) -> list[str]:
        """The names of the files directly in a folder that the manifest lists, sorted."""
        files = {name for entry in self.manifest()["stages"].values() for name in entry["files"]}
        split = (name.rpartition("/") for name in files)
        return sorted(name for parent, _, name in split if parent == folder)

    def read_json(self, relative: str) -> Any:
        """The JSON in a file of the run as it is now; raises `PipelineError` if it is missing or
        broken."""
        found = self._json(relative)
        if found is None:
            raise PipelineError(f"{self}/{relative} is missing; is {self} a run directory?")
        return found[0]

    def _json(self, relative: str) -> tuple[Any] | None:
        """The JSON in a file, which may be `null`; None if there is no file."""
        name = f"{self}/{relative}"
        try:
            data = self.files.read(relative)
        except OSError as error:
            raise PipelineError(f"{name} cannot be read: {error.strerror}") from error
        return None if data is None else (json_of(decoded(data, name), name),)

    def description(self, *needed: str) -> dict[str, Any]:
        """`run.json`; raises `PipelineError` if it is missing, broken, or lacks a needed part."""
        return checked_description(self.read_json(RUN_FILE), f"{self}/{RUN_FILE}", needed)

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
        return self.files.metadata(relative)

    def manifest(self) -> dict[str, Any]:
        """`{"stages": {STAGE: {"files": {relative: sha256}, "seconds", "finished_at",
        "summary"}}}`; no stages if none is done."""
        stored = self._json(MANIFEST_FILE)
        found: dict[str, Any] = {"stages": {}}
        if stored is not None:
            found = checked_manifest(stored[0], f"{self}/{MANIFEST_FILE}")
        files = (entry["files"] for entry in found["stages"].values())
        self._digests = {name: digest for listed in files for name, digest in listed.items()}
        return found

    def is_done(self, stage: str) -> bool:
        """Whether the manifest has the stage's entry."""
        return stage in self.manifest()["stages"]

    def nested(self) -> list[RunDirectory]:
        """The runs nested in this one, its controls in `recovery/NAME`, sorted by name."""
        found = (self.within(f"recovery/{name}") for name in self.files.names("recovery"))
        return [directory for directory in found if directory.begun]

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
        self.files.replace(MANIFEST_FILE, json_bytes(manifest))
        pieces = [piece for stage in stages for piece in self.scratch(stage).pieces()]
        unfinished = {name for piece in pieces for name in piece.files} - kept
        for name in {*gone, *unfinished}:
            self.files.remove(name)
        for stage in stages:
            self.scratch(stage).clear()
        return gone

    def summary(self, stage: str) -> dict[str, Any]:
        """The summary in a stage's manifest entry; raises `PipelineError` if it is not done."""
        entry = self.manifest()["stages"].get(stage)
        if entry is None:
            raise PipelineError(f"stage {stage} of {self} is not done")
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
            where = f"{self}/{MANIFEST_FILE}"
            raise PipelineError(f"{where} is damaged: {name} of stage {stage} is {found!r:.60}")
        return found

    def ledger(self, relative: str) -> Ledger:
        """A ledger of the run, whose lines survive when a stage is killed."""
        return self.files.ledger(relative)

    def scratch(self, stage: str) -> Scratch:
        """Where a stage keeps what it would lose if it were killed."""
        return Scratch(self.files, stage)

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
        # In a store the files of a record were there before it was.
        in_folder = not isinstance(self.files, RemoteFiles)
        if found is None or (in_folder and not all(map(self._exists, found.files))):
            return None
        return found

    def _exists(self, relative: str) -> bool:
        return self.files.target(relative).is_file()

    @contextmanager
    def lock(self, *, shared: bool = False) -> Iterator[None]:
        """Keep all other processes out of this run while the context lasts; with `shared`, only
        those that do not share it.

        Whoever makes a piece of a stage shares the lock; everything else is alone. Raises
        `BusyError` at once if another process holds the lock. The operating system releases it with
        the process, so a killed process leaves no lock behind.
        """
        with self.files.lock(shared=shared):
            yield


RunPlace = Path | str | RunDirectory
"""A folder, the URL of a store, or what has been made of them."""


def opened(place: RunPlace) -> RunDirectory:
    """The run directory at a place."""
    return place if isinstance(place, RunDirectory) else RunDirectory(place)


def _files(place: Path | str) -> Files:
    if isinstance(place, str) and is_url(place):
        return RemoteFiles(cache_of(place), Remote(place))
    return Files(Path(place))
