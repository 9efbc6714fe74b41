"""The study's own facts from `study.json` and the table: what the head and the methods text say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from analysis.reading.columns import time_of
from analysis.reading.table import Responses

NUMBERS = (
    "features_wanted",
    "ratings_per_item",
    "trials_per_participation",
    "practice_trials",
    "catch_trials",
    "repeat_trials",
    "loudness_lufs",
)
WORDS = ("design", "selection", "best_by", "option_policy", "headphone_check", "ethics_approval")
"""Entries of the design that the report tells, beside `headphones_required` and `steps`. One of
another type is left out: the report says less then, and is made."""


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
    """`NUMBERS` and `WORDS`, as far as they are there, `headphones_required` and `steps`."""
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
        design=_design(design),
        features_of_run=_number(left_out.get("features")),
        eligible=_number(left_out.get("eligible")),
    )


def _design(given: Mapping[str, Any]) -> dict[str, Any]:
    steps = given.get("steps")
    numbers = {key: given[key] for key in NUMBERS if _is_number(given.get(key))}
    words = {key: given[key] for key in WORDS if isinstance(given.get(key), str) and given[key]}
    return {
        **numbers,
        **words,
        "headphones_required": given.get("headphones_required") is True,
        "steps": [str(step) for step in steps] if isinstance(steps, list) else [],
    }


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -1e9 < value < 1e9


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
