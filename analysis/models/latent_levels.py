"""Listeners' severity and features' difficulty, from the joint ordinal model.

The joint model is a graded-response model (Samejima 1969, Psychometrika Monograph 17) in which all
features discriminate alike: the thresholds are the categories' boundaries, and a rating is the
higher the less severe its listener and the less difficult its feature. Severity and difficulty are
minus the random effects at their joint mode, on the latent scale (logits), 0 for an average
listener or feature; shrunken (empirical-Bayes) values, closer to 0 the fewer their ratings.
Intervals are normal, from the curvature at the mode, given the model's parameters, as `ranef` and
`condVar` of R's `ordinal::clmm` (Christensen 2019).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from analysis.arrays import Floats, Ints
from analysis.estimates.intervals import LEVEL
from analysis.models.joint import Joint
from analysis.models.laplace import Laplace

UNITS = {"participant": "severity", "feature": "difficulty"}
"""What the level of a unit is called."""


@dataclass(frozen=True)
class Levels:
    """The units of one kind, in the order of their numbers; all arrays are [unit]."""

    unit: str
    value: Floats
    """Severity or difficulty: positive where ratings are lower."""
    error: Floats
    low: Floats
    high: Floats
    n_ratings: Ints


def latent_levels(joint: Joint, level: float = LEVEL) -> list[Levels]:
    """Levels of participants and of features, where the model has them as random effects."""
    laplace = Laplace(joint.data, joint.fit.link)
    mode = laplace.mode(joint.fit.parameters)
    sigma, spread = laplace.sigma(joint.fit.parameters), mode.curvature.variances()
    quantile = float(stats.norm.ppf((1 + level) / 2))
    found = []
    for i, name in enumerate(joint.random):
        if name not in UNITS:
            continue
        value = -sigma[i] * mode.b[i]
        error = np.abs(sigma[i]) * np.sqrt(spread[i])
        half = quantile * error
        n = np.bincount(joint.data.factors[i])
        found.append(Levels(name, value, error, value - half, value + half, n))
    return found


def table_of(levels: Levels, names: pd.Series[str]) -> pd.DataFrame:
    """The levels with the units' names, the most severe or difficult first."""
    what = UNITS[levels.unit]
    frame = pd.DataFrame(
        {
            levels.unit: names.to_numpy(),
            "n_ratings": levels.n_ratings,
            what: levels.value,
            "standard_error": levels.error,
            "low": levels.low,
            "high": levels.high,
        }
    )
    return frame.sort_values([what, levels.unit], ascending=[False, True], ignore_index=True)
