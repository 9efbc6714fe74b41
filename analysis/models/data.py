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

    @property
    def n_theta(self) -> int:
        """Number of thresholds."""
        return int(self.y.max())

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


def unpack(parameters: Floats, data: Data) -> tuple[Floats, Floats, Floats]:
    """θ [categories − 1], β [predictor] and σ [random effect] from the parameter vector.

    The vector has the first threshold, the logs of the gaps between thresholds, β and σ.
    """
    # Clipping keeps a far step of the optimiser finite; e^±30 is beyond any fit.
    k, n = data.n_theta, data.x.shape[1]
    gaps = np.exp(np.clip(parameters[1:k], -30, 30))
    theta = parameters[0] + np.concatenate([[0.0], np.cumsum(gaps)])
    return theta, parameters[k : k + n], parameters[k + n :]
