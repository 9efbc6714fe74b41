"""Dose slopes with intervals, and their comparison with random directions.

*Slope.* For a measure m (CLAP similarity, say) and a seed s let g(α) be m of the steered clip less
m of the clip without steering of that seed. Since g(0) = 0 without error, the slope is that of the
line through the origin, Σ α g(α) / Σ α². A feature's slope is the mean over seeds.

*Random directions.* Direction r of length α β_r has slopes towards every feature j. An effect is to
first order proportional to the length of the vector, so each is multiplied by β_j / β_r: what the
direction would do at the length of the feature's own vector. A feature's one-sided p asks whether a
further random direction would have a slope as large: with mean m and standard deviation d over the
R directions, t = (slope − m) / (d √(1 + 1 / R)) with R − 1 degrees of freedom. Benjamini and
Hochberg (1995) control the share of false discoveries over the features of an intervention; the
features share their random directions, a positive dependence, under which the procedure holds too.

*Clusters.* Features are compared in the same few seeds, so features and seeds are crossed. The
variance of a mean over both is V_feature + V_seed − V_both (Cameron, Gelbach and Miller, 2011),
each with the factor G / (G − 1) of its number of clusters; where it comes out smaller than the
larger of V_feature and V_seed, that one is taken. Against random directions the variance of their
mean over directions is added. Intervals are Student's, with one degree of freedom less than the
smallest number of clusters, so two seeds say very little: that is the honest answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, sqrt

import numpy as np


@dataclass(frozen=True)
class Mean:
    """A mean with its 95 % interval and two-sided p for 0; NaN where there is one cluster only."""

    value: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class AgainstRandom:
    """Slopes of features beside those of the random directions, [feature] each."""

    mean: np.ndarray
    deviation: np.ndarray
    below: np.ndarray
    """Random directions with a smaller slope."""
    p: np.ndarray
    q: np.ndarray


def slopes(gains: np.ndarray, alphas: np.ndarray) -> np.ndarray:
    """Σ α g / Σ α² over the last axis of gains [..., α]; a dose without a clip is NaN and is left
    out, and so is its α."""
    there = np.isfinite(gains)
    squares = (np.square(alphas) * there).sum(axis=-1)
    sums = (np.where(there, gains, 0.0) * alphas).sum(axis=-1)
    return np.asarray(np.where(squares > 0, sums / np.where(squares > 0, squares, 1.0), np.nan))


def against_random(values: np.ndarray, pool: np.ndarray) -> AgainstRandom:
    """Slopes `values` [feature] beside `pool` [direction, feature], at the features' own β."""
    from scipy.stats import t as student

    count = len(pool)
    mean, deviation = pool.mean(axis=0), pool.std(axis=0, ddof=1)
    spread = np.where(deviation > 0, deviation, np.nan) * sqrt(1 + 1 / count)
    p = student.sf((values - mean) / spread, df=count - 1)
    # Where all directions agree, nothing can be said of one that differs.
    p = np.where(np.isfinite(p), p, 1.0)
    return AgainstRandom(mean, deviation, (pool < values).sum(axis=0), p, benjamini_hochberg(p))


def benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    """q of each p: the smallest false discovery rate at which it is rejected."""
    from scipy.stats import false_discovery_control

    return np.asarray(false_discovery_control(p)) if len(p) else np.asarray(p)


def clustered(values: np.ndarray, random: np.ndarray | None = None) -> Mean:
    """Mean of `values` [feature, seed] with clusters of both; with `random` [direction, feature,
    seed], the mean by which they exceed those of the random directions."""
    differences = values if random is None else values - random.mean(axis=0)
    rows, columns = differences.shape
    value = float(differences.mean())
    clusters = [rows, columns]
    variance = _two_way(differences)
    if random is not None:
        each = random.mean(axis=(1, 2))
        clusters.append(len(each))
        variance += float(each.var(ddof=1)) / len(each)
    return student_mean(value, variance, min(clusters) - 1)


def over_seeds(values: np.ndarray) -> Mean:
    """Mean of one feature's slopes [seed]."""
    if len(values) < 2:
        return student_mean(float(values.mean()), float("nan"), 0)
    return student_mean(
        float(values.mean()), float(values.var(ddof=1)) / len(values), len(values) - 1
    )


def _two_way(values: np.ndarray) -> float:
    """Variance of the mean of [feature, seed] with both as clusters; NaN with one of either."""
    rows, columns = values.shape
    if min(rows, columns) < 2:
        return float("nan")
    rest, total = values - values.mean(), values.size
    by_row = rows / (rows - 1) * np.square(rest.sum(axis=1)).sum() / total**2
    by_column = columns / (columns - 1) * np.square(rest.sum(axis=0)).sum() / total**2
    both = total / (total - 1) * np.square(rest).sum() / total**2
    return float(max(by_row + by_column - both, by_row, by_column))


def student_mean(value: float, variance: float, df: int) -> Mean:
    """A value with Student's interval from its variance and degrees of freedom."""
    from scipy.stats import t as student

    if df < 1 or not np.isfinite(variance):
        return Mean(value, float("nan"), float("nan"), float("nan"))
    error = sqrt(variance)
    half = float(student.ppf(0.975, df)) * error
    p = float(2 * student.sf(abs(value) / error, df)) if error > 0 else float(value == 0)
    return Mean(value, value - half, value + half, p)


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Wilson's score interval (1927) of a share, 95 %; NaN without trials."""
    from scipy.stats import binomtest

    if not trials:
        return float("nan"), float("nan")
    found = binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    return float(found.low), float(found.high)


def mcnemar(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Exact two-sided p that two treatments improve the same share of the same features, from those
    that only one improved; 1 if there are none."""
    from scipy.stats import binomtest

    only_ours, only_theirs = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    discordant = only_ours + only_theirs
    return float(binomtest(only_ours, discordant, 0.5).pvalue) if discordant else 1.0


def finite(value: float) -> float | None:
    """The value for a table, in which none stands for what is not finite."""
    return value if isfinite(value) else None
