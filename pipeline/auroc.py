"""How well scores separate positives from negatives: area under the ROC curve and its interval.

AUROC = P(score of a positive > score of a negative) + ½ P(they are equal), estimated over all pairs
of the m positives and n negatives (Hanley and McNeil, 1982; it is the Mann–Whitney statistic U
divided by m n). All functions compute it from ranks in O(N log N) instead of over m n pairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log, sqrt

import numpy as np


@dataclass(frozen=True)
class Auroc:
    """An AUROC, 0 to 1, with its interval (`interval` names the kind) and the counts behind it."""

    value: float
    low: float
    high: float
    n_positive: int
    n_negative: int
    interval: str = "DeLong, logit scale"


def auroc_matrix(scores: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """AUROC [concept, score] of every column of `scores` [track, score] for every column of
    `positive` [track, concept] bool; NaN where a concept has no positive or no negative.

    Mann–Whitney: U = R − m (m + 1) / 2, with R the sum of the positives' ranks among all tracks
    (mid-ranks for ties) and m their number; AUROC = U / (m n).
    """
    from scipy.stats import rankdata

    # Mid-ranks from 1, per column [track, score].
    ranks = rankdata(scores, axis=0)
    n_positive = positive.sum(axis=0, dtype=np.float64)[:, None]
    n_negative = len(positive) - n_positive
    with np.errstate(divide="ignore", invalid="ignore"):
        # R for all pairs at once is a matrix product, [concept, score]; `won` is U.
        won = positive.T.astype(np.float64) @ ranks - n_positive * (n_positive + 1) / 2
        return np.asarray(won / (n_positive * n_negative))


def auroc(scores: np.ndarray, positive: np.ndarray, *, level: float = 0.95) -> Auroc:
    """AUROC of `scores` [track] for `positive` [track] bool, with DeLong's interval.

    Sources: DeLong, DeLong and Clarke-Pearson (1988), Biometrics 44, for the variance from
    placement values; Sun and Xu (2014), IEEE Signal Processing Letters 21, for computing these from
    ranks. Additions: the interval is symmetric on the logit scale, which keeps it within 0 and 1;
    where DeLong's variance is 0 (perfect separation) it would be a point, so Wilson's interval with
    the smaller class as its count is given instead. Raises `ValueError` unless both classes have
    two tracks.
    """
    from scipy.special import ndtri

    above, below = scores[positive], scores[~positive]
    m, n = len(above), len(below)
    if min(m, n) < 2:
        raise ValueError(f"{m} positives and {n} negatives; an interval needs at least two of each")
    # 1) Placement values. A positive's rank among all less its rank among the positives is the
    #    number of negatives below it, ties half: V10 [m] is that over n. V01 [n] likewise is the
    #    share of positives above each negative.
    ranks = _mid_ranks(np.concatenate([above, below]))
    won_positive = (ranks[:m] - _mid_ranks(above)) / n
    won_negative = 1.0 - (ranks[m:] - _mid_ranks(below)) / m
    # 2) AUROC is the mean of either; its variance S10 / m + S01 / n, with sample variances.
    value = float(won_positive.mean())
    variance = float(won_positive.var(ddof=1) / m + won_negative.var(ddof=1) / n)
    z = float(ndtri(0.5 + level / 2))
    if variance <= 1e-12 or not 0.0 < value < 1.0:
        low, high = _wilson(value, min(m, n), z)
        return Auroc(value, low, high, m, n, interval="Wilson, smaller class")
    # 3) Delta method: the logit's derivative is 1 / (A (1 − A)).
    half = z * sqrt(variance) / (value * (1.0 - value))
    logit = log(value / (1.0 - value))
    return Auroc(value, _logistic(logit - half), _logistic(logit + half), m, n)


def average_precision(scores: np.ndarray, positive: np.ndarray) -> float:
    """Σ_i (R_i − R_{i−1}) P_i over the thresholds of `scores` [track], highest first, with recall R
    and precision P; NaN without a positive.

    The step-wise sum, as in scikit-learn, not the trapezoidal area under the precision–recall
    curve, which is too optimistic. Tracks of equal score share a threshold, so their order in a
    table cannot change it.
    """
    if not positive.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    # Thresholds are the last places of each run of equal scores.
    last_of_tie = np.append(np.diff(scores[order]) != 0, True)
    hits = np.cumsum(positive[order])[last_of_tie]
    precision = hits / (np.flatnonzero(last_of_tie) + 1)
    recall_steps = np.diff(hits, prepend=0) / positive.sum()
    return float(precision @ recall_steps)


def _mid_ranks(values: np.ndarray) -> np.ndarray:
    """Rank of each value from 1, [value], ties halfway: `rankdata` without its checks, which for a
    hundred values take ten times as long."""
    ordered = np.sort(values)
    below, upto = (np.searchsorted(ordered, values, side=side) for side in ("left", "right"))
    return np.asarray((below + upto + 1) / 2)


def _wilson(share: float, n: int, z: float) -> tuple[float, float]:
    """Wilson's score interval (1927) of a share of `n`, cut to 0 and 1."""
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def _logistic(x: float) -> float:
    """1 / (1 + e^−x); the second form for x < 0, where e^−x could overflow."""
    return 1.0 / (1.0 + exp(-x)) if x >= 0 else exp(x) / (1.0 + exp(x))
