"""Simulated studies of pairs, for their power and for measuring the coverage of their intervals.

With α the first clip's dose less the second's, 0 for an unsteered clip, a clip is chosen by

    η = δ + u[listener] + (β + v[listener] + w[feature]) α

where P(first) ∝ e^(η/2), P(second) ∝ e^(−η/2), P(no difference) ∝ ν (Davidson's ties): the model of
`pairs.doses`. All of u, v and w are normal. Every pair is a clip with one of the doses against the
unsteered clip; which comes first is balanced.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import optimize

from analysis.arrays import Floats, Ints
from analysis.errors import AnalysisError

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(40)
_WEIGHTS = _WEIGHTS / math.sqrt(2 * math.pi)
LIMITS = (
    ("listeners", 2, 100_000),
    ("features", 2, 100_000),
    ("trials", 1, 1000),
    ("listener_sd", 0, 5),
    ("feature_sd", 0, 5),
    ("bias_sd", 0, 5),
    ("ties", 0, 0.9),
)
"""Numbers of a design, with their smallest and largest values."""


@dataclass(frozen=True)
class PairDesign:
    """A study of steered clips against unsteered ones."""

    listeners: int = 40
    features: int = 20
    trials: int = 20
    """Per listener; features take turns, each as often as any other."""
    share: float = 0.6
    """Share of choices that are the steered clip, over all listeners, features and doses."""
    listener_sd: float = 0.5
    """Of listeners' slopes, on the logit per unit of α."""
    feature_sd: float = 0.5
    """Of features' slopes."""
    bias_sd: float = 0.3
    """Of listeners' bias towards the first clip, on the logit."""
    ties: float = 0.0
    """Share of "no difference" between two equal clips."""
    doses: tuple[float, ...] = (1.0,)
    """α of the steered clips."""

    def __post_init__(self) -> None:
        for name, low, high in LIMITS:
            value = getattr(self, name)
            if not low <= value <= high:
                raise AnalysisError(f"{name} is {value:g}; it must be from {low} to {high:g}")
        if not 0.01 <= self.share <= 0.99:
            raise AnalysisError(f"share is {self.share:g}; it must be from 0.01 to 0.99")
        if not self.doses or not all(0 < dose <= 100 for dose in self.doses):
            raise AnalysisError("doses must be numbers above 0 and at most 100")

    @cached_property
    def slope(self) -> float:
        """β that gives the share."""
        if self.share == 0.5:
            return 0.0
        return float(optimize.brentq(lambda b: self.share_at(b) - self.share, -60, 60))

    def share_at(self, slope: float, doses: tuple[float, ...] | None = None) -> float:
        """The share of choices that are the steered clip at a slope, over the doses."""
        steered, _, other = self.answers_at(slope, doses)
        return steered / (steered + other)

    def answers_at(
        self, slope: float, doses: tuple[float, ...] | None = None
    ) -> tuple[float, float, float]:
        """P(steered), P(no difference) and P(unsteered) of new listeners about new features."""
        # 1) η over listeners' and features' slopes and listeners' bias, [dose, slope, bias].
        alpha = np.array(doses or self.doses)[:, None, None]
        slopes = slope + math.hypot(self.listener_sd, self.feature_sd) * _NODES[:, None]
        eta = alpha * slopes + self.bias_sd * _NODES
        # 2) The answers where the steered clip comes first; δ's mean is 0, so that where it comes
        # second they are the same.
        odds = np.stack([np.exp(eta / 2), np.full_like(eta, self.nu), np.exp(-eta / 2)])
        p = odds / odds.sum(axis=0)
        steered, tied, other = (float(np.mean(_WEIGHTS @ one @ _WEIGHTS)) for one in p)
        return steered, tied, other

    @property
    def nu(self) -> float:
        """Davidson's ν."""
        return 2 * self.ties / (1 - self.ties)


@dataclass(frozen=True)
class PairStudy:
    """One simulated study, all [trial]."""

    listener: Ints
    feature: Ints
    dose: Floats
    """α of the first clip less α of the second: below 0 where the steered clip came second."""
    answer: Floats
    """1 the first clip, 0 the second, ½ no difference."""

    @property
    def hit(self) -> Floats:
        """1 the steered clip, 0 the unsteered one, ½ no difference."""
        return np.where(self.dose > 0, self.answer, 1 - self.answer)


def simulate_pairs(design: PairDesign, rng: np.random.Generator) -> PairStudy:
    """One study."""
    n = design.listeners * design.trials
    listener = np.repeat(np.arange(design.listeners), design.trials)
    rounds = -(-n // design.features)
    feature = np.concatenate([rng.permutation(design.features) for _ in range(rounds)])[:n]
    sign = np.where(rng.permutation(n) % 2 == 0, 1.0, -1.0)
    dose = sign * rng.permutation(np.resize(design.doses, n))
    bias = rng.normal(0, design.bias_sd, design.listeners)
    slopes = rng.normal(0, design.listener_sd, design.listeners)
    of_features = rng.normal(0, design.feature_sd, design.features)
    slope = design.slope + slopes[listener] + of_features[feature]
    eta = bias[listener] + slope * dose
    odds = np.stack([np.exp(eta / 2), np.full(n, design.nu), np.exp(-eta / 2)])
    drawn = rng.random(n) * odds.sum(axis=0)
    answer = np.where(drawn < odds[0], 1.0, np.where(drawn < odds[0] + odds[1], 0.5, 0.0))
    return PairStudy(listener, feature, dose, answer)
