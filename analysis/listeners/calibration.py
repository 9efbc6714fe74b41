"""The method's own confidence, taken as the probability that a listener chooses its first label.

Brier score, expected calibration error (ECE), AUROC, and the bins of a reliability diagram.
Throughout p [rating] is the method's confidence in its first label of the rated feature, and
hit [rating] is 1 if the listener chose that label, else 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.arrays import Floats, Ints
from analysis.estimates.clustering import PARTICIPANT, Linear
from analysis.estimates.descriptives import Ratings, ratings_of
from analysis.estimates.intervals import (
    multinomial_weights,
    percentile_interval,
    stream,
    sums_within,
)
from analysis.estimates.results import Estimate, Interval
from analysis.estimates.superiority import superiority
from analysis.reading.columns import whole
from analysis.reading.labels import Labels, lookup

BINS = 10
"""Number of bins of equal width."""


@dataclass(frozen=True)
class Bin:
    """One point of a reliability diagram: mean prediction, share of hits, number of ratings."""

    predicted: float
    observed: float
    n: int


def own_confidence(
    frame: pd.DataFrame, labels: Labels, method: str, seed: int, resamples: int, level: float
) -> Iterator[Estimate]:
    """Brier score, calibration error and AUROC of the confidence in the first label."""
    found = predictions(frame, labels, method)
    if found is None:
        return
    p, hit, kept = found
    ratings = ratings_of(kept, method)
    yield _brier(p, hit, ratings, level)
    label = f"expected calibration error ({BINS} bins of equal width)"
    interval = _ece_interval(p, hit, ratings, stream(seed, f"ece {method}"), resamples, level)
    ece = ratings.quantity("ece", label, "none", level)
    yield ece.estimated(calibration_error(p, hit), interval)
    yield _auroc(p, hit, ratings, level)


def _brier(p: Floats, hit: Floats, ratings: Ratings, level: float) -> Estimate:
    """The mean of (p − hit)²: Brier (1950), Monthly Weather Review 78, 1–3, for two outcomes.

    Deviation: he sums over both outcomes, which doubles it.
    """
    label = "Brier score of the machine’s confidence in its first label"
    linear = ratings.linear((p - hit) ** 2)
    interval = linear.student(linear.recommended, level, (0.0, 1.0))
    return ratings.quantity("brier", label, "none", level).estimated(linear.value, interval)


def _auroc(p: Floats, hit: Floats, ratings: Ratings, level: float) -> Estimate:
    """The probability that p is higher where the label was chosen than where not, ties half."""
    label = "AUROC of the machine’s confidence for its first label being chosen"
    quantity = ratings.quantity("auroc_confidence", label, "none", level)
    if hit.min() == hit.max():
        return quantity.not_estimable("the first label was always or never chosen")
    found = superiority(p, hit > 0.5, ratings.participant, ratings.feature)
    # Its two sides are answers to one method's labels, not two methods: they are dropped, so that
    # a feature with one rating of each kind counts as rated repeatedly.
    linear = Linear(found.value, found.influence, ratings.participant, ratings.feature)
    interval = linear.student(linear.recommended, level, (0.0, 1.0))
    return quantity.estimated(linear.value, interval)


def predictions(
    frame: pd.DataFrame, labels: Labels, method: str
) -> tuple[Floats, Floats, pd.DataFrame] | None:
    """p, hit and the ratings that have such a confidence.

    None if there is none, or if it is not a probability.
    """
    own = labels.by_name.get("confidence")
    if own is None:
        return None
    p = lookup(frame, own, method, 1)
    kept = np.isfinite(p)
    if not kept.any() or p[kept].min() < 0 or p[kept].max() > 1:
        return None
    chosen = frame["chosen_rank"].map(whole)
    return p[kept], np.asarray(chosen[kept] == 1, dtype=np.float64), frame[kept]


def _bin(p: Floats) -> Ints:
    return np.minimum((p * BINS).astype(np.int64), BINS - 1)


def reliability_bins(p: Floats, hit: Floats) -> list[Bin]:
    """Mean prediction and share of hits in each bin that is not empty."""
    place = _bin(p)
    n, sum_p, sum_hit = (sums_within(v, place, BINS) for v in (np.ones_like(p), p, hit))
    return [
        Bin(float(sum_p[i] / n[i]), float(sum_hit[i] / n[i]), int(n[i]))
        for i in range(BINS)
        if n[i] > 0
    ]


def calibration_error(p: Floats, hit: Floats) -> float:
    """ECE = Σ over bins of (share of the ratings) × |share of hits − mean prediction|.

    Guo et al. (2017), *On Calibration of Modern Neural Networks*, eq. 3; within a bin that is
    |Σ (p − hit)| / n. Deviation: a label's probability of being chosen, not the confidence in the
    most likely class.
    """
    return float(np.abs(sums_within(p - hit, _bin(p), BINS)).sum() / len(p))


def _ece_interval(
    p: Floats, hit: Floats, ratings: Ratings, rng: np.random.Generator, resamples: int, level: float
) -> Interval:
    """Percentile bootstrap by participant.

    Noise within bins biases ECE upwards, and the resamples' ECE once more: even for a perfectly
    calibrated method the interval does not reach 0.
    """
    n = ratings.n_participants
    if n < 2:
        return Interval.none("only one participant")
    # Σ (p − hit) of each participant in each bin, [participant, bin]; a resample adds these up.
    cell = ratings.participant * BINS + _bin(p)
    gaps = sums_within(p - hit, cell, n * BINS).reshape(n, BINS)
    size = sums_within(np.ones_like(p), ratings.participant, n)
    values = np.concatenate(
        [
            np.abs(drawn @ gaps).sum(axis=1) / (drawn @ size)
            for drawn in multinomial_weights(rng, n, resamples)
        ]
    )
    return percentile_interval(values, level, f"percentile bootstrap by {PARTICIPANT}")
