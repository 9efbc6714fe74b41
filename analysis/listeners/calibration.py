"""The method's own confidence, as the probability that a listener chooses its first label.

It is taken so only where it can be one: the confidences of a feature's labels add up to at most 1.
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
from analysis.estimates.choices.outcomes import candidate_trials
from analysis.estimates.clustering import Linear
from analysis.estimates.descriptives import Ratings, ratings_of
from analysis.estimates.intervals import stream, sums_within
from analysis.estimates.results import Estimate, Interval, Quantity
from analysis.estimates.superiority import superiority
from analysis.estimates.validity import AUROC, BRIER, Design, reason_against
from analysis.reading.columns import whole
from analysis.reading.labels import Labels, lookup

BINS = 10
"""Number of bins of equal width."""
ROUNDING = 0.01
"""How far confidences may add up to more than 1 by rounding."""
MOST_DRAWS = 20_000_000
"""Simulated answers for the expected calibration error, in all."""

BIASED = (
    "no interval: noise within bins biases the error upwards, and resampling does so again; "
    "compare it with its expected value below"
)
SIMULATED = "simulated: answers drawn with the machine’s own probabilities"
LABELS = {
    "brier": "Brier score of the machine’s confidence in its first label",
    "ece": f"expected calibration error ({BINS} bins of equal width)",
    "ece_chance": "expected calibration error: of a perfectly calibrated machine with as many "
    "ratings",
    "auroc_confidence": "AUROC of the machine’s confidence for its first label being chosen",
}


@dataclass(frozen=True)
class Bin:
    """One point of a reliability diagram: mean prediction, share of hits, number of ratings."""

    predicted: float
    observed: float
    n: int


def own_confidence(
    frame: pd.DataFrame, labels: Labels, method: str, seed: int, level: float
) -> Iterator[Estimate]:
    """Brier score, calibration error and AUROC of the confidence in the first label.

    The first two only if the confidences can be probabilities of being chosen (`not_a_choice`);
    the AUROC needs no more than their order.
    """
    found = predictions(frame, labels, method)
    if found is None:
        return
    p, hit, kept = found
    ratings = ratings_of(kept, method)
    quantities = {
        name: ratings.quantity(name, label, "none", level) for name, label in LABELS.items()
    }
    if why := not_a_choice(kept, labels, method):
        yield quantities["brier"].not_estimable(why)
        yield quantities["ece"].not_estimable(why)
    else:
        yield _brier(quantities["brier"], p, hit, ratings, level)
        yield quantities["ece"].estimated(calibration_error(p, hit), Interval.none(BIASED))
        expected = expected_error(p, stream(seed, f"ece {method}"))
        yield quantities["ece_chance"].estimated(expected, Interval.none(SIMULATED))
    yield _auroc(quantities["auroc_confidence"], p, hit, ratings, level)


def not_a_choice(frame: pd.DataFrame, labels: Labels, method: str) -> str:
    """Why the method's confidences are not probabilities of being chosen; empty if they can be.

    A method can be confident that each of a feature's labels *applies*. Listeners choose one of
    the labels offered, so that only confidences that add up to at most 1 over a feature's labels
    can say how often each is chosen.
    """
    sums: dict[str, list[float]] = {}
    for (feature, of, _), value in labels.by_name["confidence"].items():
        if of == method:
            sums.setdefault(feature, []).append(value)
    rated = [sums[feature] for feature in sorted(set(frame["feature_key"])) if feature in sums]
    most = max(rated, key=sum, default=[])
    if sum(most) > 1 + ROUNDING:
        return (
            f"the confidences of a feature’s labels add up to {sum(most):.2f}, so they say that a "
            "label applies, not how often it is chosen among the labels offered"
        )
    if any(len(values) < 2 for values in rated):
        return (
            "only one of a feature’s labels has a confidence, so it is not known whether it is "
            "that of being chosen among the labels offered"
        )
    return ""


def chosen_probabilities(
    frame: pd.DataFrame, labels: Labels, method: str
) -> tuple[Floats, Floats] | None:
    """p and hit for a reliability diagram; None unless p can be a probability of being chosen."""
    found = predictions(frame, labels, method)
    if found is None or not_a_choice(found[2], labels, method):
        return None
    return found[0], found[1]


def expected_error(p: Floats, rng: np.random.Generator) -> float:
    """The ECE of a perfectly calibrated method with these p, by simulation: it is not 0.

    In each draw every label is chosen with probability p, and answers are independent; that they
    are not makes the real value a little larger.
    """
    draws = max(MOST_DRAWS // len(p), 100)
    found = [
        calibration_error(p, (rng.random(len(p)) < p).astype(np.float64))
        for _ in range(min(draws, 1000))
    ]
    return float(np.mean(found))


def _brier(quantity: Quantity, p: Floats, hit: Floats, ratings: Ratings, level: float) -> Estimate:
    """The mean of (p − hit)²: Brier (1950), Monthly Weather Review 78, 1–3, for two outcomes.

    Deviation: he sums over both outcomes, which doubles it.
    """
    linear = ratings.linear((p - hit) ** 2)
    return quantity.estimated(linear.value, _interval(BRIER, linear, level))


def _auroc(quantity: Quantity, p: Floats, hit: Floats, ratings: Ratings, level: float) -> Estimate:
    """The probability that p is higher where the label was chosen than where not, ties half."""
    if hit.min() == hit.max():
        return quantity.not_estimable("the first label was always or never chosen")
    found = superiority(p, hit > 0.5, ratings.participant, ratings.feature)
    # Its two sides are answers to one method's labels, not two methods: they are dropped, so that
    # a feature with one rating of each kind counts as rated repeatedly.
    linear = Linear(found.value, found.influence, ratings.participant, ratings.feature)
    return quantity.estimated(linear.value, _interval(AUROC, linear, level))


def _interval(name: str, linear: Linear, level: float) -> Interval:
    """On the logit scale, since both are skewed where a machine is mostly right.

    With 20 listeners × 20 features rated once, of which .8 are chosen, the value ± t se covers
    90.6 % (Brier score) and 83.2 % (AUROC), this interval 93.5 and 94.2 % (1,000 studies).
    """
    if few := reason_against(name, Design(linear.repeated, n_features=linear.n_features)):
        return Interval.none(few)
    return linear.on_logit(linear.recommended, level)


def predictions(
    frame: pd.DataFrame, labels: Labels, method: str
) -> tuple[Floats, Floats, pd.DataFrame] | None:
    """p, hit and the ratings that have such a confidence.

    Only where labels were offered as candidates: in an identification trial one option is right,
    and choosing it says nothing about the method's first label among its others. None if there is
    no such rating, or if the confidence is not a probability.
    """
    own, frame = labels.by_name.get("confidence"), candidate_trials(frame)
    if own is None or frame.empty:
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
