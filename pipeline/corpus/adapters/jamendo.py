"""MTG-Jamendo (Bogdanov et al. 2019): a TSV list, the audio, and `audio_licenses.txt`.

The list has TRACK_ID, ARTIST_ID, ALBUM_ID, PATH, DURATION and then any number of tags, each in its
own column (`genre---rock`, `mood/theme---happy`). If the folder has several lists,
`autotagging.tsv` is used. Audio lies at PATH under the folder or under `audio/`, as `14/214.mp3`
or, in the smaller download, `14/214.low.mp3`. A license takes three lines: the path; title and
artist; "Available under …: URL".
Source: https://github.com/MTG/mtg-jamendo-dataset.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from pathlib import Path

from pipeline.corpus.adapters.base import (
    CorpusEntry,
    fingerprint_of,
    no_concepts,
    sorted_entries,
    spellings,
)
from pipeline.corpus.adapters.names import jamendo_group
from pipeline.corpus.audio_source import is_file
from pipeline.errors import PipelineError
from pipeline.files.text import first_line, lines_of, read_text

HEADER = ("TRACK_ID", "ARTIST_ID", "ALBUM_ID", "PATH", "DURATION", "TAGS")
FIRST_CHOICE = "autotagging.tsv"
LICENSES = "audio_licenses.txt"


class JamendoCorpus:
    """The adapter `mtg-jamendo`."""

    concepts = staticmethod(no_concepts)

    @staticmethod
    def fingerprint(folder: Path) -> str:
        """SHA-256 over list and licenses; `corpus.parquet` records which files exist."""
        licenses = _license_files(folder)[:1]
        return fingerprint_of(folder, contents=[_list_of(folder), *licenses], sizes=[])

    @staticmethod
    def entries(folder: Path) -> list[CorpusEntry]:
        """Every track of the list, sorted."""
        listing = _list_of(folder)
        licenses = _licenses(folder)
        return sorted_entries(_rows(listing, folder, licenses), listing)


def _list_of(folder: Path) -> Path:
    """The list to read; raises `PipelineError` if there are none or several candidates."""
    lists = (path for path in sorted(folder.rglob("*.tsv")) if path.is_file())
    found = [path for path in lists if _header(path)[:5] == HEADER[:5]]
    best = [path for path in found if path.name == FIRST_CHOICE] or found
    if not best:
        raise PipelineError(
            f"corpus folder {folder} has no MTG-Jamendo list: a .tsv that begins with "
            f"{' '.join(HEADER)}"
        )
    if len(best) > 1:
        names = ", ".join(path.relative_to(folder).as_posix() for path in best)
        raise PipelineError(f"corpus folder {folder} has several lists ({names}); keep only one")
    return best[0]


def _header(path: Path) -> tuple[str, ...]:
    return tuple(first_line(path).split("\t"))


def _rows(listing: Path, folder: Path, licenses: dict[str, str]) -> Iterator[CorpusEntry]:
    for number, line in enumerate(lines_of(read_text(listing)), start=1):
        row = line.split("\t")
        if tuple(row[:5]) == HEADER[:5] or not line.strip():
            continue
        if len(row) < 5 or not row[0].strip() or not row[3].strip():
            reason = f"line {number} of the list has {len(row)} columns: track or path is missing"
            yield CorpusEntry(row[0].strip() or f"line {number}", "", reason=reason)
            continue
        track, artist, _album, path, _duration, *tags = row
        yield CorpusEntry(
            track=track,
            path=_audio(folder, path),
            artist=artist.strip(),
            tags=tuple(dict.fromkeys(filter(None, map(_tag, tags)))),
            license=next((licenses[one] for one in spellings(path) if one in licenses), ""),
            group=jamendo_group(track),
        )


def _tag(cell: str) -> str:
    """`genre---rock` without its category, and without the quotation marks of a spreadsheet."""
    return cell.strip().strip('"').rpartition("---")[2].strip()


def _audio(folder: Path, path: str) -> str:
    """Path of a track's audio, or its listed path if there is no such file."""
    for one in spellings(path):
        low = f"{posixpath.splitext(one)[0]}.low.mp3"
        for name in (one, f"audio/{one}", low, f"audio/{low}"):
            if is_file(folder / name):
                return name
    return path


def _license_files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob(LICENSES)) if path.is_file()]


def _licenses(folder: Path) -> dict[str, str]:
    """License of each path; empty if the folder has no `audio_licenses.txt`."""
    found = _license_files(folder)
    if not found:
        return {}
    licenses, path = {}, ""
    for line in lines_of(read_text(found[0])):
        if line.strip().endswith(".mp3"):
            path = line.strip()
        elif line.startswith("Available under"):
            licenses[path] = line.strip()
    return licenses
