"""Compares the mixed model with R's `ordinal::clmm` on the same data.

    python -m benchmarks.statistics_ordinal [--responses 8000]

A simulated study is analysed, its report's own `mixed_models.R` is run by `Rscript`, and the table
shows each estimate of both, their difference, and the seconds of both. Needs R with the package
ordinal (Debian: r-base-core, r-cran-ordinal).
"""

from __future__ import annotations

import argparse
import csv
import io
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.design.simulation import Design, simulate
from analysis.estimates.method_pairs import Pair, pair_of
from analysis.models.clmm import fit
from analysis.models.link_functions import LINKS, Link
from analysis.models.mixed import model_data
from analysis.models.rscript import r_files
from analysis.reading.table import read_responses
from analysis.report.analyse import analyse
from analysis.report.settings import Settings
from analysis.threads import one_thread

TOLERANCE = 2e-3


def study(folder: Path, responses: int) -> Path:
    """Ten ratings per participant, five per feature and method, as `responses.csv`."""
    design = Design(participants=max(2, responses // 20), ratings=5)
    pair = simulate(design, np.random.default_rng(0))
    path = folder / "responses.csv"
    pd.DataFrame(
        {
            "participation": [f"p{i}" for i in pair.participant],
            "method": np.where(pair.is_a, "a", "b"),
            "feature": [f"f{i}" for i in pair.feature],
            "trial": np.tile(np.arange(1, 11), 2 * design.participants),
            "confidence": pair.values.astype(int),
        }
    ).to_csv(path, index=False)
    return path


def seconds_of(pair: Pair, link: Link) -> tuple[float, float]:
    """Wall and CPU seconds of one fit, with one thread as in a report."""
    data, _ = model_data(pair)
    start, used = time.perf_counter(), time.process_time()
    with one_thread():
        fit(data, link=link)
    return time.perf_counter() - start, time.process_time() - used


def by_r(folder: Path) -> tuple[list[dict[str, str]], float]:
    """The rows that `mixed_models.R` prints, and its CPU seconds."""
    before = os.times()
    done = subprocess.run(
        ["Rscript", str(folder / "mixed_models.R"), str(folder)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )
    after = os.times()
    used = after.children_user + after.children_system
    used -= before.children_user + before.children_system
    return list(csv.DictReader(io.StringIO(done.stdout))), used


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--responses", type=int, default=8000)
    given = parser.parse_args()
    if shutil.which("Rscript") is None:
        sys.exit("Rscript is missing: apt-get install r-base-core r-cran-ordinal")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = study(folder, given.responses)
        analysis = analyse(path, Settings(resamples=100))
        for relative, text in r_files(analysis.summary, analysis.responses).items():
            target = folder / relative
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        pair = pair_of(read_responses(path), "a", "b")
        ours = {link: seconds_of(pair, link) for link in LINKS}
        rows, used = by_r(folder)
    show(rows, ours, used, len(pair.values))


def show(
    rows: list[dict[str, str]], ours: dict[Link, tuple[float, float]], used: float, n: int
) -> None:
    """The table."""
    print(f"{n} responses, one thread; load {os.getloadavg()[0]:.1f}")
    print(f"{'link':<8}{'parameter':<18}{'clmm':>14}{'here':>14}{'difference':>13}")
    largest = 0.0
    for row in rows:
        link: Link = "logit" if row["link"] == "logit" else "probit"
        if row["parameter"] == "seconds":
            print(f"{link:<8}{'seconds':<18}{float(row['clmm']):>14.2f}{ours[link][0]:>14.2f}")
            print(f"{link:<8}{'  CPU seconds':<18}{'':>14}{ours[link][1]:>14.2f}")
            continue
        apart = float(row["difference"])
        largest = max(largest, abs(apart))
        print(
            f"{link:<8}{row['parameter']:<18}{float(row['clmm']):>14.5f}"
            f"{float(row['report']):>14.5f}{apart:>13.1e}"
        )
    print(f"CPU seconds of clmm, both links, including R's start: {used:.1f}")
    verdict = "within" if largest < TOLERANCE else "NOT within"
    print(f"Largest difference {largest:.1e}: {verdict} {TOLERANCE:g}.")


if __name__ == "__main__":
    main()
