"""Append-only files of JSON lines, which survive when a stage is killed."""

from __future__ import annotations

import fcntl
import json
import os
import re
import uuid
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any

from pipeline.store.remote import Remote

READERS = 16
"""Entries that are fetched at once."""
ENTRY = re.compile(r"\d{8,}-[0-9a-f]+\.json")


class Ledger:
    """An append-only file of JSON lines, each on disk before `add` returns.

    Several processes may append to the same file. A line that a killed process left incomplete is
    skipped.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, entry: Mapping[str, Any]) -> None:
        """Append one line."""
        line = _line(entry)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a+b") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            # Do not append to an incomplete last line: both entries would be lost.
            stream.seek(0, os.SEEK_END)
            if stream.tell():
                stream.seek(-1, os.SEEK_END)
                line = line if stream.read(1) == b"\n" else b"\n" + line
            stream.write(line)
            stream.flush()
            os.fsync(stream.fileno())

    def entries(self) -> list[dict[str, Any]]:
        """All complete entries so far, in order; first those of a `StoredLedger`, if the run was
        copied here from a store."""
        single = sorted(self.path.with_suffix("").glob("*.json"))
        lines = [path.read_bytes() for path in single]
        if self.path.is_file():
            lines += self.path.read_bytes().split(b"\n")
        return _entries(lines)


class StoredLedger(Ledger):
    """A ledger in a store, where nothing can be appended to a file: each entry is a file of its
    own, `NAME/NUMBER-RANDOM.json`. An entry that another depends on has a lower number."""

    def __init__(self, path: Path, remote: Remote, relative: str) -> None:
        super().__init__(path)
        self._remote, self._folder = remote, relative.removesuffix(path.suffix)
        self._known: dict[str, bytes] = {}
        self._adding = Lock()

    def add(self, entry: Mapping[str, Any]) -> None:
        """Store one entry; it is in the store when this returns."""
        data = _line(entry)
        with self._adding:
            if not self._known:
                self._read_new()
            number = 1 + max((int(name.partition("-")[0]) for name in self._known), default=0)
            name = f"{number:08d}-{uuid.uuid4().hex[:12]}.json"
            self._remote.write(f"{self._folder}/{name}", data)
            self._known[name] = data

    def entries(self) -> list[dict[str, Any]]:
        """All entries that are in the store now, in order."""
        with self._adding:
            self._read_new()
            return _entries(self._known[name] for name in sorted(self._known))

    def _read_new(self) -> None:
        new = [
            name
            for name in self._remote.names(self._folder)
            if ENTRY.fullmatch(name) and name not in self._known
        ]
        with ThreadPoolExecutor(READERS) as readers:
            found = readers.map(self._remote.read, (f"{self._folder}/{name}" for name in new))
            self._known |= {name: data or b"" for name, data in zip(new, found, strict=True)}


def _line(entry: Mapping[str, Any]) -> bytes:
    text = json.dumps(entry, ensure_ascii=False, separators=(",", ":")) + "\n"
    return text.encode(errors="backslashreplace")


def _entries(lines: Iterable[bytes]) -> list[dict[str, Any]]:
    found = []
    for line in lines:
        with suppress(ValueError):
            found.append(json.loads(line))
    return found
