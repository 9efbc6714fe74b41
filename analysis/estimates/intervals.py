"""Intervals for clustered ratings: by listener, and by feature where features are rated repeatedly.

Every statistic here is a weighted mean or a difference of such means. Each rating r therefore has
an *influence* u_r, its weight times its distance from the mean, and the cluster-robust variance is
the sum over clusters of (sum of u_r within the cluster)², times G/(G − 1) for G clusters (Liang and
Zeger 1986, Biometrika 73, 13–22, for a mean; the factor and the G − 1 degrees of freedom as in
Cameron and Miller 2015, J. Human Resources 50, 317–372).

Intervals were chosen by measured coverage, nominal 95 %. Where nothing else is said, with 40
participants per method, 10 ratings each, latent participant SD 0 to 0.8, one rating per feature:

- mean: **Student's t on logit((mean − 1)/4)** (`clustering.Linear.mean_on_scale`). At the floor,
  with 10 listeners × 10 features, it covers 95.3 % where mean ± t × se covers 90.2 %; in the middle
  of the scale the two are alike. The percentile bootstrap had 90–91 % with 12 participants.
- difference of means: **Student's t on the clustered standard error**, 93.5–95.7 %. It is the
  confirmatory test inverted, so that the two cannot contradict each other.
- share: **Student's t on the logit, with the jackknife's standard error** (`shares`). Wilson's
  interval on the effective number of ratings, and the studentised bootstrap, cover a rare answer
  too rarely.
- all, where features are rated more than once: **two-way**, by participant and feature
  (`clustering`): 93.1–97.3 % over participant SD 0–0.8 and feature SD 0–0.9, where intervals by
  participant fell to 77 % and by feature to 67 % (1,000 data sets per cell).

`validity` says what is not given where it does not hold. `benchmarks/statistics_coverage`
measures what is given; what was rejected (percentile and studentised bootstraps of ratings, plain
t for shares) was measured once, when the choice was made. Notation below: [rating], [resample],
[cluster] are the axes of arrays; "level" is the confidence level, 0.95 unless said otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

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
"""With fewer clusters than this they are not resampled; Student's t is used."""

MANY_CLUSTERS = 4096
"""From this number on resamples are drawn one by one, so that their counts stay in the cache."""

ONE_PARTICIPANT = "only one participant: an interval by participant needs at least two"
ONE_FEATURE = "only one feature: an interval by feature needs at least two"
NO_SPREAD = "no spread: the estimated variance is 0, so there is no interval and no test"

STUDENTISED = "studentised bootstrap"
STUDENT = "Student's t on the standard error clustered by participant"


def stream(seed: int, name: str) -> np.random.Generator:
    """A random stream per named computation, so that a new one does not change other draws."""
    return np.random.default_rng([seed, *name.encode("utf-8")])


def codes(values: npt.ArrayLike) -> tuple[Ints, int]:
    """Cluster numbers [value] from 0, in sorted order of the names, and how many clusters."""
    names, found = np.unique(np.asarray(values, dtype=str), return_inverse=True)
    return found.astype(np.int64), len(names)


def numbered(units: Ints) -> tuple[Ints, int]:
    """Numbered units [value], again from 0 without gaps and in their order; how many there are.

    By counting, where the numbers are not much more than the values; sorting takes several times as
    long.
    """
    if units.max() > 16 * len(units):
        names, found = np.unique(units, return_inverse=True)
        return found.astype(np.int64), len(names)
    there = np.bincount(units) > 0
    return (np.cumsum(there) - 1)[units], int(there.sum())


def sums_within(values: Floats, cluster: Ints, n: int) -> Floats:
    """Sums [cluster] of `values` [rating] within each of `n` clusters."""
    return np.bincount(cluster, weights=values, minlength=n).astype(np.float64)


