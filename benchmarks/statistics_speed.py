"""Measures how long the heavy computations take.

    python -m benchmarks.statistics_speed

10,000 two-way (pigeonhole) bootstrap resamples of 800 and of 1,000,000 responses, and the
cumulative link mixed model of 8,000 responses with crossed participants and features; then the
whole analysis of 200,000 ratings by 20,000 listeners of 5,000 features, with choices. All with one
thread, as in a report. Peak memory is the process's so far, in MiB: a task's own is below it.
"""

from __future__ import annotations

import csv
import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from analysis.design.simulation import Design, simulate
from analysis.estimates.pigeonhole import pigeonhole_mean
from analysis.models.clmm import fit
from analysis.models.data import prepare
from analysis.report.analyse import analyse
from analysis.report.settings import Settings
from analysis.threads import one_thread


def bootstrap(responses: int, features: int) -> None:
    """10,000 two-way resamples of a mean; ten responses per participant."""
    rng = np.random.default_rng(0)
    values = rng.integers(1, 6, responses).astype(np.float64)
    participant = np.repeat(np.arange(responses // 10), 10)
    feature = rng.permutation(np.arange(responses) % features)
    pigeonhole_mean(values, participant, feature, rng=rng, resamples=10_000, level=0.95)


def mixed_model() -> None:
    """800 participants with ten ratings each, 800 features with five per method."""
    pair = simulate(Design(participants=400, ratings=5), np.random.default_rng(0))
    x = pair.is_a.astype(np.float64)[:, None]
    fit(prepare(pair.values, x, [pair.participant, pair.feature]))


def whole_report() -> None:
    """Every estimate and test of 200,000 ratings: 20,000 listeners, 5,000 features, choices."""
    pair = simulate(Design(participants=10_000, trials=10, ratings=20), np.random.default_rng(0))
    ranks = np.random.default_rng(1).integers(1, 6, len(pair.values))
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "responses.csv"
        with table.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            for i, (person, feature, rank) in enumerate(
                zip(pair.participant, pair.feature, ranks, strict=True)
            ):
                method = "ab"[int(not pair.is_a[i])]
                label = f"{method} {feature} {rank}"
                row = [f"p{person}", method, f"f{feature}", i + 1, int(pair.values[i]), label, rank]
                writer.writerow(row)
        analyse(table, Settings())


COLUMNS = ("participation", "method", "feature", "trial", "confidence", "chosen_label",
           "chosen_rank")  # fmt: skip
TASKS: tuple[tuple[str, Callable[[], None], float], ...] = (
    ("10,000 two-way resamples of 800 responses", lambda: bootstrap(800, 400), 1),
    ("cumulative link mixed model of 8,000 responses", mixed_model, 10),
    ("10,000 two-way resamples of 1,000,000 responses", lambda: bootstrap(1_000_000, 20_000), 60),
    ("the analysis of 200,000 ratings, 20,000 x 5,000", whole_report, 60),
)


def main() -> None:
    print(f"load {os.getloadavg()[0]:.1f}")
    print(f"{'task':<50}{'seconds':>9}{'CPU':>9}{'limit':>9}{'peak MB':>9}")
    for name, task, wanted in TASKS:
        start, cpu = time.perf_counter(), time.process_time()
        with one_thread():  # as in a report
            task()
        spent, used = time.perf_counter() - start, time.process_time() - cpu
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{name:<50}{spent:>9.2f}{used:>9.2f}{f'< {wanted:g}':>9}{peak:>9.0f}", flush=True)


if __name__ == "__main__":
    main()
