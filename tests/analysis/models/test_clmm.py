"""The cumulative link mixed model against R's `ordinal::clmm` and slow references."""

import numpy as np
import pytest
from scipy import optimize

from analysis.arrays import Floats
from analysis.models.clmm import _covariance, fit
from analysis.models.data import Data, NotFitted, prepare
from analysis.models.laplace import Laplace
from analysis.models.link_functions import Link, log_likelihood, terms
from analysis.models.quadrature import Quadrature

WINE = """23344455 12132354 23325544 32323253 23433333 32322454 11222323 22233334 12323244"""
"""Bitterness of wine, 1 to 5 (Randall 1989, as in R's `ordinal::wine`): nine judges; per judge two
bottles each of cold without and with contact, warm without and with contact."""


def wine() -> Data:
    ratings = np.array([float(c) for c in WINE.replace(" ", "")])
    warm = np.tile([0, 0, 0, 0, 1, 1, 1, 1], 9)
    contact = np.tile([0, 0, 1, 1, 0, 0, 1, 1], 9)
    return prepare(
        ratings, np.stack([warm, contact], axis=1).astype(float), [np.repeat(np.arange(9), 8)]
    )


def crossed(seed: int, people: int, things: int, each: int, effect: float = 0.7) -> Data:
    rng = np.random.default_rng(seed)
    n = people * each
    person = np.repeat(np.arange(people), each)
    thing = np.concatenate([rng.permutation(things) for _ in range(n // things)])
    x = (person % 2).astype(float)
    eta = effect * x + 0.8 * rng.normal(size=people)[person] + 0.6 * rng.normal(size=things)[thing]
    ratings = 1.0 + np.searchsorted([-1.5, -0.5, 0.5, 1.5], eta + rng.logistic(size=n))
    return prepare(ratings, x[:, None], [person, thing])


def test_wine_by_laplace_as_in_clmm() -> None:
    found = fit(wine())
    assert found.log_likelihood == pytest.approx(-81.5654, abs=1e-4)
    assert found.beta == pytest.approx([3.0630, 1.8349], abs=2e-4)
    assert found.beta_se == pytest.approx([0.5954, 0.5125], abs=2e-4)
    assert found.sigma == pytest.approx([1.1311], abs=2e-4)
    assert found.theta == pytest.approx([-1.6237, 1.5134, 4.2285, 6.0888], abs=2e-4)


def test_wine_by_ten_point_adaptive_quadrature_as_in_clmm() -> None:
    found = fit(wine(), nodes=10)
    assert found.log_likelihood == pytest.approx(-81.5325, abs=1e-4)
    assert found.beta == pytest.approx([3.0619, 1.8334], abs=2e-4)


def test_quadrature_of_one_point_is_laplace() -> None:
    data = wine()
    parameters = np.array([-1.0, 0.5, 0.4, 0.2, 1.0, 0.5, 0.8])
    approximations = Laplace(data, "logit")
    once = Quadrature(approximations, 1).value(parameters)
    assert once == pytest.approx(approximations.objective(parameters)[0], abs=1e-8)


@pytest.mark.parametrize("link", ["logit", "probit"])
@pytest.mark.parametrize("factors", [1, 2])
def test_the_gradient_is_exact(link: Link, factors: int) -> None:
    data = crossed(0, 20, 25, 10)
    data = Data(data.y, data.x, data.factors[:factors])
    laplace = Laplace(data, link)
    at = np.array([-1.0, 0.3, 0.4, 0.5, 0.2, 0.9, 0.7][: 5 + factors])
    numeric = [
        (laplace.objective(at + m)[0] - laplace.objective(at - m)[0]) / 2e-5
        for m in np.eye(len(at)) * 1e-5
    ]
    assert laplace.gradient(at) == pytest.approx(numeric, abs=2e-5)


def test_laplace_of_crossed_effects_is_that_of_a_dense_curvature() -> None:
    data = crossed(1, 12, 15, 10)
    theta, beta, sigma = np.array([-1.4, -0.3, 0.6, 1.6]), np.array([0.5]), np.array([0.9, 0.6])
    z = np.zeros((120, 27))
    z[np.arange(120), data.factors[0]] = sigma[0]
    z[np.arange(120), 12 + data.factors[1]] = sigma[1]

    def minus(b: Floats) -> float:
        each = log_likelihood("logit", data.y, theta, data.x @ beta + z @ b)
        return float(b @ b / 2 - each.sum())

    mode = optimize.minimize(minus, np.zeros(27), method="BFGS", options={"gtol": 1e-8}).x
    weight = terms("logit", data.y, theta, data.x @ beta + z @ mode).weight
    curvature = np.eye(27) + z.T @ (weight[:, None] * z)
    expected = minus(mode) + np.linalg.slogdet(curvature)[1] / 2
    parameters = np.concatenate([theta[:1], np.log(np.diff(theta)), beta, sigma])
    assert Laplace(data, "logit").objective(parameters)[0] == pytest.approx(expected, abs=1e-6)


def test_the_truth_comes_back() -> None:
    found = fit(crossed(3, 120, 120, 12))
    assert found.beta[0] == pytest.approx(0.7, abs=3 * found.beta_se[0])
    assert found.sigma == pytest.approx([0.8, 0.6], abs=0.2)


def test_a_category_that_nobody_used_changes_nothing() -> None:
    data = wine()
    stretched = prepare(np.where(data.y == 4, 9.0, data.y), data.x, data.factors)
    assert fit(stretched).log_likelihood == pytest.approx(-81.5654, abs=1e-4)


def test_what_cannot_be_fitted_says_why() -> None:
    person = np.repeat(np.arange(10), 4)
    x = (person % 2).astype(float)[:, None]
    with pytest.raises(NotFitted, match="every rating is the same"):
        prepare(np.full(40, 3.0), x, [person])
    with pytest.raises(NotFitted, match="two levels"):
        prepare(np.arange(40) % 5 + 1.0, x, [np.zeros(40, dtype=np.int64)])
    with pytest.raises(NotFitted, match="separation"):
        fit(prepare(1.0 + 4 * x[:, 0], x, [person]))
    with pytest.raises(ValueError, match="one random intercept"):
        fit(crossed(0, 10, 10, 5), nodes=5)


def test_a_saddle_is_no_maximum_even_if_its_inverse_has_a_positive_diagonal() -> None:
    saddle = np.array([[-1.0, 2.0], [2.0, -1.0]])
    assert np.all(np.diag(np.linalg.inv(saddle)) > 0)
    with pytest.raises(NotFitted, match="not positive definite"):
        _covariance(lambda at: saddle @ at, np.zeros(2))
    bowl = np.array([[2.0, 0.5], [0.5, 1.0]])
    assert _covariance(lambda at: bowl @ at, np.zeros(2)) == pytest.approx(np.linalg.inv(bowl))


def test_no_spread_between_participants_is_a_fit_with_none() -> None:
    rng = np.random.default_rng(4)
    person = np.repeat(np.arange(30), 10)
    ratings = np.tile(np.arange(10) % 5 + 1.0, 30)[rng.permutation(300)]
    found = fit(prepare(ratings, (person % 2).astype(float)[:, None], [person]))
    assert found.sigma[0] < 0.4
    assert np.isfinite(found.beta_se).all()
