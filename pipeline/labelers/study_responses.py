"""Listeners' answers from an earlier study: the part of `responses.csv` that methods use.

Only main trials of completed participations count; simulated listeners count only if nobody else
answered, as in the analysis. Only answers about one run are used, since features have the same
identifiers in all runs of the same shape and an export may contain several runs. The config names
that run by its identifier, as in the column `run`. It cannot be the run being labelled, whose key
depends on the answers; it is an earlier one with the same corpus, subject and SAEs, and so the same
features.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.files.text import read_csv

NEEDED = ("participation", "method", "feature", "kind", "participation_status", "confidence",
          "chosen_rank", "free_text", "run")  # fmt: skip
IDENTIFIER = 12
"""Number of characters of a run's key that exports write in the column `run`."""


@dataclass(frozen=True)
class StudyAnswer:
    """One answer to a trial."""

    participation: str
    method: str
    run: str
    """Identifier of the run that the feature belongs to: the first characters of its key."""
    feature: str
    chosen_rank: int | None
    """The method's rank of the chosen label; None for another feature's label."""
    confidence: int
    """1 to 5."""
    free_text: str


def answers_of(path: Path, run: str, *, section: str) -> list[StudyAnswer]:
    """The answers about the run with the identifier or key `run`, in the file's order.

    Raises `PipelineError` if the file has none, if `run` (the key of that name in the config's
    `section`) is empty, and whenever `answers` does.
    """
    found = answers(path)
    own = [answer for answer in found if answer.run == run[:IDENTIFIER]]
    if run and own:
        return own
    there = ", ".join(sorted({answer.run for answer in found})) or "none"
    wrong = f"no answer is about run {run[:IDENTIFIER]}" if run else f"[{section}] run is empty"
    raise PipelineError(
        f"{path}: {wrong}; give the run whose features were heard, as in the file's column `run` "
        f"(in the file: {there})"
    )


def answers(path: Path) -> list[StudyAnswer]:
    """The answers that count, about all runs, in the file's order.

    Raises `PipelineError` if the file is missing, lacks a column, or has a non-numeric value.
    """
    columns, rows = read_csv(path)
    missing = [name for name in NEEDED if name not in columns]
    if missing:
        raise PipelineError(f"{path} has no column {', '.join(missing)}")
    for row in rows:
        if row.reason:
            raise PipelineError(f"{path}, line {row.line} {row.reason}")
    counted = [
        row for row in rows
        if row.cells["kind"] == "main" and row.cells["participation_status"] == "complete"
    ]  # fmt: skip
    # Simulated listeners only follow their program, so they count only if nobody else answered.
    people = [row for row in counted if not _simulated(row.cells)]
    return [_answer(path, row.line, row.cells) for row in people or counted]


def _simulated(row: Mapping[str, str]) -> bool:
    return (row.get("simulated") or "").strip().lower() in ("true", "1")


def _answer(path: Path, number: int, row: Mapping[str, str]) -> StudyAnswer:
    try:
        rank = int(float(row["chosen_rank"])) if row["chosen_rank"] else None
        confidence = int(float(row["confidence"]))
        if not 1 <= confidence <= 5:
            raise ValueError(f"confidence is {confidence}; it must be from 1 to 5")
    except (ValueError, OverflowError) as error:
        raise PipelineError(f"{path}, line {number}: {error}") from error
    return StudyAnswer(
        participation=row["participation"], method=row["method"], run=row["run"],
        feature=row["feature"], chosen_rank=rank, confidence=confidence,
        free_text=" ".join((row["free_text"] or "").split()),
    )  # fmt: skip
