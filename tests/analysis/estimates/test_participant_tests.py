"""Tests against published values: `analysis.estimates.participant_tests`."""

import numpy as np
import pytest
from scipy import stats

from analysis.estimates.intervals import stream
from analysis.estimates.participant_tests import (
    permutation_test,
    sign_flip_test,
    welch,
)

# Neubert and Brunner (2007), Computational Statistics & Data Analysis 51, 5192–5204: pain scores
# on the third day after surgery under two treatments.
PAIN_X = np.array([1, 2, 1, 1, 1, 1, 1, 1, 1, 1, 2, 4, 1, 1], dtype=float)


PAIN_Y = np.array([3, 3, 4, 3, 1, 2, 3, 1, 1, 5, 4], dtype=float)


def test_exact_permutations_are_all_labelings() -> None:
    a, b = np.array([4.1, 3.2, 4.8, 4.4]), np.array([2.2, 3.9, 2.7, 3.0, 2.1])
    found = permutation_test(a, b, rng=stream(0, "x"), resamples=100)
    assert found is not None
    expected = stats.permutation_test(
        (a, b),
        lambda x, y: stats.ttest_ind(x, y, equal_var=False).statistic,
        vectorized=False,
        n_resamples=np.inf,
    )
    assert (found.exact, found.n_rearrangements) == (True, 126)
    assert found.statistic == pytest.approx(expected.statistic, abs=1e-9)
    extreme = np.abs(expected.null_distribution) >= abs(expected.statistic) * (1 - 1e-9)
    assert found.p == pytest.approx(extreme.mean(), abs=1e-12)


def test_random_permutations_agree_with_exact_ones() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(0.8, 1, 12), rng.normal(0, 1, 12)
    found = permutation_test(a, b, rng=stream(0, "x"), resamples=20_000)
    assert found is not None
    assert not found.exact
    assert found.p == pytest.approx(float(stats.ttest_ind(a, b).pvalue), abs=0.01)
    assert found.p > 0


def test_permutations_of_separated_and_of_equal_values() -> None:
    apart = permutation_test(
        np.array([5.0, 5, 5]), np.array([1.0, 1, 1]), rng=stream(0, "x"), resamples=100
    )
    assert apart is not None
    assert (apart.p, apart.statistic) == (pytest.approx(2 / 20), None)
    # Where rounding leaves a little spread, too.
    many = permutation_test(np.ones(23), np.full(20, 5.0), rng=stream(0, "x"), resamples=100)
    assert many is not None
    assert many.statistic is None
    same = np.array([3.0, 3])
    assert permutation_test(same, same, rng=stream(0, "x"), resamples=100) is None


def test_fisher_s_exact_test_of_darwin_s_maize() -> None:
    # Fisher (1935), The Design of Experiments, section 21: crossed minus self-fertilised, eighths
    # of an inch; 1726 of the 32768 sign flips reach the observed sum, p = 5.267 %.
    darwin = np.array([49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48], dtype=float)
    found = sign_flip_test(darwin, rng=stream(0, "x"), resamples=100)
    assert found is not None
    assert (found.exact, found.n_rearrangements) == (True, 32768)
    assert found.p == 1726 / 32768
    more = sign_flip_test(np.append(darwin, [0, 0]), rng=stream(0, "x"), resamples=50_000)
    assert more is not None
    assert not more.exact
    assert more.p == pytest.approx(1726 / 32768, abs=0.005)


def test_welch_is_scipy_s() -> None:
    found = welch(PAIN_Y, PAIN_X)
    expected = stats.ttest_ind(PAIN_Y, PAIN_X, equal_var=False)
    assert found is not None
    assert (found.statistic, found.p, found.df) == pytest.approx(
        (expected.statistic, expected.pvalue, expected.df), abs=1e-12
    )
    assert welch(PAIN_Y[:1], PAIN_X) is None
    assert welch(np.array([3.0, 3]), np.array([2.0, 2])) is None
