"""The recovery table as text: its rows, its counts, and one sentence on what they mean."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from statistics import fmean

from pipeline.errors import PipelineError
from pipeline.recovery.detection import BestCandidate
from pipeline.recovery.probe import Probe
from pipeline.recovery.table import ENOUGH_TRACKS, FOUND, ConceptRow, Recovery

Pick = Callable[[ConceptRow], BestCandidate | Probe | None]

COLUMNS: dict[str, Pick] = {
    "feature": lambda row: row.detection,
    "probe": lambda row: row.probe,
    "control": lambda row: row.control,
    "control probe": lambda row: row.control_probe,
}


def report_lines(result: Recovery) -> Iterator[str]:
    """The whole report, line by line."""
    width = max([len(row.concept) for row in result.rows], default=8)
    yield (
        f" {'concept':{width}} {'group':12} {'test +/-':>9}  {'AUROC [95 %]':20} {'AP':>4}  "
        f"{'probe':>5} {'control':>7} {'c.probe':>7}  feature"
    )
    for row in sorted(result.rows, key=_best_first):
        yield _line(row, width)
    yield ""
    yield (
        f"* reaches {FOUND:g}. AUROC of a track's mean activation on test tracks; its interval is "
        "DeLong's on the logit scale (Wilson's where all positives come first). Features are "
        f"chosen on train tracks from {result.candidates}."
    )
    yield from _counts(result)
    yield meaning(result)


def print_report(result: Recovery) -> None:
    """Print the report to standard output."""
    for line in report_lines(result):
        print(line)  # noqa: T201 - this is the command's output


def write_json(result: Recovery, path: Path) -> None:
    """Write every figure of the table, unrounded, and the counts."""
    figures = {**asdict(result), "counts": {name: found(result, name) for name in COLUMNS}}
    try:
        path.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise PipelineError(f"{path} cannot be written: {error.strerror}") from error


def found(result: Recovery, column: str) -> int:
    """Number of counted concepts whose AUROC in a column is at least `FOUND`."""
    return sum(value >= FOUND for value in _values(result, column))


def meaning(result: Recovery) -> str:
    """One sentence on what the counts mean."""
    counted = sum(row.counted for row in result.rows)
    features = found(result, "feature")
    said = f"On test tracks single features detect {features} of {counted} concepts"
    if result.has_probe:
        said += f", a linear probe {found(result, 'probe')}"
    if not result.has_control:
        return said + "; without the control it is unknown how much of this is due to training."
    control = found(result, "control")
    if features > control:
        return said + (
            f"; {features - control} more than on an untrained decoder of the same initialisation "
            f"({control}): that many are due to training and not to codec and architecture."
        )
    return said + (
        f"; on an untrained decoder of the same initialisation they detect {control}, so nothing "
        "here shows that training made the difference."
    )


def _counts(result: Recovery) -> Iterator[str]:
    counted = sum(row.counted for row in result.rows)
    yield (
        f"{counted} of {len(result.rows)} concepts have at least {ENOUGH_TRACKS} test tracks with "
        f"and {ENOUGH_TRACKS} without; over these:"
    )
    for name in COLUMNS:
        values = _values(result, name)
        if values:
            yield (
                f"  {name:14} AUROC ≥ {FOUND:g}: {found(result, name):2}   mean {fmean(values):.3f}"
            )


def _values(result: Recovery, column: str) -> list[float]:
    picked = [COLUMNS[column](row) for row in result.rows if row.counted]
    return [entry.auroc for entry in picked if entry is not None]


def _best_first(row: ConceptRow) -> tuple[bool, float]:
    return not row.counted, -row.detection.auroc if row.detection else 0.0


def _line(row: ConceptRow, width: int) -> str:
    head = f"{row.concept:{width}} {row.group:12} {row.n_positive:4}/{row.n_negative:<4}"
    if row.detection is None:
        return f" {head}  too few train or test tracks"
    d = row.detection
    beside = " ".join(
        f"{f'{entry.auroc:.2f}' if entry else '–':>{n}}"
        for entry, n in ((row.probe, 5), (row.control, 7), (row.control_probe, 7))
    )
    few = "" if row.counted else "  (few tracks)"
    mark = "*" if row.counted and d.auroc >= FOUND else " "
    interval = f"{d.auroc:.3f} [{d.low:.2f}, {d.high:.2f}]"
    return f"{mark}{head}  {interval:20} {d.average_precision:.2f}  {beside}  {d.feature}{few}"
