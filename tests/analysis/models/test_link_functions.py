"""Link functions and their derivatives: `analysis.models.link_functions`."""

import numpy as np
import pytest

from analysis.arrays import Ints
from analysis.models.link_functions import Link, terms


@pytest.mark.parametrize("link", ["logit", "probit"])
def test_derivatives_of_the_likelihood_are_right(link: Link) -> None:
    rng = np.random.default_rng(0)
    y: Ints = np.repeat(np.arange(5), 6)
    theta, eta, h = np.array([-1.5, -0.2, 0.7, 1.9]), rng.normal(0, 2, 30), 1e-5
    at = terms(link, y, theta, eta)
    after, before = terms(link, y, theta, eta + h), terms(link, y, theta, eta - h)
    assert at.slope == pytest.approx((after.log_p - before.log_p) / (2 * h), abs=1e-6)
    assert -at.weight == pytest.approx((after.slope - before.slope) / (2 * h), abs=1e-6)
    assert at.weight_slope == pytest.approx((after.weight - before.weight) / (2 * h), abs=1e-6)
    for j in range(4):
        move = np.eye(4)[j] * h
        after, before = terms(link, y, theta + move, eta), terms(link, y, theta - move, eta)
        for name in ("log_p", "slope", "weight"):
            upper = {"log_p": at.upper, "slope": at.slope_upper, "weight": at.weight_upper}[name]
            lower = {"log_p": at.lower, "slope": at.slope_lower, "weight": at.weight_lower}[name]
            expected = np.where(y == j, upper, 0) + np.where(y == j + 1, lower, 0)
            numeric = (getattr(after, name) - getattr(before, name)) / (2 * h)
            assert expected == pytest.approx(numeric, abs=1e-6)


def test_probabilities_far_out_are_finite() -> None:
    y, theta = np.array([0, 4, 2]), np.array([-1.0, 0, 1, 2])
    for link in ("logit", "probit"):
        found = terms(link, y, theta, np.array([30.0, -30, 12]))  # type: ignore[arg-type]
        assert np.isfinite(found.log_p).all()
        assert np.isfinite(found.weight).all()
