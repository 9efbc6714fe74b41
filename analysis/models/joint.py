"""One mixed model of all methods, whose contrasts therefore add up.

    η = β[method] + γ[stratum] + participant + feature + feature × method + participant × method

on the latent scale of ordinal ratings, or of hits with a guessing floor. β of the first method, in
alphabetical order, is 0, and so is γ of the first of several studies or versions (`strata`; without
several there is no γ). The four random effects are independent and normal.

The random effects are the maximal ones that the design allows (Barr et al. 2013, J. Memory and
Language 68, 255–278): without its interaction with the method, a unit's own preference for a method
counts as evidence about the methods. An effect enters if a level of it has two ratings; an
interaction, if moreover a unit was rated under (or rated) two methods. An interaction is dropped if
its standard deviation is estimated at 0 (`SINGULAR`), or if the model with it cannot be fitted,
participant × method first; what was dropped is told.

Contrasts are tested by Student's t with as many degrees of freedom as the smallest number of levels
of participants and, where it is random, of features, less the number of methods. It is a simple
and cautious stand-in for Satterthwaite's approximation, which needs the derivatives of a
covariance that Laplace's approximation gives only numerically. False alarms at 5 % in simulated
studies of two equal methods, interactions' standard deviations 0.5 and those of participants
0.8 and features 0.6: 4.0 % with 12 participants who rated both methods on 20 features (300
studies; 6.3 % by the normal distribution), 2.7 % with 20 participants of one method each on 10
features (300; 6.3 %), 5.0 % with 40 on 10 (200; 8.5 %). Models with random intercepts only had 20
to 31 % in such designs. The F test of all methods at once (`Joint.omnibus`): 5.3 % with 15
participants of each of three methods on 20 features, 3.0 % with 20 of each of two on 10 features
and participants who spread their answers by factors with a standard deviation of 0.3 on the
logarithm (300 studies each, `benchmarks.statistics_models`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from analysis.arrays import Floats, Ints
from analysis.estimates.intervals import codes, student_p, student_quantile
from analysis.estimates.strata import stratum_of
from analysis.models.clmm import Fit, fit
from analysis.models.data import Data, NotFitted, prepare
from analysis.models.link_functions import Link

NODES = 10
"""Quadrature points for models with a single random effect (`nodes_for`)."""
SINGULAR = 0.01
"""An interaction with a smaller standard deviation on the latent scale is dropped."""
MOST_LEVELS = 2_000
"""With more levels than this in every crossed random effect no model is fitted: cost grows with the
cube of the smaller number of levels."""
MOST_CELLS = 50_000_000
"""Most cells, the product of the two numbers of levels, which is what the memory grows with."""
INTERACTIONS = ("participant:method", "feature:method")
"""In the order in which they are dropped."""


@dataclass(frozen=True)
class Answers:
    """What a model is fitted to; all arrays are [rating]."""

    methods: tuple[str, ...]
    values: Floats
    method: Ints
    """The number of the method in `methods`."""
    participant: Ints
    feature: Ints
    guess: Floats | None = None
    stratum: Ints | None = None
    """The number of the study and version, where there are several (`strata`)."""


def nodes_for(effects: int) -> int:
    """Quadrature points of a model with so many random effects; 1: Laplace's approximation."""
    return NODES if effects == 1 else 1


def answers_of(frame: pd.DataFrame, values: Floats, guess: Floats | None = None) -> Answers:
    """The answers in rows of a table of ratings."""
    method, _ = codes(frame["method"])
    methods = tuple(sorted(frame["method"].unique()))
    participant, feature = codes(frame["participation"])[0], codes(frame["feature_key"])[0]
    return Answers(methods, values, method, participant, feature, guess, stratum_of(frame))


def random_effects(answers: Answers) -> dict[str, Ints]:
    """The maximal random effects that the design allows: name to level of each rating."""
    found: dict[str, Ints] = {}
    n = len(answers.methods)
    units = {"participant": answers.participant, "feature": answers.feature}
    for name, unit in units.items():
        if not _repeated(unit):
            continue
        found[name] = unit
        cell = np.unique(unit * n + answers.method, return_inverse=True)[1].astype(np.int64)
        if cell.max() > unit.max() and _repeated(cell):
            found[f"{name}:method"] = cell
    if not found:
        raise NotFitted("no participant and no feature has two ratings")
    return found


def _repeated(levels: Ints) -> bool:
    counts = np.bincount(levels)
    return len(counts) > 1 and int(counts.max()) > 1


