"""What listeners answered in an earlier study: the part of `responses.csv` that methods use.

Only main trials of completed participations count, and simulated listeners only where nobody else
answered, as in the analysis; of these only the answers about one run: features have the same names
in every run of a config's shape, and an export may hold several runs. The config names the run by
its identifier, as the column `run` has it. It cannot be the run that is being labelled: that one's
key counts the answers, which were there before it. It is an earlier one with the same corpus,
subject and dictionaries, and so the same features.
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
"""Characters of a run's key that exports call `run`."""


@dataclass(frozen=True)
class StudyAnswer:
    """One answer."""

    participation: str
    method: str
    run: str
    """Identifier of the run that the feature belongs to: the first `IDENTIFIER` of its key."""
    feature: str
    chosen_rank: int | None
    """The method's own rank of what was chosen; None for another feature's label."""
    confidence: int
    """1 to 5."""
    free_text: str


def answers_of(path: Path, run: str, *, section: str) -> list[StudyAnswer]:
    """The answers about the run whose identifier or key `run` is, in the file's order.

    Raises `PipelineError`, naming the key `run` of the config's `section`, if the file has none or
    `run` is empty, and whatever `answers` raises.
    """
    found = answers(path)
    own = [answer for answer in found if answer.run == run[:IDENTIFIER]]
    if run and own:
        return own
    there = ", ".join(sorted({answer.run for answer in found})) or "none"
    wrong = f"no answer is about run {run[:IDENTIFIER]}" if run else f"[{section}] run is empty"
    raise PipelineError(
        f"{path}: {wrong}; name the run whose features were heard, as its column `run` has it "
        f"(in the file: {there})"
    )


def answers(path: Path) -> list[StudyAnswer]:
    """The answers that count, of all runs, in the file's order.

    Raises `PipelineError` if the file is missing, lacks a column, or has a value that is not a
    number where one belongs.
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
    # Simulated listeners say what their program says: they count only where nobody else answered.
    people = [row for row in counted if not _simulated(row.cells)]
    return [_answer(path, row.line, row.cells) for row in people or counted]


def _simulated(row: Mapping[str, str]) -> bool:
    return (row.get("simulated") or "").strip().lower() in ("true", "1")


def _answer(path: Path, number: int, row: Mapping[str, str]) -> StudyAnswer:
    try:
        rank = int(float(row["chosen_rank"])) if row["chosen_rank"] else None
        confidence = int(float(row["confidence"]))
        if not 1 <= confidence <= 5:
            raise ValueError(f"confidence is {confidence}, not from 1 to 5")
    except (ValueError, OverflowError) as error:
        raise PipelineError(f"{path}, line {number}: {error}") from error
    return StudyAnswer(
        participation=row["participation"], method=row["method"], run=row["run"],
        feature=row["feature"], chosen_rank=rank, confidence=confidence,
        free_text=" ".join((row["free_text"] or "").split()),
    )  # fmt: skip
