"""Where a sound's bytes are: a file, or a member of a tar shard (`shards/0001.tar/KEY.flac`).

A webdataset's shards are read as they lie, nothing is unpacked: the index of a shard is read once,
a member then costs one seek. Names in a shard are normalised (`./a.wav` is `a.wav`), links are
followed to the member that has the bytes, and what cannot be read is listed with the reason.
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
MOST_LINKS = 8
"""Links followed one after another before they count as a circle."""


@dataclass(frozen=True)
class Shard:
    """What a tar holds."""

    members: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Place and size in bytes of every file, by its name."""
    faults: dict[str, str] = field(default_factory=dict)
    """Why a member cannot be read, by its name; by "" what is wrong with the shard."""


def is_file(path: Path) -> bool:
    """Whether there is a plain file; a path that no file system takes is none."""
    try:
        return path.is_file()
    except OSError:
        return False


def exists(path: Path) -> bool:
    """Whether there is such a file, or such a member of a shard."""
    return is_file(path) or _member(path) is not None


def fault_of(path: Path) -> str:
    """Why nothing can be read there; empty if there is a plain file or a member of a shard.

    Nothing is opened: reading a named pipe would wait for ever.
    """
    try:
        return "" if exists(path) else _kind_of(path)
    except OSError as error:
        return f"cannot be looked at: {error.strerror}"


def _kind_of(path: Path) -> str:
    if path.is_dir():
        return "is a folder, not a file"
    if path.exists():
        return "is no plain file"
    return "is a link to a file that is missing" if path.is_symlink() else "the file is missing"


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


def sha256_of_sound(path: Path) -> str:
    """SHA-256 of the file's or member's bytes, in hexadecimal."""
    with opened(path) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def shard_of(path: Path) -> Shard:
    """What a shard holds; raises `tarfile.TarError` or `OSError` if it is no plain tar."""
    facts = path.stat()
    return _index(path, facts.st_size, facts.st_mtime_ns)


@lru_cache(maxsize=256)
def _index(path: Path, size: int, _changed: int) -> Shard:
    shard, links = Shard(), {}
    with tarfile.open(path, "r:") as archive:
        try:
            for member in archive:
                name = _plain(member.name)
                if member.issym() or member.islnk():
                    links[name] = member
                else:
                    _enter(shard, name, member, size)
        except (tarfile.TarError, OSError, ValueError) as error:
            shard.faults[""] = f"is damaged or cut off: {error}"
        if not shard.faults.get(""):
            shard.faults.update(_fault_at_end(path, archive.offset))
    for name, link in links.items():
        _follow(shard, name, link, links)
    return shard


def _enter(shard: Shard, name: str, member: tarfile.TarInfo, size: int) -> None:
    """One member that is no link. A later one of the same name takes its place, as in a tar."""
    if member.isdir():
        if Path(name).suffix:
            shard.faults[name] = "is a folder, not a file"
    elif not member.isfile() or member.issparse():
        shard.faults[name] = "is no plain file"
    elif member.offset_data + member.size > size:
        shard.faults[name] = "is cut off with its shard"
    else:
        shard.members[name] = (member.offset_data, member.size)


def _fault_at_end(path: Path, end: int) -> dict[str, str]:
    """What is wrong behind the last member: a tar ends with blocks of zeros, and nothing else."""
    with path.open("rb") as stream:
        stream.seek(end)
        rest = stream.read(tarfile.BLOCKSIZE)
        if len(rest) < tarfile.BLOCKSIZE:
            return {"": "is cut off, or was never closed: its end mark is missing"}
        if any(rest):
            return {"": "is damaged: what follows its last readable member is no member"}
        while rest := stream.read(1 << 20):
            if any(rest):
                return {"": "goes on behind its end mark, as joined tars do; that part is not read"}
    return {}


def _follow(
    shard: Shard, name: str, link: tarfile.TarInfo, links: dict[str, tarfile.TarInfo]
) -> None:
    """Enter the bytes that a link leads to, or why it leads to none."""
    target = name
    for _ in range(MOST_LINKS):
        if target not in links:
            break
        link = links[target]
        # A hard link names a member, a symbolic one a place seen from its own folder.
        folder = posixpath.dirname(target) if link.issym() else ""
        target = _plain(posixpath.join(folder, link.linkname))
    if target in shard.members:
        shard.members[name] = shard.members[target]
    else:
        shard.faults[name] = f"is a link to {target}, which the shard does not hold"


def _plain(name: str) -> str:
    """A member's name without `./` and doubled slashes."""
    return posixpath.normpath(name).lstrip("/")


def _member(path: Path) -> tuple[Path, int, int] | None:
    """Shard, place and size of a member; None if no part of the path is a shard that has it."""
    for shard in path.parents:
        if shard.suffix == SHARD_SUFFIX and is_file(shard):
            try:
                found = shard_of(shard).members.get(path.relative_to(shard).as_posix())
            except (tarfile.TarError, OSError):
                return None
            return None if found is None else (shard, *found)
    return None
