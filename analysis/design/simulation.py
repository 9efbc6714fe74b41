"""Simulated studies of a given design, for power and for the coverage benchmark.

A rating is a latent normal variable cut into the steps of the scale,

    latent = method's shift + participant (SD σ_p) + feature (SD σ_f) + noise (SD 1),

which is the cumulative link model of `models.clmm` with the probit link. Each participant rates one
method, or both, and then has the same level under both. The features are the same under both
methods, but their levels there are independent, since the labels differ. That is conservative: a
level common to both methods would cancel in their difference.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import optimize, stats

from analysis.arrays import Floats, Ints
from analysis.errors import AnalysisError
from analysis.estimates.method_pairs import Pair
from analysis.reading.columns import LOWEST, WIDEST

PAPER_SHARES = (0.17, 0.18, 0.18, 0.23, 0.24)
"""Shares of the answers 1 to 5, with about the mean (3.19) and share ≥ 4 (47 %) of the method that
was rated lower in Singh, Cherep and Maes (arXiv 2505.18186)."""


@dataclass(frozen=True)
class Design:
    """A study of two methods, between or within participants."""

    participants: int = 40
    """Participants per method; within participants the same ones rate both."""
    trials: int = 10
    """Trials per participant and method, each with a different feature."""
    ratings: int = 1
    """Ratings per feature and method."""
    participant_sd: float = 0.8
    """On the latent scale, on which the noise of a single rating has SD 1."""
    feature_sd: float = 0.5
    """On the latent scale."""
    effect: float = 0.5
    """Difference in mean confidence, steps of the scale."""
    shares: tuple[float, ...] = PAPER_SHARES
    """Shares of the answers 1 to 5 under the lower method."""
    within: bool = False
    """Whether every participant rates both methods."""

    def __post_init__(self) -> None:
        for name, low, high in (
            ("participants", 2, 100_000),
            ("trials", 1, 1000),
            ("ratings", 1, 1000),
            ("participant_sd", 0, 5),
            ("feature_sd", 0, 5),
            ("effect", 0, WIDEST),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise AnalysisError(f"{name} is {value:g}; it must be from {low} to {high}")
        needed = self.trials * (1 + self.within)
        if self.n_features < needed:
            raise AnalysisError(
                f"{self.ratings} ratings per feature leave {self.n_features} features, fewer than "
                f"the {needed} trials that each participant has"
            )

    @property
    def n_features(self) -> int:
        """Features per method, each rated `ratings` times, or once more."""
        return max(1, self.participants * self.trials // self.ratings)

    @property
    def spread(self) -> float:
        """Standard deviation of the latent variable over all listeners and features."""
        return float(np.sqrt(1 + self.participant_sd**2 + self.feature_sd**2))

    @property
    def cuts(self) -> Floats:
        """Thresholds [steps − 1] that give the lower method, whose shift is 0, its `shares`."""
        return np.asarray(stats.norm.ppf(np.cumsum(self.shares)[:-1]) * self.spread)

    def mean(self, shift: float) -> float:
        """Mean confidence under a latent shift: 1 + Σ over thresholds of P(latent > threshold)."""
        return float(LOWEST + stats.norm.sf((self.cuts - shift) / self.spread).sum())

    def share(self, shift: float, least: int = 4) -> float:
        """Share of ratings ≥ `least` under a latent shift."""
        return float(stats.norm.sf((self.cuts[least - 2] - shift) / self.spread))

    @property
    def shift(self) -> float:
        """The latent shift that makes the difference in means equal to `effect`."""
        if self.effect == 0:
            return 0.0
        target = self.mean(0.0) + self.effect
        if target >= 4.99:
            raise AnalysisError(
                f"an effect of {self.effect:g} goes beyond the end of the scale: the lower mean is "
                f"{self.mean(0.0):.2f}"
            )
        return float(optimize.brentq(lambda s: self.mean(s) - target, 0, 50))


def simulate(design: Design, rng: np.random.Generator) -> Pair:
    """One study, in which method `a` is above method `b` by the design's effect."""
    per_side = design.participants * design.trials
    feature = _features(per_side, design.n_features)
    # Within participants, each one has under `b` the features that the next has under `a`.
    features = (feature, np.roll(feature, -design.trials) if design.within else feature)
    first, own = _side(design, design.shift, features[0], None, rng)
    second, _ = _side(design, 0.0, features[1], own if design.within else None, rng)
    people = np.repeat(np.arange(2 * design.participants), design.trials)
    n_participants = design.participants if design.within else 2 * design.participants
    return Pair(
        a="a",
        b="b",
        values=np.concatenate([first, second]),
        is_a=np.arange(2 * per_side) < per_side,
        participant=people % n_participants,
        feature=np.concatenate(features),
        n_participants=n_participants,
        n_features=design.n_features,
    )


@lru_cache(maxsize=64)
def _features(n: int, n_features: int) -> Ints:
    """The feature of each of `n` trials: all features in random order, again and again.

    A participant's consecutive trials are within one round, or across the end of one.
    """
    rng = np.random.default_rng(0)
    rounds = -(-n // n_features)
    return np.concatenate([rng.permutation(n_features) for _ in range(rounds)])[:n]


def _side(
    design: Design, shift: float, feature: Ints, own: Floats | None, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """A method's ratings [trial], and its participants' levels: `own` if given, else new ones."""
    latent = shift + rng.normal(size=design.participants * design.trials)
    if own is None:
        own = rng.normal(0, design.participant_sd, design.participants)
    level = rng.normal(0, design.feature_sd, design.n_features)
    latent += np.repeat(own, design.trials) + level[feature]
    return np.searchsorted(design.cuts, latent).astype(np.float64) + LOWEST, own
