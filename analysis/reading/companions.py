"""The other files of an export, beside `responses.csv`; each makes further estimates possible."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from analysis.errors import AnalysisError, quote
from analysis.reading.table import CELL_LIMIT
from analysis.reading.text_files import read_json, read_text


def read_study(folder: Path) -> Mapping[str, Any] | None:
    """The content of `study.json` (design, exclusion rules, analysis plan); None without one."""
    path = folder / "study.json"
    if not path.is_file():
        return None
    study = read_json(path)
    if not isinstance(study, dict):
        raise AnalysisError("study.json: not a JSON object")
    return study


def read_table(folder: Path, name: str, needed: tuple[str, ...]) -> list[dict[str, str]] | None:
    """The rows of a companion file, cells as texts; None where there is no such file."""
    path = folder / name
    if not path.is_file():
        return None
    csv.field_size_limit(CELL_LIMIT)
    try:
        reader = csv.DictReader(io.StringIO(read_text(path), newline=""), strict=True)
        missing = [column for column in needed if column not in (reader.fieldnames or ())]
        if missing:
            raise AnalysisError(f"{name}: column {missing[0]} is missing")
        return [{k: v or "" for k, v in row.items() if isinstance(k, str)} for row in reader]
    except csv.Error as error:
        raise AnalysisError(f"{name}: not readable as CSV: {type(error).__name__}") from error


def decimal(name: str, row: int, column: str, text: str) -> float:
    """The finite number in a cell of a companion file; else a refusal naming row and value."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise AnalysisError(f"{name}: row {row}: {column} is {quote(text)}, expected a number")
    return value


def clip_seconds(folder: Path) -> dict[str, float] | None:
    """Clip to its length in seconds, from `stimuli.csv`; None without that file."""
    rows = read_table(folder, "stimuli.csv", ("clip", "seconds"))
    if rows is None:
        return None
    return {
        row["clip"]: decimal("stimuli.csv", i, "seconds", row["seconds"])
        for i, row in enumerate(rows, start=2)
    }