@dataclass(frozen=True)
class Joint:
    """A fitted model."""

    answers: Answers
    data: Data
    fit: Fit
    random: tuple[str, ...]
    """Names of its random effects, in the order of `fit.sigma`."""
    dropped: tuple[str, ...]
    """Interactions that the design allows and the model does not have."""
    df: float
    """Degrees of freedom of its contrasts."""

    def level(self, method: str) -> Floats:
        """The weights [parameter] with which the parameters give a method's β."""
        weights = np.zeros(len(self.fit.parameters))
        number = self.answers.methods.index(method)
        if number:
            weights[len(self.fit.theta) + number - 1] = 1.0
        return weights

    def strata(self) -> list[tuple[Floats, float]]:
        """The weights [parameter] of each study or version's γ, and its share of the answers."""
        none = np.zeros(len(self.fit.parameters))
        if self.answers.stratum is None:
            return [(none, 1.0)]
        share = np.bincount(self.answers.stratum) / len(self.answers.stratum)
        found = [(none, float(share[0]))]
        first = len(self.fit.theta) + len(self.answers.methods) - 1
        for number, part in enumerate(share[1:]):
            own = none.copy()
            own[first + number] = 1.0
            found.append((own, float(part)))
        return found

    def contrast(self, a: str, b: str) -> tuple[float, float]:
        """β of A minus β of B, and its standard error."""
        weights = self.level(a) - self.level(b)
        variance = float(weights @ self.fit.covariance @ weights)
        return float(weights @ self.fit.parameters), math.sqrt(variance)

    def quantile(self, level: float) -> float:
        """Student's quantile for a two-sided interval."""
        return student_quantile(level, self.df)

    def p_value(self, a: str, b: str) -> tuple[float, float]:
        """t of a contrast, and its two-sided p-value."""
        value, error = self.contrast(a, b)
        t = value / error
        return t, student_p(t, self.df)

    def omnibus(self) -> tuple[float, int, float]:
        """F of "all methods are alike", its numerator degrees of freedom, and its p-value.

        Wald's statistic over its number of contrasts, with the contrasts' degrees of freedom in the
        denominator: with two methods the square of their t.
        """
        first, n = len(self.fit.theta), len(self.answers.methods) - 1
        own = slice(first, first + n)
        beta, covariance = self.fit.parameters[own], self.fit.covariance[own, own]
        f = float(beta @ np.linalg.solve(covariance, beta)) / n
        return f, n, float(stats.f.sf(f, n, self.df))


def fit_joint(answers: Answers, link: Link = "logit") -> Joint:
    """The model with the maximal random effects, reduced as the module says."""
    effects = random_effects(answers)
    _check_size(effects)
    allowed = tuple(effects)
    while True:
        try:
            found = _fit(answers, effects, link, allowed)
        except NotFitted:
            dropped = next((name for name in INTERACTIONS if name in effects), None)
            if dropped is None:
                raise
        else:
            dropped = _singular(found)
            if dropped is None:
                return found
        effects = {name: levels for name, levels in effects.items() if name != dropped}


def _singular(found: Joint) -> str | None:
    """The interaction with the smallest standard deviation, if that is about 0."""
    sizes = {
        name: float(sigma)
        for name, sigma in zip(found.random, found.fit.sigma, strict=True)
        if name in INTERACTIONS and sigma < SINGULAR
    }
    return min(sizes, key=lambda name: sizes[name]) if sizes else None


def _check_size(effects: dict[str, Ints]) -> None:
    """Refuse what would take too long: the smaller of the two crossed numbers of levels counts."""
    sides = [
        sum(int(levels.max()) + 1 for name, levels in effects.items() if name.startswith(unit))
        for unit in ("participant", "feature")
    ]
    counted = (
        f"{sides[0]} levels of participants and {sides[1]} of features, interactions with the "
        "method included"
    )
    if min(sides) > MOST_LEVELS:
        raise NotFitted(
            f"{counted}: over {MOST_LEVELS} in the smaller, so the mixed model is not fitted"
        )
    if sides[0] * sides[1] > MOST_CELLS:
        raise NotFitted(f"{counted}: a product over {MOST_CELLS}, so the mixed model is not fitted")


def _fit(answers: Answers, effects: dict[str, Ints], link: Link, allowed: tuple[str, ...]) -> Joint:
    x = _fixed(answers)
    data = prepare(answers.values, x, list(effects.values()), answers.guess)
    found = fit(data, link=link, nodes=nodes_for(len(effects)))
    return Joint(
        answers=answers,
        data=data,
        fit=found,
        random=tuple(effects),
        dropped=tuple(name for name in allowed if name not in effects),
        df=_degrees(effects, len(answers.methods)),
    )


def _fixed(answers: Answers) -> Floats:
    """Columns of the fixed effects: each method but the first, then each stratum but the first."""
    x = (answers.method[:, None] == np.arange(1, len(answers.methods))).astype(np.float64)
    if answers.stratum is not None:
        others = answers.stratum[:, None] == np.arange(1, int(answers.stratum.max()) + 1)
        x = np.hstack([x, others.astype(np.float64)])
        with_thresholds = np.hstack([np.ones((len(x), 1)), x])
        if np.linalg.matrix_rank(with_thresholds) < with_thresholds.shape[1]:
            raise NotFitted(
                "methods cannot be told from the studies or versions they were rated in"
            )
    return np.asarray(x, dtype=np.float64)


def _degrees(effects: dict[str, Ints], methods: int) -> float:
    levels = [int(effects[n].max()) + 1 for n in ("participant", "feature") if n in effects]
    return float(max(1, min(levels) - methods))
