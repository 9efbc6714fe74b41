"""What listeners answered in an earlier study: the part of `responses.csv` that methods use.

Only main trials of completed participations count, as in the analysis. Written for the columns
of the contract in DESIGN.md; a file that lacks one is refused by name.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import PipelineError

NEEDED = ("participation", "method", "feature", "kind", "participation_status", "confidence",
          "chosen_rank", "free_text", "run")  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """One answer."""

    participation: str
    method: str
    run: str
    """Identifier of the run that the feature belongs to: the first characters of its key."""
    feature: str
    chosen_rank: int | None
    """The method's own rank of what was chosen; None for another feature's label."""
    confidence: int
    """1 to 5."""
    free_text: str


def answers(path: Path) -> list[Answer]:
    """The answers that count, in the file's order.

    Raises `PipelineError` if the file is missing, no such table, or holds a number that is none.
    """
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = csv.DictReader(stream)
            missing = [name for name in NEEDED if name not in (rows.fieldnames or ())]
            if missing:
                raise PipelineError(f"{path} has no column {', '.join(missing)}")
            return [
                _answer(path, number, row) for number, row in enumerate(rows, start=2)
                if row["kind"] == "main" and row["participation_status"] == "complete"
            ]  # fmt: skip
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise PipelineError(f"{path} cannot be read as responses: {error}") from error


def _answer(path: Path, number: int, row: Mapping[str, str]) -> Answer:
    try:
        rank = int(float(row["chosen_rank"])) if row["chosen_rank"] else None
        confidence = int(float(row["confidence"]))
    except ValueError as error:
        raise PipelineError(f"{path}, line {number}: {error}") from error
    return Answer(
        participation=row["participation"], method=row["method"], run=row["run"],
        feature=row["feature"], chosen_rank=rank, confidence=confidence,
        free_text=" ".join((row["free_text"] or "").split()),
    )  # fmt: skip
