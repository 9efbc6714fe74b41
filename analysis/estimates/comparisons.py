"""Differences between two methods A and B: always A − B, positive where A is rated higher.

If each participant rated one method, the two sides are independent; participants who rated both
methods are one cluster each, which belongs to both sides. `shared_features.paired_difference`
compares the methods on the features that both of them have.
"""

from __future__ import annotations

import math

import numpy as np

from analysis.arrays import Floats
from analysis.estimates.clustering import BOTH, FEATURE, PARTICIPANT, each_way
from analysis.estimates.intervals import (
    DIFFERENCE_BOUNDS,
    FEW_CLUSTERS,
    LEVEL,
    NEGLIGIBLE,
    NO_SPREAD,
    ONE_PARTICIPANT,
    ClusterSums,
    multinomial_weights,
    share_interval,
    stream,
    studentised,
    studentised_roots,
    t_interval,
    welch_df,
)
from analysis.estimates.method_pairs import Pair
from analysis.estimates.pigeonhole import PIGEONHOLE, pigeonhole_difference
from analysis.estimates.results import Estimate, Interval
from analysis.estimates.shared_features import paired_difference
from analysis.estimates.superiority import superiorities

NEWCOMBE = "Newcombe's hybrid of the two Wilson intervals, clustered by participant"


def compare(pair: Pair, *, seed: int, resamples: int, level: float = LEVEL) -> list[Estimate]:
    """Every difference between the two methods, and the probabilities of superiority."""
    at_least_4 = (pair.values >= 4).astype(np.float64)
    equal_5 = (pair.values == 5).astype(np.float64)
    return [
        *mean_difference(pair, seed=seed, resamples=resamples, level=level),
        paired_difference(pair, level=level),
        share_difference(
            pair,
            at_least_4,
            "difference_share_at_least_4",
            "difference in the share of ratings that are 4 or 5 (≥ 4)",
            level,
        ),
        share_difference(
            pair,
            equal_5,
            "difference_share_equal_5",
            "difference in the share of ratings that are 5 (= 5)",
            level,
        ),
        *superiorities(pair, level),
    ]


def mean_difference(
    pair: Pair, *, seed: int, resamples: int, level: float = LEVEL
) -> list[Estimate]:
    """Difference of the two means, with intervals by participant, feature, both, and pigeonhole.

    By participant: studentised bootstrap (`independent_interval`, or `_joint_interval` where
    participants rated both methods). By feature and by both: Student's t on the clustered standard
    error, where a feature that both methods share is one cluster. Pigeonhole:
    `pigeonhole_difference`.
    """
    linear, bounds = pair.linear(pair.values), DIFFERENCE_BOUNDS
    intervals = {
        PARTICIPANT: _by_participant(pair, seed, resamples, level),
        FEATURE: linear.student(FEATURE, level, bounds),
        BOTH: pair.too_few or linear.student(BOTH, level, bounds),
        PIGEONHOLE: pigeonhole_difference(
            pair.values,
            pair.is_a.astype(np.float64),
            pair.participant,
            pair.feature,
            level=level,
            rng=stream(seed, f"pigeonhole {pair.name}"),
            resamples=resamples,
        ),
    }
    label = "difference in mean confidence"
    quantity = pair.quantity("difference_mean_confidence", label, "scale", level)
    return each_way(linear, intervals, quantity)


def _by_participant(pair: Pair, seed: int, resamples: int, level: float) -> Interval:
    rng = stream(seed, f"difference {pair.name}")
    if pair.crossed:
        return _joint_interval(pair, rng, resamples, level)
    return independent_interval(*pair.sides(pair.values), rng, resamples, level)


def independent_interval(
    a: ClusterSums, b: ClusterSums, rng: np.random.Generator, resamples: int, level: float
) -> Interval:
    """Interval of mean(a) − mean(b), by participant, where no participant rated both methods.

    Studentised bootstrap in which each side's participants are resampled separately, so that the
    variances of the sides add; Student's t with Welch–Satterthwaite degrees of freedom where a side
    has fewer than `FEW_CLUSTERS` participants.
    """
    if min(a.n, b.n) < 2:
        return Interval.none(ONE_PARTICIPANT)
    variance = a.variance() + b.variance()
    if variance <= NEGLIGIBLE:
        return Interval.none(NO_SPREAD)
    value, se = a.mean - b.mean, math.sqrt(variance)
    df = welch_df(a.variance(), a.n, b.variance(), b.n)
    if min(a.n, b.n) < FEW_CLUSTERS:
        return t_interval(value, se, df, level, DIFFERENCE_BOUNDS)
    means_a, variances_a = studentised_roots(a, rng, resamples)
    means_b, variances_b = studentised_roots(b, rng, resamples)
    return studentised(
        value, se, means_a - means_b, variances_a + variances_b, df, level, DIFFERENCE_BOUNDS
    )


