"""What writes into a run directory: stages, the pieces of a stage, and unfinished work.

Every file is written under a temporary name in `.partial/`, renamed into place and noted with its
SHA-256. What makes it count is written last, also by a rename: the entry of a stage in
`manifest.json`, or the record of a piece in `.unfinished/STAGE/`. So a stage that was killed is not
done, and the next call overwrites what it left, but for its finished pieces.

The bytes of a file depend only on its contents: tables and tensors written twice have equal hashes.
"""

from __future__ import annotations

import glob
import json
import os
import shutil
import tempfile
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from pipeline.errors import PipelineError
from pipeline.files.hashing import sha256_of
from pipeline.store.safetensors import Tensors, all_tensors, write_safetensors

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

MANIFEST_FILE = "manifest.json"
PARTIAL = ".partial"
SCRATCH = ".unfinished"
PLAN = "plan.json"


@dataclass(frozen=True)
class Piece:
    """The record of a finished piece of a stage that is not done yet."""

    name: str
    key: str
    """What the piece depends on; a record with another key does not count."""
    files: dict[str, str]
    """Relative path → SHA-256."""
    facts: dict[str, Any]
    """What closing the stage needs to know of it: any JSON."""
    started_at: float
    finished_at: float
    """Seconds since 1970."""


class Place(Protocol):
    """What a writer needs of the run directory that it writes into."""

    @property
    def path(self) -> Path:
        """The directory."""

    def path_of(self, relative: str) -> Path:
        """Absolute path of a file of the run; raises `PipelineError` if it leads outside."""

    def manifest(self) -> dict[str, Any]:
        """The manifest as it is now."""


class Writer(ABC):
    """Writes files, and publishes them when the context is left without an error."""

    def __init__(self, directory: Place, stage: str) -> None:
        self.directory = directory
        self.stage = stage
        self._files: dict[str, str] = {}
        self._partial = directory.path / PARTIAL / stage

    def __enter__(self) -> Self:
        self._started = time.time()
        self._make_partial()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._publish()
        finally:
            shutil.rmtree(self._partial, ignore_errors=True)
            self._tidy()

    def write_file(self, relative: str, write: Callable[[Path], None]) -> Path:
        """Let `write` fill a temporary path, rename it to `relative`, and return the new path."""
        final = self.directory.path_of(relative)
        # Keep the suffix last: soundfile and others choose the format by it.
        temporary = self._partial / f"{len(self._files):06d}-{final.name}"
        write(temporary)
        flush_to_disk(temporary)
        self._files[relative] = sha256_of(temporary)
        final.parent.mkdir(parents=True, exist_ok=True)
        os.replace(temporary, final)
        return final

    def write_bytes(self, relative: str, data: bytes) -> Path:
        """Write `data` unchanged."""

        def write(path: Path) -> None:
            path.write_bytes(data)

        return self.write_file(relative, write)

    def write_shared(self, relative: str, data: bytes, twins: Iterable[Path]) -> Path:
        """Write `data`, as a hard link to the first of `twins` that exists and holds the same: so
        that a clip which many SAEs have is stored once. A copy where there can be no links."""

        def write(path: Path) -> None:
            for twin in twins:
                if twin.is_file() and twin.read_bytes() == data:
                    with suppress(OSError):
                        os.link(twin, path)
                        return
            path.write_bytes(data)

        return self.write_file(relative, write)

    def write_json(self, relative: str, value: Any) -> Path:
        """Write JSON, indented by two spaces, with keys in the given order."""
        return self.write_bytes(relative, json_bytes(value))

    def write_table(self, relative: str, table: pa.Table) -> Path:
        """Write a Parquet table."""
        import pyarrow.parquet as pq

        def write(path: Path) -> None:
            pq.write_table(table, path)

        return self.write_file(relative, write)

    def write_tensors(
        self,
        relative: str,
        tensors: Tensors,
        metadata: Mapping[str, str] | None = None,
    ) -> Path:
        """Write a safetensors file from numpy arrays; metadata values are text."""

        def write(path: Path) -> None:
            with path.open("wb") as stream:
                write_safetensors(stream, tensors, metadata or {})

        return self.write_file(relative, write)

    @contextmanager
    def spill(self, name: str) -> Iterator[Path]:
        """A folder for what does not fit into memory, removed afterwards."""
        folder = self._partial / "spill" / name
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _make_partial(self) -> None:
        shutil.rmtree(self._partial, ignore_errors=True)
        self._partial.mkdir(parents=True)

    def _tidy(self) -> None:
        with suppress(OSError):  # not empty: a piece of another stage was killed
            self._partial.parent.rmdir()

    @abstractmethod
    def _publish(self) -> None:
        """Write last what makes the files count."""


