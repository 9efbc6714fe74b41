"""The clips of a table as a ZIP that was uploaded with it.

Nothing in it is trusted: of a name only its last part counts, so that no file is written elsewhere;
every file is read up to a limit, whatever the archive says of its length.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path, PurePosixPath

from studyapp.core.errors import RunError
from studyapp.runs.services.item_tables.sounds import SUFFIXES

MOST_BYTES = 2_500_000
"""Of an archive; a request has at most 3 MiB, with the table."""
COMPRESSED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
LONGEST_NAME = 200
"""Bytes of a file's name."""
MOST_FILES, MOST_UNPACKED = 1_000, 50_000_000
"""Files, and bytes of all of them: 2.5 MB of ZIP can be gigabytes of silence."""
ADDED = "__MACOSX"
"""A folder that macOS adds to archives; its files are no sounds, nor are hidden ones."""


def check(data: bytes) -> None:
    """Raise `RunError` unless it is an archive of sounds within the limits, as far as it says."""
    with _opened(data) as archive:
        files = list(_files(archive))
    if not files:
        raise RunError(f"the ZIP of clips holds no sound: {', '.join(SUFFIXES)}")
    if len(files) > MOST_FILES:
        raise RunError(f"the ZIP of clips holds {len(files):,} files: at most {MOST_FILES:,}")
    names = [name for name, _ in files]
    if doubled := next((name for name in names if names.count(name) > 1), ""):
        raise RunError(f"the ZIP of clips holds two files named {doubled!r:.80}")
    for name, one in files:
        if PurePosixPath(name).suffix.lower() not in SUFFIXES:
            raise RunError(f"the ZIP of clips holds {name!r:.80}, which is not a sound file")
        if len(name.encode()) > LONGEST_NAME:
            raise RunError(f"the ZIP of clips holds {name!r:.80}, whose name is too long")
        if one.flag_bits & 1 or one.compress_type not in COMPRESSED:
            raise RunError("the ZIP of clips is encrypted, or compressed in a way that is not read")
    _refuse_large(sum(one.file_size for _, one in files))


def unpack(data: bytes, folder: Path) -> None:
    """Write its sounds into the folder. Raises `RunError`, also for what lies about its length."""
    check(data)
    folder.mkdir(parents=True, exist_ok=True)
    total = 0
    with _opened(data) as archive:
        for name, one in _files(archive):
            try:
                with archive.open(one) as file:
                    sound = file.read(MOST_UNPACKED - total + 1)
            except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
                raise RunError(f"{name!r:.80} in the ZIP of clips cannot be unpacked") from error
            total += len(sound)
            _refuse_large(total)
            (folder / name).write_bytes(sound)


def _opened(data: bytes) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(BytesIO(data))
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise RunError("what was given as the ZIP of clips is not a ZIP file") from error


def _files(archive: zipfile.ZipFile) -> Iterator[tuple[str, zipfile.ZipInfo]]:
    """The last part of each file's name, and its entry; without folders and hidden files."""
    for one in archive.infolist():
        path = PurePosixPath(one.filename.replace("\\", "/"))
        is_added = path.name.startswith(".") or ADDED in path.parts
        if path.name and not one.is_dir() and not is_added:
            yield path.name, one


def _refuse_large(total: int) -> None:
    if total > MOST_UNPACKED:
        raise RunError(f"the ZIP of clips holds more than {MOST_UNPACKED:,} bytes of sound")
