"""Where a sound's bytes are: a file, or a member of a tar shard (`shards/0001.tar/KEY.flac`).

A webdataset's shards are read as they lie, nothing is unpacked: the index of a shard is read once,
a member then costs one seek.
"""

from __future__ import annotations

import hashlib
import tarfile
from functools import lru_cache
from io import BufferedReader, BytesIO
from pathlib import Path

SHARD_SUFFIX = ".tar"


def exists(path: Path) -> bool:
    """Whether there is such a file, or such a member of a shard."""
    return path.is_file() or _member(path) is not None


def size_of(path: Path) -> int:
    """Bytes of the file or member."""
    member = None if path.is_file() else _member(path)
    return path.stat().st_size if member is None else member[2]


def opened(path: Path) -> BufferedReader | BytesIO:
    """The file or member, at its start; raises `FileNotFoundError` if it is neither."""
    if path.is_file():
        return path.open("rb")
    member = _member(path)
    if member is None:
        raise FileNotFoundError(path)
    shard, offset, size = member
    with shard.open("rb") as stream:
        stream.seek(offset)
        return BytesIO(stream.read(size))


def sha256_of(path: Path) -> str:
    """SHA-256 of the file's or member's bytes, in hexadecimal."""
    with opened(path) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def members_of(shard: Path) -> dict[str, tuple[int, int]]:
    """Place and size in bytes of every file in a shard, by its name there.

    Raises `tarfile.TarError` or `OSError` if it is no plain tar.
    """
    facts = shard.stat()
    return _index(shard, facts.st_size, facts.st_mtime_ns)


@lru_cache(maxsize=256)
def _index(shard: Path, _size: int, _changed: int) -> dict[str, tuple[int, int]]:
    with tarfile.open(shard, "r:") as archive:
        return {m.name: (m.offset_data, m.size) for m in archive if m.isfile()}


def _member(path: Path) -> tuple[Path, int, int] | None:
    """Shard, place and size of a member; None if no part of the path is a shard that has it."""
    for shard in path.parents:
        if shard.suffix == SHARD_SUFFIX and shard.is_file():
            try:
                found = members_of(shard).get(path.relative_to(shard).as_posix())
            except (tarfile.TarError, OSError):
                return None
            return None if found is None else (shard, *found)
    return None
