"""Intervals around means over features.

Features of one cell are not independent: the same clips are exemplars of many of them, and a
concept that the SAEs of one layer find at every expansion and k is counted once for each. So two
features count as dependent in proportion to the exemplars that they share.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Floats = npt.NDArray[np.float64]

LEVEL = 0.95
KIND = "Student, 95 %; features that share exemplar clips count as dependent"
NONE = "none: fewer than two features"


class Mean(NamedTuple):
    """A mean over features with its interval."""

    value: float
    low: float | None
    high: float | None
    features: int
    interval: str


def mean_over_features(values: Floats, clips: Sequence[Sequence[str]]) -> Mean:
    """The mean of one value per feature, `clips` being each feature's exemplars.

    For F features with exemplars S_i, the values have the covariance

        σ0² I + σ1² W,    W_ij = |S_i ∩ S_j| / √(|S_i| |S_j|):

    features with the same exemplars share σ1² whole, those with none in common nothing. It covers
    both what a clip does to the values of all features that it represents and features that are
    found again. With e = y − ȳ, M the matrix that subtracts the mean, and
    E[e'e] = σ0² (F − 1) + σ1² tr(MW), E[e'We] = σ0² tr(MW) + σ1² tr(MWMW), the two are estimated by
    moments, neither below 0, so that the subtracted mean does not hide what all features share.
    Where σ1² comes out below 0, it counts as 0 while σ0² stays as it was estimated. The interval is
    then 1 to 22 % wider than that of independent features, which would be enough if they shared
    nothing; but such estimates occur where they do share too. In 19 simulated designs (12 to 400
    features, 400 repetitions each) the narrower interval covered 88.5 to 98.2 %, this one 89.5 to
    98.5 %; with 30 features that shared as much as each has of its own, 93.0 and 95.0 %.
    Then Var(ȳ) = (σ0² F + σ1² 1'W1) / F², never less than the e'e / ((F − 1) F) of independent
    features. The interval is Student's with min(F, number of different clips) − 1 degrees of
    freedom. Coverage: docs/paper.md.
    """
    from scipy.stats import t

    count = len(values)
    value = float(values.mean())
    if count < 2:
        return Mean(value, None, None, count, NONE)
    shared = _shares(clips)
    variance = _variance(values - value, shared)
    degrees = max(1, min(count, shared.shape[1]) - 1)
    half = float(t.ppf(0.5 + LEVEL / 2, degrees)) * np.sqrt(variance)
    return Mean(value, value - half, value + half, count, KIND)


def _shares(clips: Sequence[Sequence[str]]) -> csr_array:
    """U [feature, clip], W = UU': 1 / √|S_i| where the clip is an exemplar of the feature."""
    from scipy.sparse import csr_array

    names = {name: place for place, name in enumerate(sorted({c for own in clips for c in own}))}
    rows = [row for row, own in enumerate(clips) for _ in own]
    columns = [names[name] for own in clips for name in own]
    data = [1 / np.sqrt(len(own)) for own in clips for _ in own]
    return csr_array((data, (rows, columns)), shape=(len(clips), len(names)))


def _variance(residuals: Floats, shared: csr_array) -> float:
    """Var(ȳ) from residuals e [feature]; see `mean_over_features`. Nothing [feature, feature] is
    made: all traces are sums of squares of U'e, U'1 and U'U."""
    count = len(residuals)
    square = float(residuals @ residuals)
    together = float(np.sum((shared.T @ residuals) ** 2))  # e'We
    ones = shared.T @ np.ones(count)  # U'1
    whole = float(ones @ ones)  # 1'W1
    diagonal = float(shared.multiply(shared).sum())  # tr(W): F, if every feature has exemplars
    trace = diagonal - whole / count  # tr(MW)
    gram = shared.T @ shared
    product = (  # tr(MWMW)
        float(gram.multiply(gram).sum())
        - 2 * float(np.sum((shared @ ones) ** 2)) / count
        + (whole / count) ** 2
    )
    apart = square / (count - 1)
    determinant = (count - 1) * product - trace**2
    # Where all features have the same exemplars, nothing tells what they share.
    if determinant <= 1e-9 * count**2:
        return apart / count
    common = ((count - 1) * together - trace * square) / determinant
    own = (square - common * trace) / (count - 1)
    if own < 0:
        own, common = 0.0, square / trace
    return max(apart / count, (own * count + max(common, 0.0) * whole) / count**2)
