"""The only code that writes inside a run directory; every write is atomic and hashed.

A stage writes each file under a temporary name in `.partial/`, renames it into place and notes its
SHA-256. The stage's entry in `manifest.json` is written last, also by a rename. A stage that was
killed has no entry, so the next call runs it from the start and overwrites what it left, but for
what it keeps in a `Scratch`.

The bytes of a file depend only on its contents: tables and tensors written twice have equal hashes.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from pipeline.errors import BusyError, PipelineError
from pipeline.files.hashing import sha256_of
from pipeline.files.text import decoded, json_of
from pipeline.store.ledger import Ledger
from pipeline.store.run_shapes import checked_description, checked_manifest
from pipeline.store.safetensors import safetensors_bytes

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

Kind = TypeVar("Kind")

RUN_FILE = "run.json"
MANIFEST_FILE = "manifest.json"
PARTIAL = ".partial"
SCRATCH = ".unfinished"
LOCK_FILE = ".lock"


class RunDirectory:
    """One run's files: reading them, and writing new ones through `writer`."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path).resolve()

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
        _write_json_atomically(self.path / RUN_FILE, description)

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
        return _all_tensors(self.path_of(relative))

    def read_row(self, relative: str, name: str, row: int) -> np.ndarray:
        """One row of the tensor `name` along its first axis, without reading the other rows."""
        with _opened(self.path_of(relative)) as opened:
            array: np.ndarray = opened.get_slice(name)[row]
            return array

    def read_column(
        self, relative: str, name: str, column: int
    ) -> tuple[np.ndarray, dict[str, str]]:
        """One column of the two-dimensional tensor `name`, and the file's metadata."""
        with _opened(self.path_of(relative)) as opened:
            array: np.ndarray = opened.get_slice(name)[:, column]
            return array, opened.metadata() or {}

    def read_metadata(self, relative: str) -> dict[str, str]:
        """Metadata of a safetensors file of the run, without its tensors."""
        with _opened(self.path_of(relative)) as opened:
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
        """Remove stages from the manifest, and delete the files that no other stage owns.

        Returns the deleted files. The manifest is written first, so that if the process is killed
        in between, no stage counts as done whose files are gone.
        """
        manifest = self.manifest()
        entries = [manifest["stages"].pop(stage, {"files": {}}) for stage in stages]
        kept = {name for entry in manifest["stages"].values() for name in entry["files"]}
        gone = sorted({name for entry in entries for name in entry["files"]} - kept)
        _write_json_atomically(self.path / MANIFEST_FILE, manifest)
        for name in gone:
            self.path_of(name).unlink(missing_ok=True)
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

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep all other processes out of this run while the context lasts.

        Raises `BusyError` at once if another process holds the lock. The operating system releases
        it with the process, so a killed process leaves no lock behind.
        """
        with (self.path / LOCK_FILE).open("w") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise BusyError(f"another process is working on the run {self.path}") from error
            yield


class StageWriter:
    """Writes a stage's files; the stage is done when the context is left without an error.

    `summary` (counts and chosen values) is stored in the manifest.
    """

    def __init__(self, directory: RunDirectory, stage: str) -> None:
        self.directory = directory
        self.stage = stage
        self.summary: dict[str, Any] = {}
        self._files: dict[str, str] = {}
        self._partial = directory.path / PARTIAL / stage

    def __enter__(self) -> StageWriter:
        self._started = time.monotonic()
        shutil.rmtree(self._partial, ignore_errors=True)
        self._partial.mkdir(parents=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        shutil.rmtree(self._partial, ignore_errors=True)
        with suppress(OSError):  # not empty: another stage is still writing
            self._partial.parent.rmdir()
        if kind is None:
            self._enter_manifest()

    def write_file(self, relative: str, write: Callable[[Path], None]) -> Path:
        """Let `write` fill a temporary path, rename it to `relative`, and return the new path."""
        final = self.directory.path_of(relative)
        # Keep the suffix last: soundfile and others choose the format by it.
        temporary = self._partial / f"{len(self._files):06d}-{final.name}"
        write(temporary)
        _flush_to_disk(temporary)
        self._files[relative] = sha256_of(temporary)
        final.parent.mkdir(parents=True, exist_ok=True)
        os.replace(temporary, final)
        return final

    def write_bytes(self, relative: str, data: bytes) -> Path:
        """Write `data` unchanged."""

        def write(path: Path) -> None:
            path.write_bytes(data)

        return self.write_file(relative, write)

    def keep(self, relative: str) -> Path:
        """Record a file that already exists, complete, as one of this stage's files."""
        path = self.directory.path_of(relative)
        self._files[relative] = sha256_of(path)
        return path

    def write_json(self, relative: str, value: Any) -> Path:
        """Write JSON, indented by two spaces, with keys in the given order."""
        return self.write_bytes(relative, _json_bytes(value))

    def write_table(self, relative: str, table: pa.Table) -> Path:
        """Write a Parquet table."""
        import pyarrow.parquet as pq

        def write(path: Path) -> None:
            pq.write_table(table, path)

        return self.write_file(relative, write)

    def write_tensors(
        self,
        relative: str,
        tensors: Mapping[str, np.ndarray],
        metadata: Mapping[str, str] | None = None,
    ) -> Path:
        """Write a safetensors file from numpy arrays; metadata values are text."""
        return self.write_bytes(relative, safetensors_bytes(tensors, metadata or {}))

    def _enter_manifest(self) -> None:
        manifest = self.directory.manifest()
        manifest["stages"][self.stage] = {
            "files": dict(sorted(self._files.items())),
            "seconds": round(time.monotonic() - self._started, 3),
            "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "summary": self.summary,
        }
        _write_json_atomically(self.directory.path / MANIFEST_FILE, manifest)


