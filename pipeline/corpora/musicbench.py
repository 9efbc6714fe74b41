"""MusicBench (Melechovsky et al. 2024): JSON rows beside the unpacked audio.

Files `MusicBench_*.json`, a JSON object a line (or one list), with `location` (from the folder, or
from `datashare/` in it), `main_caption`, `alt_caption` and musical facts. Its audio is MusicCaps'
clips and copies of them shifted in pitch, tempo or volume (`ID_3.wav`): the copies share a split.
TestA and TestB list the same audio, which is taken once.
Source: https://huggingface.co/datasets/amaai-lab/MusicBench.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.corpora.base import (
    CorpusEntry,
    fingerprint_of,
    no_concepts,
    sorted_entries,
    text_of,
)
from pipeline.corpora.names import video_of
from pipeline.errors import PipelineError
from pipeline.sounds import is_file
from pipeline.text_files import json_of, lines_of, read_text

LICENSE = "CC BY-SA 3.0"
FILES = "MusicBench*.json"
COPY = re.compile(r"(?P<original>.+)_\d+")


class MusicBenchCorpus:
    """The adapter `musicbench`."""

    concepts = staticmethod(no_concepts)

    @staticmethod
    def fingerprint(folder: Path) -> str:
        """SHA-256 over the JSON files; which audio is there shows in `corpus.parquet`."""
        return fingerprint_of(folder, contents=_files(folder), sizes=[])

    @staticmethod
    def entries(folder: Path) -> list[CorpusEntry]:
        """Every audio file that is listed, sorted, under its first row's caption."""
        found: dict[str, CorpusEntry] = {}
        for path in _files(folder):
            for place, row, reason in _rows(path):
                entry = _entry(row, folder, place, reason)
                found.setdefault(entry.track, entry)
        return sorted_entries(_grouped(found.values()), folder)


def _files(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.glob(FILES) if path.is_file())
    if not found:
        raise PipelineError(f"corpus folder {folder} has no {FILES}")
    return found


def _rows(path: Path) -> Iterator[tuple[str, Any, str]]:
    """The objects in a file of JSON lines, or in one JSON list, each with its place and, where
    its line is not JSON, with the reason."""
    text = read_text(path)
    if text.lstrip().startswith("["):
        for number, row in enumerate(json_of(text, str(path)), start=1):
            yield f"{path.name} row {number}", row, ""
        return
    for number, line in enumerate(lines_of(text), start=1):
        if line.strip():
            try:
                yield f"{path.name} line {number}", json.loads(line, strict=False), ""
            except (ValueError, RecursionError) as error:
                reason = f"its line is not JSON: {str(error) or type(error).__name__}"
                yield f"{path.name} line {number}", None, reason


def _entry(row: Any, folder: Path, place: str, reason: str) -> CorpusEntry:
    location = row.get("location") if isinstance(row, dict) else None
    if not isinstance(location, str) or not location.strip():
        shown = f"its row is without location: {row!r:.80}"
        return CorpusEntry(track=place, path="", reason=reason or shown)
    shared = f"datashare/{location}"
    try:
        caption = text_of(row.get("main_caption"))
    except ValueError as error:
        caption, reason = "", f"its main_caption is {error}"
    return CorpusEntry(
        track=location,
        path=shared if is_file(folder / shared) else location,
        caption=caption,
        license=LICENSE,
        reason=reason,
    )


def _grouped(entries: Iterable[CorpusEntry]) -> list[CorpusEntry]:
    """The entries with their groups: by the video that a name speaks of, else a copy goes with
    the original that is listed, whatever both are called."""
    listed = list(entries)
    originals = {PurePosixPath(entry.track).stem for entry in listed}
    return [
        replace(entry, group=_group(PurePosixPath(entry.track).stem, originals)) for entry in listed
    ]


def _group(stem: str, originals: set[str]) -> str:
    video = video_of(stem)
    copied = COPY.fullmatch(stem)
    if copied and copied["original"] in originals:
        stem = copied["original"]
        video = video or video_of(stem)
    return f"youtube {video}" if video else f"recording {stem}"
