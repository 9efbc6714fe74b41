"""The difference between two methods on the features that both of them have."""

from __future__ import annotations

import dataclasses

import numpy as np

from analysis.estimates.clustering import BOTH, Linear
from analysis.estimates.intervals import DIFFERENCE_BOUNDS, LEVEL, numbered
from analysis.estimates.method_pairs import Pair
from analysis.estimates.results import Counts, Estimate


def paired(pair: Pair) -> Linear | None:
    """Mean over shared features of (mean rating under A − mean rating under B), with influences.

    It removes the features' difficulty from the comparison: within a feature the influences of the
    two sides have opposite signs. Every shared feature has the same weight, whatever the number of
    its ratings. With several studies or versions a feature is paired within each of them. None with
    fewer than two shared features.
    """
    # 1) The shared features, and the ratings [rating] on them.
    stratum = 0 if pair.stratum is None else pair.stratum
    cells, cell = np.unique(stratum * pair.n_features + pair.feature, return_inverse=True)
    n_cells = len(cells)
    n_a = np.bincount(cell[pair.is_a], minlength=n_cells)
    n_b = np.bincount(cell[~pair.is_a], minlength=n_cells)
    shared = (n_a > 0) & (n_b > 0)
    if shared.sum() < 2:
        return None
    keep = shared[cell]
    values, first = pair.values[keep], pair.is_a[keep]
    # 2) A rating's weight: 1 / (ratings of its feature under its method × shared features).
    rated = np.where(pair.is_a, n_a[cell], n_b[cell])[keep]
    weight = 1.0 / rated / shared.sum()
    # 3) The two weighted means, and each rating's influence on their difference.
    mean_a, mean_b = (float(np.sum((values * weight)[side])) for side in (first, ~first))
    influence = weight * np.where(first, values - mean_a, mean_b - values)
    participant, feature = numbered(pair.participant[keep])[0], numbered(pair.feature[keep])[0]
    return Linear(mean_a - mean_b, influence, participant, feature, first.astype(np.int64))


def paired_difference(
    pair: Pair,
    level: float = LEVEL,
    *,
    name: str = "difference_paired_by_feature",
    label: str = "difference in mean confidence, paired by feature",
    unit: str = "scale",
    bounds: tuple[float, float] = DIFFERENCE_BOUNDS,
) -> Estimate:
    """`paired` as an estimate: Student's t on the two-way standard error, cut at `bounds`.

    Degrees of freedom: the smaller of the numbers of participants and of features, minus one.
    """
    linear = paired(pair)
    quantity = pair.quantity(name, label, unit, level)
    if linear is None:
        return quantity.not_estimable(
            "fewer than two features were rated under both methods; pairing needs two"
        )
    counts = Counts(len(linear.influence), linear.n_participants, linear.n_features)
    interval = linear.student(BOTH, level, bounds)
    return dataclasses.replace(quantity, counts=counts).estimated(
        linear.value, interval, clustered_by=BOTH
    )
