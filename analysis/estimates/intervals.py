"""Intervals for ratings that cluster: in listeners, and in features where those repeat.

Every statistic here is a weighted mean or a difference of such means, so each rating r has an
*influence* u_r (its weight times its distance from the mean), and the variance of the statistic
under clustering is a sum of squares of influences summed within clusters.

Which interval is used was chosen by measured coverage (40 and 12 participants a method with 10
ratings each, latent participant SD 0 to 0.8, 1,500 data sets a cell, 95 % wanted):

- mean: **studentised bootstrap by participant**, 94.7–95.7 %. The percentile bootstrap had 92.6 %
  with 40 participants and SD 0.8, and 90–91 % with 12; Student's t on the clustered standard error
  93.5–95.7 %.
- share: **Wilson's interval on the effective number of ratings**, 93.3–97.4 %. The studentised
  bootstrap had 73 % for a rare answer (4 %) with 12 participants, t 87 %.
- both, where features are rated more than once: **two-way**, by participant and feature
  (`clustering`): 93.1–97.3 % over participant SD 0–0.8 and feature SD 0–0.9, where intervals by
  participant fell to 77 % and by feature to 67 % (1,000 data sets a cell).

`benchmarks/statistics_coverage.py` measures again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from analysis.arrays import Floats, Ints
from analysis.estimates.results import Interval
from analysis.reading.columns import HIGHEST, LOWEST, WIDEST

LEVEL = 0.95
MEAN_BOUNDS = (float(LOWEST), float(HIGHEST))
"""A mean rating cannot lie outside these; limits of intervals are cut there."""
DIFFERENCE_BOUNDS = (-float(WIDEST), float(WIDEST))
NEGLIGIBLE = 1e-24
"""A variance at or below this is rounding error: there is no spread to compute with."""
LEAST_USABLE = 0.95
"""Share of the resamples in which a statistic must be defined for a percentile interval."""
FEW_CLUSTERS = 8
"""Below this number of participants resampling them says too little; Student's t is used."""

MANY_CLUSTERS = 4096
"""From here on resamples are drawn one by one, which keeps their counts in the cache."""

ONE_PARTICIPANT = "one participant only: an interval by participant needs two"
NO_SPREAD = "no spread: every participant's mean is the same, so their variance says nothing"

STUDENTISED = "studentised bootstrap by participant"
STUDENT = "Student's t on the standard error clustered by participant"
WILSON_CLUSTERED = "Wilson on the effective number of ratings, clustered by participant"
WILSON_TWO_WAY = "Wilson on the effective number of ratings, clustered by participant and feature"
WILSON = "Wilson"


def stream(seed: int, name: str) -> np.random.Generator:
    """A random stream of its own for each named computation, so that adding one moves no other."""
    return np.random.default_rng([seed, *name.encode("utf-8")])


def codes(values: npt.ArrayLike) -> tuple[Ints, int]:
    """Cluster numbers from 0, in sorted order of the names, and how many there are."""
    names, found = np.unique(np.asarray(values, dtype=str), return_inverse=True)
    return found.astype(np.int64), len(names)


def sums_within(values: Floats, cluster: Ints, n: int) -> Floats:
    """Sum of `values` [rating] within each of the `n` clusters."""
    return np.bincount(cluster, weights=values, minlength=n).astype(np.float64)


@dataclass(frozen=True)
class ClusterSums:
    """A weighted mean in clusters: per cluster the sum of value × weight, and of weight."""

    total: Floats
    weight: Floats

    @property
    def n(self) -> int:
        """Number of clusters."""
        return len(self.total)

    @property
    def mean(self) -> float:
        """The weighted mean over all clusters."""
        return float(self.total.sum() / self.weight.sum())

    def variance(self) -> float:
        """Variance of the mean by linearisation, Σ u_c² × G/(G−1), G clusters."""
        u = (self.total - self.mean * self.weight) / self.weight.sum()
        return float(np.sum(u**2) * self.n / (self.n - 1)) if self.n > 1 else 0.0


