"""Agreement of listeners on how well a label fits, as estimates; a unit is a feature."""

from __future__ import annotations

import numpy as np

from analysis.estimates.descriptives import Ratings
from analysis.estimates.intervals import LEVEL, stream
from analysis.estimates.results import Counts, Estimate, Quantity
from analysis.listeners.agreement import (
    Agreement,
    Coefficient,
    Judged,
    agree,
    gwet,
    gwet_ordinal,
    icc_oneway,
    krippendorff_nominal,
    krippendorff_ordinal,
)
from analysis.reading.columns import LOWEST, SCALE


def judged_by(ratings: Ratings) -> Judged:
    """Which answer each listener gave for each feature."""
    steps = ratings.values.astype(np.int64) - LOWEST
    return Judged(ratings.feature, steps, ratings.participant, ratings.n_features, len(SCALE))


COEFFICIENTS: dict[str, tuple[str, Coefficient]] = {
    "alpha_ordinal": ("Krippendorff’s alpha of the confidence (ordinal)", krippendorff_ordinal),
    "alpha_nominal": ("Krippendorff’s alpha of the confidence (nominal)", krippendorff_nominal),
    "gwet_ac2": ("Gwet’s AC2 of the confidence (ordinal weights)", gwet_ordinal),
    "gwet_ac1": ("Gwet’s AC1 of the confidence", gwet),
    "icc_1": ("ICC(1) of the confidence: share of variance between features", icc_oneway),
}


def describe_agreement(ratings: Ratings, *, seed: int, level: float = LEVEL) -> list[Estimate]:
    """Every coefficient for one method."""
    judged = judged_by(ratings)
    return [
        agreement_estimate(
            name,
            label,
            ratings,
            agree(
                coefficient,
                judged,
                rng=stream(seed, f"{name} {ratings.method}"),
                level=level,
            ),
            level,
        )
        for name, (label, coefficient) in COEFFICIENTS.items()
    ]


def agreement_estimate(
    name: str, label: str, ratings: Ratings, result: Agreement, level: float
) -> Estimate:
    """A coefficient as an `Estimate`, whose number of features is that of the units it used."""
    counts = Counts(len(ratings.values), ratings.n_participants, result.n_units)
    quantity = Quantity(name, label, "none", ratings.method, counts, level)
    if result.value is None:
        return quantity.not_estimable(result.interval.reason)
    return quantity.estimated(result.value, result.interval)
