"""Moderators as covariates of the joint ordinal model: exploratory, one model for each.

    η = β[method] + δ z + ε[method] z + random effects of the joint model

with z the moderator, standardised (a difference of one standard deviation; the headphone check: of
passing it), and the ε of all methods adding to 0, so that δ is the methods' average slope. δ is
tested by Student's t, "the slope is the same under all methods" by F, with the joint model's
degrees of freedom (`joint`) less one for each method's slope. Ratings without a value of the
moderator are left out of its model.

Random effects are those of the joint model; a listener's or feature's own slope is not among them.
Of a listener's headphones or training there can be none, but over the trials answers may rise with
one listener and fall with another. Their own trends would count as evidence about all listeners:
the trial number is therefore a description, without interval and p.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from analysis.arrays import Floats
from analysis.estimates.intervals import LEVEL, student_p, student_quantile
from analysis.estimates.results import Counts, Estimate, HypothesisTest, Interval, Quantity
from analysis.models.clmm import Fit, fit
from analysis.models.data import NotFitted, prepare
from analysis.models.joint import Joint, nodes_for
from analysis.models.mixed import ALL_METHODS
from analysis.reading.moderators import HEADPHONES, MODERATORS, TRIAL, moderator

STUDENT = "Student's t, from the observed information of the model with this moderator"
OWN_TRENDS = "listeners’ own trends over the trials are not in the model"


@dataclass(frozen=True)
class Slopes:
    """A fitted model with one moderator."""

    methods: tuple[str, ...]
    slopes: Floats
    """δ, then each method's δ + ε."""
    errors: Floats
    f: float
    """F of the interaction."""
    df: float
    counts: Counts

    @property
    def p_average(self) -> float:
        """Two-sided p of δ = 0."""
        return student_p(float(self.slopes[0] / self.errors[0]), self.df)

    @property
    def p_interaction(self) -> float:
        """p of "the slope is the same under all methods"."""
        return float(stats.f.sf(self.f, len(self.methods) - 1, self.df))


def fit_slopes(joint: Joint, values: Floats, *, scaled: bool = True) -> Slopes:
    """The model with a moderator `values` [rating], NaN: without a value."""
    kept = np.isfinite(values)
    z = values[kept] - values[kept].mean()
    z = z / z.std() if scaled else z
    answers, sets = joint.answers, len(joint.answers.methods)
    # 1) z times (1{method k} − 1{last method}), k < last: the ε add to 0.
    method = answers.method[kept]
    own = (method[:, None] == np.arange(sets - 1)).astype(np.float64)
    own -= (method == sets - 1)[:, None]
    x = np.hstack([joint.data.x[kept], z[:, None], z[:, None] * own])
    if np.linalg.matrix_rank(np.hstack([np.ones((len(x), 1)), x])) <= x.shape[1]:
        raise NotFitted("the moderator cannot be told from the methods it occurs under")
    # 2) The joint model's random effects, their levels numbered again.
    factors = [
        np.unique(f[kept], return_inverse=True)[1].astype(np.int64) for f in joint.data.factors
    ]
    data = prepare(answers.values[kept], x, factors)
    found = fit(data, link=joint.fit.link, nodes=nodes_for(len(factors)))
    people, things = (len(np.unique(unit[kept])) for unit in (answers.participant, answers.feature))
    counts = Counts(int(kept.sum()), people, things)
    return _slopes(joint, found, len(found.theta) + joint.data.x.shape[1], counts)


def _slopes(joint: Joint, found: Fit, first: int, counts: Counts) -> Slopes:
    """Slopes and their tests from the parameters δ, ε_1 … from place `first` on."""
    sets = len(joint.answers.methods)
    own = slice(first, first + sets)
    beta, covariance = found.parameters[own], found.covariance[own, own]
    # Rows: δ; then δ + ε of each method, the last one's −Σ ε.
    weights = np.zeros((sets + 1, sets))
    weights[:, 0] = 1
    weights[1:sets, 1:] = np.eye(sets - 1)
    weights[sets, 1:] = -1
    epsilon, of_epsilon = beta[1:], covariance[1:, 1:]
    f = float(epsilon @ np.linalg.solve(of_epsilon, epsilon)) / (sets - 1)
    errors = np.sqrt(np.einsum("ij,jk,ik->i", weights, covariance, weights))
    df = max(1.0, joint.df - sets)
    return Slopes(joint.answers.methods, weights @ beta, errors, f, df, counts)


def describe_moderators(
    joint: Joint | None,
    ratings: pd.DataFrame,
    names: Sequence[str],
    folder: Path,
    level: float = LEVEL,
) -> tuple[list[Estimate], list[HypothesisTest]]:
    """Each moderator's slopes and tests, or the reason why it has none."""
    estimates: list[Estimate] = []
    tests: list[HypothesisTest] = []
    for name in names:
        values, reason = moderator(name, ratings, folder)
        counts = Counts(
            len(ratings), ratings["participation"].nunique(), ratings["feature_key"].nunique()
        )
        try:
            if reason or joint is None:
                raise NotFitted(reason or "no joint model of at least two methods was fitted")
            found = fit_slopes(joint, values, scaled=name != HEADPHONES)
        except NotFitted as why:
            estimates.append(_quantity(name, ALL_METHODS, counts, level).not_estimable(str(why)))
            continue
        estimates += _estimates(name, found, level)
        tests += _tests(name, found)
    return estimates, tests


def _quantity(name: str, method: str, counts: Counts, level: float) -> Quantity:
    per = "between passing and not" if name == HEADPHONES else "per standard deviation"
    label = f"{MODERATORS[name]}: change on the latent scale {per} (logit)"
    return Quantity(f"moderator_{name}", label, "coefficient", method, counts, level)


def _estimates(name: str, found: Slopes, level: float) -> Iterator[Estimate]:
    quantile = student_quantile(level, found.df)
    whose = (ALL_METHODS, *found.methods)
    for method, slope, error in zip(whose, found.slopes, found.errors, strict=True):
        half = quantile * float(error)
        interval = Interval(float(slope) - half, float(slope) + half, STUDENT)
        if name == TRIAL:
            interval = Interval.none(f"no interval: {OWN_TRENDS}")
        yield _quantity(name, method, found.counts, level).estimated(float(slope), interval)


def _tests(name: str, found: Slopes) -> list[HypothesisTest]:
    words = MODERATORS[name]
    t = float(found.slopes[0] / found.errors[0])
    sets = len(found.methods) - 1
    rows = (
        (f"moderator_{name}", f"{words} does not matter on average", t, found.df, found.p_average,
         "Student's t"),
        (f"moderator_{name}_by_method", f"{words} matters alike under all methods", found.f,
         float(sets), found.p_interaction, f"F with {sets} and {found.df:g} degrees of freedom"),
    )  # fmt: skip
    return [
        HypothesisTest(
            name=test,
            label=label,
            method=ALL_METHODS,
            family="exploratory",
            statistic=statistic,
            df=df,
            p=None if name == TRIAL else p,
            n_participants=found.counts.n_participants,
            note=note,
            reason=f"no p: {OWN_TRENDS}" if name == TRIAL else "",
        )
        for test, label, statistic, df, p, note in rows
    ]
