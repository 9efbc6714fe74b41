"""The cumulative link mixed model of all methods (`joint`): estimates and tests.

One model per link gives every comparison, so that differences add up: (A − B) + (B − C) = A − C.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from analysis.estimates.intervals import LEVEL
from analysis.estimates.results import Counts, Estimate, HypothesisTest, Interval, Quantity
from analysis.models.data import NotFitted
from analysis.models.joint import Joint, answers_of, fit_joint
from analysis.models.link_functions import LINKS, Link
from analysis.models.marginal import AT_LEAST_4, MEAN, difference_of, mean_of
from analysis.reading.table import Responses

STUDENT_JOINT = "Student's t, from the observed information of the joint mixed model"
WALD_LOG = "Wald on the logarithm, from the observed information of the mixed model"
ALL_METHODS = "all methods"
"""Stands in place of a method where a number belongs to the model of all of them."""
TEST = "clmm_logit_wald"
DROPPED = "dropped from the model: estimated at 0, or not estimable together with the rest"
LABEL = "no difference on the latent scale (joint mixed model of all methods, logit)"
SPREADS = {
    "participant": "participants",
    "feature": "features",
    "participant:method": "participants’ own differences between methods",
    "feature:method": "features’ own differences between methods",
}
"""Each random effect in words."""


@dataclass(frozen=True)
class Mixed:
    """Everything that the joint models give."""

    estimates: list[Estimate]
    tests: dict[tuple[str, str], list[HypothesisTest]]
    """Each comparison's test."""
    joint: Joint | None = None
    """The fitted model with the logit link."""


def describe_mixed(
    responses: Responses, pairs: Sequence[tuple[str, str]], level: float = LEVEL
) -> Mixed:
    """The joint models of a table; nothing for one method."""
    if len(responses.methods) < 2:
        return Mixed([], {})
    frame = responses.ratings
    values = frame["rating"].to_numpy(dtype=np.float64)
    counts = Counts(len(frame), frame["participation"].nunique(), frame["feature_key"].nunique())
    answers = answers_of(frame, values)
    try:
        joints = {link: fit_joint(answers, link) for link in LINKS}
    except NotFitted as reason:
        none = [
            _named(link).difference(pair, counts, level).not_estimable(str(reason))
            for pair in pairs
            for link in LINKS
        ]
        absent = {p: [contrast_test(None, p, counts, TEST, LABEL, str(reason))] for p in pairs}
        return Mixed(none, absent)
    found = [
        e
        for link, joint in joints.items()
        for e in numbers_of(joint, _named(link), pairs, counts, level)
    ]
    found += _of_methods(joints["logit"], responses.methods, pairs, counts, level)
    tests = {p: [contrast_test(joints["logit"], p, counts, TEST, LABEL)] for p in pairs}
    return Mixed(found, tests, joints["logit"])


@dataclass(frozen=True)
class Named:
    """How the numbers of one joint model are called."""

    prefix: str
    """Of their names, such as `clmm_logit_`."""
    effect: str
    """A method's difference from another, in words."""
    scale: str
    """What follows the other labels: the scale or the outcome, and the model."""

    def quantity(
        self, name: str, label: str, method: str, counts: Counts, level: float
    ) -> Quantity:
        """One number of the model."""
        return Quantity(f"{self.prefix}{name}", label, "coefficient", method, counts, level)

    def difference(self, pair: tuple[str, str], counts: Counts, level: float) -> Quantity:
        """The effect of a comparison."""
        return self.quantity("effect", self.effect, f"{pair[0]} − {pair[1]}", counts, level)


def _named(link: Link) -> Named:
    effect = f"difference on the latent scale (joint cumulative link mixed model, {link})"
    return Named(f"clmm_{link}_", effect, f"on the latent scale ({link})")


