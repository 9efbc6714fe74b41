"""MusicBench (Melechovsky et al. 2024): JSON rows beside the unpacked audio.

Files `MusicBench_*.json`, a JSON object a line (or one list), with `location` (from the folder, or
from `datashare/` in it), `main_caption`, `alt_caption` and musical facts. Its audio is MusicCaps'
clips and copies of them shifted in pitch, tempo or volume (`ID_3.wav`): the copies share a split.
TestA and TestB list the same audio, which is taken once.
Source: https://huggingface.co/datasets/amaai-lab/MusicBench.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.corpora.base import (
    CorpusEntry,
    fingerprint_of,
    no_concepts,
    sorted_entries,
    youtube_group,
)
from pipeline.errors import PipelineError

LICENSE = "CC BY-SA 3.0"
FILES = "MusicBench*.json"


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
            for row in _rows(path):
                entry = _entry(row, folder, path)
                found.setdefault(entry.track, entry)
        return sorted_entries(found.values(), folder)


def _files(folder: Path) -> list[Path]:
    found = sorted(folder.glob(FILES))
    if not found:
        raise PipelineError(f"corpus folder {folder} has no {FILES}")
    return found


def _rows(path: Path) -> Iterator[Any]:
    """The objects in a file of JSON lines, or in one JSON list."""
    text = path.read_text(encoding="utf-8")
    try:
        if text.lstrip().startswith("["):
            yield from json.loads(text)
            return
        for line in text.splitlines():
            if line.strip():
                yield json.loads(line)
    except ValueError as error:
        raise PipelineError(f"{path} is not JSON: {error}") from error


def _entry(row: Any, folder: Path, path: Path) -> CorpusEntry:
    if not isinstance(row, dict) or not isinstance(row.get("location"), str):
        raise PipelineError(f"{path} has a row without location: {str(row)[:80]}")
    location = row["location"]
    shared = f"datashare/{location}"
    there = shared if (folder / shared).is_file() else location
    return CorpusEntry(
        track=location,
        path=there,
        caption=row.get("main_caption") or "",
        license=LICENSE,
        group=youtube_group(Path(location).stem),
    )