class Scratch:
    """Unfinished work of a stage: files outside the manifest, each replaced as a whole.

    `clear` it after the stage's entry is in the manifest. Another stage, process or version may
    find what is left here: whoever loads must check that it belongs to the work at hand.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(
        self, name: str, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]
    ) -> None:
        """Replace the file `name`."""
        final = self._path(name)
        final.parent.mkdir(parents=True, exist_ok=True)
        # Not named after the process: what a killed one left is replaced, and may be gigabytes.
        temporary = final.with_suffix(".partial")
        _write_atomically(final, safetensors_bytes(tensors, metadata), temporary)

    def load(self, name: str) -> tuple[dict[str, np.ndarray], dict[str, str]] | None:
        """Tensors and metadata of the file `name`; None if there is none that can be read."""
        try:
            return _all_tensors(self._path(name))
        except PipelineError:
            return None

    def clear(self) -> None:
        """Remove everything."""
        shutil.rmtree(self._folder, ignore_errors=True)
        with suppress(OSError):  # not empty, or never made
            self._folder.parent.rmdir()

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.safetensors"


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """A safetensors file; raises `PipelineError` if it cannot be read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as opened:
            yield opened
    except (OSError, SafetensorError, TypeError) as error:  # TypeError: numpy has no bfloat16
        raise PipelineError(f"{path} cannot be read as safetensors: {error}") from error


def _all_tensors(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    with _opened(path) as opened:
        names = list(opened.keys())
        return {name: opened.get_tensor(name) for name in names}, opened.metadata() or {}


def _json_bytes(value: Any) -> bytes:
    # A lone surrogate, which JSON can escape but UTF-8 cannot hold, stays escaped.
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    return text.encode(errors="backslashreplace")


def _write_json_atomically(path: Path, value: Any) -> None:
    _write_atomically(path, _json_bytes(value), path.with_name(f".{path.name}.{os.getpid()}"))


def _write_atomically(path: Path, data: bytes, temporary: Path) -> None:
    temporary.write_bytes(data)
    _flush_to_disk(temporary)
    os.replace(temporary, path)


def _flush_to_disk(path: Path) -> None:
    """Flush a file to disk before a rename or a manifest refers to it."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
