"""Cumulative link mixed models: ordinal ratings with random participants and features.

    P(y ≤ j) = F(θ_j − xβ − σ₁ u[participant] − σ₂ v[feature]),   u, v ~ N(0, 1)

The random effects are integrated out by Laplace's approximation (at the mode of all of them at
once), or, for a single random effect, by adaptive Gauss–Hermite quadrature. It is the model and the
approximation of R's `ordinal::clmm` (Christensen 2019), and agrees with it on Randall's wine data.

Assumes that random effects are normal and independent and that effects shift the latent scale by
the same amount at every threshold. Categories that nobody used are merged with their neighbour.
Not fitted, with a reason, where the ratings have one category, where the methods separate the
categories completely, or where the optimiser does not converge.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import linalg, optimize

from analysis.arrays import Floats
from analysis.models.data import Data, NotFitted, unpack
from analysis.models.laplace import Laplace
from analysis.models.link_functions import Link
from analysis.models.quadrature import Quadrature

LARGEST = 12.0
"""An effect or standard deviation on the latent scale beyond this is taken for separation."""


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
    """Their standard errors; without meaning where a standard deviation is at its border, 0."""
    theta: Floats
    """Thresholds."""
    log_likelihood: float
    n_ratings: int


def fit(data: Data, *, link: Link = "logit", nodes: int = 1) -> Fit:
    """Maximum likelihood; `nodes` > 1 asks for quadrature, for one random effect alone."""
    if nodes > 1 and len(data.factors) > 1:
        raise ValueError("quadrature is for one random effect")
    laplace = Laplace(data, link)
    start = _start(data)
    found = optimize.minimize(
        laplace.objective, start, jac=True, method="BFGS", options={"gtol": 1e-5, "maxiter": 200}
    )
    gradient: Callable[[Floats], Floats] = laplace.gradient
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
    covariance = _covariance(gradient, found.x)
    theta, beta, sigma = unpack(found.x, data)
    k = data.n_theta
    return Fit(
        link=link,
        beta=beta,
        beta_se=np.sqrt(np.diag(covariance)[k : k + len(beta)]),
        sigma=np.abs(sigma),
        sigma_se=np.sqrt(np.diag(covariance)[k + len(beta) :]),
        theta=theta,
        log_likelihood=-float(found.fun),
        n_ratings=len(data.y),
    )


def _start(data: Data) -> Floats:
    """Thresholds from the ratings' shares, no effects, standard deviations ½."""
    share = np.cumsum(np.bincount(data.y) / len(data.y))[:-1]
    theta = np.log(share / (1 - share))
    gaps = np.log(np.maximum(np.diff(theta), 1e-3))
    return np.concatenate(
        [theta[:1], gaps, np.zeros(data.x.shape[1]), np.full(len(data.factors), 0.5)]
    )


def _check(found: optimize.OptimizeResult, data: Data) -> None:
    _, beta, sigma = unpack(found.x, data)
    if np.any(np.abs(beta) > LARGEST) or np.any(np.abs(sigma) > LARGEST):
        raise NotFitted("separation: the ratings of the methods do not overlap enough")
    if not math.isfinite(found.fun) or np.max(np.abs(found.jac)) > 0.05:
        raise NotFitted("the optimiser did not converge")


def _covariance(gradient: Callable[[Floats], Floats], at: Floats) -> Floats:
    """Inverse of the observed information, by central differences of the gradient."""
    step = 1e-4
    rows = []
    for i in range(len(at)):
        move = np.zeros(len(at))
        move[i] = step
        rows.append((gradient(at + move) - gradient(at - move)) / (2 * step))
    information = (np.array(rows) + np.array(rows).T) / 2
    # A standard deviation of 0 has no curvature of its own: it is left out of the inverse.
    flat = np.abs(np.diag(information)) < 1e-8
    information[flat, flat] = 1.0
    try:
        inverse = np.asarray(linalg.inv(information))
    except linalg.LinAlgError as error:
        raise NotFitted("the information matrix has no inverse") from error
    if np.any(np.diag(inverse) <= 0):
        raise NotFitted("the information matrix is not positive: the fit is not at a maximum")
    return inverse
