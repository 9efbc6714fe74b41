"""MTG-Jamendo (Bogdanov et al. 2019): a TSV list, the audio, and `audio_licenses.txt`.

The list has TRACK_ID, ARTIST_ID, ALBUM_ID, PATH, DURATION and then any number of tags, each in a
column of its own (`genre---rock`, `mood/theme---happy`). Of several lists in the folder
`autotagging.tsv` counts. Audio lies at PATH under the folder or under `audio/`, as `14/214.mp3` or,
in the smaller download, `14/214.low.mp3`. A license is three lines: the path, title and artist,
"Available under …: URL".
Source: https://github.com/MTG/mtg-jamendo-dataset.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from pipeline.corpora.base import CorpusEntry, fingerprint_of, no_concepts, sorted_entries
from pipeline.errors import PipelineError

HEADER = ("TRACK_ID", "ARTIST_ID", "ALBUM_ID", "PATH", "DURATION", "TAGS")
FIRST_CHOICE = "autotagging.tsv"
LICENSES = "audio_licenses.txt"


class JamendoCorpus:
    """The adapter `mtg-jamendo`."""

    concepts = staticmethod(no_concepts)

    @staticmethod
    def fingerprint(folder: Path) -> str:
        """SHA-256 over list and licenses; which files are there shows in `corpus.parquet`."""
        licenses = sorted(folder.rglob(LICENSES))[:1]
        return fingerprint_of(folder, contents=[_list_of(folder), *licenses], sizes=[])

    @staticmethod
    def entries(folder: Path) -> list[CorpusEntry]:
        """Every track of the list, sorted."""
        listing = _list_of(folder)
        licenses = _licenses(folder)
        return sorted_entries(_rows(listing, folder, licenses), listing)


def _list_of(folder: Path) -> Path:
    """The list to read; raises `PipelineError` if there is none, or several and no first choice."""
    found = [path for path in sorted(folder.rglob("*.tsv")) if _header(path)[:5] == HEADER[:5]]
    best = [path for path in found if path.name == FIRST_CHOICE] or found
    if not best:
        raise PipelineError(
            f"corpus folder {folder} has no MTG-Jamendo list: a .tsv that begins with "
            f"{' '.join(HEADER)}"
        )
    if len(best) > 1:
        names = ", ".join(path.relative_to(folder).as_posix() for path in best)
        raise PipelineError(f"corpus folder {folder} has several lists ({names}); leave one")
    return best[0]


def _header(path: Path) -> tuple[str, ...]:
    with path.open(encoding="utf-8", errors="replace") as stream:
        return tuple(stream.readline().rstrip("\n").split("\t"))


def _rows(listing: Path, folder: Path, licenses: dict[str, str]) -> Iterator[CorpusEntry]:
    with listing.open(encoding="utf-8", newline="") as stream:
        for row in csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE):
            if tuple(row[:5]) == HEADER[:5] or not row:
                continue
            if len(row) < 5:
                raise PipelineError(f"{listing} has a row of {len(row)} columns: {' '.join(row)}")
            track, artist, _album, path, _duration, *tags = row
            yield CorpusEntry(
                track=track,
                path=_audio(folder, path),
                artist=artist,
                tags=tuple(dict.fromkeys(tag.rpartition("---")[2] for tag in tags if tag)),
                license=licenses.get(path, ""),
            )


def _audio(folder: Path, path: str) -> str:
    """Where a track's audio is; its listed path if it is nowhere."""
    low = str(Path(path).with_suffix(".low.mp3"))
    candidates = (path, f"audio/{path}", low, f"audio/{low}")
    return next((name for name in candidates if (folder / name).is_file()), path)


def _licenses(folder: Path) -> dict[str, str]:
    """License of each path; empty where the folder has no `audio_licenses.txt`."""
    found = sorted(folder.rglob(LICENSES))
    if not found:
        return {}
    licenses, path = {}, ""
    for line in found[0].read_text(encoding="utf-8").splitlines():
        if line.strip().endswith(".mp3"):
            path = line.strip()
        elif line.startswith("Available under"):
            licenses[path] = line.strip()
    return licenses
