"""The study's own facts from `study.json` and the table: what the head and the methods text say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from analysis.reading.columns import time_of
from analysis.reading.table import Responses

DESIGN = (
    "design",
    "features_wanted",
    "selection",
    "best_by",
    "ratings_per_item",
    "trials_per_participation",
    "practice_trials",
    "catch_trials",
    "repeat_trials",
    "option_policy",
    "loudness_lufs",
    "headphone_check",
    "headphones_required",
    "steps",
    "ethics_approval",
)
"""Entries of the design that the report tells."""


@dataclass(frozen=True)
class Study:
    """Plain data for `summary.json`; an empty text where nothing says it."""

    name: str = ""
    title: str = ""
    version: str = ""
    answered_from: str = ""
    """Date of the first answer, UTC."""
    answered_to: str = ""
    frozen_at: str = ""
    """Time of freezing, UTC, to the minute."""
    design_hash: str = ""
    design: dict[str, Any] = field(default_factory=dict)
    """The entries `DESIGN`, as far as they are there."""
    features_of_run: int = 0
    eligible: int = 0
    """Features of the runs, and those that could be drawn."""


def study_of(study: Mapping[str, Any] | None, read: Responses) -> Study:
    """The facts of a table's study."""
    given = study or {}
    design = given.get("design")
    design = design if isinstance(design, Mapping) else {}
    left_out = design.get("left_out")
    left_out = left_out if isinstance(left_out, Mapping) else {}
    first, last = _dates(read)
    return Study(
        name=_text(given.get("study")) or _only(read, "study"),
        title=_text(design.get("title")),
        version=_text(given.get("study_version")) or _only(read, "study_version"),
        answered_from=first,
        answered_to=last,
        frozen_at=_minute(given.get("frozen_at")),
        design_hash=_text(given.get("design_hash")),
        design={key: design[key] for key in DESIGN if design.get(key) not in (None, "")},
        features_of_run=_number(left_out.get("features")),
        eligible=_number(left_out.get("eligible")),
    )


def _text(value: Any) -> str:
    return str(value) if isinstance(value, str | int) else ""


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _only(read: Responses, column: str) -> str:
    """The values of a column that all rows share one of, or the few that there are."""
    return " and ".join(sorted(read.rows[column].unique())) if read.has(column) else ""


def _minute(value: Any) -> str:
    time = time_of(value) if isinstance(value, str) else None
    return time.strftime("%Y-%m-%d %H:%M UTC") if time else ""


def _dates(read: Responses) -> tuple[str, str]:
    if not read.has("answered_at"):
        return "", ""
    times = [time for time in map(time_of, read.ratings["answered_at"]) if time is not None]
    if not times:
        return "", ""
    return min(times).strftime("%Y-%m-%d"), max(times).strftime("%Y-%m-%d")
