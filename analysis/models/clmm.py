"""Cumulative link mixed models: ordinal ratings with random participants and features.

    P(y ≤ j) = F(θ_j − xβ − σ₁ u[participant] − σ₂ v[feature]),   u, v ~ N(0, 1)

The random effects are integrated out by Laplace's approximation, at the joint mode of all of them,
or, for a single random effect, by adaptive Gauss–Hermite quadrature. Model and approximations are
those of R's `ordinal::clmm` (Christensen 2019, *ordinal: Regression Models for Ordinal Data*); the
tests compare the fit with R's on Randall's wine data.

The model assumes that random effects are normal and independent, and that x shifts the latent scale
by the same amount at every threshold (proportional odds, with the logit), unless the data have
thresholds by group (nominal effects) or predictors of the scale, which `assumptions` fits to look
at just that. A category that nobody used is merged with its neighbour. With two categories there
can be a guessing floor (`link_functions.floor_terms`). There is no fit, but a reason, if all
ratings are in one category, if the methods separate the categories completely, or if the optimiser
does not converge.

Parameters are one vector [first threshold, logs of the gaps, β, σ, γ] (`data.unpack`), so that any
vector has ordered thresholds; the sign of σ is free, and its absolute value is reported.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import linalg, optimize

from analysis.arrays import Floats
from analysis.models.data import Data, NotFitted, unpack
from analysis.models.laplace import Laplace
from analysis.models.link_functions import Link
from analysis.models.quadrature import Quadrature

NO_CONVERGENCE = "the optimiser did not converge"
NO_MAXIMUM = "the information matrix is not positive definite: the fit is not at a maximum"
SEPARATED = "separation: the ratings of the methods do not overlap enough"
FLOORED = (
    "separation: the answers under a method are no better than guesses, or all hits, so that its "
    "level on the latent scale is not finite"
)
LARGEST = 12.0
"""A larger effect or standard deviation on the latent scale is a sign of separation."""


@dataclass(frozen=True)
class Fit:
    """A fitted model."""

    link: Link
    beta: Floats
    """Effects [predictor]; positive: higher ratings."""
    beta_se: Floats
    sigma: Floats
    """Standard deviations of the random effects, in the order given."""
    sigma_se: Floats
    """Their standard errors; meaningless where a standard deviation is at its boundary, 0."""
    gamma: Floats
    """Effects on the logarithm of the scale, [predictor of the scale]."""
    gamma_se: Floats
    theta: Floats
    """Thresholds, set after set."""
    log_likelihood: float
    parameters: Floats
    """The parameter vector (`data.unpack`)."""
    covariance: Floats
    """Its covariance, [parameter, parameter]."""


@dataclass(frozen=True)
class Start:
    """Where the search begins."""

    at: Floats
    """A parameter vector."""
    spread: Floats | None = None
    """About its covariance, [parameter, parameter], positive definite: the first steps' size."""


def fit(data: Data, *, link: Link = "logit", nodes: int = 1, start: Start | None = None) -> Fit:
    """Maximum likelihood, from `start`, if a good one is known.

    `nodes` > 1: quadrature points, for a single random effect only.
    """
    if nodes > 1 and (len(data.factors) > 1 or data.slopes):
        raise ValueError("quadrature is for one random intercept")
    try:
        return _fit(data, link, nodes, start or Start(_start(data)))
    except linalg.LinAlgError as error:
        raise NotFitted(NO_CONVERGENCE) from error


def _fit(data: Data, link: Link, nodes: int, start: Start) -> Fit:
    # 1) Maximise the Laplace-approximate likelihood by BFGS with the exact gradient.
    laplace = Laplace(data, link)
    options: Any = {"gtol": 1e-5, "maxiter": 200, "hess_inv0": start.spread}
    found = optimize.minimize(laplace.objective, start.at, jac=True, method="BFGS", options=options)
    gradient: Callable[[Floats], Floats] = laplace.gradient
    # 2) From there, if asked for, maximise the likelihood by quadrature.
    if nodes > 1:
        quadrature = Quadrature(laplace, nodes)
        gradient = quadrature.gradient
        found = optimize.minimize(
            quadrature.value,
            found.x,
            jac=gradient,
            method="BFGS",
            options={"gtol": 1e-4, "maxiter": 200},
        )
    _check(found, data)
    # 3) Wald standard errors of β, σ and γ from the observed information.
    covariance = _covariance(gradient, found.x)
    parts = unpack(found.x, data)
    ends = np.cumsum([len(parts.theta), len(parts.beta), len(parts.sigma)])
    _, beta_se, sigma_se, gamma_se = np.split(np.sqrt(np.diag(covariance)), ends)
    return Fit(
        link=link,
        beta=parts.beta,
        beta_se=beta_se,
        sigma=np.abs(parts.sigma),
        sigma_se=sigma_se,
        gamma=parts.gamma,
        gamma_se=gamma_se,
        theta=parts.theta,
        log_likelihood=-float(found.fun),
        parameters=np.asarray(found.x),
        covariance=covariance,
    )


def _start(data: Data) -> Floats:
    """Start of the search: thresholds at the logits of the cumulative shares, β = γ = 0, σ = ½.

    With a guessing floor the share of misses is first corrected for the mean chance.
    """
    share = np.cumsum(np.bincount(data.y) / len(data.y))[:-1]
    if data.guess is not None:
        share = np.clip(share / (1 - data.guess.mean()), 0.02, 0.98)
    theta = np.log(share / (1 - share))
    gaps = np.log(np.maximum(np.diff(theta), 1e-3))
    thresholds = np.tile(np.concatenate([theta[:1], gaps]), data.n_sets)
    effects, spreads = np.zeros(data.x.shape[1]), np.full(len(data.factors), 0.5)
    return np.concatenate([thresholds, effects, spreads, np.zeros(data.n_scale)])


def _check(found: optimize.OptimizeResult, data: Data) -> None:
    """Raise `NotFitted` on separation and where the gradient is not close to 0."""
    parts = unpack(found.x, data)
    if any(np.any(np.abs(part) > LARGEST) for part in (parts.beta, parts.sigma, parts.gamma)):
        raise NotFitted(SEPARATED if data.guess is None else FLOORED)
    if not math.isfinite(found.fun) or np.max(np.abs(found.jac)) > 0.05:
        raise NotFitted(NO_CONVERGENCE)


def _covariance(gradient: Callable[[Floats], Floats], at: Floats) -> Floats:
    """Inverse of the observed information, whose rows are central differences of the gradient.

    Cholesky's factor exists only where the information is positive definite, that is, at a maximum;
    elsewhere an inverse can exist and still have positive numbers on its diagonal.
    """
    step = 1e-4
    rows = []
    for i in range(len(at)):
        move = np.zeros(len(at))
        move[i] = step
        rows.append((gradient(at + move) - gradient(at - move)) / (2 * step))
    information = (np.array(rows) + np.array(rows).T) / 2
    # A standard deviation of 0 has no curvature: 1 on the diagonal leaves it out of the inverse.
    flat = np.abs(np.diag(information)) < 1e-8
    information[flat, flat] = 1.0
    try:
        factor = linalg.cho_factor(information)
    except linalg.LinAlgError as error:
        raise NotFitted(NO_MAXIMUM) from error
    return np.asarray(linalg.cho_solve(factor, np.eye(len(at))))
