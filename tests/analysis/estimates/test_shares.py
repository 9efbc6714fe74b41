"""Intervals of shares: the jackknife against leaving clusters out, and what a rare answer does."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from analysis.arrays import Floats, Ints
from analysis.estimates.clustering import BOTH, FEATURE, PARTICIPANT, Linear
from analysis.estimates.intervals import ONE_PARTICIPANT
from analysis.estimates.shares import of_logit, of_logit_two_way, share_interval


def study(people: int = 9, each: int = 7) -> tuple[Floats, Ints, Ints]:
    """Hits, listeners and features; not everybody rated everything."""
    rng = np.random.default_rng(4)
    listener = np.repeat(np.arange(people), each)
    kept = rng.random(len(listener)) > 0.2
    listener, feature = listener[kept], np.tile(np.arange(each), people)[kept]
    hits = rng.random(len(listener)) < 0.1 + 0.06 * listener
    return hits.astype(np.float64), listener, feature


def linear_of(hits: Floats, listener: Ints, feature: Ints) -> Linear:
    return Linear(float(hits.mean()), (hits - hits.mean()) / len(hits), listener, feature)


def slowly(hits: Floats, cluster: Ints) -> float:
    """The jackknife by leaving each cluster out and taking the share again."""
    n = len(hits)
    left = [hits[cluster != c].mean() for c in np.unique(cluster)]
    logits = special.logit(np.clip(left, 0.5 / n, 1 - 0.5 / n))
    return float((len(left) - 1) * np.var(logits))


def test_the_jackknife_leaves_each_cluster_out() -> None:
    hits, listener, feature = study()
    share, influence = hits.mean(), (hits - hits.mean()) / len(hits)
    one, two = slowly(hits, listener), slowly(hits, feature)
    assert of_logit(share, influence, listener) == pytest.approx(one, rel=1e-12)
    single = np.sum(influence**2) * len(hits) / (len(hits) - 1) / (share * (1 - share)) ** 2
    both = of_logit_two_way(share, influence, listener, feature)
    assert both == pytest.approx(max(one + two - single, one, two), rel=1e-12)


def test_the_interval_is_t_on_the_logit() -> None:
    hits, listener, feature = study()
    found = linear_of(hits, listener, feature).share(PARTICIPANT, len(hits), 0.95)
    half = stats.t.ppf(0.975, 8) * np.sqrt(slowly(hits, listener))
    low, high = special.expit(special.logit(hits.mean()) + half * np.array([-1, 1]))
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-12)
    assert (
        found.kind == "Student’s t on the logit, jackknife standard error, clustered by participant"
    )


def test_clustering_widens_a_share_and_never_narrows_it() -> None:
    alone = share_interval(0.5, 4 / 400, 400, 40, level=0.95, by=PARTICIPANT)
    clustered = share_interval(0.5, 4 / 100, 400, 40, level=0.95, by=PARTICIPANT)
    tight = share_interval(0.5, 4 / 4000, 400, 40, level=0.95, by=PARTICIPANT)
    assert (clustered.low or 0) < (alone.low or 0)
    assert tight == alone


def test_a_share_of_none_or_all_has_the_width_of_its_participants() -> None:
    none, every = (share_interval(p, 0.0, 400, 40, level=0.95, by=BOTH) for p in (0.0, 1.0))
    assert (none.low, every.high) == (0.0, 1.0)
    assert none.high == pytest.approx(0.0928, abs=5e-4)  # t² / (40 + t²), t on 39 df
    assert none.high == pytest.approx(1 - (every.low or 0), abs=1e-12)
    assert share_interval(0.5, 0.0, 10, 1, level=0.95, by=FEATURE).reason == ONE_PARTICIPANT


def test_a_rare_answer_of_one_listener_reaches_further_than_that_of_many() -> None:
    listener = np.repeat(np.arange(20), 50)
    feature = np.arange(1000)
    of_one, of_many = (listener == 3) & (feature % 5 == 0), feature % 100 == 0
    highs = [
        linear_of(hits.astype(np.float64), listener, feature).share(PARTICIPANT, 1000, 0.95).high
        for hits in (of_one, of_many)
    ]
    # Ten of a thousand both times; without that listener there would be none.
    assert (highs[0] or 0) > 0.3
    assert highs[1] == pytest.approx(0.0194, abs=2e-3)
