"""Where the files of a run are: in a folder, or in a store of which a folder holds copies.

`RunDirectory` and the writers reach a run's files through `Files`, so that they need not know. In a
store, what says which files count (`run.json`, `manifest.json`, records of pieces) is read there
each time, and a file that the manifest lists is copied when it is wanted, unless the copy has the
listed SHA-256. So the folder may be emptied whenever no process works with it.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from pipeline.errors import AwayError, BusyError, PipelineError
from pipeline.files.hashing import sha256_of
from pipeline.store.ledger import Ledger, StoredLedger
from pipeline.store.remote import Remote
from pipeline.store.safetensors import metadata_of, opened_tensors

LOCK_FILE = ".lock"
PULLED = ".partial/pulled"
"""Copies that are not complete yet."""


class Listed(Protocol):
    """The manifest's hashes."""

    def __call__(self, relative: str, *, fresh: bool) -> str | None:
        """SHA-256 of a file; None if the manifest, as it was read last or is now, lacks it."""


class Files:
    """The files of a run whose directory is a folder of this machine, or one that it shares."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path).resolve()

    def __str__(self) -> str:
        return str(self.path)

    def within(self, folder: str) -> Files:
        """The files of a run that is nested in this one."""
        return Files(self.path / folder)

    def target(self, relative: str) -> Path:
        """Where a file of the run is written. Raises `PipelineError` if that is outside."""
        path = (self.path / relative).resolve()
        if not path.is_relative_to(self.path):
            raise PipelineError(f"{relative!r} leads outside the run directory {self}")
        return path

    def find(self, relative: str, listed: Listed) -> Path:
        """A file to be read, which need not exist; its SHA-256, where it matters, is `listed`."""
        return self.target(relative)

    def metadata(self, relative: str) -> dict[str, str]:
        """Metadata of a safetensors file, without the rest of it."""
        with opened_tensors(self.target(relative)) as opened:
            return opened.metadata() or {}

    def exists(self, relative: str, listed: Listed) -> bool:
        """Whether a file is there to be read."""
        return self.target(relative).is_file()

    def send(self, relative: str, sha256: str = "") -> None:
        """The file was written at its `target`, with this hash: have others see it."""

    def read(self, relative: str) -> bytes | None:
        """A small file as it is now; None if there is none."""
        try:
            return self.target(relative).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def replace(self, relative: str, data: bytes) -> None:
        """Replace a small file as a whole."""
        final = self.target(relative)
        final.parent.mkdir(parents=True, exist_ok=True)
        # Not the process's number, which may be the same in two containers with one folder.
        temporary = final.with_name(f".{final.name}.{uuid.uuid4().hex}")
        temporary.write_bytes(data)
        flush_to_disk(temporary)
        os.replace(temporary, final)

    def begin(self, relative: str, data: bytes) -> bool:
        """Write the first file of a run; returns False if somebody else has just done so."""
        self.replace(relative, data)
        return True

    def names(self, folder: str = "") -> list[str]:
        """Names of files and folders directly in a folder, sorted."""
        path = self.target(folder)
        return sorted(entry.name for entry in path.iterdir()) if path.is_dir() else []

    def remove(self, relative: str) -> None:
        """Remove a file, if there is one."""
        self.target(relative).unlink(missing_ok=True)

    def remove_folder(self, folder: str) -> None:
        """Remove a folder with all that is in it."""
        shutil.rmtree(self.target(folder), ignore_errors=True)

    def sha256(self, relative: str) -> str | None:
        """The SHA-256 of a file as it is now; None if there is none."""
        path = self.target(relative)
        return sha256_of(path) if path.is_file() else None

    def ledger(self, relative: str) -> Ledger:
        """A ledger of the run."""
        return Ledger(self.target(relative))

    @contextmanager
    def lock(self, *, shared: bool) -> Iterator[None]:
        """See `RunDirectory.lock`."""
        # Not only for writing: on NFS a shared lock needs a file that is open for reading.
        with (self.path / LOCK_FILE).open("a+") as stream:
            try:
                fcntl.flock(stream, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise BusyError(f"another process is working on the run {self}") from error
            yield


class RemoteFiles(Files):
    """The files of a run that is in a store; `path` holds copies for the processes of this
    machine."""

    def __init__(self, path: Path, remote: Remote, fence: Callable[[], None] | None = None) -> None:
        super().__init__(path)
        self.remote = remote
        self.fence = fence
        """Raises if another process has taken over what is done here; asked before anything is
        sent. None: the lock in the store keeps processes apart."""
        self._here: dict[str, str] = {}
        """Files that are not in the manifest, as they were written or copied here: their version in
        the store, empty if written here."""
        self._hashes: dict[Path, tuple[tuple[int, int, int], str]] = {}

    def __str__(self) -> str:
        return self.remote.url

    def within(self, folder: str) -> Files:
        return RemoteFiles(self.path / folder, self.remote.within(folder), self.fence)

    def find(self, relative: str, listed: Listed) -> Path:
        path, sha256 = self.target(relative), listed(relative, fresh=False)
        if sha256 is None and self._here.get(relative) == "":
            return path
        sha256 = sha256 or listed(relative, fresh=True)
        if sha256 is None:
            self._copy_unlisted(relative, path)
        elif self._hash(path) != sha256 and not self._copied(relative, path, sha256):
            # The stage may have been made again since the manifest was read.
            now = listed(relative, fresh=True)
            if now == sha256 or now is None or not self._copied(relative, path, now):
                raise PipelineError(f"{self}/{relative} is missing, or not what the manifest lists")
        return path

    def metadata(self, relative: str) -> dict[str, str]:
        return metadata_of(f"{self}/{relative}", partial(self.remote.part, relative))

    def exists(self, relative: str, listed: Listed) -> bool:
        return listed(relative, fresh=False) is not None or self.find(relative, listed).is_file()

    def send(self, relative: str, sha256: str = "") -> None:
        self._check()
        path = self.target(relative)
        self.remote.upload(relative, path)
        self._here[relative] = ""
        if sha256:
            self._hashes[path] = (_state(path), sha256)

    def read(self, relative: str) -> bytes | None:
        return self.remote.read(relative)

    def replace(self, relative: str, data: bytes) -> None:
        self._check()
        self.remote.write(relative, data)

    def begin(self, relative: str, data: bytes) -> bool:
        self._check()
        return self.remote.create(relative, data)

    def names(self, folder: str = "") -> list[str]:
        return self.remote.names(folder)

    def remove(self, relative: str) -> None:
        self._check()
        self.remote.remove(relative)
        self._here.pop(relative, None)
        super().remove(relative)

    def remove_folder(self, folder: str) -> None:
        self._check()
        self.remote.remove_folder(folder)
        super().remove_folder(folder)

    def sha256(self, relative: str) -> str | None:
        return self.remote.sha256(relative)

    def ledger(self, relative: str) -> Ledger:
        return StoredLedger(self.target(relative), self.remote, relative)

    @contextmanager
    def lock(self, *, shared: bool) -> Iterator[None]:
        """Between processes of this machine as in any folder. Between machines a job's fence is the
        lock; where there is none, a file in the store is, which a killed process leaves behind."""
        self.path.mkdir(parents=True, exist_ok=True)
        with super().lock(shared=shared):
            if shared or self.fence is not None:
                yield
                return
            take_lock(self.remote)
            try:
                yield
            finally:
                with suppress(AwayError):  # This machine's next process finds that it is dead.
                    self.remote.remove(LOCK_FILE)

    def _check(self) -> None:
        if self.fence is not None:
            self.fence()

    def _copy(self, relative: str, path: Path) -> bool:
        """Copy a file from the store; returns whether it is there."""
        temporary = self.path / PULLED / uuid.uuid4().hex
        temporary.parent.mkdir(parents=True, exist_ok=True)
        try:
            if not self.remote.download(relative, temporary):
                return False
            path.parent.mkdir(parents=True, exist_ok=True)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        return True

    def _copied(self, relative: str, path: Path, sha256: str) -> bool:
        """Copy a file; returns whether it has this hash now."""
        return self._copy(relative, path) and self._hash(path) == sha256

    def _copy_unlisted(self, relative: str, path: Path) -> None:
        """Have the file as it is in the store: copied, or gone if it is not there."""
        version = self.remote.version(relative)
        if version is not None and self._here.get(relative) == version and path.is_file():
            return
        if version is not None and self._copy(relative, path):
            self._here[relative] = version
        elif path.is_file():
            path.unlink(missing_ok=True)

    def _hash(self, path: Path) -> str:
        """The SHA-256 of the copy, computed once for each state of the file; empty if there is
        none."""
        if not path.is_file():
            return ""
        state = _state(path)
        known = self._hashes.get(path)
        if known is None or known[0] != state:
            known = self._hashes[path] = (state, sha256_of(path))
        return known[1]


def _state(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def take_lock(remote: Remote) -> None:
    """Create the lock in the store. Raises `BusyError`, which names its holder, if there is one;
    that of a process of this machine which no longer exists is replaced."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    mine = {**_numbered_in(), "process": os.getpid(), "since": now}
    data = json.dumps(mine).encode()
    if remote.create(LOCK_FILE, data):
        return
    holder = _holder(remote)
    # A process of this number that is this one was another, before it.
    gone = holder.get("process") == os.getpid() or not _is_alive(holder.get("process"))
    if gone and all(holder.get(name) == mine[name] for name in _numbered_in()):
        remote.remove(LOCK_FILE)
        if remote.create(LOCK_FILE, data):
            return
        holder = _holder(remote)
    raise BusyError(
        f"process {holder.get('process', '?')} of {holder.get('host', 'another machine')} has been "
        f"working on the run {remote.url} since {holder.get('since', '?')}; if it no longer "
        f"exists, delete {remote.url}/{LOCK_FILE}"
    )


def _numbered_in() -> dict[str, str]:
    """Where processes have the numbers that they have: the host, and on Linux since which start of
    it and in which of its containers (which may share the host's name)."""
    found = {"host": socket.gethostname()}
    with suppress(OSError):
        found["boot"] = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        found["numbers"] = os.readlink("/proc/self/ns/pid")
    return found


def _holder(remote: Remote) -> Mapping[str, Any]:
    try:
        found = json.loads(remote.read(LOCK_FILE) or b"")
    except ValueError:  # gone meanwhile, or written by something else
        return {}
    return found if isinstance(found, dict) else {}


def _is_alive(process: object) -> bool:
    """Whether a process of this machine exists."""
    if not isinstance(process, int) or process <= 0:
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True


def flush_to_disk(path: Path) -> None:
    """Flush a file to disk before a rename or a manifest refers to it."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
