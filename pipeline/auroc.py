"""How well scores tell positives from negatives: area under the ROC curve and its interval.

The AUROC is the chance that a positive scores over a negative, ties counting half
(Mann–Whitney). All functions work on ranks, so thousands of scores take seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log, sqrt

import numpy as np
from scipy.stats import norm, rankdata


@dataclass(frozen=True)
class Auroc:
    """An AUROC with its interval (`interval` names the kind) and the counts behind it."""

    value: float
    low: float
    high: float
    n_positive: int
    n_negative: int
    interval: str = "DeLong, logit scale"


def auroc_matrix(scores: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """AUROC [concept, score] of every column of `scores` [track, score] for every column of
    `positive` [track, concept] bool; NaN where a concept has no positive or no negative."""
    ranks = rankdata(scores, axis=0)
    n_positive = positive.sum(axis=0, dtype=np.float64)[:, None]
    n_negative = len(positive) - n_positive
    with np.errstate(divide="ignore", invalid="ignore"):
        won = positive.T.astype(np.float64) @ ranks - n_positive * (n_positive + 1) / 2
        return np.asarray(won / (n_positive * n_negative))


def auroc(scores: np.ndarray, positive: np.ndarray, *, level: float = 0.95) -> Auroc:
    """AUROC of `scores` [track] for `positive` [track] bool, with DeLong's interval.

    The interval is made on the logit scale, which keeps it within 0 and 1. Where DeLong's
    variance is 0 (perfect separation) it would be a point; Wilson's interval with the smaller
    class for its count stands in. Raises `ValueError` unless both classes have two tracks.
    Source: DeLong, DeLong and Clarke-Pearson (1988); Sun and Xu (2014) for ranks.
    """
    above, below = scores[positive], scores[~positive]
    m, n = len(above), len(below)
    if min(m, n) < 2:
        raise ValueError(f"{m} positives and {n} negatives; an interval needs two of each")
    ranks = rankdata(np.concatenate([above, below]))
    won_positive = (ranks[:m] - rankdata(above)) / n
    won_negative = 1.0 - (ranks[m:] - rankdata(below)) / m
    value = float(won_positive.mean())
    variance = float(won_positive.var(ddof=1) / m + won_negative.var(ddof=1) / n)
    z = float(norm.ppf(0.5 + level / 2))
    if variance <= 1e-12 or not 0.0 < value < 1.0:
        low, high = _wilson(value, min(m, n), z)
        return Auroc(value, low, high, m, n, interval="Wilson, smaller class")
    half = z * sqrt(variance) / (value * (1.0 - value))
    logit = log(value / (1.0 - value))
    return Auroc(value, _logistic(logit - half), _logistic(logit + half), m, n)


def average_precision(scores: np.ndarray, positive: np.ndarray) -> float:
    """Mean precision over the recall steps of `scores` [track]; tracks of equal score enter
    together, so the order of a table cannot change it. NaN without a positive."""
    if not positive.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    last_of_tie = np.append(np.diff(scores[order]) != 0, True)
    hits = np.cumsum(positive[order])[last_of_tie]
    precision = hits / (np.flatnonzero(last_of_tie) + 1)
    recall_steps = np.diff(hits, prepend=0) / positive.sum()
    return float(precision @ recall_steps)


def _wilson(share: float, n: int, z: float) -> tuple[float, float]:
    """Wilson's interval of a share of `n`."""
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def _logistic(x: float) -> float:
    return 1.0 / (1.0 + exp(-x)) if x >= 0 else exp(x) / (1.0 + exp(x))
