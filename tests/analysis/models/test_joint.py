"""The joint model against R, and its rules: `analysis.models.joint`, `analysis.models.marginal`."""

import dataclasses

import numpy as np
import pytest

from analysis.models.clmm import fit
from analysis.models.data import NotFitted, prepare
from analysis.models.joint import Answers, fit_joint, random_effects
from analysis.models.laplace import Laplace
from analysis.models.marginal import AT_LEAST_4, MEAN, difference_of, mean_of
from tests.analysis.models.simulated import guesses, simulated


def test_three_methods_with_their_interaction_as_in_clmm() -> None:
    # clmm(y ~ m + (1|p) + (1|f) + (1|f:m)); the standard error of b − c from its vcov.
    found = fit_joint(simulated(10, 45, 20, 3, within=False, each=10))
    assert found.random == ("participant", "feature", "feature:method")
    assert found.dropped == ()
    assert found.fit.theta == pytest.approx([-1.876615, -1.000081, -0.055163, 0.938233], abs=2e-4)
    assert found.fit.beta == pytest.approx([-0.061076, -0.427054], abs=2e-4)
    assert found.fit.beta_se == pytest.approx([0.387028, 0.385951], abs=2e-4)
    assert found.fit.sigma == pytest.approx([0.811555, 0.517912, 0.377044], abs=2e-4)
    assert found.fit.log_likelihood == pytest.approx(-687.975539, abs=1e-4)
    value, error = found.contrast("b", "c")
    assert value == pytest.approx(-0.061076 + 0.427054, abs=2e-4)
    assert error == pytest.approx(0.385304, abs=2e-4)


def test_four_random_effects_within_participants_as_in_clmm() -> None:
    found = fit_joint(simulated(11, 45, 20, 3, within=True, each=10))
    assert found.random == ("participant", "participant:method", "feature", "feature:method")
    assert found.fit.beta == pytest.approx([0.592977, -0.181803], abs=2e-4)
    assert found.fit.beta_se == pytest.approx([0.177415, 0.176140], abs=2e-4)
    assert found.fit.sigma == pytest.approx([0.799615, 0.306814, 0.706993, 0.339339], abs=2e-4)
    assert found.fit.log_likelihood == pytest.approx(-2006.693554, abs=1e-4)


def test_a_guessing_floor_as_in_glmer() -> None:
    # glmer(y ~ m + (1|p) + (1|f)) with the link μ = g + (1 − g) F(η), g by trial.
    found = fit_joint(guesses())
    assert found.random == ("participant", "feature")
    assert found.fit.theta == pytest.approx([-0.071531], abs=2e-4)
    assert found.fit.beta == pytest.approx([1.034485, -0.829875], abs=2e-4)
    assert found.fit.beta_se == pytest.approx([0.231734, 0.242520], abs=2e-4)
    assert found.fit.sigma == pytest.approx([1.001149, 0.892800], abs=2e-4)
    assert found.fit.log_likelihood == pytest.approx(-704.876181, abs=1e-4)


@pytest.mark.parametrize(
    ("nodes", "beta", "sigma", "log_likelihood"),
    [
        (1, [0.861276, -0.699882], 0.861571, -729.914856),
        (10, [0.872579, -0.712438], 0.882935, -729.713801),
    ],
)
def test_a_guessing_floor_with_participants_only_as_in_glmer(
    nodes: int, beta: list[float], sigma: float, log_likelihood: float
) -> None:
    a = guesses()
    x = (a.method[:, None] == [1, 2]).astype(float)
    found = fit(prepare(a.values, x, [a.participant], a.guess), nodes=nodes)
    assert found.beta == pytest.approx(beta, abs=2e-4)
    assert found.sigma == pytest.approx([sigma], abs=2e-4)
    assert found.log_likelihood == pytest.approx(log_likelihood, abs=1e-4)


def test_the_gradient_with_a_guessing_floor_is_exact() -> None:
    a = guesses()
    x = (a.method[:, None] == [1, 2]).astype(float)
    laplace = Laplace(prepare(a.values, x, [a.participant, a.feature], a.guess), "logit")
    at = np.array([-0.2, 0.3, -0.2, 0.6, 0.5])
    numeric = [
        (laplace.objective(at + m)[0] - laplace.objective(at - m)[0]) / 2e-5
        for m in np.eye(len(at)) * 1e-5
    ]
    assert laplace.gradient(at) == pytest.approx(numeric, abs=2e-5)


