"""MusicCaps (Agostinelli et al. 2023): the CSV of captions, and separately downloaded clips.

Columns: ytid, start_s, end_s, audioset_positive_labels, aspect_list (a Python list), caption,
author_id, is_balanced_subset, is_audioset_eval. The audio is not part of the data set. Clips of ten
seconds are found by their names, which contain the video's identifier and may contain the start of
the excerpt in seconds or milliseconds: `ID.wav`, `[ID]-[30-40].wav`, `ID_30.m4a`,
`YID_30.0_40.0.wav`. A clip with another start in its name belongs to another excerpt. The data
set's license covers its texts, not the music.
"""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from pipeline.corpus.adapters.base import (
    CorpusEntry,
    audio_files,
    fingerprint_of,
    no_concepts,
    sorted_entries,
    tags_of,
    written_list,
)
from pipeline.corpus.adapters.names import Excerpt, excerpt_in
from pipeline.errors import PipelineError
from pipeline.files.text import Row, first_line, read_csv

NEEDED = ("ytid", "start_s", "end_s", "aspect_list", "caption")

Clips = dict[str, list[tuple[Excerpt, str]]]
"""For each video, the excerpts that exist, with their paths."""


class MusicCapsCorpus:
    """The adapter `musiccaps`."""

    concepts = staticmethod(no_concepts)

    @staticmethod
    def fingerprint(folder: Path) -> str:
        """SHA-256 over the CSV and over names and sizes of the clips."""
        return fingerprint_of(folder, contents=[_csv_of(folder)], sizes=audio_files(folder))

    @staticmethod
    def entries(folder: Path) -> list[CorpusEntry]:
        """Every row of the CSV, sorted by track; a row without a clip has the path `ID.wav`."""
        listing = _csv_of(folder)
        _, rows = read_csv(listing)
        rows_of = Counter(row.cells.get("ytid", "") for row in rows)
        clips = _clips(folder, rows_of.keys())
        return sorted_entries((_entry(row, clips, rows_of) for row in rows), listing)


def _clips(folder: Path, videos: Iterable[str]) -> Clips:
    known, clips = frozenset(videos), defaultdict(list)
    for path in audio_files(folder):
        excerpt = excerpt_in(path.stem, known)
        if excerpt:
            clips[excerpt.video].append((excerpt, path.relative_to(folder).as_posix()))
    return clips


def _csv_of(folder: Path) -> Path:
    """The CSV; raises `PipelineError` if there is none or more than one."""
    lists = (path for path in sorted(folder.glob("*.csv")) if path.is_file())
    found = [path for path in lists if set(NEEDED) <= _columns(path)]
    if len(found) != 1:
        raise PipelineError(
            f"corpus folder {folder} has {len(found)} CSV files with the columns "
            f"{', '.join(NEEDED)}; there must be exactly one"
        )
    return found[0]


def _columns(path: Path) -> set[str]:
    try:
        return {name.strip() for name in next(csv.reader(io.StringIO(first_line(path), "")), [])}
    except csv.Error:  # some other table, which is not a CSV with this header
        return set()


def _entry(row: Row, clips: Clips, rows_of: Counter[str]) -> CorpusEntry:
    video, start = row.cells.get("ytid", "").strip(), row.cells.get("start_s", "").strip()
    entry = CorpusEntry(
        track=f"{video}-{start}" if video else f"line {row.line}",
        path=f"{video}.wav",
        caption=row.cells.get("caption", ""),
        group=f"youtube {video}" if video else "",
        reason=row.reason,
    )
    return entry if row.reason else _with_clip(entry, row, clips.get(video, []), rows_of[video])


def _with_clip(
    entry: CorpusEntry, row: Row, clips: list[tuple[Excerpt, str]], excerpts: int
) -> CorpusEntry:
    """The entry with its clip and its aspects as tags, or with the reason why it is unusable."""
    try:
        start, end = _seconds(row, "start_s"), _seconds(row, "end_s")
        tags = _aspects(row.cells["aspect_list"])
    except ValueError as error:
        return replace(entry, reason=str(error))
    whole = [path for excerpt, path in clips if excerpt.start is None]
    if whole and excerpts > 1 and not _named(clips, start, end):
        reason = f"{whole[0]} does not say which of {excerpts} excerpts of its video it is"
        return replace(entry, path=whole[0], tags=tags, reason=reason)
    path = next(iter([*_named(clips, start, end), *whole]), entry.path)
    return replace(entry, path=path, tags=tags)


def _named(clips: list[tuple[Excerpt, str]], start: float, end: float) -> list[str]:
    """The clips whose names contain this start, first those that contain this end too."""
    fitting = []
    for excerpt, path in clips:
        for unit in (1, 1000):
            if excerpt.start is not None and excerpt.start == int(start * unit):
                other_end = excerpt.end is not None and excerpt.end != int(end * unit)
                fitting.append((other_end, unit, path))
    return [path for _, _, path in sorted(fitting)]


def _seconds(row: Row, column: str) -> float:
    """A cell as seconds; raises `ValueError` if it is not a number of seconds."""
    text = row.cells[column]
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 1e6:
        raise ValueError(f"its {column} is {text[:60]!r}, which is not a number of seconds")
    return seconds


def _aspects(text: str) -> tuple[str, ...]:
    """The list of aspects, which the CSV holds as a Python list."""
    try:
        found = written_list(text.strip()) if text.strip() else []
    except ValueError as error:
        raise ValueError(f"its aspect_list is {error}") from error
    return tags_of(found)
