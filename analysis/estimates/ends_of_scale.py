"""Ratings that are all at one end of the scale: exact limits where no variance can be estimated.

A rating x from 1 to 5 with mean m is 5 with probability at most q = (m − 1)/4, since 4 P(x = 5) ≤
E(x − 1). So if all of G independent ratings are 5, which has probability at most q^G, every
q < α^(1/G) is rejected at level α: the mean is at least 1 + 4 α^(1/G). That is Clopper and
Pearson's limit (1934, Biometrika 26, 404–413) for G successes of G, which is exact if listeners
answer only 1 or 5 and conservative otherwise. At the other end the same holds for 6 − x.

Between two methods α is halved (Bonferroni), so that the limits hold however the two sides depend
on each other. The p-value is the α at which the interval reaches 0.
"""

from __future__ import annotations

import numpy as np
from scipy import optimize, sparse
from scipy.sparse.csgraph import maximum_bipartite_matching

from analysis.arrays import Floats, Ints
from analysis.estimates.results import Interval
from analysis.reading.columns import HIGHEST, LOWEST, WIDEST

EXACT_ENDS = "exact limits for ratings that are all at one end of the scale"


def end_of(values: Floats) -> int | None:
    """The end of the scale, 1 or 5, at which all `values` [rating] are; None if they are not."""
    lowest, highest = values.min(), values.max()
    return int(lowest) if lowest == highest and lowest in (LOWEST, HIGHEST) else None


def independent_ratings(participant: Ints, feature: Ints | None) -> int:
    """The largest number of ratings of which no two share a participant or a feature.

    Hopcroft and Karp's matching (1973, SIAM J. Computing 2, 225–231). With `feature` None features
    do not count, and it is the number of participants.
    """
    if feature is None:
        return len(np.unique(participant))
    shape = int(participant.max()) + 1, int(feature.max()) + 1
    pairs = sparse.csr_array((np.ones(len(participant)), (participant, feature)), shape=shape)
    return int(np.sum(maximum_bipartite_matching(pairs, perm_type="column") >= 0))


def mean_at_end(end: int, n: int, level: float) -> Interval:
    """Interval of the mean where all ratings, `n` of them independent, are at `end`.

    α/2 for its one limit, as Clopper and Pearson take it for a two-sided interval.
    """
    return Interval(*_limits(end, n, (1 - level) / 2), EXACT_ENDS)


def difference_at_ends(ends: tuple[int, int], n: tuple[int, int], level: float) -> Interval:
    """Interval of mean(A) − mean(B) where each side's ratings are all at one end."""
    low_a, high_a = _limits(ends[0], n[0], (1 - level) / 2)
    low_b, high_b = _limits(ends[1], n[1], (1 - level) / 2)
    return Interval(low_a - high_b, high_a - low_b, EXACT_ENDS)


def p_at_ends(ends: tuple[int, int], n: tuple[int, int]) -> float:
    """Two-sided p-value of no difference: the α at which `difference_at_ends` reaches 0.

    With opposite ends that is 2x where x^(1/n_A) + x^(1/n_B) = 1. At the same end it is 1.
    """
    if ends[0] == ends[1]:
        return 1.0
    # In log x, which stays finite where x itself would be 0 in floating point.
    log_x = optimize.brentq(
        lambda y: np.exp(y / n[0]) + np.exp(y / n[1]) - 1, -2.0 * max(n), 0.0, xtol=1e-12
    )
    return float(min(1.0, 2 * np.exp(log_x)))


def _limits(end: int, n: int, alpha: float) -> tuple[float, float]:
    reach = WIDEST * (1 - alpha ** (1 / n))
    return (HIGHEST - reach, float(HIGHEST)) if end == HIGHEST else (float(LOWEST), LOWEST + reach)
