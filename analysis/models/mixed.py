"""The cumulative link mixed model of two methods: estimates and a test."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

from analysis.arrays import Floats, Ints
from analysis.estimates.intervals import LEVEL
from analysis.estimates.method_pairs import Pair
from analysis.estimates.results import Estimate, HypothesisTest, Interval, Quantity
from analysis.models.clmm import Fit, fit
from analysis.models.data import Data, NotFitted, prepare
from analysis.models.link_functions import LINKS, Link

WALD = "Wald, from the observed information of the mixed model"
WALD_LOG = "Wald on the logarithm, from the observed information of the mixed model"
NODES = 10
"""Quadrature points for models with a single random effect."""

LARGEST_MODEL = 20_000
"""With more ratings than this no model is fitted: it would take too long."""


def describe_mixed(pair: Pair, level: float = LEVEL) -> tuple[list[Estimate], list[HypothesisTest]]:
    """The method's effect with logit and probit link, the random effects' SDs, and a Wald test."""
    try:
        data, names = model_data(pair)
        fits = {link: fit(data, link=link, nodes=NODES if len(names) == 1 else 1) for link in LINKS}
    except NotFitted as reason:
        return [_effect(pair, link, level).not_estimable(str(reason)) for link in LINKS], []
    found = [
        e for link, fitted in fits.items() for e in _estimates(pair, link, fitted, names, level)
    ]
    return found, [_test(pair, fits["logit"])]


def model_data(pair: Pair) -> tuple[Data, list[str]]:
    """Ratings with the method (1 for A, else 0) as predictor, and the names of the random effects.

    A random participant needs a participant with two ratings, a random feature a feature with two;
    otherwise their variance cannot be told from the noise's.
    """
    if len(pair.values) > LARGEST_MODEL:
        raise NotFitted(f"over {LARGEST_MODEL} ratings: the mixed model is not fitted here")
    factors: list[Ints] = []
    names: list[str] = []
    for name, levels in (("participant", pair.participant), ("feature", pair.feature)):
        counts = np.bincount(levels)
        if len(counts) > 1 and counts.max() > 1:
            factors.append(levels)
            names.append(name)
    if not factors:
        raise NotFitted("no participant and no feature has two ratings")
    x: Floats = pair.is_a.astype(np.float64)[:, None]
    return prepare(pair.values, x, factors), names


def _effect(pair: Pair, link: Link, level: float) -> Quantity:
    label = f"effect of the method on the latent scale (cumulative link mixed model, {link})"
    return pair.quantity(f"clmm_{link}_effect", label, "coefficient", level)


def _estimates(
    pair: Pair, link: Link, fitted: Fit, names: list[str], level: float
) -> list[Estimate]:
    beta, se = float(fitted.beta[0]), float(fitted.beta_se[0])
    # Wald: β ± z × se(β).
    half = float(stats.norm.ppf((1 + level) / 2)) * se
    effect = _effect(pair, link, level)
    found = [effect.estimated(beta, Interval(beta - half, beta + half, WALD))]
    for name, sigma, error in zip(names, fitted.sigma, fitted.sigma_se, strict=True):
        label = f"standard deviation of {name}s on the latent scale ({link})"
        spread = pair.quantity(f"clmm_{link}_sd_{name}", label, "coefficient", level)
        interval = _sigma_interval(float(sigma), float(error), level)
        found.append(spread.estimated(float(sigma), interval))
    shown = {
        "effect_se": ("standard error of the effect", se),
        "log_likelihood": ("log-likelihood", fitted.log_likelihood),
    }
    for name, (label, number) in shown.items():
        quantity = pair.quantity(f"clmm_{link}_{name}", f"{label} ({link})", "coefficient", level)
        found.append(quantity.estimated(number, Interval.none("not a parameter")))
    return found


def _sigma_interval(sigma: float, error: float, level: float) -> Interval:
    """Wald's interval of log σ, back-transformed, so that it stays above 0; none if σ is about 0.

    By the delta method log σ has the standard error se(σ) / σ.
    """
    if sigma < 0.05 or error > 2 * sigma:
        return Interval.none("the estimate is at the border, 0, where Wald’s interval fails")
    half = float(stats.norm.ppf((1 + level) / 2)) * error / sigma
    return Interval(sigma * math.exp(-half), sigma * math.exp(half), WALD_LOG)


def _test(pair: Pair, fitted: Fit) -> HypothesisTest:
    # Wald: z = β / se(β), two-sided against the normal distribution.
    z = float(fitted.beta[0] / fitted.beta_se[0])
    return HypothesisTest(
        name="clmm_logit_wald",
        label="the method has no effect on the latent scale (mixed model, logit)",
        method=pair.name,
        family="exploratory",
        statistic=z,
        df=None,
        p=float(2 * stats.norm.sf(abs(z))),
        p_adjusted=None,
        n_participants=pair.n_participants,
        note="Wald",
    )
