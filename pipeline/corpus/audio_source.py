"""Reads the bytes of a sound from a file or from a member of a tar shard (`0001.tar/KEY.flac`).

The shards of a webdataset are not unpacked: the index of a shard is read once, after which each
member costs one seek. Names in a shard are normalised (`./a.wav` is `a.wav`), links are followed to
the member that has the bytes, and members that cannot be read are listed with the reason.
"""

from __future__ import annotations

import hashlib
import posixpath
import tarfile
from dataclasses import dataclass, field
from functools import lru_cache
from io import BufferedReader, BytesIO
from pathlib import Path

SHARD_SUFFIX = ".tar"
MAX_LINKS = 8
"""Length of a chain of links above which it counts as a cycle."""


@dataclass(frozen=True)
class Shard:
    """The index of a tar file."""

    members: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Offset and size in bytes of every file, by name."""
    faults: dict[str, str] = field(default_factory=dict)
    """Why a member cannot be read, by name; under "" what is wrong with the shard as a whole."""


def is_file(path: Path) -> bool:
    """Whether there is a regular file at `path`; False if no file system allows such a path."""
    try:
        return path.is_file()
    except OSError:
        return False


def exists(path: Path) -> bool:
    """Whether there is such a file or such a member of a shard."""
    return is_file(path) or _member(path) is not None


def fault_of(path: Path) -> str:
    """Why `path` cannot be read; empty if it is a regular file or a member of a shard.

    Nothing is opened: reading a named pipe would block forever.
    """
    try:
        return "" if exists(path) else _kind_of(path)
    except OSError as error:
        return f"cannot be accessed: {error.strerror}"


def _kind_of(path: Path) -> str:
    if path.is_dir():
        return "is a folder, not a file"
    if path.exists():
        return "is not a regular file"
    return "is a link to a file that is missing" if path.is_symlink() else "the file is missing"


def size_of(path: Path) -> int:
    """Bytes of the file or member."""
    member = None if path.is_file() else _member(path)
    return path.stat().st_size if member is None else member[2]


def opened(path: Path) -> BufferedReader | BytesIO:
    """The file or member, opened for reading; raises `FileNotFoundError` if there is none."""
    if path.is_file():
        return path.open("rb")
    member = _member(path)
    if member is None:
        raise FileNotFoundError(path)
    shard, offset, size = member
    with shard.open("rb") as stream:
        stream.seek(offset)
        return BytesIO(stream.read(size))


def sha256_of_sound(path: Path) -> str:
    """SHA-256 of the file's or member's bytes, in hexadecimal."""
    with opened(path) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def shard_of(path: Path) -> Shard:
    """The index of a shard; raises `tarfile.TarError` or `OSError` if it is not a plain tar."""
    facts = path.stat()
    return _index(path, facts.st_size, facts.st_mtime_ns)


@lru_cache(maxsize=256)
def _index(path: Path, size: int, _changed: int) -> Shard:
    shard, links = Shard(), {}
    with tarfile.open(path, "r:") as archive:
        try:
            for member in archive:
                name = _normalised(member.name)
                if member.issym() or member.islnk():
                    links[name] = member
                else:
                    _add_member(shard, name, member, size)
        except (tarfile.TarError, OSError, ValueError) as error:
            shard.faults[""] = f"is damaged or truncated: {error}"
        if not shard.faults.get(""):
            shard.faults.update(_fault_at_end(path, archive.offset))
    for name, link in links.items():
        _follow(shard, name, link, links)
    return shard


def _add_member(shard: Shard, name: str, member: tarfile.TarInfo, size: int) -> None:
    """Add a member that is not a link. A later one with the same name replaces it, as in tar."""
    if member.isdir():
        if Path(name).suffix:
            shard.faults[name] = "is a folder, not a file"
    elif not member.isfile() or member.issparse():
        shard.faults[name] = "is not a regular file"
    elif member.offset_data + member.size > size:
        shard.faults[name] = "is truncated, as is its shard"
    else:
        shard.members[name] = (member.offset_data, member.size)


def _fault_at_end(path: Path, end: int) -> dict[str, str]:
    """What is wrong after the last member: a tar must end with blocks of zeros and nothing else."""
    with path.open("rb") as stream:
        stream.seek(end)
        rest = stream.read(tarfile.BLOCKSIZE)
        if len(rest) < tarfile.BLOCKSIZE:
            return {"": "is truncated or was never closed: its end mark is missing"}
        if any(rest):
            return {"": "is damaged: what follows its last readable member is not a member"}
        while rest := stream.read(1 << 20):
            if any(rest):
                return {"": "continues after its end mark, like joined tars; the rest is not read"}
    return {}


def _follow(
    shard: Shard, name: str, link: tarfile.TarInfo, links: dict[str, tarfile.TarInfo]
) -> None:
    """Add the member that a link leads to, or the reason why it leads nowhere."""
    target = name
    for _ in range(MAX_LINKS):
        if target not in links:
            break
        link = links[target]
        # A hard link names a member; a symbolic link is relative to its own folder.
        folder = posixpath.dirname(target) if link.issym() else ""
        target = _normalised(posixpath.join(folder, link.linkname))
    if target in shard.members:
        shard.members[name] = shard.members[target]
    else:
        shard.faults[name] = f"is a link to {target}, which the shard does not hold"


def _normalised(name: str) -> str:
    """A member's name without `./` and doubled slashes."""
    return posixpath.normpath(name).lstrip("/")


def _member(path: Path) -> tuple[Path, int, int] | None:
    """Shard, offset and size of a member; None if no part of the path is a shard containing it."""
    for shard in path.parents:
        if shard.suffix == SHARD_SUFFIX and is_file(shard):
            try:
                found = shard_of(shard).members.get(path.relative_to(shard).as_posix())
            except (tarfile.TarError, OSError):
                return None
            return None if found is None else (shard, *found)
    return None
