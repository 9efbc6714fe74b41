"""Compares the joint mixed models with R's `ordinal::clmm` and `lme4::glmer` on the same data.

    python -m benchmarks.statistics_ordinal [--participants 40]

A simulated study of three methods, with all four random effects and choices among five or three
options, is analysed, its report's own `mixed_models.R`, `choice_models.R` and
`confirmatory_tests.R` are run by `Rscript`, and the table shows each number of both, their
difference, and the seconds of the ordinal models. `ordinal::clmm2`, which has thresholds and scale
by method but a single random effect, is compared on a model of participants only, with ten nodes.
The dose–response of simulated pairs is compared with `glmer` by the report's `dose_models.R`.
Needs R with the packages ordinal and lme4 (Debian: r-base-core, r-cran-ordinal, r-cran-lme4).
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.design import PairDesign, simulate_pairs
from analysis.models.assumptions import fit_nominal, fit_scale
from analysis.models.joint import Answers, answers_of, fit_joint
from analysis.models.link_functions import LINKS, Link
from analysis.models.rscript import r_files
from analysis.models.rscript_choices import choice_files
from analysis.models.rscript_confirmatory import confirmatory_files
from analysis.pairs.doses import describe_doses
from analysis.pairs.rscript import dose_files
from analysis.reading.plan import PLANNABLE
from analysis.report.analyse import analyse
from analysis.report.settings import Settings
from analysis.threads import one_thread
from benchmarks.statistics_coverage.pairs import pairs_of_study

TOLERANCE = 1e-3


def study(folder: Path, participants: int) -> Path:
    """Three methods, eight of 24 features per participant and method, as `responses.csv`."""
    rng = np.random.default_rng(0)
    things, each, methods = 24, 8, ("alto", "brio", "coda")
    rows = []
    level, own = rng.normal(0, 0.6, things), rng.normal(0, 0.4, (things, 3))
    for person in range(participants):
        centre, liking = rng.normal(0, 0.8), rng.normal(0, 0.4, 3)
        for m, effect in enumerate((0.0, 0.5, -0.3)):
            for n, thing in enumerate(rng.choice(things, size=each, replace=False)):
                eta = effect + centre + liking[m] + level[thing] + own[thing, m]
                rating = 1 + int(np.searchsorted((-1.5, -0.5, 0.5, 1.5), eta + rng.logistic()))
                options = 5 if rng.random() < 0.5 else 3
                known = rng.random() < 1 / (1 + np.exp(-eta - 0.5))
                rows.append(
                    {
                        "participation": f"p{person}",
                        "method": methods[m],
                        "feature": f"f{thing}",
                        "trial": m * each + n + 1,
                        "confidence": rating,
                        **{f"option_{i}": "x" if i <= options else "" for i in range(1, 6)},
                        "target_position": 1,
                        "chosen_position": 1 if known else rng.integers(1, options + 1),
                    }
                )
    path = folder / "responses.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def seconds_of(answers: Answers, link: Link) -> tuple[float, float]:
    """Wall and CPU seconds of one model, with one thread as in a report."""
    start, used = time.perf_counter(), time.process_time()
    with one_thread():
        fit_joint(answers, link)
    return time.perf_counter() - start, time.process_time() - used


def by_r(folder: Path, script: str) -> tuple[list[dict[str, str]], float]:
    """The rows that a script of the report prints, and its CPU seconds."""
    before = os.times()
    done = subprocess.run(
        ["Rscript", str(folder / script), str(folder)],
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
    parser.add_argument("--participants", type=int, default=40)
    given = parser.parse_args()
    if shutil.which("Rscript") is None:
        sys.exit("Rscript is missing: apt-get install r-base-core r-cran-ordinal r-cran-lme4")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = study(folder, given.participants)
        plan = {"analysis_plan": {"confirmatory": PLANNABLE}}
        (folder / "study.json").write_text(json.dumps(plan), encoding="utf-8")
        analysis = analyse(path, Settings(resamples=100))
        written = r_files(analysis.summary, analysis.responses)
        written |= choice_files(analysis.summary, analysis.responses)
        written |= confirmatory_files(analysis.summary, analysis.responses, analysis.bound)
        for relative, text in written.items():
            target = folder / relative
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        frame = analysis.responses.ratings
        answers = answers_of(frame, frame["rating"].to_numpy(dtype=np.float64))
        ours = {link: seconds_of(answers, link) for link in LINKS}
        rows, used = by_r(folder, "mixed_models.R")
        choices, _ = by_r(folder, "choice_models.R")
        tests, _ = by_r(folder, "confirmatory_tests.R")
        told = len(pd.read_csv(folder / "tables" / "confirmatory_tests.csv"))
        larger = larger_models(folder, answers)
    show(rows, ours, used, len(frame))
    show_choices(choices)
    if len(tests) < told:
        sys.exit(f"R recomputed {len(tests)} of {told} confirmatory tests")
    in_r = [(f"{r['test']} {r['a']} {r['b']} p", r["p"], r["report_p"]) for r in tests]
    show_pairs("confirmatory test", "R", in_r)
    show_pairs("larger model", "clmm2", larger)
    show_pairs("dose–response of pairs", "glmer", dose_models())


def dose_models() -> list[tuple[str, str, str]]:
    """The dose–response of simulated pairs, by the script of the report: name, R's, ours."""
    design = PairDesign(listeners=40, features=30, share=0.65, doses=(0.5, 1, 2))
    pairs = pairs_of_study(simulate_pairs(design, np.random.default_rng(0)))
    with tempfile.TemporaryDirectory() as name:
        for relative, text in dose_files({"a": describe_doses(pairs, "a")[1]}).items():
            target = Path(name) / relative
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        rows, _ = by_r(Path(name), "dose_models.R")
    return [(row["parameter"], row["glmer"], row["report"]) for row in rows]


