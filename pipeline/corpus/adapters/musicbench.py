"""MusicBench (Melechovsky et al. 2024): JSON rows beside the unpacked audio.

Files `MusicBench_*.json`, one JSON object per line (or one list, or one object of columns), with
`location` (relative to the folder or to `datashare/` in it), `main_caption`, `alt_caption` and
musical attributes. Its audio consists of MusicCaps clips and copies of them shifted in pitch, tempo
or volume (`ID_3.wav`); the copies stay in the original's split. TestA and TestB list the same
audio, which is used once.
Source: https://huggingface.co/datasets/amaai-lab/MusicBench.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.corpus.adapters.base import (
    CorpusEntry,
    fingerprint_of,
    no_concepts,
    sorted_entries,
    spellings,
    text_of,
)
from pipeline.corpus.adapters.names import video_of
from pipeline.corpus.audio_source import is_file
from pipeline.errors import PipelineError
from pipeline.files.text import json_of, lines_of, read_text

LICENSE = "CC BY-SA 3.0"
FILES = "MusicBench*.json"
COPY = re.compile(r"(?P<original>.+)_\d+")


class MusicBenchCorpus:
    """The adapter `musicbench`."""

    concepts = staticmethod(no_concepts)

    @staticmethod
    def fingerprint(folder: Path) -> str:
        """SHA-256 over the JSON files; `corpus.parquet` records which audio exists."""
        return fingerprint_of(folder, contents=_files(folder), sizes=[])

    @staticmethod
    def entries(folder: Path) -> list[CorpusEntry]:
        """Every listed audio file, sorted, with the caption of its first row."""
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
    """The objects in a JSON file: for each its place, its value, and the reason if its line is not
    JSON. The file is a list, objects on one or several lines each, or one object of columns."""
    text = read_text(path)
    lines = [(n, line) for n, line in enumerate(lines_of(text), start=1) if line.strip()]
    whole = json_of(text, str(path)) if text.lstrip().startswith("[") else _values(text)
    if isinstance(whole, list) and len(whole) == 1 and _has_columns(whole[0]):
        whole = _rows_of_columns(whole[0], path)
    elif whole is None or (len(whole) == len(lines) and not text.lstrip().startswith("[")):
        yield from _lines(path, lines)
        return
    for number, row in enumerate(whole, start=1):
        yield f"{path.name} row {number}", row, ""


def _lines(path: Path, lines: list[tuple[int, str]]) -> Iterator[tuple[str, Any, str]]:
    for number, line in lines:
        try:
            yield f"{path.name} line {number}", json.loads(line, strict=False), ""
        except (ValueError, RecursionError) as error:
            reason = f"its line is not JSON: {str(error) or type(error).__name__}"
            yield f"{path.name} line {number}", None, reason


def _values(text: str) -> list[Any] | None:
    """The consecutive JSON values in a text; None if it contains anything else."""
    decoder, found, rest = json.JSONDecoder(strict=False), [], 0
    try:
        while place := re.compile(r"\S").search(text, rest):
            value, rest = decoder.raw_decode(text, place.start())
            found.append(value)
    except (ValueError, RecursionError):
        return None
    return found


def _has_columns(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("location"), list | dict)


def _rows_of_columns(columns: dict[str, Any], path: Path) -> list[dict[str, Any]]:
    """The rows of a table that is stored by columns, which are lists or, as pandas writes them,
    objects keyed by row; raises `PipelineError` if the columns differ in length."""
    cells = {
        name: list(column.values() if isinstance(column, dict) else column)
        for name, column in columns.items()
        if isinstance(column, list | dict)
    }
    lengths = {name: len(column) for name, column in cells.items()}
    if len(set(lengths.values())) > 1 or len(cells) < len(columns):
        raise PipelineError(
            f"{path} is an object of columns of different lengths: "
            f"{', '.join(f'{name} {lengths.get(name, 1)}' for name in columns)}"
        )
    return [dict(zip(cells, row, strict=True)) for row in zip(*cells.values(), strict=True)]


def _entry(row: Any, folder: Path, place: str, reason: str) -> CorpusEntry:
    location = row.get("location") if isinstance(row, dict) else None
    if not isinstance(location, str) or not location.strip():
        shown = f"its row has no location: {row!r:.80}"
        return CorpusEntry(track=place, path="", reason=reason or shown)
    found = (name for one in spellings(location) for name in (f"datashare/{one}", one))
    try:
        caption = text_of(_only(row.get("main_caption")))
    except ValueError as error:
        caption, reason = "", f"its main_caption is {error}"
    return CorpusEntry(
        track=location,
        path=next((name for name in found if is_file(folder / name)), location),
        caption=caption,
        license=LICENSE,
        reason=reason,
    )


def _only(value: Any) -> Any:
    """The only element of a list of one, or else the value itself."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _grouped(entries: Iterable[CorpusEntry]) -> list[CorpusEntry]:
    """The entries with their groups: the video that the name contains, else the original of a copy,
    if the corpus lists it."""
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
