"""Does the joint model's picture of a method hold? Proportional odds and equal scale.

The joint model (`joint`) lets a method move the latent scale by one amount at every threshold
(proportional odds, with the logit) and gives all methods the same noise. Each assumption is set
against a larger model with the same random effects, by a likelihood-ratio test:

- *nominal effects*: each method has thresholds of its own (Peterson and Harrell 1990, J. Royal
  Statistical Society C 39, 205–217), (methods − 1) (categories − 2) degrees of freedom;
- *scale effects*: the latent scale is divided by exp(γ[method]) (McCullagh 1980, as `joint`),
  methods − 1 degrees of freedom.

Both are R's `ordinal::clmm2(nominal = ~ method)` and `clmm2(scale = ~ method)`, which take a single
random effect; `ordinal::clm`'s own `nominal_test` and `scale_test` ignore that ratings are
clustered. Neighbouring categories are merged until each method has `LEAST` ratings in each: a
threshold that no rating lies beyond is not finite.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from analysis.arrays import Floats
from analysis.models.clmm import Fit, Start, fit
from analysis.models.data import Data, NotFitted, prepare, unpack
from analysis.models.joint import Answers, Joint, nodes_for

LEAST = 5
"""Fewest ratings of each method in each category of the models with nominal effects."""
TOO_FEW = (
    f"fewer than three categories with at least {LEAST} ratings of each method, so that there is "
    "one threshold only"
)


@dataclass(frozen=True)
class Ratio:
    """A likelihood-ratio test of the joint model against a larger one."""

    statistic: float
    """Twice the difference of the log-likelihoods; not below 0."""
    df: float

    @property
    def p(self) -> float:
        """By the χ² distribution."""
        return float(stats.chi2.sf(self.statistic, self.df))


@dataclass(frozen=True)
class Nominal:
    """The model with thresholds by method."""

    methods: tuple[str, ...]
    cuts: tuple[int, ...]
    """The lowest rating above each threshold."""
    theta: Floats
    """Thresholds, [method, threshold]."""
    covariance: Floats
    """Of all thresholds, method after method."""
    single: Floats
    """Each method's β in the model with one effect at all thresholds, of the same categories."""
    test: Ratio
    fit: Fit

    def effect(self, a: str, b: str, cut: int) -> tuple[float, float]:
        """How far method A lies above B at a threshold, on the latent scale; its standard error."""
        k, at = len(self.cuts), self.cuts.index(cut)
        weights = np.zeros(self.theta.size)
        weights[self.methods.index(b) * k + at] += 1
        weights[self.methods.index(a) * k + at] -= 1
        error = math.sqrt(max(float(weights @ self.covariance @ weights), 0.0))
        return float(weights @ self.theta.ravel()), error


@dataclass(frozen=True)
class Scale:
    """The model with a scale by method; the first method's is 1."""

    methods: tuple[str, ...]
    gamma: Floats
    """Logarithm of each method's scale."""
    covariance: Floats
    test: Ratio
    fit: Fit

    def ratio(self, a: str, b: str) -> tuple[float, float]:
        """Logarithm of A's scale over B's, and its standard error."""
        weights = np.zeros(len(self.methods))
        weights[self.methods.index(a)] += 1
        weights[self.methods.index(b)] -= 1
        error = math.sqrt(max(float(weights @ self.covariance @ weights), 0.0))
        return float(weights @ self.gamma), error


def fit_nominal(joint: Joint) -> Nominal:
    """Thresholds by method; `NotFitted` with the reason where there are too few ratings."""
    answers, cuts = merged(joint.answers)
    if len(cuts) < 2:
        raise NotFitted(TOO_FEW)
    same = len(np.unique(answers.values)) == len(np.unique(joint.answers.values))
    base = joint.data if same else prepare(answers.values, joint.data.x, joint.data.factors)
    one = joint.fit if same else _fitted(base, joint, None)
    sets = len(answers.methods)
    # The first columns are the methods; those of studies and versions stay.
    data = dataclasses.replace(base, x=base.x[:, sets - 1 :], group=answers.method)
    k = base.n_theta
    found = _fitted(data, joint, _from(one, _as_nominal(sets, k, data.x.shape[1], base)))
    return Nominal(
        methods=answers.methods,
        cuts=cuts,
        theta=found.theta.reshape(sets, k),
        covariance=_of_thresholds(found, data),
        single=np.concatenate([[0.0], one.beta[: sets - 1]]),
        test=_ratio(found, one, (sets - 1) * (k - 1)),
        fit=found,
    )


