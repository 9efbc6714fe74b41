"""A folder of audio files, with or without a listing.

The listing is `corpus.parquet` or `corpus.csv`: one row per track with `track` and `path` (relative
to the folder) and, where known, `sha256`, `artist`, `group`, `tags` (a list, or a text joined by
`|`), `caption` and `license`. Without a listing, every audio file under the folder is a track named
by its path. Where neither artist nor group is given, a file name that contains the identifier of a
YouTube video or a Jamendo track keeps that recording in one split. `concepts.json` lists planted
concepts, if there are any.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipeline.corpus.adapters.base import (
    CorpusEntry,
    audio_files,
    digest_names,
    linked_folders,
    listed_path,
    read_concepts,
    sorted_entries,
    tags_of,
    text_of,
)
from pipeline.corpus.adapters.names import recording_group
from pipeline.errors import PipelineError
from pipeline.files import text
from pipeline.files.hashing import sha256_of

LISTING = "corpus.parquet"
CSV_LISTING = "corpus.csv"
CONCEPTS = "concepts.json"
USED = ("track", "path", "sha256", "artist", "group", "tags", "caption", "license")
LINKED = "is a link to a folder: links to folders are not followed"


class FolderCorpus:
    """The adapter `folder`."""

    @staticmethod
    def fingerprint(folder: Path) -> str:
        """SHA-256 over the listing and the concepts; without a listing, over names and sizes.

        Audio is not read here; the stage `corpus` checks it against the hashes in the listing.
        """
        digest = hashlib.sha256()
        listing = _listing_of(folder)
        if listing is not None:
            digest.update(sha256_of(listing).encode())
        else:
            digest_names(digest, folder, audio_files(folder))
        if (folder / CONCEPTS).is_file():
            digest.update(sha256_of(folder / CONCEPTS).encode())
        return digest.hexdigest()

    @staticmethod
    def entries(folder: Path) -> list[CorpusEntry]:
        """Every recording, sorted by track.

        Raises `PipelineError` if there is none, or the listing is unreadable.
        """
        listing = _listing_of(folder)
        if listing is None:
            found = _unlisted(folder)
        else:
            found = _listed(listing, *_READERS[listing.suffix](listing))
        if not found:
            raise PipelineError(
                f"corpus folder {folder} has no {LISTING}, no {CSV_LISTING} and no audio files"
            )
        return sorted_entries(found, listing or folder)

    @staticmethod
    def concepts(folder: Path) -> dict[str, Any] | None:
        """The contents of the folder's `concepts.json`, or None."""
        return read_concepts(folder / CONCEPTS)


Numbered = Iterable[tuple[str, dict[str, Any], str]]
"""For each row: its name in messages ("line 7"), its cells by column, and why it is unusable."""
Rows = tuple[list[str], Numbered]
"""Column names, and the rows."""


def _listing_of(folder: Path) -> Path | None:
    found = [folder / name for name in (LISTING, CSV_LISTING) if (folder / name).is_file()]
    if len(found) > 1:
        raise PipelineError(f"corpus folder {folder} has both {LISTING} and {CSV_LISTING}")
    return found[0] if found else None


def _unlisted(folder: Path) -> list[CorpusEntry]:
    names = [path.relative_to(folder).as_posix() for path in audio_files(folder)]
    linked = [path.relative_to(folder).as_posix() for path in linked_folders(folder)]
    return [
        *(CorpusEntry(track=name, path=name, group=recording_group(name)) for name in names),
        *(
            CorpusEntry(track=name, path=name, reason=LINKED)
            for name in linked
            if name not in names
        ),
    ]


def _listed(listing: Path, columns: list[str], rows: Numbered) -> list[CorpusEntry]:
    missing = {"track", "path"} - set(columns)
    if missing:
        hint = "; separate its columns by commas" if ";" in "".join(columns) else ""
        raise PipelineError(
            f"{listing} lacks the column {', '.join(sorted(missing))}; it has "
            f"{', '.join(columns)}{hint}"
        )
    return [_entry(listing.parent, *row) for row in rows]


def _parquet_rows(listing: Path) -> Rows:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        columns = list(pq.read_schema(listing).names)
        # Other columns may have types that Python cannot represent.
        used = [name for name in columns if name in USED]
        rows = pq.read_table(listing, partitioning=None, columns=used).to_pylist()
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise PipelineError(f"{listing} is not a Parquet table: {error}") from error
    return columns, ((f"row {n}", row, "") for n, row in enumerate(rows, 1))


def _csv_rows(listing: Path) -> Rows:
    columns, rows = text.read_csv(listing)
    return columns, ((f"line {row.line}", dict(row.cells), row.reason) for row in rows)


_READERS = {".parquet": _parquet_rows, ".csv": _csv_rows}


def _entry(folder: Path, place: str, row: dict[str, Any], reason: str) -> CorpusEntry:
    track, path = (_name(row.get(column)) for column in ("track", "path"))
    path = listed_path(folder, path)
    try:
        reason = reason or _fault(row)
        texts = {
            name: _field(name, row.get(name))
            for name in ("sha256", "artist", "caption", "license", "group")
        }
        tags = _tags(row.get("tags"))
    except ValueError as error:
        reason, texts, tags = reason or str(error), {}, ()
    if not texts.get("artist") and not texts.get("group"):
        texts["group"] = recording_group(path)
    return CorpusEntry(track=track or place, path=path, tags=tags, reason=reason, **texts)


def _fault(row: dict[str, Any]) -> str:
    """Why a row does not name a recording; empty if it does."""
    for column in ("track", "path"):
        if not _name(row.get(column)).strip():
            return f"its {column} is {row.get(column)!r:.60}, which is not a name"
    return ""


def _name(value: Any) -> str:
    """A track's or file's name as text; empty if it is neither text nor a number."""
    try:
        return text_of(value)
    except ValueError:
        return ""


def _field(name: str, value: Any) -> str:
    try:
        is_digest = name == "sha256" and isinstance(value, bytes) and len(value) == 32
        return value.hex() if is_digest else text_of(value)
    except ValueError as error:
        raise ValueError(f"its {name} is {error}") from error


def _tags(value: Any) -> tuple[str, ...]:
    try:
        return tags_of(value)
    except ValueError as error:
        raise ValueError(f"its tags are {error}") from error
