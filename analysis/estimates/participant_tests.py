"""Tests on one number per participant, its mean rating: permutation, sign flips, Welch.

They take participants as independent and features as fixed. Where participants rated the same
features their means share those features' levels, and the tests reject too often: there they are
not made (`validity`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np

from analysis.arrays import Floats
from analysis.estimates.intervals import NEGLIGIBLE, student_p, welch_df

EXACT_LIMIT = 40_000
"""Up to this number all rearrangements are evaluated; above it, a random sample of them."""


@dataclass(frozen=True)
class Permutation:
    """A permutation test's result."""

    statistic: float | None
    """None where it is infinite: total separation without any spread within the sides."""
    p: float
    exact: bool
    n_rearrangements: int


def permutation_test(
    a: Floats, b: Floats, *, rng: np.random.Generator, resamples: int
) -> Permutation | None:
    """Two-sided permutation test that A's and B's values have one distribution.

    The statistic is Welch's t: studentised, the test keeps its level asymptotically for equal means
    even where spreads differ (Janssen 1997, Statistics & Probability Letters 36, 9–21). All
    C(n, n_A) assignments up to `EXACT_LIMIT`, and p is the share at least as extreme; otherwise
    `resamples` random ones, and p = (b + 1) / (resamples + 1), so that it is never 0 (Phipson and
    Smyth 2010, Statistical Applications in Genetics and Molecular Biology 9, 39). None with fewer
    than two values on a side, or if all values are the same.
    """
    # 1) The observed statistic: the first n_A values are A's.
    values = np.concatenate([a, b])
    if min(len(a), len(b)) < 2 or np.ptp(values) == 0:
        return None
    n, n_a = len(values), len(a)
    count = math.comb(n, n_a)
    exact = count <= EXACT_LIMIT
    observed = float(_welch(np.arange(n)[None, :] < n_a, values)[0])
    # 2) Count the assignments at least as extreme; the factor makes rounding errors count as ties.
    drawn = _labelings(n, n_a) if exact else _random_labelings(rng, n, n_a, resamples)
    extreme = sum(
        int(np.sum(np.abs(_welch(block, values)) >= abs(observed) * (1 - 1e-9))) for block in drawn
    )
    p = extreme / count if exact else (extreme + 1) / (resamples + 1)
    shown = observed if math.isfinite(observed) else None
    return Permutation(shown, min(1.0, p), exact, count if exact else resamples)


def _labelings(n: int, n_a: int) -> Iterator[np.ndarray[tuple[int, int], np.dtype[np.bool_]]]:
    """Every assignment of `n_a` of `n` values to A, one block [assignment, value]."""
    chosen = np.array(list(combinations(range(n), n_a)))
    block = np.zeros((len(chosen), n), dtype=bool)
    block[np.arange(len(chosen))[:, None], chosen] = True
    yield block


def _random_labelings(
    rng: np.random.Generator, n: int, n_a: int, resamples: int
) -> Iterator[np.ndarray[tuple[int, int], np.dtype[np.bool_]]]:
    """Random assignments in blocks [assignment, value] of bounded size."""
    step = max(1, 2_000_000 // n)
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        yield rng.permuted(np.tile(np.arange(n) < n_a, (size, 1)), axis=1)


def _welch(is_a: np.ndarray[tuple[int, int], np.dtype[np.bool_]], values: Floats) -> Floats:
    """Welch's t, [assignment], of assignments [assignment, value]; ±∞ where there is no spread."""
    # 1) Sums and sums of squares of A's and B's values; centred, so that squares lose no digits.
    centred = values - values.mean()
    n_a = int(is_a[0].sum())
    n_b = len(values) - n_a
    first = is_a.astype(np.float64) @ np.stack([centred, centred**2], axis=1)
    second = np.array([centred.sum(), (centred**2).sum()]) - first
    # 2) Variances of the two means, Σ(x − mean)² / (n − 1) / n.
    v_a = np.maximum(first[:, 1] - first[:, 0] ** 2 / n_a, 0) / (n_a - 1) / n_a
    v_b = np.maximum(second[:, 1] - second[:, 0] ** 2 / n_b, 0) / (n_b - 1) / n_b
    # 3) t, with differences below rounding error taken for 0.
    gap = first[:, 0] / n_a - second[:, 0] / n_b
    scale = float(np.abs(centred).max())
    # Rounding leaves about 1e-8 of the scale as a standard error where there is none.
    flat = v_a + v_b <= (1e-6 * scale) ** 2
    safe = np.sqrt(np.where(flat, 1.0, v_a + v_b))
    at_infinity = np.where(np.abs(gap) > 1e-9 * scale, np.copysign(np.inf, gap), 0.0)
    return np.where(flat, at_infinity, gap / safe)


def sign_flip_test(
    differences: Floats, *, rng: np.random.Generator, resamples: int
) -> Permutation | None:
    """Two-sided test that paired differences are symmetric about 0, by flipping their signs.

    Fisher's randomisation test for paired data (1935, *The Design of Experiments*), with the mean
    as statistic. All 2ⁿ sign patterns up to `EXACT_LIMIT`; otherwise `resamples` random ones, with
    p = (b + 1) / (resamples + 1). None with fewer than two differences, or if all are 0.
    """
    n = len(differences)
    if n < 2 or not np.any(differences):
        return None
    exact = 2**n <= EXACT_LIMIT
    observed = float(differences.mean())
    signs = (
        np.array(list(product((-1.0, 1.0), repeat=n)))
        if exact
        else rng.choice((-1.0, 1.0), size=(resamples, n))
    )
    extreme = int(np.sum(np.abs(signs @ differences) / n >= abs(observed) * (1 - 1e-9)))
    p = extreme / len(signs) if exact else (extreme + 1) / (resamples + 1)
    return Permutation(observed, min(1.0, p), exact, len(signs))


@dataclass(frozen=True)
class Welch:
    """Difference of two means with Welch's standard error and degrees of freedom."""

    difference: float
    se: float
    df: float

    @property
    def statistic(self) -> float:
        """t against no difference."""
        return self.difference / self.se

    @property
    def p(self) -> float:
        """Two-sided p-value."""
        return student_p(self.statistic, self.df)


def welch_from(
    mean_a: float, sd_a: float, n_a: int, mean_b: float, sd_b: float, n_b: int
) -> Welch | None:
    """Welch (1947), Biometrika 34, 28–35, from means, SDs (with n − 1) and numbers of values.

    None with fewer than two values on a side, or without spread.
    """
    if min(n_a, n_b) < 2:
        return None
    v_a, v_b = sd_a**2 / n_a, sd_b**2 / n_b
    if v_a + v_b <= NEGLIGIBLE:
        return None
    df = welch_df(v_a, n_a, v_b, n_b)
    return Welch(mean_a - mean_b, math.sqrt(v_a + v_b), df)


def welch(a: Floats, b: Floats) -> Welch | None:
    """Welch's test of two samples of independent values."""
    if min(len(a), len(b)) < 2:
        return None
    return welch_from(
        float(a.mean()), float(a.std(ddof=1)), len(a), float(b.mean()), float(b.std(ddof=1)), len(b)
    )
