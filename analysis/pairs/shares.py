"""How often listeners chose the focal clip of a comparison: shares, by dose too, and their tests.

A share is of the trials in which a clip was chosen; "no difference" is reported beside it, and a
second share counts it as half a choice of each clip. Interval and test are one procedure
(`estimates.shares`): Student's t on the logit with the jackknife's standard error, clustered by
listener, and by feature too where features were judged more than once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from analysis.arrays import Floats
from analysis.estimates.clustering import Linear, clusterings, each_way
from analysis.estimates.descriptives import ALL_WAYS, Ratings
from analysis.estimates.intervals import LEVEL, student_p
from analysis.estimates.results import Estimate, HypothesisTest
from analysis.pairs.trials import Arm, Pairs, kinds_in, null_of, sides_of

HALF = 0.5


def describe_shares(pairs: Pairs, method: str, level: float = LEVEL) -> Iterator[Estimate]:
    """Every share of one method's trials."""
    for kind in kinds_in(pairs):
        own = pairs.only(pairs.kind == kind)
        yield from _of_kind(own, kind, method, level)
    decided = pairs.only(pairs.decided)
    if len(decided.answer):
        label = "share of choices that are the clip shown first (½: no bias towards a position)"
        yield from _share(decided, decided.answer, "pair_first_clip", label, method, level)


def _of_kind(pairs: Pairs, kind: str, method: str, level: float) -> Iterator[Estimate]:
    focal, other = sides_of(kind)
    against = f"{focal} over {other}"
    decided = pairs.only(pairs.decided)
    if len(decided.hit):
        label = f"share choosing {against}, of trials in which one was chosen"
        yield from _share(decided, decided.hit, kind, label, method, level)
    label = f"share choosing {against}, “no difference” counted half"
    yield from _share(pairs, pairs.hit, f"{kind}_half", label, method, level)
    label = f"share of “no difference” between {focal} and {other}"
    none = (~pairs.decided).astype(np.float64)
    yield from _share(pairs, none, f"{kind}_no_difference", label, method, level)
    yield from _by_dose(decided, kind, against, method, level)


def _by_dose(
    pairs: Pairs, kind: str, against: str, method: str, level: float
) -> Iterator[Estimate]:
    """The share for each intervention and α of the focal clip, if there are several."""
    focal = pairs.focal
    for arm in sorted(set(focal)) if len(set(focal)) > 1 else ():
        own = pairs.only(np.array([one == arm for one in focal]))
        label = f"share choosing {against}, at {arm.words}"
        yield from _share(own, own.hit, dose_name(kind, arm), label, method, level)


def dose_name(kind: str, arm: Arm) -> str:
    """The name of a comparison's share at one intervention and α."""
    return f"{kind}_at_{arm.key}"


def _share(
    pairs: Pairs, values: Floats, name: str, label: str, method: str, level: float
) -> list[Estimate]:
    """A mean of numbers from 0 to 1; its variance is at least that of independent choices."""
    ratings = pairs.ratings(method)
    linear = ratings.linear(values)
    intervals = {way: linear.share(way, len(values), level) for way in clusterings(ALL_WAYS)}
    whole = bool(np.all(values != HALF))
    count = int(values.sum()) if whole else None
    quantity = ratings.quantity(name, label, "share", level)
    return each_way(linear, intervals, quantity, count=count, of=len(values) if whole else None)


def describe_tests(pairs: Pairs, method: str) -> Iterator[HypothesisTest]:
    """Each comparison's test that both clips are chosen equally often, not yet adjusted."""
    decided = pairs.only(pairs.decided)
    for kind in kinds_in(decided):
        own = decided.only(decided.kind == kind)
        yield _test(own.ratings(method), own.hit, kind, method)


def _test(ratings: Ratings, hit: Floats, kind: str, method: str) -> HypothesisTest:
    linear = ratings.linear(hit)
    way = linear.recommended
    df = linear.clusters(way) - 1
    found = None if df < 1 else distance_from_half(linear, way, len(hit))
    return HypothesisTest(
        name=kind,
        label=null_of(kind),
        method=method,
        family="exploratory",
        statistic=found,
        df=None if found is None else float(df),
        p=None if found is None else student_p(found, df),
        n_participants=ratings.n_participants,
        note="" if found is None else f"Student’s t on the logit, clustered by {way}",
        reason=linear.too_few(way) if found is None else "",
    )


def distance_from_half(linear: Linear, way: str, n: int) -> float:
    """t of a share against ½: its interval (`Linear.share`) excludes ½ where t is significant.

    t = logit p / se(logit p). Where all answers are alike, p = 0 or 1 and the interval is Wilson's
    on G clusters; that excludes ½ where its score (p − ½) / √(¼ / G) is beyond the quantile.
    """
    p, clusters = linear.value, linear.clusters(way)
    if p in (0.0, 1.0):
        return math.copysign(math.sqrt(clusters), p - HALF)
    return float(np.log(p / (1 - p))) / math.sqrt(linear.share_logit_variance(way, n))
