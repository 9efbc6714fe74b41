"""A folder of audio, with a `corpus.parquet` beside it or without.

`corpus.parquet` has a row a track: `track` and `path` (from the folder), and where known
`sha256`, `artist`, `tags`, `caption`, `license`. Without it every audio file under the folder is
a track named by its path. `concepts.json` states planted concepts, where there are any.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from pathlib import Path
from typing import Any

from pipeline.artifacts import sha256_of
from pipeline.corpora.base import CorpusEntry
from pipeline.errors import PipelineError

LISTING = "corpus.parquet"
CONCEPTS = "concepts.json"
AUDIO_SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".opus", ".mp3", ".aif", ".aiff", ".au"})


class FolderCorpus:
    """The adapter `folder`."""

    @staticmethod
    def fingerprint(folder: Path) -> str:
        """SHA-256 over the listing and concepts; without a listing over names and sizes.

        Audio is not read here: a listing has its hashes, and the stage `corpus` checks them.
        """
        digest = hashlib.sha256()
        if (folder / LISTING).is_file():
            digest.update(sha256_of(folder / LISTING).encode())
        else:
            for path in _audio_files(folder):
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
        listing = folder / LISTING
        found = _listed(listing) if listing.is_file() else _unlisted(folder)
        if not found:
            raise PipelineError(f"corpus folder {folder} has no {LISTING} and no audio files")
        found.sort(key=lambda entry: entry.track)
        for one, next_one in itertools.pairwise(found):
            if one.track == next_one.track:
                raise PipelineError(f"{listing} names the track {one.track!r} twice")
        return found

    @staticmethod
    def concepts(folder: Path) -> dict[str, Any] | None:
        """`{"concepts": [{"name", "group", "synonyms", "description"}]}`, or None."""
        path = folder / CONCEPTS
        if not path.is_file():
            return None
        try:
            concepts = json.loads(path.read_text(encoding="utf-8"))
            names = [concept["name"] for concept in concepts["concepts"]]
        except (ValueError, KeyError, TypeError) as error:
            raise PipelineError(f"{path} is not a list of named concepts: {error!r}") from error
        if len(set(names)) != len(names):
            raise PipelineError(f"{path} names a concept twice")
        return dict(concepts)


def _audio_files(folder: Path) -> list[Path]:
    found = (path for path in folder.rglob("*") if path.suffix.lower() in AUDIO_SUFFIXES)
    return sorted(path for path in found if path.is_file())


def _unlisted(folder: Path) -> list[CorpusEntry]:
    names = [path.relative_to(folder).as_posix() for path in _audio_files(folder)]
    return [CorpusEntry(track=name, path=name) for name in names]


def _listed(listing: Path) -> list[CorpusEntry]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(listing, partitioning=None)
    except (pa.ArrowException, OSError) as error:
        raise PipelineError(f"{listing} is not a Parquet table: {error}") from error
    missing = {"track", "path"} - set(table.column_names)
    if missing:
        raise PipelineError(
            f"{listing} lacks the column {', '.join(sorted(missing))}; "
            f"it has {', '.join(table.column_names)}"
        )
    return [_entry(row) for row in table.to_pylist()]


def _entry(row: dict[str, Any]) -> CorpusEntry:
    return CorpusEntry(
        track=str(row["track"]),
        path=str(row["path"]),
        sha256=row.get("sha256") or "",
        artist=row.get("artist") or "",
        tags=tuple(row.get("tags") or ()),
        caption=row.get("caption") or "",
        license=row.get("license") or "",
    )
