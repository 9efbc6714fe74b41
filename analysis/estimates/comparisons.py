"""Differences between two methods A and B: always A − B, positive where A is rated higher.

If each participant rated one method, the two sides are independent; participants who rated both
methods are one cluster each, which belongs to both sides. `method_pairs.paired_difference`
compares the methods on the features that both of them have.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from analysis.arrays import Floats
from analysis.estimates.clustering import (
    BOTH,
    FEATURE,
    PARTICIPANT,
    STUDENT_FEATURE,
    STUDENT_TWO_WAY,
    clusterings,
    each_way,
)
from analysis.estimates.descriptives import ALL_WAYS
from analysis.estimates.ends_of_scale import difference_at_ends
from analysis.estimates.intervals import (
    DIFFERENCE_BOUNDS,
    LEVEL,
    STUDENT,
    stream,
    t_interval,
)
from analysis.estimates.method_pairs import Pair, paired_difference
from analysis.estimates.pigeonhole import PIGEONHOLE, pigeonhole_difference
from analysis.estimates.results import Estimate, Interval
from analysis.estimates.superiority import superiorities

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

    If each participant rated one method, each feature was rated once per method, and there is one
    study: Newcombe (1998), Statistics in Medicine 17, 873–890, method 10. Deviation: from the
    limits of `shares` instead of Wilson's. Otherwise Student's t on the recommended clustered
    standard error; where both shares are 0 or 1 that has no variance, and the interval is
    Newcombe's, on each side's number of clusters.
    """
    linear = pair.linear(hits)
    simple = not (pair.crossed or linear.repeated) and pair.stratum is None
    if not simple and not pair.flat(hits):
        interval = pair.too_few or linear.student(linear.recommended, level, (-1.0, 1.0), pair.lost)
    elif few := pair.too_few_for(linear.recommended):
        interval = Interval.none(few)
    else:
        interval = _newcombe(pair, hits, linear.recommended, level)
    quantity = pair.quantity(name, label, "share", level)
    return quantity.estimated(linear.value, interval, clustered_by=linear.recommended)


def _newcombe(pair: Pair, hits: Floats, way: str, level: float) -> Interval:
    sides = [pair.one_side(first, hits) for first in (True, False)]
    limits = [one.share(way, len(one.influence), level) for one in sides]
    return square_and_add(sides[0].value, limits[0], sides[1].value, limits[1])


def square_and_add(a: float, side_a: Interval, b: float, side_b: Interval) -> Interval:
    """Newcombe's "square and add": an interval of a − b from an interval [l, u] of each.

    low = a − b − √((a − l_a)² + (u_b − b)²), high = a − b + √((u_a − a)² + (b − l_b)²).
    """
    if side_a.low is None or side_a.high is None or side_b.low is None or side_b.high is None:
        return Interval.none(side_a.reason or side_b.reason)
    low = a - b - math.hypot(a - side_a.low, side_b.high - b)
    high = a - b + math.hypot(side_a.high - a, b - side_b.low)
    return Interval(low, high, NEWCOMBE)
