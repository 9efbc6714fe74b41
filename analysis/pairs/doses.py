"""Dose–response: how the odds of choosing a clip grow with α, by a mixed logistic model.

    logit P(first clip chosen) = δ + u[listener] + (β + v[listener] + w[feature]) (α₁ − α₂)

over the pairs whose clips are both unsteered (α = 0) or steered by one intervention. β is the slope
of a listener and feature in the middle, δ the bias towards the clip shown first; u, v and w are
independent and normal. There is no other intercept: at α₁ = α₂ the clips are the same clip.
"No difference" is left out; under Davidson's model of ties (`bradley_terry`) that does not change
the odds among the choices that were made.

A random effect enters if one of its levels has two trials, and is dropped if its standard deviation
is estimated at 0, or the model cannot be fitted with it: the listeners' bias first, then their
slopes. Intervals are Student's t with as many degrees of freedom as the smaller number of listeners
or features, less one. Laplace's approximation, as R's `glmer` (`dose_models.R`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import special

from analysis.arrays import Floats, Ints
from analysis.estimates.intervals import LEVEL, student_quantile
from analysis.estimates.results import Counts, Estimate, Interval, Quantity
from analysis.models.clmm import SEPARATED, Fit, fit
from analysis.models.data import Data, NotFitted
from analysis.models.joint import MOST_LEVELS, SINGULAR
from analysis.models.mixed import DROPPED, sigma_interval
from analysis.pairs.trials import Arm, Pairs

STUDENT_DOSE = "Student's t, from the observed information of the mixed logistic model"
BIAS, LISTENER_SLOPE, FEATURE_SLOPE = "bias_listener", "slope_listener", "slope_feature"
DROPS = (BIAS, LISTENER_SLOPE)
"""In the order in which they are dropped; the features' slopes stay."""
SPREADS = {
    BIAS: "standard deviation of listeners’ bias towards the first clip",
    LISTENER_SLOPE: "standard deviation of listeners’ slopes",
    FEATURE_SLOPE: "standard deviation of features’ slopes",
}
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(60)
_WEIGHTS = _WEIGHTS / math.sqrt(2 * math.pi)


@dataclass(frozen=True)
class Doses:
    """What a model is fitted to, all [trial]."""

    intervention: str
    first: Ints
    """1 where the first clip was chosen, else 0."""
    dose: Floats
    """α of the first clip less α of the second."""
    listener: Ints
    feature: Ints

    def random(self) -> dict[str, tuple[Ints, Floats | None]]:
        """The random effects that the design allows: level of each trial, and covariate."""
        units = {
            BIAS: (self.listener, None),
            LISTENER_SLOPE: (self.listener, self.dose),
            FEATURE_SLOPE: (self.feature, self.dose),
        }
        return {name: own for name, own in units.items() if _repeated(own[0])}


def _repeated(levels: Ints) -> bool:
    counts = np.bincount(levels)
    return len(counts) > 1 and int(counts.max()) > 1


@dataclass(frozen=True)
class DoseModel:
    """A fitted model."""

    doses: Doses
    fit: Fit
    random: tuple[str, ...]
    dropped: tuple[str, ...]
    df: float

    @property
    def spread(self) -> float:
        """Standard deviation of a slope over listeners and features."""
        parts = zip(self.random, self.fit.sigma, strict=True)
        return math.sqrt(sum(float(s) ** 2 for name, s in parts if name != BIAS))

    def share(self, alpha: float) -> float:
        """The share of new listeners, about new features, that choose α over an unsteered clip.

        Over both places of the clip, so that a bias towards the first one counts as often against
        it as for it.
        """
        slope, first = float(self.fit.beta[0]), -float(self.fit.theta[0])
        sigma = dict(zip(self.random, self.fit.sigma.tolist(), strict=True))
        eta = alpha * slope + math.hypot(alpha * self.spread, sigma.get(BIAS, 0.0)) * _NODES
        p = (special.expit(eta + first) + special.expit(eta - first)) / 2
        return float(_WEIGHTS @ p)


def doses_of(pairs: Pairs) -> list[Doses]:
    """The trials of each intervention's model, one clip of which was chosen."""
    named = {arm.intervention for arm in pairs.first + pairs.second if arm.role == "steered"}
    found = [_of(pairs, name) for name in sorted(named)]
    return [one for one in found if len(one.first)]


def _of(pairs: Pairs, intervention: str) -> Doses:
    both = list(zip(pairs.first, pairs.second, strict=True))
    inside = np.array([_dosed(a, intervention) and _dosed(b, intervention) for a, b in both])
    alpha = np.array([_alpha(a) - _alpha(b) for a, b in both])
    keep = inside & (alpha != 0) & pairs.decided
    ratings = pairs.only(keep).frame
    listener, feature = (
        np.unique(ratings[column], return_inverse=True)[1].astype(np.int64)
        for column in ("participation", "feature_key")
    )
    first = pairs.answer[keep].astype(np.int64)
    return Doses(intervention, first, alpha[keep], listener, feature)


