"""Differences between two methods A and B: always A − B, positive where A is rated higher.

If each participant rated one method, the two sides are independent; participants who rated both
methods are one cluster each, which belongs to both sides. `method_pairs.paired_difference`
compares the methods on the features that both of them have.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy import optimize

from analysis.arrays import Floats
from analysis.estimates.clustering import (
    BOTH,
    FEATURE,
    PARTICIPANT,
    STUDENT_FEATURE,
    STUDENT_TWO_WAY,
    Linear,
    clusterings,
    each_way,
)
from analysis.estimates.descriptives import ALL_WAYS
from analysis.estimates.ends_of_scale import difference_at_ends
from analysis.estimates.intervals import (
    DIFFERENCE_BOUNDS,
    LEVEL,
    NEGLIGIBLE,
    STUDENT,
    stream,
    t_interval,
)
from analysis.estimates.method_pairs import Pair, paired_difference
from analysis.estimates.pigeonhole import PIGEONHOLE, pigeonhole_difference
from analysis.estimates.results import Estimate, Interval
from analysis.estimates.superiority import superiorities

LEAST_P = 1e-12
"""Where an interval excludes a point even at this level, the p-value is told as this bound."""
INVERTED = "Newcombe's interval, inverted"
NEWCOMBE = "Newcombe's hybrid of the two shares' intervals"
STUDENT_BY = {PARTICIPANT: STUDENT, FEATURE: STUDENT_FEATURE, BOTH: STUDENT_TWO_WAY}


def compare(
    pair: Pair,
    *,
    seed: int,
    resamples: int,
    level: float = LEVEL,
    ways: Sequence[str] = ALL_WAYS,
) -> list[Estimate]:
    """Every difference between the two methods, and the probabilities of superiority.

    The difference of means has an interval for each of `ways`.
    """
    at_least_4 = (pair.values >= 4).astype(np.float64)
    equal_5 = (pair.values == 5).astype(np.float64)
    return [
        *mean_difference(pair, seed=seed, resamples=resamples, level=level, ways=ways),
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
    pair: Pair,
    *,
    seed: int,
    resamples: int,
    level: float = LEVEL,
    ways: Sequence[str] = ALL_WAYS,
) -> list[Estimate]:
    """Difference of the two means, with intervals by participant, feature, both, and pigeonhole.

    By participant, by feature and by both: Student's t on the clustered standard error, where a
    participant or feature that both methods share is one cluster. Pigeonhole:
    `pigeonhole_difference`.
    """
    linear = pair.linear(pair.values)
    intervals = {way: difference_interval(pair, way, level) for way in clusterings(ways)}
    if PIGEONHOLE in ways:
        intervals[PIGEONHOLE] = _pigeonhole(pair, seed, resamples, level)
    label = "difference in mean confidence"
    quantity = pair.quantity("difference_mean_confidence", label, "scale", level)
    return each_way(linear, intervals, quantity)


def _pigeonhole(pair: Pair, seed: int, resamples: int, level: float) -> Interval:
    if pair.stratum is not None:
        return Interval.none("not given within studies and versions")
    return pigeonhole_difference(
        pair.values,
        pair.is_a.astype(np.float64),
        pair.participant,
        pair.feature,
        level=level,
        rng=stream(seed, f"pigeonhole {pair.name}"),
        resamples=resamples,
    )


def difference_interval(pair: Pair, way: str, level: float) -> Interval:
    """Student's t on the standard error under one clustering: the test of the mean, inverted.

    Where each side's ratings are all at one end of the scale: `ends_of_scale`.
    """
    found = pair.standard_error(way)
    if found is None:
        at_ends = pair.at_ends(way)
        return difference_at_ends(*at_ends, level) if at_ends else Interval.none(pair.no_error(way))
    se, df = found
    value = pair.linear(pair.values).value
    return t_interval(value, se, df, level, DIFFERENCE_BOUNDS, STUDENT_BY[way])


def share_difference(
    pair: Pair, hits: Floats, name: str, label: str, level: float = LEVEL
) -> Estimate:
    """Difference of two shares of ratings; `hits` [rating] is 1 where a rating counts, else 0.

    Newcombe's hybrid of the limits of `shares`, for shares that are correlated where methods have
    listeners or features in common (`square_and_add`). At the floor of the scale, half a step
    apart, 10 listeners × 100 features × 4 ratings, listeners and features .3 of the variance each,
    it covers the difference of the shares = 5 (3 %) in 96.0 % of 300 studies, and Student's t on
    the clustered standard error in 87.0 %: a rare answer's standard error is as uncertain as it.
    """
    linear = pair.linear(hits)
    quantity = pair.quantity(name, label, "share", level)
    way = linear.recommended
    few = pair.too_few_for(way)
    interval = Interval.none(few) if few else _newcombe(pair, hits, way, level)
    return quantity.estimated(linear.value, interval, clustered_by=way)


def _newcombe(pair: Pair, hits: Floats, way: str, level: float) -> Interval:
    return hybrid(pair, hits, way, lambda one, at: one.share(way, len(one.influence), at))(level)


def mean_hybrid(pair: Pair, way: str) -> Callable[[float], Interval]:
    """Newcombe's hybrid for the difference of means, at any level: of `Linear.mean_on_scale`.

    The equivalence test is this interval inverted. Near an end of the scale a mean and its standard
    error grow together, so that one of two one-sided t tests rejects too often. Where the true
    difference is the bound, half a step, they reject in up to 8.2 % of 1,500 studies (10 listeners
    × 10 features × 10 ratings), and this test in up to 5.9 % (13 designs).
    """
    return hybrid(pair, pair.values, way, lambda one, at: one.mean_on_scale(way, at))


def hybrid(
    pair: Pair, values: Floats, way: str, interval_of: Callable[[Linear, float], Interval]
) -> Callable[[float], Interval]:
    """`square_and_add` of the two sides' intervals, at any level.

    The correlation is that of the sums of influences within clusters.
    """
    a, b = (pair.one_side(first, values) for first in (True, False))
    scale = math.sqrt(a.variance(way) * b.variance(way))
    covariance = pair.linear(values).covariance_of_sides(way)
    r = max(-1.0, min(1.0, covariance / scale)) if scale > NEGLIGIBLE else 0.0
    return lambda level: square_and_add(
        a.value, interval_of(a, level), b.value, interval_of(b, level), r
    )


def square_and_add(
    a: float, side_a: Interval, b: float, side_b: Interval, correlation: float = 0.0
) -> Interval:
    """Newcombe's "square and add": an interval of a − b from an interval [l, u] of each.

    low = a − b − √((a − l_a)² + (u_b − b)² − 2 r (a − l_a)(u_b − b)), and
    high = a − b + √((u_a − a)² + (b − l_b)² − 2 r (u_a − a)(b − l_b)), r the correlation of the two
    estimates. Newcombe (1998), Statistics in Medicine 17, 873–890, method 10, with r = 0; Zou and
    Donner (2008), Statistics in Medicine 27, 1693–1702, with any.
    """
    if side_a.low is None or side_a.high is None or side_b.low is None or side_b.high is None:
        return Interval.none(side_a.reason or side_b.reason)
    low = a - b - _third_side(a - side_a.low, side_b.high - b, correlation)
    high = a - b + _third_side(side_a.high - a, b - side_b.low, correlation)
    return Interval(low, high, NEWCOMBE)


def _third_side(x: float, y: float, cosine: float) -> float:
    # The law of cosines; rounding can make the square of a length near 0 negative.
    return math.sqrt(max(0.0, x * x + y * y - 2 * cosine * x * y))


def reached_at(distance: Callable[[float], float]) -> float:
    """The p-value 1 − level at which an interval first reaches a point.

    `distance` (level) is positive while the interval of that level excludes the point. A p-value
    below `LEAST_P` is told as that bound.
    """
    least, most = math.log(LEAST_P), -1e-9

    def at(log_p: float) -> float:
        return distance(-math.expm1(log_p))

    if at(most) <= 0:
        return 1.0
    if at(least) > 0:
        return LEAST_P
    return math.exp(float(optimize.brentq(at, least, most)))