def _joint_interval(pair: Pair, rng: np.random.Generator, resamples: int, level: float) -> Interval:
    """The same where participants rated both methods: whole participants are resampled.

    The variance then includes the covariance between a participant's two sides.
    """
    a, b = pair.side(True, pair.values), pair.side(False, pair.values)
    if a.n < 2:
        return Interval.none(ONE_PARTICIPANT)
    terms = np.stack([a.total, a.weight, b.total, b.weight], axis=1)
    # 1) The estimate itself: every participant drawn once.
    value, variance = (float(x[0]) for x in _joint_roots(terms, np.ones((1, a.n))))
    if variance <= NEGLIGIBLE:
        return Interval.none(NO_SPREAD)
    if a.n < FEW_CLUSTERS:
        return t_interval(value, math.sqrt(variance), a.n - 1, level, DIFFERENCE_BOUNDS)
    # 2) The resamples.
    parts = [_joint_roots(terms, drawn) for drawn in multinomial_weights(rng, a.n, resamples)]
    means = np.concatenate([part[0] for part in parts])
    variances = np.concatenate([part[1] for part in parts])
    return studentised(
        value, math.sqrt(variance), means, variances, a.n - 1, level, DIFFERENCE_BOUNDS
    )


def _joint_roots(terms: Floats, drawn: Floats) -> tuple[Floats, Floats]:
    """Differences and variances, each [resample], for the draws `drawn` [resample, participant].

    `terms` [participant, 4]: sum and number of ratings under A, then under B: x = (s_A, w_A, s_B,
    w_B). With S and W the weighted sums over participants, the difference is S_A/W_A − S_B/W_B, and
    a participant's influence (first-order linearisation) is f·x with
    f = (1/W_A, −m_A/W_A, −1/W_B, m_B/W_B). So Σ k (f·x)² = f' (Σ k x x') f: a resample needs only
    the sums of the 16 products. A resample without one of the methods has variance 0 and is not
    used.
    """
    # 1) Products x x' per participant, [participant, 16].
    n = terms.shape[0]
    products = np.einsum("pi,pj->pij", terms, terms).reshape(n, 16)
    # 2) The weighted sums S and W, and f, [resample, 4].
    sums = drawn @ terms
    with np.errstate(divide="ignore", invalid="ignore"):
        mean_a, mean_b = sums[:, 0] / sums[:, 1], sums[:, 2] / sums[:, 3]
        form = np.stack(
            [1 / sums[:, 1], -mean_a / sums[:, 1], -1 / sums[:, 3], mean_b / sums[:, 3]], axis=1
        )
    whole = np.asarray(np.isfinite(form).all(axis=1))
    form = np.where(whole[:, None], form, 0.0)
    # 3) The quadratic form, with the factor G/(G − 1).
    squares = np.einsum("ri,rij,rj->r", form, (drawn @ products).reshape(-1, 4, 4), form)
    return np.where(whole, mean_a - mean_b, 0.0), np.maximum(squares, 0.0) * n / (n - 1)


def share_difference(
    pair: Pair, hits: Floats, name: str, label: str, level: float = LEVEL
) -> Estimate:
    """Difference of two shares of ratings; `hits` [rating] is 1 where a rating counts, else 0.

    If each participant rated one method, and each feature was rated once per method: Newcombe
    (1998), Statistics in Medicine 17, 873–890, method 10. Deviation: from Wilson limits on the
    effective number of ratings (`share_interval`) instead of the plain ones. Otherwise Student's t
    on the recommended clustered standard error.
    """
    linear = pair.linear(hits)
    a, b = pair.sides(hits)
    if pair.crossed or linear.repeated:
        interval = pair.too_few or linear.student(linear.recommended, level, (-1.0, 1.0))
    else:
        side_a = share_interval(a.mean, a.variance(), a.weight.sum(), a.n, level=level)
        side_b = share_interval(b.mean, b.variance(), b.weight.sum(), b.n, level=level)
        interval = square_and_add(a.mean, side_a, b.mean, side_b)
    quantity = pair.quantity(name, label, "share", level)
    return quantity.estimated(linear.value, interval, clustered_by=linear.recommended)


def square_and_add(a: float, side_a: Interval, b: float, side_b: Interval) -> Interval:
    """Newcombe's "square and add": an interval of a − b from an interval [l, u] of each.

    low = a − b − √((a − l_a)² + (u_b − b)²), high = a − b + √((u_a − a)² + (b − l_b)²).
    """
    if side_a.low is None or side_a.high is None or side_b.low is None or side_b.high is None:
        return Interval.none(side_a.reason or side_b.reason)
    low = a - b - math.hypot(a - side_a.low, side_b.high - b)
    high = a - b + math.hypot(side_a.high - a, b - side_b.low)
    return Interval(low, high, NEWCOMBE)
