"""A folder of audio, with a listing beside it or without.

The listing is `corpus.parquet` or `corpus.csv`: a row a track with `track` and `path` (from the
folder), and where known `sha256`, `artist`, `group`, `tags` (in a CSV joined by `|`), `caption`,
`license`. Without it every audio file under the folder is a track named by its path.
`concepts.json` states planted concepts, where there are any.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipeline.artifacts import sha256_of
from pipeline.corpora.base import CorpusEntry, audio_files, read_concepts, sorted_entries
from pipeline.errors import PipelineError

LISTING = "corpus.parquet"
CSV_LISTING = "corpus.csv"
CONCEPTS = "concepts.json"


class FolderCorpus:
    """The adapter `folder`."""

    @staticmethod
    def fingerprint(folder: Path) -> str:
        """SHA-256 over the listing and concepts; without a listing over names and sizes.

        Audio is not read here: a listing has its hashes, and the stage `corpus` checks them.
        """
        digest = hashlib.sha256()
        listing = _listing_of(folder)
        if listing is not None:
            digest.update(sha256_of(listing).encode())
        else:
            for path in audio_files(folder):
                name = path.relative_to(folder).as_posix()
                digest.update(f"{name}\0{path.stat().st_size}\n".encode())
        if (folder / CONCEPTS).is_file():
            digest.update(sha256_of(folder / CONCEPTS).encode())
        return digest.hexdigest()

    @staticmethod
    def entries(folder: Path) -> list[CorpusEntry]:
        """Every recording, sorted by track.

        Raises `PipelineError` if there is none, two share a name, or the listing is unreadable.
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
        """What the folder's `concepts.json` says, or None."""
        return read_concepts(folder / CONCEPTS)


Rows = tuple[list[str], Iterable[dict[str, Any]]]
"""Column names, and the rows."""


def _listing_of(folder: Path) -> Path | None:
    found = [folder / name for name in (LISTING, CSV_LISTING) if (folder / name).is_file()]
    if len(found) > 1:
        raise PipelineError(f"corpus folder {folder} has both {LISTING} and {CSV_LISTING}")
    return found[0] if found else None


def _unlisted(folder: Path) -> list[CorpusEntry]:
    names = [path.relative_to(folder).as_posix() for path in audio_files(folder)]
    return [CorpusEntry(track=name, path=name) for name in names]


def _listed(listing: Path, columns: list[str], rows: Iterable[dict[str, Any]]) -> list[CorpusEntry]:
    missing = {"track", "path"} - set(columns)
    if missing:
        raise PipelineError(
            f"{listing} lacks the column {', '.join(sorted(missing))}; it has {', '.join(columns)}"
        )
    return [_entry(row) for row in rows]


def _parquet_rows(listing: Path) -> Rows:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(listing, partitioning=None)
    except (pa.ArrowException, OSError) as error:
        raise PipelineError(f"{listing} is not a Parquet table: {error}") from error
    return list(table.column_names), table.to_pylist()


def _csv_rows(listing: Path) -> Rows:
    try:
        with listing.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            rows = list(reader)
            columns = list(reader.fieldnames or ())
    except (csv.Error, UnicodeDecodeError) as error:
        raise PipelineError(f"{listing} is not a CSV in UTF-8: {error}") from error
    for row in rows:
        row["tags"] = [tag.strip() for tag in (row.get("tags") or "").split("|") if tag.strip()]
    return columns, rows


_READERS = {".parquet": _parquet_rows, ".csv": _csv_rows}


def _entry(row: dict[str, Any]) -> CorpusEntry:
    return CorpusEntry(
        track=str(row["track"]),
        path=str(row["path"]),
        sha256=row.get("sha256") or "",
        artist=row.get("artist") or "",
        tags=tuple(row.get("tags") or ()),
        caption=row.get("caption") or "",
        license=row.get("license") or "",
        group=row.get("group") or "",
    )