class StageWriter(Writer):
    """Writes a stage's files; the stage is done when the context is left without an error.

    `summary` (counts and chosen values) is stored in the manifest.
    """

    def __init__(self, directory: Place, stage: str) -> None:
        super().__init__(directory, stage)
        self.summary: dict[str, Any] = {}
        self._pieces: Sequence[Piece] = ()

    def keep(self, relative: str) -> Path:
        """Record a file that already exists, complete, as one of this stage's files."""
        path = self.directory.path_of(relative)
        self._files[relative] = sha256_of(path)
        return path

    def take(self, pieces: Sequence[Piece]) -> None:
        """Record the files of all pieces of the stage, which were hashed as they were written."""
        self._pieces = pieces
        for piece in pieces:
            self._files |= piece.files

    def _publish(self) -> None:
        manifest = self.directory.manifest()
        manifest["stages"][self.stage] = {
            "files": dict(sorted(self._files.items())),
            "seconds": round(self._seconds(), 3),
            "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "summary": self.summary,
        }
        write_json_atomically(self.directory.path / MANIFEST_FILE, manifest)

    def _seconds(self) -> float:
        """Time in which somebody worked on the stage, pieces made at once counted once."""
        spans = [(piece.started_at, piece.finished_at) for piece in self._pieces]
        total, until = 0.0, 0.0
        for start, end in sorted([*spans, (self._started, time.time())]):
            total += max(0.0, end - max(start, until))
            until = max(until, end)
        return total


class PieceWriter(Writer):
    """Writes the files of one piece of a stage; its record is written when the context is left.

    `facts` are stored in the record. Several pieces may be written at once, by any process; if two
    write the same piece, it is written twice with the same bytes.
    """

    def __init__(self, directory: Place, stage: str, piece: str, key: str) -> None:
        super().__init__(directory, stage)
        self.piece = piece
        self.facts: dict[str, Any] = {}
        self._key = key

    def _make_partial(self) -> None:
        self._partial.mkdir(parents=True, exist_ok=True)
        # Not a fixed name: a worker that was taken for dead may still be writing into its own.
        self._partial = Path(tempfile.mkdtemp(prefix=f"{self.piece}-", dir=self._partial))

    def _tidy(self) -> None:
        """The stage's folder stays until the stage is closed: another piece may just be making its
        own in it."""

    def _publish(self) -> None:
        piece = Piece(
            self.piece, self._key, self._files, self.facts, self._started, time.time()
        )  # fmt: skip
        final = record_path(self.directory.path / SCRATCH / self.stage, self.piece)
        final.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(final, json_bytes(asdict(piece)), self._partial / "record")


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
        # What a killed process left may be gigabytes. One that was only taken for dead may still be
        # writing: it must find its file gone, and never write into this one's.
        for left in self._folder.glob(f"{glob.escape(name)}.*.partial"):
            left.unlink(missing_ok=True)
        temporary = self._folder / f"{name}.{uuid.uuid4().hex}.partial"
        # One tensor at a time: a snapshot of a large SAE has gigabytes.
        with temporary.open("wb") as stream:
            write_safetensors(stream, tensors, metadata)
        with suppress(FileNotFoundError):  # removed as above, by whoever saves this file too
            flush_to_disk(temporary)
            os.replace(temporary, final)

    def load(self, name: str) -> tuple[dict[str, np.ndarray], dict[str, str]] | None:
        """Tensors and metadata of the file `name`; None if there is none that can be read."""
        try:
            return all_tensors(self._path(name))
        except PipelineError:
            return None

    def piece(self, name: str, key: str) -> Piece | None:
        """The record of a finished piece; None if there is none with this key."""
        found = _record(record_path(self._folder, name))
        return found if found is not None and found.key == key else None

    def pieces(self) -> list[Piece]:
        """The records of all finished pieces, whatever their key."""
        records = (_record(path) for path in self._folder.glob("*.json"))
        return [record for record in records if record is not None]

    def drop(self, piece: str) -> None:
        """Remove the record of a piece, which is then made again."""
        record_path(self._folder, piece).unlink(missing_ok=True)

    def save_plan(self, plan: Mapping[str, Any]) -> None:
        """Keep what was computed once for all pieces of the stage."""
        self._folder.mkdir(parents=True, exist_ok=True)
        write_json_atomically(self._folder / PLAN, plan)

    def plan(self, key: str) -> dict[str, Any] | None:
        """What `save_plan` kept with this `key` in it; None if there is nothing of it."""
        try:
            found: dict[str, Any] = json.loads((self._folder / PLAN).read_bytes())
        except (OSError, ValueError):
            return None
        return found if found.get("key") == key else None

    def clear(self) -> None:
        """Remove everything."""
        shutil.rmtree(self._folder, ignore_errors=True)
        with suppress(OSError):  # not empty, or never made
            self._folder.parent.rmdir()

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.safetensors"


def record_path(folder: Path, piece: str) -> Path:
    """The file of a piece's record in a stage's scratch folder."""
    return folder / f"{piece}.json"


def _record(path: Path) -> Piece | None:
    try:
        return Piece(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):  # TypeError: another version's fields
        return None


def json_bytes(value: Any) -> bytes:
    """JSON as it is written into a run directory."""
    # A lone surrogate, which JSON can escape but UTF-8 cannot hold, stays escaped.
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    return text.encode(errors="backslashreplace")


def write_json_atomically(path: Path, value: Any) -> None:
    """Replace a JSON file as a whole."""
    # Not the process's number, which may be the same in two containers with one folder.
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    write_atomically(path, json_bytes(value), temporary)


def write_atomically(path: Path, data: bytes, temporary: Path) -> None:
    """Replace a file as a whole, by way of a temporary path in the same file system."""
    temporary.write_bytes(data)
    flush_to_disk(temporary)
    os.replace(temporary, path)


def flush_to_disk(path: Path) -> None:
    """Flush a file to disk before a rename or a manifest refers to it."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