def _dosed(arm: Arm, intervention: str) -> bool:
    """Whether a clip is unsteered or steered by the intervention."""
    return arm.role == "plain" or (arm.role == "steered" and arm.intervention == intervention)


def _alpha(arm: Arm) -> float:
    return 0.0 if arm.role == "plain" else arm.strength


def fit_doses(doses: Doses) -> DoseModel:
    """The model with the random effects that the design allows, reduced as the module says."""
    effects = doses.random()
    if not effects:
        raise NotFitted("no listener and no feature has two trials")
    smaller = min(int(doses.listener.max()), int(doses.feature.max())) + 1
    if smaller > MOST_LEVELS:
        raise NotFitted(
            f"{smaller} listeners or features, over {MOST_LEVELS} in the smaller of the two: the "
            "mixed logistic model is not fitted"
        )
    allowed = tuple(effects)
    while True:
        try:
            found = fit(_data(doses, effects))
        except NotFitted:
            dropped = next((name for name in DROPS if name in effects and len(effects) > 1), None)
            if dropped is None:
                raise
        else:
            dropped = _at_zero(effects, found)
            if dropped is None:
                return _model(doses, found, effects, allowed)
        effects = {name: own for name, own in effects.items() if name != dropped}


def _at_zero(effects: dict[str, tuple[Ints, Floats | None]], found: Fit) -> str | None:
    """The random effect to drop next, if one is at 0 and another is left."""
    sigma = dict(zip(effects, found.sigma, strict=True))
    if len(sigma) < 2:
        return None
    return next((name for name in DROPS if name in sigma and sigma[name] < SINGULAR), None)


def _data(doses: Doses, effects: dict[str, tuple[Ints, Floats | None]]) -> Data:
    if len(np.unique(doses.first)) < 2:
        raise NotFitted("the same clip, first or second, was chosen in every trial")
    levels, slopes = zip(*effects.values(), strict=True)
    return Data(doses.first, doses.dose[:, None], tuple(levels), slopes=tuple(slopes))


def _model(
    doses: Doses,
    found: Fit,
    effects: dict[str, tuple[Ints, Floats | None]],
    allowed: tuple[str, ...],
) -> DoseModel:
    sizes = [int(unit.max()) + 1 for unit in (doses.listener, doses.feature) if _repeated(unit)]
    dropped = tuple(name for name in allowed if name not in effects)
    return DoseModel(doses, found, tuple(effects), dropped, float(max(1, min(sizes) - 1)))


def describe_doses(
    pairs: Pairs, method: str, level: float = LEVEL
) -> tuple[list[Estimate], list[DoseModel]]:
    """Every number of the models of one method's trials, and the models that could be fitted."""
    estimates: list[Estimate] = []
    models: list[DoseModel] = []
    for doses in doses_of(pairs):
        sizes = (int(unit.max()) + 1 for unit in (doses.listener, doses.feature))
        counts = Counts(len(doses.first), *sizes)
        try:
            model = fit_doses(doses)
        except NotFitted as reason:
            slope = _quantity(doses, "slope", SLOPE, method, counts, level)
            why = ONE_SIDED if str(reason) == SEPARATED else str(reason)
            estimates.append(slope.not_estimable(why))
            continue
        models.append(model)
        estimates += _numbers(model, method, counts, level)
    return estimates, models


ONE_SIDED = "separation: hardly any choice is against the others, so that no finite slope fits best"
SLOPE = "slope of the log odds, per unit of α"
FIRST = "log odds of the first clip at equal α"


def _quantity(
    doses: Doses, name: str, label: str, method: str, counts: Counts, level: float
) -> Quantity:
    words = f"{label} ({doses.intervention or 'steered'})"
    key = doses.intervention.replace(" ", "-") or "steered"
    return Quantity(f"pair_{name}_{key}", words, "coefficient", method, counts, level)


def _numbers(model: DoseModel, method: str, counts: Counts, level: float) -> Iterator[Estimate]:
    found, doses = model.fit, model.doses
    half = student_quantile(level, model.df)
    errors = np.sqrt(np.diag(found.covariance))
    for name, label, value, se in (
        ("slope", SLOPE, float(found.beta[0]), float(found.beta_se[0])),
        ("bias", FIRST, -float(found.theta[0]), float(errors[0])),
    ):
        interval = Interval(value - half * se, value + half * se, STUDENT_DOSE)
        quantity = _quantity(doses, name, label, method, counts, level)
        yield quantity.estimated(value, interval)
    for effect, sigma, se in zip(model.random, found.sigma, found.sigma_se, strict=True):
        quantity = _quantity(doses, f"sd_{effect}", SPREADS[effect], method, counts, level)
        yield quantity.estimated(float(sigma), sigma_interval(float(sigma), float(se), level))
    for effect in model.dropped:
        quantity = _quantity(doses, f"sd_{effect}", SPREADS[effect], method, counts, level)
        yield quantity.not_estimable(DROPPED)
    label = "log-likelihood of the dose–response"
    quantity = _quantity(doses, "log_likelihood", label, method, counts, level)
    yield quantity.estimated(found.log_likelihood, Interval.none("not a parameter"))
