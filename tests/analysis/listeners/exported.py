"""An export with labels and their machine scores, for several tests."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from analysis.estimates.results import Estimate
from analysis.listeners.machine_scores import describe_scores
from analysis.reading.labels import read_labels
from analysis.reading.table import Responses, read_responses
from tests.analysis.factories import full_rows, write_csv

CONFIDENCES = (0.5, 0.2, 0.1, 0.1, 0.1)
"""The machine's confidence in its labels, by rank."""


def export(
    folder: Path, *, informative: bool = True, confidences: Sequence[float] = CONFIDENCES
) -> Responses:
    """A study whose labels' `clap` falls with the rank, or is random."""
    rows = full_rows(participants=30)
    rng = np.random.default_rng(0)
    labels = []
    for method, feature in sorted({(str(r["method"]), str(r["feature"])) for r in rows}):
        for rank in range(1, 6):
            clap = 0.5 - 0.05 * rank + rng.normal(0, 0.01) if informative else rng.random()
            labels.append(
                {
                    "run": "run-1",
                    "sae": "s",
                    "feature": feature,
                    "method": method,
                    "rank": rank,
                    "text": f"label {rank}",
                    "confidence": confidences[rank - 1],
                    "clap": clap,
                }
            )
    write_csv(folder / "labels.csv", labels)
    return read_responses(write_csv(folder / "responses.csv", rows))


def found(folder: Path, responses: Responses, method: str = "gemini") -> dict[str, Estimate]:
    scores = read_labels(folder, responses)
    return {e.name: e for e in describe_scores(responses, scores, method, seed=0, resamples=200)}