def numbers_of(
    joint: Joint, named: Named, pairs: Sequence[tuple[str, str]], counts: Counts, level: float
) -> Iterator[Estimate]:
    """A model's effects, its standard deviations (of dropped effects too), its log-likelihood."""
    for pair in pairs:
        value, error = joint.contrast(*pair)
        half = joint.quantile(level) * error
        effect = named.difference(pair, counts, level)
        yield effect.estimated(value, Interval(value - half, value + half, STUDENT_JOINT))
        label = f"standard error of the difference {named.scale}"
        yield named.quantity("effect_se", label, effect.method, counts, level).estimated(
            error, Interval.none("not a parameter")
        )
    for name, sigma, se in zip(joint.random, joint.fit.sigma, joint.fit.sigma_se, strict=True):
        yield _spread(named, name, counts, level).estimated(
            float(sigma), sigma_interval(float(sigma), float(se), level)
        )
    for name in joint.dropped:
        yield _spread(named, name, counts, level).not_estimable(DROPPED)
    label = f"log-likelihood {named.scale}"
    yield named.quantity("log_likelihood", label, ALL_METHODS, counts, level).estimated(
        joint.fit.log_likelihood, Interval.none("not a parameter")
    )


def _spread(named: Named, effect: str, counts: Counts, level: float) -> Quantity:
    label = f"standard deviation of {SPREADS[effect]} {named.scale}"
    return named.quantity(f"sd_{effect.replace(':', '_')}", label, ALL_METHODS, counts, level)


SCORES = {
    "mean_confidence": (MEAN, "scale", "mean confidence"),
    "share_at_least_4": (AT_LEAST_4, "share", "share of ratings that are 4 or 5 (≥ 4)"),
}


def _of_methods(
    joint: Joint,
    methods: Sequence[str],
    pairs: Sequence[tuple[str, str]],
    counts: Counts,
    level: float,
) -> Iterator[Estimate]:
    """Each method's mean and share that the model implies, and their differences."""
    for name, (score, unit, words) in SCORES.items():
        label = f"{words}, by the joint mixed model"
        for method in methods:
            quantity = Quantity(f"clmm_{name}", label, unit, method, counts, level)
            yield quantity.estimated(*mean_of(joint, method, score, level))
        label = f"difference in {words}, by the joint mixed model"
        for a, b in pairs:
            quantity = Quantity(f"difference_clmm_{name}", label, unit, f"{a} − {b}", counts, level)
            yield quantity.estimated(*difference_of(joint, a, b, score, level))


def sigma_interval(sigma: float, error: float, level: float) -> Interval:
    """Wald's interval of log σ, back-transformed; none if σ is about 0.

    By the delta method log σ has the standard error se(σ) / σ, and σ² has 2 σ se(σ). Such limits
    are above 0 whatever the data; where Wald's interval of σ² reaches 0, the lower limit is 0.
    """
    if sigma < 0.05 or error > 2 * sigma:
        return Interval.none("the estimate is at the border, 0, where Wald’s interval fails")
    quantile = float(stats.norm.ppf((1 + level) / 2))
    half = quantile * error / sigma
    low = sigma * math.exp(-half) if sigma > 2 * quantile * error else 0.0
    return Interval(low, sigma * math.exp(half), WALD_LOG)


def contrast_test(
    joint: Joint | None,
    pair: tuple[str, str],
    counts: Counts,
    name: str,
    label: str,
    reason: str = "",
) -> HypothesisTest:
    """Student's t of a contrast of a joint model; without a model, the `reason`."""
    t, p = (None, None) if joint is None else joint.p_value(*pair)
    effects = "" if joint is None else ", ".join(n.replace(":", " × ") for n in joint.random)
    return HypothesisTest(
        name=name,
        label=label,
        method=f"{pair[0]} − {pair[1]}",
        family="exploratory",
        statistic=t,
        df=None if joint is None else joint.df,
        p=p,
        n_participants=counts.n_participants,
        note=f"Student's t; random: {effects}" if joint else "",
        reason=reason,
    )