@dataclass(frozen=True)
class ClusterSums:
    """A weighted mean of clustered values, as two sums per cluster."""

    total: Floats
    """Σ value × weight, [cluster]."""
    weight: Floats
    """Σ weight, [cluster]."""

    @property
    def n(self) -> int:
        """Number of clusters."""
        return len(self.total)

    @property
    def mean(self) -> float:
        """The weighted mean over all clusters."""
        return float(self.total.sum() / self.weight.sum())

    def variance(self) -> float:
        """Cluster-robust variance of the mean, Σ_c u_c² × G/(G − 1) over G clusters.

        The mean is a ratio of two sums; u_c is its first-order (Taylor) linearisation,
        (total_c − mean × weight_c) / Σ weight.
        """
        u = (self.total - self.mean * self.weight) / self.weight.sum()
        return float(np.sum(u**2) * self.n / (self.n - 1)) if self.n > 1 else 0.0


def cluster_sums(values: Floats, cluster: Ints, n: int) -> ClusterSums:
    """Per-cluster sums of `values` [rating], and the number of ratings in each cluster."""
    return ClusterSums(
        total=sums_within(values, cluster, n),
        weight=sums_within(np.ones_like(values), cluster, n),
    )


def multinomial_weights(
    rng: np.random.Generator, clusters: int, resamples: int, cells: int = 8_000_000
) -> Iterator[Floats]:
    """How often each cluster is drawn in each resample, in blocks [resample, cluster].

    Each row is a multinomial draw: `clusters` draws with replacement. A block has at most `cells`
    cells, which bounds the memory.
    """
    block = max(1, min(resamples, cells // clusters))
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        if clusters > MANY_CLUSTERS:
            rows = (rng.integers(0, clusters, size=clusters) for _ in range(size))
            yield np.stack([np.bincount(r, minlength=clusters) for r in rows]).astype(np.float64)
            continue
        drawn = rng.integers(0, clusters, size=(size, clusters))
        # Each resample counts in bins of its own, so that one bincount serves the whole block.
        drawn += clusters * np.arange(size)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=size * clusters)
        yield counts.reshape(size, clusters).astype(np.float64)


def studentised_roots(
    sums: ClusterSums, rng: np.random.Generator, resamples: int
) -> tuple[Floats, Floats]:
    """Means m* and cluster-robust variances se*² of resampled clusters, each [resample].

    With s_c and w_c a cluster's total and weight and k_c how often it was drawn,
    m* = Σ k s / Σ k w, and (Σ k w)² × Σ k u*² = Σ k s² − 2 m* Σ k s w + m*² Σ k w²: five sums per
    cluster suffice, and a resample costs one row of a matrix product. A resample of a single
    cluster has variance 0.
    """
    s, w = sums.total, sums.weight
    # 1) The five sums [cluster, 5], multiplied by the draws [resample, cluster].
    columns = np.stack([s, w, s * s, s * w, w * w], axis=1)
    parts = [drawn @ columns for drawn in multinomial_weights(rng, sums.n, resamples)]
    a = np.concatenate(parts)
    # 2) m* and se*², the latter with the same G/(G − 1) as the estimate itself.
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
    """Interval of a mean of independent clusters: studentised bootstrap (`studentised`).

    With fewer than `FEW_CLUSTERS` it is Student's t on the cluster-robust standard error, with
    G − 1 degrees of freedom. Limits are cut at `bounds`. There is no interval with one cluster, or
    if all have the same mean. Consensus, whose clusters are items, has it (`listeners.choices`).
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
    """The bootstrap-t interval: Efron and Tibshirani 1993, *Introduction to the Bootstrap*, §12.5.

    `means` and `variances` [resample] are the resampled statistic m* and its variance se*². With
    t* = (m* − m) / se*, the limits are m − q_high(t*) × se and m − q_low(t*) × se: the quantiles of
    t* replace Student's, and change places.
    Deviation: a resample without spread has no t* and is left out; if that is more than one in a
    hundred, the interval is Student's t instead.
    """
    # 1) The studentised statistic of each usable resample.
    usable = variances > NEGLIGIBLE
    if np.mean(usable) < 0.99:
        return t_interval(value, se, df, level, bounds)
    roots = (means[usable] - value) / np.sqrt(variances[usable])
    # 2) Its quantiles, with the estimate's own standard error.
    low, high = np.quantile(roots, [(1 - level) / 2, (1 + level) / 2])
    return _cut(value - high * se, value - low * se, bounds, STUDENTISED)


@lru_cache(maxsize=1024)
def student_quantile(level: float, df: float) -> float:
    """Student's quantile for a two-sided interval. Cached: a report asks often for the same few."""
    return float(stats.t.ppf((1 + level) / 2, df))


def student_p(t: float, df: float) -> float:
    """Student's two-sided p-value."""
    return float(2 * stats.t.sf(abs(t), df))


def t_interval(
    value: float,
    se: float,
    df: float,
    level: float,
    bounds: tuple[float, float],
    kind: str = STUDENT,
) -> Interval:
    """value ± Student's quantile × standard error, cut at `bounds`; `kind` is its name."""
    half = student_quantile(level, df) * se
    return _cut(value - half, value + half, bounds, kind)


def welch_df(v_a: float, n_a: int, v_b: float, n_b: int) -> float:
    """Welch–Satterthwaite degrees of freedom of a difference of two independent means.

    v_a, v_b: variances of the means (already divided by n). Satterthwaite 1946, Biometrics
    Bulletin 2, 110–114; Welch 1947, Biometrika 34, 28–35.
    """
    return float((v_a + v_b) ** 2 / (v_a**2 / (n_a - 1) + v_b**2 / (n_b - 1)))


def percentile_interval(values: Floats, level: float, kind: str) -> Interval:
    """The percentile interval (Efron and Tibshirani 1993, §13.3) of `values` [resample]."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high), kind)


def _cut(low: float, high: float, bounds: tuple[float, float], kind: str) -> Interval:
    return Interval(float(max(low, bounds[0])), float(min(high, bounds[1])), kind)


def wilson(share: float, n: float, quantile: float) -> tuple[float, float]:
    """Wilson's score interval for a share of `n` (which may be an effective number).

    Wilson (1927), JASA 22, 209–212; as in eq. 4 of Brown, Cai and DasGupta (2001), Statistical
    Science 16, 101–133. `quantile` is the normal's (1.96 for 95 %), or Student's. At a share of 0
    or 1 the interval still has width.
    """
    # centre ± half = [p + z²/2n ± z √(p(1 − p)/n + z²/4n²)] / (1 + z²/n)
    z2 = quantile**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = quantile / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    # The limits at 0 and 1 are exact; rounding would leave them at ±1e-17.
    low = 0.0 if share <= 0 else max(0.0, centre - half)
    high = 1.0 if share >= 1 else min(1.0, centre + half)
    return low, high


def clustered_variance(influence: Floats, cluster: Ints, n: int) -> float:
    """Cluster-robust variance: Σ_c (Σ_{r in c} u_r)² × G/(G − 1) from influences u [rating]."""
    if n < 2:
        return 0.0
    return float(np.sum(sums_within(influence, cluster, n) ** 2) * n / (n - 1))


def two_way_variance(influence: Floats, first: Ints, second: Ints) -> float:
    """Variance with two-way clustering: V_first + V_second − V_both.

    Cameron, Gelbach and Miller (2011), J. Business & Economic Statistics 29, 238–249; "both" are
    the non-empty intersections of the two, and each term has its own G/(G − 1). By chance the sum
    can fall below either one-way variance, or below 0. Deviation: they set negative eigenvalues to
    zero; here the result is at least the larger one-way variance, which is conservative.
    """
    v_first = clustered_variance(influence, first, int(first.max()) + 1)
    v_second = clustered_variance(influence, second, int(second.max()) + 1)
    v_both = clustered_variance(influence, *intersections(first, second))
    return max(v_first + v_second - v_both, v_first, v_second)


def intersections(first: Ints, second: Ints) -> tuple[Ints, int]:
    """The pairs (participant, feature) of the ratings, numbered from 0, and how many there are."""
    return numbered(first * (int(second.max()) + 1) + second)
