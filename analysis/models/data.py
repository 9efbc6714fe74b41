"""Data and parameters of a cumulative link mixed model, and the reason if it has no fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.arrays import Floats, Ints


class NotFitted(Exception):  # noqa: N818 - an answer, not an error
    """The model cannot be fitted; the message is the reason as the report shows it."""


@dataclass(frozen=True)
class Data:
    """What a model is fitted to."""

    y: Ints
    """Category of each rating, numbered from 0, [rating]."""
    x: Floats
    """Predictors, [rating, predictor]."""
    factors: tuple[Ints, ...]
    """Each random effect's level of each rating, numbered from 0, [rating]."""
    guess: Floats | None = None
    """For two categories: the probability g of the upper one by guessing, [rating]."""
    group: Ints | None = None
    """Nominal effects: which set of thresholds each rating has, numbered from 0, [rating]."""
    slopes: tuple[Floats | None, ...] = ()
    """Each random effect's covariate, [rating], whose slope is random; None (or no entry at all): a
    random intercept, whose covariate is 1."""
    scale: Floats | None = None
    """Predictors of the logarithm of the latent scale, [rating, predictor]."""

    @property
    def n_theta(self) -> int:
        """Number of thresholds in one set."""
        return int(self.y.max())

    @property
    def n_sets(self) -> int:
        """Number of sets of thresholds."""
        return 1 if self.group is None else int(self.group.max()) + 1

    @property
    def n_scale(self) -> int:
        """Number of predictors of the scale."""
        return 0 if self.scale is None else self.scale.shape[1]

    def loadings(self, sigma: Sequence[float]) -> list[float | Floats]:
        """Z's entry of each random effect: σ, or with a random slope σ × covariate, [rating]."""
        slopes = self.slopes or (None,) * len(self.factors)
        return [s if c is None else s * c for s, c in zip(sigma, slopes, strict=True)]

    def sizes(self) -> tuple[int, ...]:
        """Number of levels of each random effect."""
        return tuple(int(f.max()) + 1 for f in self.factors)


MOST_FACTORS = 4


def prepare(
    ratings: Floats, x: Floats, factors: Sequence[Ints], guess: Floats | None = None
) -> Data:
    """Data of a model from ratings [rating]; raises `NotFitted` for what cannot be fitted."""
    used, y = np.unique(ratings, return_inverse=True)
    if len(used) < 2:
        raise NotFitted("every rating is the same")
    if not 1 <= len(factors) <= MOST_FACTORS:
        raise ValueError(f"one to {MOST_FACTORS} random effects")
    if guess is not None and len(used) > 2:
        raise ValueError("a guessing floor is for two categories")
    for factor in factors:
        if factor.max() < 1:
            raise NotFitted("a random effect needs two levels")
    return Data(y.astype(np.int64), x, tuple(factors), guess)


@dataclass(frozen=True)
class Parts:
    """A parameter vector, taken apart."""

    theta: Floats
    """Thresholds, set after set, each [categories − 1]."""
    beta: Floats
    """Effects [predictor]."""
    sigma: Floats
    """Standard deviations [random effect], of either sign."""
    gamma: Floats
    """Effects on the logarithm of the scale [predictor of the scale]."""


def unpack(parameters: Floats, data: Data) -> Parts:
    """The parameter vector taken apart.

    It has, for each set of thresholds, the first one and the logs of the gaps between them, then β,
    σ and γ.
    """
    # Clipping keeps a far step of the optimiser finite; e^±30 is beyond any fit.
    k, sets = data.n_theta, data.n_sets
    given = parameters[: k * sets].reshape(sets, k)
    gaps = np.exp(np.clip(given[:, 1:], -30, 30))
    theta = given[:, :1] + np.hstack([np.zeros((sets, 1)), np.cumsum(gaps, axis=1)])
    ends = np.cumsum([k * sets, data.x.shape[1], len(data.factors)])
    beta, sigma, gamma = np.split(parameters, ends)[1:]
    return Parts(theta.ravel(), beta, sigma, gamma)
