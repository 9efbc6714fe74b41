"""Cumulative link functions with the derivatives that ordinal likelihoods need.

The probability of category y = 1 … J at linear predictor η is F(θ_y − η) − F(θ_(y−1) − η), with
θ_0 = −∞ and θ_J = +∞ (McCullagh 1980, J. Royal Statistical Society B 42, 109–142). F is the
logistic (logit) or the normal (probit) distribution function.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import special, stats

from analysis.arrays import Floats, Ints

Link = Literal["logit", "probit"]
LINKS: tuple[Link, ...] = ("logit", "probit")


@dataclass(frozen=True)
class Terms:
    """The log-likelihood of each rating and its derivatives, each [rating].

    `upper` and `lower` are the derivatives by the thresholds above and below the category;
    `slope_upper` is the derivative of `slope` by the one above, and so on.
    """

    log_p: Floats
    slope: Floats
    """∂ log p / ∂η."""
    weight: Floats
    """−∂² log p / ∂η², ≥ 0 for both links."""
    weight_slope: Floats
    """∂ weight / ∂η."""
    upper: Floats
    """∂ log p / ∂θ_y."""
    lower: Floats
    """∂ log p / ∂θ_(y−1)."""
    slope_upper: Floats
    slope_lower: Floats
    weight_upper: Floats
    weight_lower: Floats


def terms(link: Link, y: Ints, theta: Floats, eta: Floats) -> Terms:
    """Log-likelihood terms of categories `y` (from 0) at thresholds `theta` [categories − 1]."""
    # 1) p, and F's density f with its derivatives g = f', h = f'' at both thresholds.
    edges = np.concatenate([[-np.inf], theta, [np.inf]])
    up, low = edges[y + 1] - eta, edges[y] - eta
    p = np.maximum(_between(link, low, up), 1e-300)
    (f_u, g_u, h_u), (f_l, g_l, h_l) = _densities(link, up), _densities(link, low)
    # 2) a_k: the k-th derivative of p by (threshold − η), over p; b: log p by each threshold.
    a1, a2, a3 = (f_u - f_l) / p, (g_u - g_l) / p, (h_u - h_l) / p
    b_u, b_l = f_u / p, -f_l / p
    # 3) Their derivatives by each threshold (quotient rule). By η: ∂log p/∂η = −a₁,
    # −∂²log p/∂η² = a₁² − a₂, and the derivative of that is 2a₁³ − 3a₁a₂ + a₃.
    a1_u, a1_l = g_u / p - a1 * b_u, -g_l / p - a1 * b_l
    a2_u, a2_l = h_u / p - a2 * b_u, -h_l / p - a2 * b_l
    return Terms(
        log_p=np.log(p),
        slope=-a1,
        weight=np.maximum(a1**2 - a2, 0.0),
        weight_slope=2 * a1**3 - 3 * a1 * a2 + a3,
        upper=b_u,
        lower=b_l,
        slope_upper=-a1_u,
        slope_lower=-a1_l,
        weight_upper=2 * a1 * a1_u - a2_u,
        weight_lower=2 * a1 * a1_l - a2_l,
    )


def log_likelihood(link: Link, y: Ints, theta: Floats, eta: Floats) -> Floats:
    """log p of each rating; `eta` is [rating], or [rating, …] with further axes."""
    edges = np.concatenate([[-np.inf], theta, [np.inf]])
    shape = (len(y),) + (1,) * (eta.ndim - 1)
    up, low = edges[y + 1].reshape(shape) - eta, edges[y].reshape(shape) - eta
    return np.asarray(np.log(np.maximum(_between(link, low, up), 1e-300)))


def _between(link: Link, low: Floats, up: Floats) -> Floats:
    """F(up) − F(low), in the lower tail by symmetry, where small differences keep their digits."""
    cdf = special.expit if link == "logit" else special.ndtr
    flip = low > 0
    left, right = np.where(flip, -up, low), np.where(flip, -low, up)
    return np.asarray(cdf(right) - cdf(left))


def _densities(link: Link, z: Floats) -> tuple[Floats, Floats, Floats]:
    """F's density and its first and second derivatives at z; 0 at ±∞."""
    if link == "logit":
        p = special.expit(z)
        f = p * special.expit(-z)
        return f, f * (1 - 2 * p), f * (1 - 6 * f)
    f = stats.norm.pdf(z)
    finite = np.where(np.isfinite(z), z, 0.0)
    return f, -finite * f, (finite**2 - 1) * f
