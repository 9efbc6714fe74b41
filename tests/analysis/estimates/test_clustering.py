"""Three kinds of clustering: `analysis.estimates.clustering`, `…estimates.pigeonhole`."""

import numpy as np
import pytest
from statsmodels.regression.linear_model import OLS

from analysis.arrays import Floats, Ints
from analysis.estimates.clustering import BOTH, FEATURE, PARTICIPANT, Linear
from analysis.estimates.intervals import stream
from analysis.estimates.pigeonhole import pigeonhole_difference, pigeonhole_mean, pigeonhole_sums


def mean_of(values: Floats, participant: Ints, feature: Ints) -> Linear:
    centre = float(values.mean())
    return Linear(centre, (values - centre) / len(values), participant, feature)


def crossed(seed: int, sd_participant: float, sd_feature: float) -> tuple[Floats, Ints, Ints]:
    """40 participants × 10 of 80 features, five ratings per feature."""
    rng = np.random.default_rng(seed)
    participant = np.repeat(np.arange(40), 10)
    feature = np.concatenate([rng.permutation(80) for _ in range(5)])
    values = rng.normal(0, sd_participant, 40)[participant] + rng.normal(size=400)
    return values + rng.normal(0, sd_feature, 80)[feature], participant, feature


def test_where_features_repeat_both_ways_are_recommended() -> None:
    values, participant, feature = crossed(0, 0.5, 0.5)
    assert mean_of(values, participant, feature).recommended == BOTH
    assert mean_of(values, participant, np.arange(400)).recommended == PARTICIPANT


def test_two_way_variance_is_that_of_simulated_means() -> None:
    means, variances = [], []
    for seed in range(300):
        found = mean_of(*crossed(seed, 0.8, 0.9))
        means.append(found.value)
        variances.append([found.variance(way) for way in (PARTICIPANT, FEATURE, BOTH)])
    one, other, both = np.mean(variances, axis=0)
    assert both == pytest.approx(np.var(means), rel=0.2)
    assert max(one, other) < 0.8 * np.var(means)


def test_two_way_variance_is_cameron_gelbach_miller_s_as_in_statsmodels() -> None:
    values, participant, feature = crossed(3, 0.8, 0.9)
    groups = np.stack([participant, feature], axis=1)
    theirs = OLS(values, np.ones((400, 1))).fit(cov_type="cluster", cov_kwds={"groups": groups})
    ours = mean_of(values, participant, feature).variance(BOTH)
    # Theirs has one more factor, (n − 1) / (n − 1 predictor) = 1, and the same G / (G − 1) each.
    assert ours == pytest.approx(float(theirs.cov_params()[0, 0]), rel=1e-6)


def test_pigeonhole_is_wider_than_two_way() -> None:
    values, participant, feature = crossed(1, 0.3, 0.3)
    two_way = mean_of(values, participant, feature).student(BOTH, 0.95, (-9, 9))
    wide = pigeonhole_mean(
        values, participant, feature, rng=stream(0, "x"), resamples=2000, level=0.95
    )
    assert (wide.low or 0) < (two_way.low or 0) < (two_way.high or 0) < (wide.high or 0)


def test_pigeonhole_sums_are_those_of_repeating_ratings() -> None:
    participant, feature = np.array([0, 0, 1, 2]), np.array([0, 1, 1, 2])
    values = np.array([5.0, 3, 4, 1])
    sums = pigeonhole_sums([values, np.ones(4)], participant, feature, stream(3, "x"), 4)
    rng = stream(3, "x")
    draws = [rng.integers(0, 3, size=(4, 3)) for _ in range(2)]
    for row in range(4):
        p, f = (np.bincount(d[row], minlength=3) for d in draws)
        weight = p[participant] * f[feature]
        assert sums[row] == pytest.approx([np.sum(weight * values), weight.sum()])


def test_dense_and_sparse_sums_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    participant, feature = rng.integers(0, 30, 300), rng.integers(0, 40, 300)
    participant[:30], feature[:40] = np.arange(30), np.arange(40)
    values = rng.integers(1, 6, 300).astype(float)
    monkeypatch.setattr("analysis.estimates.pigeonhole.DENSE_LIMIT", 0)
    sparse = pigeonhole_sums([values], participant, feature, stream(0, "x"), 64)
    monkeypatch.undo()
    monkeypatch.setattr("analysis.estimates.pigeonhole.DENSE_LIMIT", 2000)
    dense = pigeonhole_sums([values], participant, feature, stream(0, "x"), 64)
    assert np.array_equal(sparse, dense)


def test_pigeonhole_difference_of_methods() -> None:
    values, participant, feature = crossed(2, 0.3, 0.3)
    first = (participant < 20).astype(float)
    found = pigeonhole_difference(
        values + 2 * first,
        first,
        participant,
        feature,
        rng=stream(0, "x"),
        resamples=1000,
        level=0.95,
    )
    assert (found.low or 0) > 1
    assert (found.high or 9) < 3


def test_one_of_a_kind_has_no_interval_of_that_kind() -> None:
    values, zeros, each = np.array([1.0, 2, 3]), np.zeros(3, dtype=np.int64), np.arange(3)
    one = mean_of(values, zeros, each)
    assert one.student(PARTICIPANT, 0.95, (1, 5)).low is None
    assert one.student(FEATURE, 0.95, (1, 5)).low is not None
    assert one.student(BOTH, 0.95, (1, 5)).low is None
    assert mean_of(np.ones(3), each, each).student(PARTICIPANT, 0.95, (1, 5)).low is None
    assert mean_of(values, each, zeros).share(FEATURE, 3, 0.95).low is None
