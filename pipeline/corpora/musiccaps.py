"""MusicCaps (Agostinelli et al. 2023): the CSV of captions, and clips that one has fetched.

Columns: ytid, start_s, end_s, audioset_positive_labels, aspect_list (a Python list), caption,
author_id, is_balanced_subset, is_audioset_eval. The audio is not part of the data set; clips of
ten seconds are found by their names, which begin with the video's identifier: `ID.wav`,
`[ID]-[30-40].wav`, `ID_30.m4a`. The data set's license is of its texts, not of the music.
"""

from __future__ import annotations

import ast
import csv
from pathlib import Path

from pipeline.corpora.base import (
    YOUTUBE,
    CorpusEntry,
    audio_files,
    fingerprint_of,
    no_concepts,
    sorted_entries,
    youtube_group,
)
from pipeline.errors import PipelineError

NEEDED = ("ytid", "start_s", "end_s", "aspect_list", "caption")


class MusicCapsCorpus:
    """The adapter `musiccaps`."""

    concepts = staticmethod(no_concepts)

    @staticmethod
    def fingerprint(folder: Path) -> str:
        """SHA-256 over the CSV and over names and sizes of the clips."""
        return fingerprint_of(folder, contents=[_csv_of(folder)], sizes=audio_files(folder))

    @staticmethod
    def entries(folder: Path) -> list[CorpusEntry]:
        """Every row of the CSV, sorted by track; one whose clip is missing keeps the name that it
        would have."""
        listing = _csv_of(folder)
        clips: dict[str, list[str]] = {}
        for path in audio_files(folder):
            match = YOUTUBE.fullmatch(path.stem)
            if match:
                clips.setdefault(match.group(1), []).append(path.relative_to(folder).as_posix())
        with listing.open(encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.DictReader(stream))
        return sorted_entries((_entry(row, clips, listing) for row in rows), listing)


def _csv_of(folder: Path) -> Path:
    """The CSV; raises `PipelineError` if there is none or more than one."""
    found = [path for path in sorted(folder.glob("*.csv")) if set(NEEDED) <= _header(path)]
    if len(found) != 1:
        raise PipelineError(
            f"corpus folder {folder} has {len(found)} CSV files with the columns "
            f"{', '.join(NEEDED)}; MusicCaps is one"
        )
    return found[0]


def _header(path: Path) -> set[str]:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
        return set(next(csv.reader(stream), []))


def _entry(row: dict[str, str], clips: dict[str, list[str]], listing: Path) -> CorpusEntry:
    video, start = row["ytid"], row["start_s"]
    found = clips.get(video, [])
    # Where a video has several clips, the one whose name has its start.
    named = [path for path in found if start in Path(path).stem.split(video, 1)[1]]
    path = next(iter(named or found), f"{video}.wav")
    return CorpusEntry(
        track=f"{video}-{start}",
        path=path,
        tags=_aspects(row["aspect_list"], listing),
        caption=row["caption"] or "",
        group=youtube_group(video),
    )


def _aspects(text: str, listing: Path) -> tuple[str, ...]:
    """The list of aspects, which the CSV holds as Python would write it."""
    try:
        aspects = ast.literal_eval(text) if text else []
        return tuple(dict.fromkeys(str(aspect).strip() for aspect in aspects))
    except (ValueError, SyntaxError, TypeError) as error:
        raise PipelineError(f"{listing}: aspect_list {text[:60]!r} is no list") from error
