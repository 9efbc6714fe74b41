"""AUROCs compared with scikit-learn and with slow definitions."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from pipeline.auroc import auroc, auroc_matrix, average_precision

RNG = np.random.default_rng(0)
SCORES = np.round(RNG.normal(size=(60, 5)), 1)  # rounded: ties
POSITIVE = RNG.random((60, 3)) < 0.4


def test_auroc_matrix_is_scikit_learns_for_every_pair() -> None:
    expected = [[roc_auc_score(POSITIVE[:, c], SCORES[:, s]) for s in range(5)] for c in range(3)]
    np.testing.assert_allclose(auroc_matrix(SCORES, POSITIVE), expected, rtol=1e-12)


def test_auroc_matrix_without_a_class_is_not_a_number() -> None:
    assert np.isnan(auroc_matrix(SCORES, np.ones((60, 1), dtype=bool))).all()


def test_auroc_and_its_delong_variance_are_those_of_the_definition() -> None:
    scores, positive = SCORES[:, 0], POSITIVE[:, 0]
    above, below = scores[positive], scores[~positive]
    wins = np.array([[(a > b) + 0.5 * (a == b) for b in below] for a in above])
    value = wins.mean()
    variance = wins.mean(1).var(ddof=1) / len(above) + wins.mean(0).var(ddof=1) / len(below)
    half = 1.959964 * np.sqrt(variance) / (value * (1 - value))
    ends = 1 / (1 + np.exp(-(np.log(value / (1 - value)) + np.array([-half, half]))))
    found = auroc(scores, positive)
    np.testing.assert_allclose([found.value, found.low, found.high], [value, *ends], rtol=1e-6)
    assert (found.n_positive, found.n_negative) == (len(above), len(below))


def test_perfect_separation_still_has_an_interval() -> None:
    found = auroc(np.arange(40.0), np.arange(40) >= 20)
    assert found.value == found.high == 1.0
    assert found.low == pytest.approx(20 / (20 + 1.959964**2))


def test_an_interval_needs_two_of_each() -> None:
    with pytest.raises(ValueError, match="1 positives and 3 negatives"):
        auroc(np.arange(4.0), np.array([True, False, False, False]))


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    generator = np.random.default_rng(1)
    truth = 0.8413447  # Φ(√2/√2): positives N(√2, 1), negatives N(0, 1)
    positive = np.arange(90) < 30
    inside = 0
    for _ in range(400):
        found = auroc(generator.normal(size=90) + np.sqrt(2) * positive, positive)
        inside += found.low <= truth <= found.high
    assert 0.92 <= inside / 400 <= 0.98


def test_average_precision_is_scikit_learns_with_ties() -> None:
    for column in range(5):
        expected = average_precision_score(POSITIVE[:, 1], SCORES[:, column])
        assert average_precision(SCORES[:, column], POSITIVE[:, 1]) == pytest.approx(expected)
    assert np.isnan(average_precision(SCORES[:, 0], np.zeros(60, dtype=bool)))
