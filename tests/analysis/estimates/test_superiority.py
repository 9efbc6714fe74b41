"""Probability of superiority against published values: `analysis.estimates.superiority`."""

import numpy as np
import pytest

from analysis.estimates.clustering import BOTH, PARTICIPANT
from analysis.estimates.superiority import brunner_munzel, placements, superiority

# Neubert and Brunner (2007), Computational Statistics & Data Analysis 51, 5192–5204: pain scores
# on the third day after surgery under two treatments.
PAIN_X = np.array([1, 2, 1, 1, 1, 1, 1, 1, 1, 1, 2, 4, 1, 1], dtype=float)


PAIN_Y = np.array([3, 3, 4, 3, 1, 2, 3, 1, 1, 5, 4], dtype=float)


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
    # One factor G/(G − 1) over both sides replaces one per side: here they differ by 4 %.
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