CLMM2 = """
suppressPackageStartupMessages(library(ordinal))
d <- read.csv(commandArgs(TRUE)[1])
d$y <- factor(d$y, ordered = TRUE); d$m <- factor(d$m); d$p <- factor(d$p)
base <- clmm2(y ~ m, random = p, data = d, nAGQ = 10)
nominal <- clmm2(y ~ 1, nominal = ~ m, random = p, data = d, nAGQ = 10)
scale <- clmm2(y ~ m, scale = ~ m, random = p, data = d, Hess = TRUE, nAGQ = 10)
ll <- function(fit) as.numeric(logLik(fit))
z <- summary(scale)$coef; z <- z[(nrow(z) - 1):nrow(z), ]
write.csv(data.frame(
  name = c("nominal ratio", "nominal sd", "scale ratio", "gamma b", "gamma c", "se b", "se c"),
  value = c(2 * (ll(nominal) - ll(base)), nominal$stDev, 2 * (ll(scale) - ll(base)),
            z[, 1], z[, 2])), stdout(), row.names = FALSE)
"""


def larger_models(folder: Path, answers: Answers) -> list[tuple[str, str, str]]:
    """Thresholds and scale by method, with random participants only: name, clmm2's, ours."""
    # With a feature of its own for each rating, and each participant's ratings under a method as
    # another participant's, there is one random effect.
    own = np.unique(answers.participant * 3 + answers.method, return_inverse=True)[1]
    answers = replace(answers, participant=own, feature=np.arange(len(answers.values)))
    joint = fit_joint(answers)
    nominal, scale = fit_nominal(joint), fit_scale(joint)
    ours = [nominal.test.statistic, float(nominal.fit.sigma[0]), scale.test.statistic]
    ours += [*scale.fit.gamma, *scale.fit.gamma_se]
    table, script = folder / "larger.csv", folder / "larger.R"
    frame = {"y": answers.values, "m": answers.method, "p": answers.participant}
    pd.DataFrame(frame).to_csv(table, index=False)
    script.write_text(CLMM2, encoding="utf-8")
    done = subprocess.run(
        ["Rscript", str(script), str(table)], capture_output=True, text=True, check=True
    )
    rows = csv.DictReader(io.StringIO(done.stdout))
    return [(r["name"], r["value"], str(o)) for r, o in zip(rows, ours, strict=True)]


def show_pairs(title: str, other: str, rows: list[tuple[str, str, str]]) -> None:
    """One row per number: R's, ours, and their difference."""
    print(f"{title:<58}{other:>14}{'here':>14}{'difference':>13}")
    apart = [abs(float(theirs) - float(ours)) for _, theirs, ours in rows]
    for (name, theirs, ours), gap in zip(rows, apart, strict=True):
        print(f"{name:<58}{float(theirs):>14.5f}{float(ours):>14.5f}{gap:>13.1e}")
    verdict = "within" if max(apart) < TOLERANCE else "NOT within"
    print(f"Largest difference {max(apart):.1e}: {verdict} {TOLERANCE:g}.")


def show(
    rows: list[dict[str, str]], ours: dict[Link, tuple[float, float]], used: float, n: int
) -> None:
    """The table."""
    print(f"{n} responses, one thread; load {os.getloadavg()[0]:.1f}")
    print(f"{'link':<8}{'parameter':<34}{'clmm':>14}{'here':>14}{'difference':>13}")
    largest = 0.0
    for row in rows:
        link: Link = "logit" if row["link"] == "logit" else "probit"
        if row["parameter"] == "seconds":
            print(f"{link:<8}{'seconds':<34}{float(row['clmm']):>14.2f}{ours[link][0]:>14.2f}")
            print(f"{link:<8}{'  CPU seconds':<34}{'':>14}{ours[link][1]:>14.2f}")
            continue
        apart = float(row["difference"])
        label = " ".join(part for part in (row["parameter"], row["a"], row["b"]) if part)
        largest = max(largest, abs(apart))
        print(
            f"{link:<8}{label:<34}{float(row['clmm']):>14.5f}"
            f"{float(row['report']):>14.5f}{apart:>13.1e}"
        )
    print(f"CPU seconds of clmm, both links, including R's start: {used:.1f}")
    verdict = "within" if largest < TOLERANCE else "NOT within"
    print(f"Largest difference {largest:.1e}: {verdict} {TOLERANCE:g}.")


def show_choices(rows: list[dict[str, str]]) -> None:
    """The table of the models of choices."""
    print(f"{'parameter':<42}{'glmer':>14}{'here':>14}{'difference':>13}")
    for row in rows:
        label = " ".join(row[key] for key in ("outcome", "parameter", "a", "b") if row[key])
        print(
            f"{label:<42}{float(row['glmer']):>14.5f}{float(row['report']):>14.5f}"
            f"{float(row['difference']):>13.1e}"
        )
    largest = max(abs(float(row["difference"])) for row in rows)
    verdict = "within" if largest < TOLERANCE else "NOT within"
    print(f"Largest difference {largest:.1e}: {verdict} {TOLERANCE:g}.")


if __name__ == "__main__":
    main()
