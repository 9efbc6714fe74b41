"""Dose slopes, their intervals, and their comparison with random directions."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from pipeline.steering import slopes as estimate
from pipeline.steering.output_score import spearman


def test_the_slope_is_that_of_the_line_through_the_origin() -> None:
    alphas = np.array([0.5, 1.0, 2.0])
    gains = np.array([[0.1, 0.2, 0.4], [np.nan, 0.3, np.nan], [np.nan, np.nan, np.nan]])
    found = estimate.slopes(gains, alphas)
    assert found[:2] == pytest.approx([0.2, 0.3])
    assert np.isnan(found[2])
    noisy = np.array([0.3, 0.1, 0.5])
    line = np.linalg.lstsq(alphas[:, None], noisy, rcond=None)[0][0]
    assert estimate.slopes(noisy, alphas) == pytest.approx(line)


def test_a_random_direction_is_found_to_beat_random_ones_as_often_as_p_says() -> None:
    rng = np.random.default_rng(0)
    pool = rng.normal(0.3, 2.0, size=(20, 4000))
    values = rng.normal(0.3, 2.0, size=4000)
    found = estimate.against_random(values, pool)
    assert (found.p < 0.05).mean() == pytest.approx(0.05, abs=0.012)
    assert found.below.mean() == pytest.approx(10, abs=0.4)
    assert (found.q <= 0.05).sum() <= 2
    real = estimate.against_random(values + 20, pool)
    assert (real.q <= 0.05).all()
    np.testing.assert_allclose(real.q, multipletests(real.p, method="fdr_bh")[1])


def test_intervals_of_crossed_features_and_seeds_hold_the_truth() -> None:
    """Effects of features, seeds and random directions, none of which is the mean's."""
    rng, held, trials = np.random.default_rng(1), 0, 300
    for _ in range(trials):
        seeds = rng.normal(size=(1, 6))
        values = 0.5 + rng.normal(size=(30, 1)) + seeds + 0.5 * rng.normal(size=(30, 6))
        random = rng.normal(size=(20, 1, 1)) + seeds + 0.5 * rng.normal(size=(20, 30, 6))
        one = estimate.clustered(values, random)
        held += one.low <= 0.5 <= one.high
    assert 0.92 <= held / trials <= 1.0


def test_one_seed_or_one_feature_has_no_interval() -> None:
    for shape in ((5, 1), (1, 5)):
        found = estimate.clustered(np.ones(shape))
        assert found.value == 1.0
        assert np.isnan([found.low, found.high, found.p]).all()
    assert np.isnan(estimate.over_seeds(np.array([0.4])).low)


def test_shares_and_their_difference_are_those_of_statsmodels() -> None:
    assert estimate.wilson(7, 24) == pytest.approx(proportion_confint(7, 24, method="wilson"))
    ours = np.array([True] * 9 + [False] * 11)
    theirs = np.array([True] * 3 + [False] * 6 + [True] * 2 + [False] * 9)
    table = [[3, 6], [2, 9]]
    assert estimate.mcnemar(ours, theirs) == pytest.approx(mcnemar(table, exact=True).pvalue)
    assert estimate.mcnemar(ours, ours) == 1.0


def test_a_rank_correlation_has_an_interval() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=60)
    rho, low, high = spearman(np.stack([x, x + rng.normal(size=60)], axis=1))
    assert -1 < low < rho < high < 1
    assert low > 0.3
    assert spearman(np.ones((8, 2))) == (0.0, -1.0, 1.0)
    same = np.stack([np.arange(8.0), np.arange(8.0) ** 3], axis=1)
    assert spearman(same) == (pytest.approx(1.0), -1.0, 1.0)