def test_random_effects_are_the_maximal_ones_that_the_design_allows() -> None:
    between = simulated(0, 12, 6, 2, within=False, each=4)
    assert list(random_effects(between)) == ["participant", "feature", "feature:method"]
    own = dataclasses.replace(between, feature=between.feature * 2 + between.method)
    assert list(random_effects(own)) == ["participant", "feature"]
    once = dataclasses.replace(between, feature=np.arange(48))
    assert list(random_effects(once)) == ["participant"]
    within = simulated(0, 12, 6, 2, within=True, each=1)
    # Each participant rated each method once: their own preference cannot be told from noise.
    assert "participant" in random_effects(within)
    assert "participant:method" not in random_effects(within)


def test_an_interaction_estimated_at_0_is_dropped_and_the_fit_stays() -> None:
    rng = np.random.default_rng(4)
    a = simulated(4, 30, 12, 2, within=True, each=6)
    eta = 0.8 * rng.normal(size=30)[a.participant] + 0.8 * rng.normal(size=12)[a.feature]
    values = 1.0 + np.searchsorted([-1.5, -0.5, 0.5, 1.5], eta + rng.logistic(size=len(eta)))
    found = fit_joint(dataclasses.replace(a, values=values))
    assert found.dropped
    assert set(found.random) | set(found.dropped) == set(random_effects(a))
    assert {"participant", "feature"} <= set(found.random)


def test_contrasts_and_differences_of_means_and_shares_add_up() -> None:
    found = fit_joint(simulated(10, 45, 20, 3, within=False, each=10))
    ab, bc, ac = (found.contrast(*pair)[0] for pair in (("a", "b"), ("b", "c"), ("a", "c")))
    assert ab + bc == pytest.approx(ac)
    for score in (MEAN, AT_LEAST_4):
        means = {m: mean_of(found, m, score, 0.95)[0] for m in "abc"}
        for a, b in (("a", "b"), ("b", "c"), ("a", "c")):
            value, interval = difference_of(found, a, b, score, 0.95)
            assert value == pytest.approx(means[a] - means[b])
            assert interval.low is not None
            assert interval.low < value


def test_the_implied_mean_is_that_of_simulated_answers() -> None:
    found = fit_joint(simulated(10, 45, 20, 3, within=False, each=10))
    rng = np.random.default_rng(0)
    tau = float(np.sqrt(np.sum(found.fit.sigma**2)))
    eta = found.fit.beta[0] + tau * rng.normal(size=400_000) + rng.logistic(size=400_000)
    ratings = 1 + np.searchsorted(found.fit.theta, eta)
    assert mean_of(found, "b", MEAN, 0.95)[0] == pytest.approx(ratings.mean(), abs=0.01)
    share = mean_of(found, "b", AT_LEAST_4, 0.95)[0]
    assert share == pytest.approx(np.mean(ratings >= 4), abs=0.004)


def test_what_would_take_too_long_is_refused_by_its_smaller_number_of_levels() -> None:
    n = 4200
    at = np.repeat(np.arange(n), 2)
    answers = Answers(("a", "b"), np.arange(2 * n) % 5 + 1.0, at % 2, at, at)
    with pytest.raises(NotFitted, match="over 2000 in the smaller"):
        fit_joint(answers)


def test_a_product_of_levels_that_is_too_large_is_told_as_the_limit_it_is() -> None:
    n = 120_000
    person, thing = np.arange(n) % 1000, np.arange(n) % 60_000
    answers = Answers(("a", "b"), np.arange(n) % 5 + 1.0, person % 2, person, thing)
    with pytest.raises(NotFitted, match=r"60000 of features.*: a product over 50000000") as told:
        fit_joint(answers)
    assert "in the smaller" not in str(told.value)


def test_a_method_that_is_only_guessed_has_no_finite_level() -> None:
    a = guesses()
    values = np.where(a.method == 2, 0.0, a.values)
    with pytest.raises(NotFitted, match="no better than guesses"):
        fit_joint(dataclasses.replace(a, values=values))
