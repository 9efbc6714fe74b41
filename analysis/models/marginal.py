"""Means and shares that a joint model implies, averaged over participants and features.

For a method with level β, E[s(y)] is the mean of Σ_j s_j P(y = j | β + τ z) over z ~ N(0, 1), with
τ² the sum of the random effects' variances: a new participant rating a new feature. With several
studies or versions it is their average, by their shares of the answers. Differences of
such means add up, since all come from one model. Standard errors by the delta method, from the
covariance of all parameters.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special

from analysis.arrays import Floats
from analysis.estimates.results import Interval
from analysis.models.data import unpack
from analysis.models.joint import Joint

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(60)
_WEIGHTS = _WEIGHTS / math.sqrt(2 * math.pi)
_STEP = 1e-5

DELTA = "t by the delta method from the joint mixed model"
DELTA_LOGIT = "t on the logit by the delta method from the joint mixed model"


@dataclass(frozen=True)
class Score:
    """What is averaged: a number for each category, and the range of the average."""

    of: Callable[[Floats], Floats]
    """From the categories' values on the scale to their scores."""
    low: float
    high: float


MEAN = Score(lambda values: values, 1.0, 5.0)
AT_LEAST_4 = Score(lambda values: (values >= 4).astype(np.float64), 0.0, 1.0)


def marginal(joint: Joint, method: str, score: Score, parameters: Floats) -> float:
    """E[s(y)] of a method at some parameters; a guessing floor is left out."""
    parts = unpack(parameters, joint.data)
    level, tau = joint.level(method), float(np.sqrt(np.sum(parts.sigma**2)))
    cdf = special.expit if joint.fit.link == "logit" else special.ndtr
    scores = score.of(np.unique(joint.answers.values))
    found = float(scores[0])
    for stratum, share in joint.strata():
        eta = (level + stratum) @ parameters + tau * _NODES
        # P(y > j) at each node, [node, threshold]; Σ s_j P(j) = s_0 + Σ (s_(j+1) − s_j) P(y > j).
        above = cdf(eta[:, None] - parts.theta[None, :])
        found += share * float(_WEIGHTS @ above @ np.diff(scores))
    return found


def mean_of(joint: Joint, method: str, score: Score, level: float) -> tuple[float, Interval]:
    """A method's E[s(y)], with an interval on the logit of its place in the score's range."""
    value, error = _delta(joint, lambda p: marginal(joint, method, score, p))
    width = score.high - score.low
    share = (value - score.low) / width
    if not 1e-9 < share < 1 - 1e-9:
        return value, Interval.none("at the border of the scale")
    # d logit(s) / ds = 1 / (s (1 − s)).
    half = joint.quantile(level) * error / width / (share * (1 - share))
    ends = [special.expit(special.logit(share) + side * half) for side in (-1, 1)]
    low, high = (score.low + width * float(end) for end in ends)
    return value, Interval(low, high, DELTA_LOGIT)


def difference_of(
    joint: Joint, a: str, b: str, score: Score, level: float
) -> tuple[float, Interval]:
    """The difference of two methods' E[s(y)], A minus B."""
    value, error = _delta(
        joint, lambda p: marginal(joint, a, score, p) - marginal(joint, b, score, p)
    )
    half, most = joint.quantile(level) * error, score.high - score.low
    return value, Interval(max(value - half, -most), min(value + half, most), DELTA)


def _delta(joint: Joint, of: Callable[[Floats], float]) -> tuple[float, float]:
    """A function of the parameters at their estimates, and its standard error."""
    at = joint.fit.parameters
    moves = np.eye(len(at)) * _STEP
    gradient = np.array([(of(at + m) - of(at - m)) / (2 * _STEP) for m in moves])
    return of(at), math.sqrt(max(float(gradient @ joint.fit.covariance @ gradient), 0.0))
