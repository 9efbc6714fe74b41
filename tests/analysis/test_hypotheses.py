"""Tests against published values: `analysis.hypotheses` and `analysis.superiority`."""

import numpy as np
import pytest
from scipy import stats

from analysis.clustering import BOTH, PARTICIPANT
from analysis.hypotheses import (
    benjamini_hochberg,
    equivalence,
    holm,
    permutation_test,
    sign_flip_test,
    welch,
    welch_from,
)
from analysis.intervals import stream
from analysis.superiority import brunner_munzel, placements, superiority

# Neubert and Brunner (2007), Computational Statistics & Data Analysis 51, 5192–5204: pain scores
# on the third day after surgery under two treatments.
PAIN_X = np.array([1, 2, 1, 1, 1, 1, 1, 1, 1, 1, 2, 4, 1, 1], dtype=float)
PAIN_Y = np.array([3, 3, 4, 3, 1, 2, 3, 1, 1, 5, 4], dtype=float)

# Benjamini and Hochberg (1995), section 4: 15 p-values of a study of thrombolysis.
BH_1995 = [
    0.0001,
    0.0004,
    0.0019,
    0.0095,
    0.0201,
    0.0278,
    0.0298,
    0.0344,
    0.0459,
    0.3240,
    0.4262,
    0.5719,
    0.6528,
    0.7590,
    1.0000,
]


def test_brunner_munzel_on_neubert_and_brunner_s_pain_scores() -> None:
    found = brunner_munzel(PAIN_Y, PAIN_X)
    assert found is not None
    assert found.theta == pytest.approx(0.788961, abs=5e-7)
    assert found.statistic == pytest.approx(3.1375, abs=5e-5)
    assert found.df == pytest.approx(17.683, abs=5e-4)
    assert found.p == pytest.approx(0.005786, abs=5e-7)
    interval = found.interval(0.95)
    assert (interval.low, interval.high) == pytest.approx((0.5952169, 0.9827052), abs=5e-7)


def test_superiority_of_ratings_with_one_rating_each_has_brunner_munzel_s_variance() -> None:
    values = np.concatenate([PAIN_Y, PAIN_X])
    people = np.arange(25)
    found = superiority(values, np.arange(25) < 11, people, people)
    direct = brunner_munzel(PAIN_Y, PAIN_X)
    assert direct is not None
    assert found.value == pytest.approx(direct.theta, abs=1e-12)
    # One factor G/(G − 1) over both sides stands in for one a side: 4 % apart here.
    assert found.variance(PARTICIPANT) == pytest.approx(direct.se**2, rel=0.06)


def test_superiority_is_the_share_of_pairs_won() -> None:
    a, b = np.array([5.0, 3, 3, 1]), np.array([3.0, 2, 5])
    won = np.mean([(x > y) + 0.5 * (x == y) for x in a for y in b])
    found = superiority(np.concatenate([a, b]), np.arange(7) < 4, np.arange(7), np.zeros(7, int))
    assert found.value == pytest.approx(won, abs=1e-12)
    assert placements(a, b).tolist() == pytest.approx([5 / 6, 0.5, 0.5, 0])
    assert found.influence.sum() == pytest.approx(0, abs=1e-12)


def test_superiority_s_clustered_variance_is_that_of_simulated_listeners() -> None:
    rng = np.random.default_rng(0)
    thetas, variances = [], []
    for _ in range(300):
        latent = rng.normal(0, 0.8, size=(40, 1)) + rng.normal(size=(40, 8))
        values = 1.0 + np.searchsorted([-1, 0, 1, 2], latent.ravel())
        people = np.repeat(np.arange(40), 8)
        found = superiority(values, people < 20, people, np.arange(320))
        thetas.append(found.value)
        variances.append(found.variance(PARTICIPANT))
    assert np.mean(variances) == pytest.approx(np.var(thetas), rel=0.2)
    assert found.recommended == PARTICIPANT
    assert superiority(values, people < 20, people, np.arange(320) % 40).recommended == BOTH


def test_no_superiority_without_variance() -> None:
    assert brunner_munzel(np.array([4.0, 5]), np.array([1.0, 2])) is None
    assert brunner_munzel(np.array([4.0]), np.array([1.0, 2])) is None


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
    assert apart.p == pytest.approx(2 / 20)
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


def test_equivalence_as_in_lakens_2017() -> None:
    # Moery and Calin-Jageman's replication of Eskine: t(182) = −2.69, p = .004 within d = ±0.43.
    base = welch_from(5.25, 0.95, 95, 5.22, 0.83, 89)
    assert base is not None
    bound = 0.43 * np.sqrt((0.95**2 + 0.83**2) / 2)
    found = equivalence(base.difference, base.se, base.df, bound)
    assert bound == pytest.approx(0.384, abs=5e-4)
    assert found.t_high == pytest.approx(-2.69, abs=5e-3)
    assert found.p == pytest.approx(0.004, abs=5e-4)
    assert found.p == found.p_high > found.p_low


def test_equivalence_needs_a_bound() -> None:
    with pytest.raises(ValueError, match="above 0"):
        equivalence(0.1, 0.2, 10, 0)


def test_benjamini_hochberg_rejects_four_of_1995_s_fifteen() -> None:
    assert sum(p <= 0.05 for p in benjamini_hochberg(BH_1995)) == 4
    # Bonferroni's method rejects three there, and so does Holm's.
    assert sum(p <= 0.05 for p in holm(BH_1995)) == 3
    assert benjamini_hochberg(BH_1995) == pytest.approx(
        stats.false_discovery_control(BH_1995).tolist(), abs=1e-12
    )


def test_holm_by_hand_and_in_any_order() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.04, 0.03, 0.01]) == pytest.approx([0.06, 0.06, 0.03])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == benjamini_hochberg([]) == []
