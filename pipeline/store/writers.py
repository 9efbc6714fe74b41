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
from pipeline.store.files import Files, flush_to_disk
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
    def files(self) -> Files:
        """The files."""

    def manifest(self) -> dict[str, Any]:
        """The manifest as it is now."""


class Writer(ABC):
    """Writes files, and publishes them when the context is left without an error."""

    def __init__(self, directory: Place, stage: str) -> None:
        self.directory = directory
        self.stage = stage
        self._files: dict[str, str] = {}
        self._store = directory.files
        self._partial = self._store.path / PARTIAL / stage

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
        final = self._store.target(relative)
        # Keep the suffix last: soundfile and others choose the format by it.
        temporary = self._partial / f"{len(self._files):06d}-{final.name}"
        write(temporary)
        flush_to_disk(temporary)
        self._files[relative] = sha256_of(temporary)
        final.parent.mkdir(parents=True, exist_ok=True)
        os.replace(temporary, final)
        self._store.send(relative, self._files[relative])
        return final

    def keep(self, relative: str) -> Path:
        """Record a file that already exists, complete, as one of those written here."""
        path = self._store.target(relative)
        self._files[relative] = sha256_of(path)
        return path

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
        self._store.replace(MANIFEST_FILE, json_bytes(manifest))

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
        self._store.replace(record_path(self.stage, self.piece), json_bytes(asdict(piece)))


class Scratch:
    """Unfinished work of a stage: files outside the manifest, each replaced as a whole.

    `clear` it after the stage's entry is in the manifest. Another stage, process or version may
    find what is left here: whoever loads must check that it belongs to the work at hand.
    """

    def __init__(self, files: Files, stage: str) -> None:
        self._files, self._stage = files, stage
        self._folder = f"{SCRATCH}/{stage}"

    def save(
        self, name: str, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]
    ) -> None:
        """Replace the file `name`."""
        final = self._files.target(self._path(name))
        final.parent.mkdir(parents=True, exist_ok=True)
        # What a killed process left may be gigabytes. One that was only taken for dead may still be
        # writing: it must find its file gone, and never write into this one's.
        for left in final.parent.glob(f"{glob.escape(name)}.*.partial"):
            left.unlink(missing_ok=True)
        temporary = final.with_name(f"{name}.{uuid.uuid4().hex}.partial")
        # One tensor at a time: a snapshot of a large SAE has gigabytes.
        with temporary.open("wb") as stream:
            write_safetensors(stream, tensors, metadata)
        with suppress(FileNotFoundError):  # removed as above, by whoever saves this file too
            flush_to_disk(temporary)
            os.replace(temporary, final)
            self._files.send(self._path(name))

    def load(self, name: str) -> tuple[dict[str, np.ndarray], dict[str, str]] | None:
        """Tensors and metadata of the file `name`; None if there is none that can be read."""
        path = self._files.find(self._path(name), _unlisted)
        try:
            return all_tensors(path)
        except PipelineError:
            return None

    def piece(self, name: str, key: str) -> Piece | None:
        """The record of a finished piece; None if there is none with this key."""
        found = self._record(record_path(self._stage, name))
        return found if found is not None and found.key == key else None

    def pieces(self) -> list[Piece]:
        """The records of all finished pieces, whatever their key."""
        names = [name for name in self._files.names(self._folder) if name.endswith(".json")]
        records = (self._record(f"{self._folder}/{name}") for name in names)
        return [record for record in records if record is not None]

    def drop(self, piece: str) -> None:
        """Remove the record of a piece, which is then made again."""
        self._files.remove(record_path(self._stage, piece))

    def save_table(self, name: str, table: pa.Table) -> None:
        """Replace the table `name`, which is part of no stage's files."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        stream = pa.BufferOutputStream()
        pq.write_table(table, stream)
        self._files.replace(f"{self._folder}/{name}.parquet", stream.getvalue().to_pybytes())

    def table(self, name: str) -> pa.Table:
        """The table `name`; raises `PipelineError` if there is none that can be read."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        relative = f"{self._folder}/{name}.parquet"
        try:
            return pq.read_table(pa.BufferReader(self._files.read(relative) or b""))
        except pa.ArrowException as error:
            raise PipelineError(f"{self._files}/{relative} is not a table: {error}") from error

    def save_plan(self, plan: Mapping[str, Any]) -> None:
        """Keep what was computed once for all pieces of the stage."""
        self._files.replace(f"{self._folder}/{PLAN}", json_bytes(plan))

    def plan(self, key: str) -> dict[str, Any] | None:
        """What `save_plan` kept with this `key` in it; None if there is nothing of it."""
        try:
            found: dict[str, Any] = json.loads(self._files.read(f"{self._folder}/{PLAN}") or b"")
        except ValueError:
            return None
        return found if found.get("key") == key else None

    def clear(self) -> None:
        """Remove everything."""
        self._files.remove_folder(self._folder)
        with suppress(OSError):  # not empty, or never made
            self._files.target(SCRATCH).rmdir()

    def _path(self, name: str) -> str:
        return f"{self._folder}/{name}.safetensors"

    def _record(self, relative: str) -> Piece | None:
        try:
            return Piece(**json.loads(self._files.read(relative) or b""))
        except (ValueError, TypeError):  # TypeError: another version's fields
            return None


def record_path(stage: str, piece: str) -> str:
    """The file of a piece's record in a run directory."""
    return f"{SCRATCH}/{stage}/{piece}.json"


def _unlisted(relative: str, *, fresh: bool) -> None:
    """Scratch files are in no manifest."""


def json_bytes(value: Any) -> bytes:
    """JSON as it is written into a run directory."""
    # A lone surrogate, which JSON can escape but UTF-8 cannot hold, stays escaped.
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    return text.encode(errors="backslashreplace")
