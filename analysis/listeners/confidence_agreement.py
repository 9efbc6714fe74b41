"""Agreement of listeners on how well a label fits, as estimates; a unit is a feature."""

from __future__ import annotations

from functools import partial

import numpy as np

from analysis.arrays import Floats
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
    krippendorff_interval,
    krippendorff_nominal,
    krippendorff_ordinal,
)
from analysis.reading.columns import LOWEST, WIDEST


def judged_by(ratings: Ratings, steps: int = WIDEST) -> Judged:
    """Which level each listener chose for each feature, on a scale of so many steps."""
    level = np.rint((ratings.values - LOWEST) * steps / WIDEST).astype(np.int64)
    return Judged(ratings.feature, level, ratings.participant, ratings.n_features, steps + 1)


def by_value(ratings: Ratings) -> tuple[Judged, Floats]:
    """The same where every number that occurs is a category, and these numbers."""
    values, place = np.unique(ratings.values, return_inverse=True)
    number = place.reshape(-1).astype(np.int64)
    made = Judged(ratings.feature, number, ratings.participant, ratings.n_features, len(values))
    return made, values


COEFFICIENTS: dict[str, tuple[str, Coefficient]] = {
    "alpha_ordinal": ("Krippendorff’s alpha of the confidence (ordinal)", krippendorff_ordinal),
    "alpha_nominal": ("Krippendorff’s alpha of the confidence (nominal)", krippendorff_nominal),
    "gwet_ac2": ("Gwet’s AC2 of the confidence (ordinal weights)", gwet_ordinal),
    "gwet_ac1": ("Gwet’s AC1 of the confidence", gwet),
    "icc_1": ("ICC(1) of the confidence: share of variance between features", icc_oneway),
}
ALPHA_INTERVAL = "Krippendorff’s alpha of the confidence (interval)"


def describe_agreement(
    ratings: Ratings, *, seed: int, level: float = LEVEL, steps: int | None = WIDEST
) -> list[Estimate]:
    """Every coefficient for one method; of a slider, which has no `steps`, those for numbers."""
    if steps is None:
        judged, value = by_value(ratings)
        coefficients: dict[str, tuple[str, Coefficient]] = {
            "alpha_interval": (ALPHA_INTERVAL, partial(krippendorff_interval, value=value)),
            "icc_1": (COEFFICIENTS["icc_1"][0], partial(icc_oneway, value=value)),
        }
    else:
        judged, coefficients = judged_by(ratings, steps), COEFFICIENTS
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
        for name, (label, coefficient) in coefficients.items()
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