def fit_scale(joint: Joint) -> Scale:
    """A scale by method, in the categories as they are."""
    n = len(joint.answers.methods) - 1
    data = dataclasses.replace(joint.data, scale=joint.data.x[:, :n])
    same = np.eye(len(joint.fit.parameters) + n, len(joint.fit.parameters))
    found = _fitted(data, joint, _from(joint.fit, same))
    covariance = np.zeros((n + 1, n + 1))
    covariance[1:, 1:] = found.covariance[-n:, -n:]
    gamma = np.concatenate([[0.0], found.gamma])
    return Scale(joint.answers.methods, gamma, covariance, _ratio(found, joint.fit, n), found)


def merged(answers: Answers) -> tuple[Answers, tuple[int, ...]]:
    """Ratings with neighbouring categories merged, as their lowest, and the cuts between them.

    A category that some method has under `LEAST` ratings in is merged with its neighbour nearer to
    the middle of the scale.
    """
    levels = np.unique(answers.values)
    counts = np.array([[np.sum(answers.values[answers.method == m] == v) for v in levels]
                       for m in range(len(answers.methods))])  # fmt: skip
    groups = [[i] for i in range(len(levels))]
    while len(groups) > 1:
        least = [int(min(counts[:, g].sum(axis=1))) for g in groups]
        worst = int(np.argmin(least))
        if least[worst] >= LEAST:
            break
        other = worst + 1 if worst < len(groups) / 2 and worst + 1 < len(groups) else worst - 1
        first, second = sorted((worst, other))
        groups[first : second + 1] = [groups[first] + groups[second]]
    lowest = np.concatenate([np.full(len(g), levels[g[0]]) for g in groups])
    values = lowest[np.searchsorted(levels, answers.values)]
    return dataclasses.replace(answers, values=values), tuple(int(levels[g[0]]) for g in groups[1:])


def _as_nominal(sets: int, k: int, others: int, base: Data) -> Floats:
    """The matrix that makes parameters of the model with thresholds by method from those of the
    model with one set of k: θ₁ − β[method] and the same gaps for each, all others the same."""
    same = others + len(base.factors)
    matrix = np.zeros((sets * k + same, k + sets - 1 + same))
    for i in range(sets):
        matrix[i * k : (i + 1) * k, :k] = np.eye(k)
        if i:
            matrix[i * k, k + i - 1] = -1
    matrix[sets * k :, k + sets - 1 :] = np.eye(same)
    return matrix


NEW = 0.02
"""Variance at the start of the search of what a larger model adds."""


def _from(one: Fit, matrix: Floats) -> Start:
    """The start of a larger model, whose parameters are `matrix` times those of the smaller one."""
    spread = matrix @ one.covariance @ matrix.T + NEW * np.eye(len(matrix))
    return Start(matrix @ one.parameters, (spread + spread.T) / 2)


def _fitted(data: Data, joint: Joint, start: Start | None) -> Fit:
    return fit(data, link=joint.fit.link, nodes=nodes_for(len(data.factors)), start=start)


def _ratio(larger: Fit, smaller: Fit, df: int) -> Ratio:
    return Ratio(max(0.0, 2 * (larger.log_likelihood - smaller.log_likelihood)), float(df))


def _of_thresholds(found: Fit, data: Data) -> Floats:
    """The covariance of thresholds, by the delta method from that of firsts and log gaps."""
    n = len(found.theta)
    columns = []
    for i in range(n):
        move = np.zeros(len(found.parameters))
        move[i] = 1e-5
        up, down = (unpack(found.parameters + sign * move, data).theta for sign in (1, -1))
        columns.append((up - down) / 2e-5)
    jacobian = np.column_stack(columns)
    return np.asarray(jacobian @ found.covariance[:n, :n] @ jacobian.T)
