"""Thresholds and scale by method: `analysis.models.assumptions`, and what is said of them."""

import dataclasses

import numpy as np
import pytest

from analysis.models.assumptions import LEAST, fit_nominal, fit_scale, merged
from analysis.models.checks import describe_checks
from analysis.models.clmm import fit
from analysis.models.data import NotFitted
from analysis.models.joint import Joint, _fit, fit_joint
from analysis.models.laplace import Laplace
from tests.analysis.models.simulated import simulated

ANSWERS = simulated(10, 45, 20, 3, within=False, each=10)


def participants_only(nodes: int) -> Joint:
    one = _fit(ANSWERS, {"participant": ANSWERS.participant}, "logit", ("participant",))
    return dataclasses.replace(one, fit=fit(one.data, nodes=nodes))


def test_thresholds_and_scale_by_method_as_in_clmm2() -> None:
    # clmm2(y ~ 1, nominal = ~m, random = p, nAGQ = 10), clmm2(y ~ m, scale = ~m, …); with one node
    # clmm2's likelihood with a scale is not Laplace's, so that only ten are compared.
    joint = participants_only(10)
    nominal, scale = fit_nominal(joint), fit_scale(joint)
    first = np.array([-1.746717, -0.920235, 0.039335, 0.836627])
    assert nominal.theta[0] == pytest.approx(first, abs=2e-4)
    second = first + np.array([0.213621, 0.129098, -0.051830, 0.074898])
    assert nominal.theta[1] == pytest.approx(second, abs=2e-4)
    assert nominal.fit.sigma == pytest.approx([0.748687], abs=2e-4)
    assert nominal.fit.log_likelihood == pytest.approx(-696.066733, abs=1e-4)
    assert scale.gamma == pytest.approx([0, 0.048197, -0.018216], abs=2e-4)
    assert scale.fit.gamma_se == pytest.approx([0.148593, 0.141283], abs=2e-4)
    assert scale.fit.beta == pytest.approx([-0.072798, -0.439727], abs=2e-4)
    assert scale.fit.log_likelihood == pytest.approx(-696.974725, abs=1e-4)


def test_thresholds_by_method_as_in_clmm2_by_laplace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analysis.models.joint.NODES", 1)
    found = fit_nominal(participants_only(1))
    assert found.fit.log_likelihood == pytest.approx(-696.286104, abs=1e-4)
    assert found.fit.sigma == pytest.approx([0.740700], abs=2e-4)


@pytest.mark.parametrize("larger", ["nominal", "scale"])
def test_the_gradient_with_thresholds_or_scale_by_method_is_exact(larger: str) -> None:
    joint = fit_joint(ANSWERS)
    data = joint.data
    rng = np.random.default_rng(0)
    if larger == "nominal":
        data = dataclasses.replace(data, x=data.x[:, 1:], group=ANSWERS.method)
        at = np.concatenate([np.tile([-1.5, 0.1, -0.2, 0.3], 3), [0.2, 0.8, 0.5, 0.4]])
    else:
        data = dataclasses.replace(data, scale=data.x)
        at = np.array([-1.5, 0.1, -0.2, 0.3, 0.2, -0.3, 0.8, 0.5, 0.4, 0.3, -0.2])
    at = at + 0.05 * rng.normal(size=len(at))
    laplace = Laplace(data, "logit")
    numeric = [
        (laplace.objective(at + m)[0] - laplace.objective(at - m)[0]) / 2e-5
        for m in np.eye(len(at)) * 1e-5
    ]
    assert laplace.gradient(at) == pytest.approx(numeric, abs=5e-5)


def test_larger_models_contain_the_joint_one_and_gain_where_an_assumption_fails() -> None:
    joint = fit_joint(ANSWERS)
    assert 0 <= fit_nominal(joint).test.statistic < 15
    assert 0 <= fit_scale(joint).test.statistic < 8
    # The second method's ratings go to the ends of the scale: its noise is larger.
    rng = np.random.default_rng(3)
    wide = (ANSWERS.method == 1) & (rng.random(len(ANSWERS.values)) < 0.6)
    values = np.where(wide, rng.choice([1.0, 5.0], len(wide)), ANSWERS.values)
    joint = fit_joint(dataclasses.replace(ANSWERS, values=values))
    nominal, scale = fit_nominal(joint), fit_scale(joint)
    assert nominal.test.p < 1e-4
    assert scale.test.p < 1e-4
    assert scale.ratio("b", "a")[0] > 0.4
    # Both ends: above at the lowest cut it is lower, at the highest higher.
    assert nominal.effect("b", "a", 5)[0] > nominal.effect("b", "a", 2)[0]


def test_categories_are_merged_until_each_method_uses_them() -> None:
    few = np.where(ANSWERS.values == 1, 2.0, ANSWERS.values)
    few[np.flatnonzero(ANSWERS.method == 0)[: LEAST - 1]] = 1.0
    found, cuts = merged(dataclasses.replace(ANSWERS, values=few))
    assert cuts == (3, 4, 5)
    assert set(found.values) == {1, 3, 4, 5}
    assert merged(ANSWERS)[1] == (2, 3, 4, 5)
    two = dataclasses.replace(ANSWERS, values=1.0 + 4 * (ANSWERS.values > 3))
    with pytest.raises(NotFitted, match="fewer than three categories"):
        fit_nominal(fit_joint(two))


def test_all_methods_are_tested_by_f_and_the_checks_have_no_p() -> None:
    joint = fit_joint(ANSWERS)
    estimates, tests = describe_checks(joint, [("a", "b"), ("b", "c")])
    named = {t.name: t for t in tests}
    omnibus = named["clmm_logit_omnibus"]
    assert omnibus.df == 2
    assert 0 < (omnibus.p or 0) < 1
    assert named["clmm_proportional_odds"].p is None
    assert "no p-value" in named["clmm_proportional_odds"].reason
    assert named["clmm_equal_scale"].df == 2
    effects = {(e.name, e.method): e.value or 0 for e in estimates}
    theta = fit_nominal(joint).theta
    b_above_c = theta[2, 1] - theta[1, 1]
    assert effects["clmm_logit_cut_effect_3", "b − c"] == pytest.approx(b_above_c)
    assert ("clmm_logit_scale_ratio", "a − b") in effects
    pair = fit_joint(simulated(1, 12, 20, 2, within=True, each=20))
    t, p = pair.p_value("a", "b")
    assert pair.omnibus() == (pytest.approx(t**2), 1, pytest.approx(p))
