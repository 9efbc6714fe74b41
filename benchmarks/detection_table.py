"""Which method's labels does CLAP detect in held-out tracks? For runs with the scorer `detection`.

For each method, the mean AUROC over features of its best label and of its five best (averaged
within each feature), with a bootstrap over features, since the labels of a feature share its
tracks. Chance is 0.5; `random-label` must be close to it, or else the scoring itself is biased.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.errors import PipelineError
from pipeline.store.records import records_from
from pipeline.store.run_directory import RunDirectory
from pipeline.store.tables import ScoreRecord

RESAMPLES = 10_000


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="directory of a finished run")
    options = parser.parse_args()
    try:
        rows = graded(RunDirectory(options.run))
    except PipelineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(
        "| method | features | best label | 95 % | five best | 95 % "
        "| hard negatives | balanced accuracy |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for method in dict.fromkeys(row.method for row in rows):
        print(line(method, [row for row in rows if row.method == method]))
    return 0


def graded(directory: RunDirectory) -> list[ScoreRecord]:
    """All scores that could be estimated, of every SAE."""
    rows: list[ScoreRecord] = []
    for sae in directory.sae_names():
        table = directory.read_table(f"scores/{sae}/detection.parquet")
        rows += records_from(ScoreRecord, table)
    return [row for row in rows if row.status == "ok"]


def line(method: str, rows: Sequence[ScoreRecord]) -> str:
    """One method's row."""
    cells = [method]
    for ranks in (1, 5):
        by_feature = defaultdict(list)
        for row in rows:
            if row.rank <= ranks and row.score is not None:
                by_feature[row.feature].append(row.score)
        means = np.asarray([np.mean(scores) for scores in by_feature.values()])
        if ranks == 1:
            cells.append(str(len(means)))
        low, high = interval(means)
        cells += [f"{means.mean():.3f}", f"{low:.3f}-{high:.3f}"]
    best = [row for row in rows if row.rank == 1]
    for values in (
        [row.hard_score for row in best if row.hard_score is not None],
        [row.balanced_accuracy for row in best if row.balanced_accuracy is not None],
    ):
        cells.append(f"{np.mean(values):.3f}" if values else "")
    return "| " + " | ".join(cells) + " |"


def interval(values: np.ndarray) -> tuple[float, float]:
    """Percentile bootstrap of the mean over features, 95 %."""
    rng = np.random.default_rng(0)
    drawn = rng.integers(len(values), size=(RESAMPLES, len(values)))
    low, high = np.percentile(values[drawn].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


if __name__ == "__main__":
    sys.exit(main())