def cluster_sums(
    values: Floats, cluster: Ints, n: int, weights: Floats | None = None
) -> ClusterSums:
    """Per-cluster sums of `values` [rating] with `weights` [rating] (1 each by default)."""
    w = np.ones_like(values) if weights is None else weights
    return ClusterSums(
        total=sums_within(values * w, cluster, n),
        weight=sums_within(w, cluster, n),
    )


def multinomial_weights(
    rng: np.random.Generator, clusters: int, resamples: int, cells: int = 8_000_000
) -> Iterator[Floats]:
    """How often each cluster is drawn in each resample, in blocks [resample, cluster]."""
    block = max(1, min(resamples, cells // clusters))
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        if clusters > MANY_CLUSTERS:
            rows = (rng.integers(0, clusters, size=clusters) for _ in range(size))
            yield np.stack([np.bincount(r, minlength=clusters) for r in rows]).astype(np.float64)
            continue
        drawn = rng.integers(0, clusters, size=(size, clusters))
        drawn += clusters * np.arange(size)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=size * clusters)
        yield counts.reshape(size, clusters).astype(np.float64)


def studentised_roots(
    sums: ClusterSums, rng: np.random.Generator, resamples: int
) -> tuple[Floats, Floats]:
    """Bootstrap means and their variances, each [resample]; clusters drawn with replacement.

    Works on five sums a cluster, so a resample costs one row of a matrix product. A resample that
    holds a single cluster has variance 0.
    """
    s, w = sums.total, sums.weight
    columns = np.stack([s, w, s * s, s * w, w * w], axis=1)
    parts = [drawn @ columns for drawn in multinomial_weights(rng, sums.n, resamples)]
    a = np.concatenate(parts)
    means = a[:, 0] / a[:, 1]
    squares = np.maximum(a[:, 2] - 2 * means * a[:, 3] + means**2 * a[:, 4], 0.0)
    return means, squares / a[:, 1] ** 2 * sums.n / (sums.n - 1)


def mean_interval(
    sums: ClusterSums,
    *,
    rng: np.random.Generator,
    resamples: int,
    level: float = LEVEL,
    bounds: tuple[float, float] = (-math.inf, math.inf),
) -> Interval:
    """Interval of a mean by participant: studentised bootstrap, or t with fewer than 8 of them.

    Studentised (bootstrap-t; Efron and Tibshirani 1993, ch. 12): the quantiles of
    (m* − m) / se* over resampled participants take the place of Student's. Assumes that
    participants are a sample of independent clusters. Limits are cut at `bounds`.
    Edges: one participant, or participants who all have the same mean, give no interval.
    """
    if sums.n < 2:
        return Interval.none(ONE_PARTICIPANT)
    variance = sums.variance()
    if variance <= NEGLIGIBLE:
        return Interval.none(NO_SPREAD)
    se = math.sqrt(variance)
    if sums.n < FEW_CLUSTERS:
        return t_interval(sums.mean, se, sums.n - 1, level, bounds)
    means, variances = studentised_roots(sums, rng, resamples)
    return studentised(sums.mean, se, means, variances, sums.n - 1, level, bounds)


def studentised(
    value: float,
    se: float,
    means: Floats,
    variances: Floats,
    df: float,
    level: float,
    bounds: tuple[float, float] = (-math.inf, math.inf),
) -> Interval:
    """The bootstrap-t interval from resampled statistics and their variances.

    Resamples without spread have no studentised value. They are left out when they are rare; where
    they pass one in a hundred, the interval falls back to Student's t.
    """
    usable = variances > NEGLIGIBLE
    if np.mean(usable) < 0.99:
        return t_interval(value, se, df, level, bounds)
    roots = (means[usable] - value) / np.sqrt(variances[usable])
    low, high = np.quantile(roots, [(1 - level) / 2, (1 + level) / 2])
    return _cut(value - high * se, value - low * se, bounds, STUDENTISED)


def t_interval(
    value: float,
    se: float,
    df: float,
    level: float,
    bounds: tuple[float, float],
    kind: str = STUDENT,
) -> Interval:
    """value ± Student's quantile × standard error, cut at `bounds`."""
    half = float(stats.t.ppf((1 + level) / 2, df)) * se
    return _cut(value - half, value + half, bounds, kind)


def welch_df(v_a: float, n_a: int, v_b: float, n_b: int) -> float:
    """Welch–Satterthwaite degrees of freedom of a difference of two means of variance v."""
    return float((v_a + v_b) ** 2 / (v_a**2 / (n_a - 1) + v_b**2 / (n_b - 1)))


def percentile_interval(values: Floats, level: float, kind: str) -> Interval:
    """The percentile bootstrap's interval from a statistic's values in the resamples."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high), kind)


def _cut(low: float, high: float, bounds: tuple[float, float], kind: str) -> Interval:
    return Interval(float(max(low, bounds[0])), float(min(high, bounds[1])), kind)


def wilson(share: float, n: float, quantile: float) -> tuple[float, float]:
    """Wilson's score interval for a share of `n` (which may be an effective number).

    Wilson (1927), JASA 22, 209–212. `quantile` is the normal's (1.96 for 95 %), or Student's.
    Never empty: at a share of 0 or 1 it still has width.
    """
    z2 = quantile**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = quantile / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    low = 0.0 if share <= 0 else max(0.0, centre - half)
    high = 1.0 if share >= 1 else min(1.0, centre + half)
    return low, high


def wilson_interval(share: float, n: float, level: float = LEVEL) -> Interval:
    """Wilson's interval for independent units."""
    low, high = wilson(share, n, float(stats.norm.ppf((1 + level) / 2)))
    return Interval(low, high, WILSON)


def share_interval(
    share: float,
    variance: float,
    n: float,
    clusters: int,
    *,
    level: float = LEVEL,
    kind: str = WILSON_CLUSTERED,
) -> Interval:
    """Interval of a share whose `n` units cluster.

    The effective number of units is share (1 − share) / variance, never above `n`; it takes n's
    place in Wilson's formula with Student's quantile on clusters − 1 degrees of freedom (as in
    surveys: Korn and Graubard 1998). Where the share is 0 or 1 there is no variance to learn from,
    and the number of clusters, the worst case, stands in for it.
    """
    if clusters < 2:
        return Interval.none(ONE_PARTICIPANT)
    if share <= 0 or share >= 1:
        effective = float(clusters)
    else:
        effective = min(n, share * (1 - share) / variance) if variance > 0 else n
    quantile = float(stats.t.ppf((1 + level) / 2, clusters - 1))
    low, high = wilson(share, max(effective, 1.0), quantile)
    return Interval(low, high, kind)


def clustered_variance(influence: Floats, cluster: Ints, n: int) -> float:
    """Σ over clusters of (Σ of influences within)², with the factor G/(G−1)."""
    if n < 2:
        return 0.0
    return float(np.sum(sums_within(influence, cluster, n) ** 2) * n / (n - 1))


def two_way_variance(influence: Floats, first: Ints, second: Ints) -> float:
    """Variance clustered in two crossed ways: V_first + V_second − V_both.

    Cameron, Gelbach and Miller (2011), J. Business & Economic Statistics 29, 238–249. The
    difference can fall below either one-way variance by chance. Deviation: they set negative
    eigenvalues to zero; here the larger one-way variance is the least that is taken.
    """
    n_first, n_second = int(first.max()) + 1, int(second.max()) + 1
    both, n_both = np.unique(first * n_second + second, return_inverse=True)
    v_first = clustered_variance(influence, first, n_first)
    v_second = clustered_variance(influence, second, n_second)
    v_both = clustered_variance(influence, n_both.astype(np.int64), len(both))
    return max(v_first + v_second - v_both, v_first, v_second)
