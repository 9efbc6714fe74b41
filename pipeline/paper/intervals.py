"""Intervals around means over features.

Features of one cell are not independent: the same clips are exemplars of many of them, and a
concept that the SAEs of one layer find at every expansion and k is counted once for each. So two
features count as dependent in proportion to the exemplars that they share.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

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

    With e_i = y_i − ȳ over F features and S_i the exemplars of feature i,

        V = (1/F²) G/(G − 1) Σ_ij w_ij e_i e_j,    w_ij = |S_i ∩ S_j| / √(|S_i| |S_j|),

    where G is the number of different clips: features with the same exemplars have weight 1, those
    with none in common 0 (the kernel estimator of Conley, J. Econometrics 92, 1999, with the
    overlap of exemplars in place of a distance). Where e_i of neighbours cancel, V can fall under
    the variance of independent features, s²/F; the larger of the two is used. The interval is
    Student's with min(F, G) − 1 degrees of freedom.
    """
    from scipy.stats import t

    count = len(values)
    value = float(values.mean())
    if count < 2:
        return Mean(value, None, None, count, NONE)
    # w_ij is a Gram matrix, so Σ_ij is a sum of squares over clips: no [feature, feature] array.
    residuals = values - value
    shares: dict[str, float] = {}
    for residual, own in zip(residuals, clips, strict=True):
        for clip in own:
            shares[clip] = shares.get(clip, 0.0) + residual / np.sqrt(len(own))
    different = len(shares)
    variance = float(residuals @ residuals) / (count - 1) / count
    degrees = count - 1
    if different > 1:
        together = sum(share**2 for share in shares.values()) / count**2
        variance = max(variance, together * different / (different - 1))
        degrees = min(count, different) - 1
    half = float(t.ppf(0.5 + LEVEL / 2, degrees)) * np.sqrt(variance)
    return Mean(value, value - half, value + half, count, KIND)
