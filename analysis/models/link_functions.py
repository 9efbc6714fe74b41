"""Cumulative link functions with the derivatives that ordinal likelihoods need.

The probability of category y = 1 … J at linear predictor η is F(θ_y − η) − F(θ_(y−1) − η), with
θ_0 = −∞ and θ_J = +∞ (McCullagh 1980, J. Royal Statistical Society B 42, 109–142). F is the
logistic (logit) or the normal (probit) distribution function. Thresholds may differ between groups
of ratings (nominal effects), and both differences be divided by a scale s of each rating, as in R's
`ordinal::clmm2`.
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
    """−∂² log p / ∂η², ≥ 0 for both links; with a guessing floor its expected value."""
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
    observed: Floats
    """−∂² log p / ∂η² as it is: below 0 for some answers if there is a guessing floor."""
    by_scale: ByScale | None = None


@dataclass(frozen=True)
class ByScale:
    """Derivatives by the logarithm of the scale, each [rating]."""

    log_p: Floats
    slope: Floats
    weight: Floats


def distances(
    y: Ints,
    theta: Floats,
    eta: Floats,
    group: Ints | None = None,
    log_scale: Floats | None = None,
) -> tuple[Floats, Floats]:
    """(θ − η) / s of the thresholds below and above category `y` (from 0) of each rating.

    `eta` is [rating], or [rating, …] with further axes; `theta` holds one set of thresholds after
    another, and `group` says which set is a rating's. Without `log_scale` [rating] s is 1.
    """
    sets = 1 if group is None else int(group.max()) + 1
    each = theta.reshape(sets, -1)
    ends = np.full((sets, 1), np.inf)
    edges = np.hstack([-ends, each, ends])
    first = 0 if group is None else group * edges.shape[1]
    shape = (len(y),) + (1,) * (eta.ndim - 1)
    low, up = (edges.ravel()[first + y + i].reshape(shape) - eta for i in (0, 1))
    if log_scale is None:
        return low, up
    scale = np.exp(log_scale).reshape(shape)
    return low / scale, up / scale


def terms(
    link: Link,
    y: Ints,
    theta: Floats,
    eta: Floats,
    group: Ints | None = None,
    log_scale: Floats | None = None,
) -> Terms:
    """Log-likelihood terms of categories `y` (from 0) at thresholds `theta` (`distances`)."""
    low, up = distances(y, theta, eta, group, log_scale)
    found = _terms(link, low, up)
    return found if log_scale is None else _scaled(found, low, up, np.exp(log_scale))


def _terms(link: Link, low: Floats, up: Floats) -> Terms:
    # 1) p, and F's density f with its derivatives g = f', h = f'' at both thresholds.
    p = np.maximum(_between(link, low, up), 1e-300)
    (f_u, g_u, h_u), (f_l, g_l, h_l) = _densities(link, up), _densities(link, low)
    # 2) a_k: the k-th derivative of p by (threshold − η), over p; b: log p by each threshold.
    a1, a2, a3 = (f_u - f_l) / p, (g_u - g_l) / p, (h_u - h_l) / p
    b_u, b_l = f_u / p, -f_l / p
    # 3) Their derivatives by each threshold (quotient rule). By η: ∂log p/∂η = −a₁,
    # −∂²log p/∂η² = a₁² − a₂, and the derivative of that is 2a₁³ − 3a₁a₂ + a₃.
    a1_u, a1_l = g_u / p - a1 * b_u, -g_l / p - a1 * b_l
    a2_u, a2_l = h_u / p - a2 * b_u, -h_l / p - a2 * b_l
    weight = np.maximum(a1**2 - a2, 0.0)
    return Terms(
        log_p=np.log(p),
        slope=-a1,
        weight=weight,
        weight_slope=2 * a1**3 - 3 * a1 * a2 + a3,
        upper=b_u,
        lower=b_l,
        slope_upper=-a1_u,
        slope_lower=-a1_l,
        weight_upper=2 * a1 * a1_u - a2_u,
        weight_lower=2 * a1 * a1_l - a2_l,
        observed=weight,
    )


def _scaled(at: Terms, low: Floats, up: Floats, scale: Floats) -> Terms:
    """Terms by η and thresholds, from those by η/s and thresholds/s at the distances over s.

    With ζ a function of both distances over s, ∂ζ/∂log s = −(up ∂ζ/∂up + low ∂ζ/∂low); a slope has
    a further 1/s, a weight 1/s² (product rule).
    """
    up, low = (np.where(np.isfinite(z), z, 0.0) for z in (up, low))
    s2 = scale**2
    by_scale = ByScale(
        log_p=-(up * at.upper + low * at.lower),
        slope=-(up * at.slope_upper + low * at.slope_lower + at.slope) / scale,
        weight=-(up * at.weight_upper + low * at.weight_lower + 2 * at.weight) / s2,
    )
    weight = at.weight / s2
    return Terms(
        log_p=at.log_p,
        slope=at.slope / scale,
        weight=weight,
        weight_slope=at.weight_slope / scale**3,
        upper=at.upper / scale,
        lower=at.lower / scale,
        slope_upper=at.slope_upper / s2,
        slope_lower=at.slope_lower / s2,
        weight_upper=at.weight_upper / scale**3,
        weight_lower=at.weight_lower / scale**3,
        observed=weight,
        by_scale=by_scale,
    )


def floor_terms(y: Ints, theta: Floats, eta: Floats, guess: Floats) -> Terms:
    """The same for two categories with a guessing floor g, and the logistic function F:

        P(y = 1) = μ = g + (1 − g) F(η − θ)

    The weight is the expected information (∂μ/∂η)² / (μ (1 − μ)), as in R's `glmer` with such a
    link: the observed one can be negative where a right answer may well be a guess.
    """
    # 1) F, its derivative f, whose own is f (1 − 2F), and from them μ with two derivatives by η.
    p, q = special.expit(eta - theta[0]), special.expit(theta[0] - eta)
    f = p * q
    mu, left = guess + (1 - guess) * p, (1 - guess) * q
    m1, m2 = (1 - guess) * f, (1 - guess) * f * (q - p)
    # 2) ∂ log p / ∂η, which is −F after a miss, and the observed weights.
    hit = y == 1
    slope = np.where(hit, m1 / mu, -p)
    observed = np.where(hit, (m1 / mu) ** 2 - m2 / mu, f)
    # 3) The expected weight w = (∂μ/∂η)²/v with v = μ (1 − μ), and ∂w/∂η (quotient rule).
    v = np.maximum(mu * left, 1e-300)
    weight = m1**2 / v
    weight_slope = (2 * m1 * m2 - weight * m1 * (1 - 2 * mu)) / v
    # 4) θ lies above a miss and below a hit, and moves log p as −η does.
    above, below = np.where(hit, 0.0, 1.0), np.where(hit, 1.0, 0.0)
    return Terms(
        log_p=np.log(np.maximum(np.where(hit, mu, left), 1e-300)),
        slope=slope,
        weight=weight,
        weight_slope=weight_slope,
        upper=-slope * above,
        lower=-slope * below,
        slope_upper=observed * above,
        slope_lower=observed * below,
        weight_upper=-weight_slope * above,
        weight_lower=-weight_slope * below,
        observed=observed,
    )


def log_likelihood(
    link: Link,
    y: Ints,
    theta: Floats,
    eta: Floats,
    group: Ints | None = None,
    log_scale: Floats | None = None,
) -> Floats:
    """log p of each rating; `eta` is [rating], or [rating, …] with further axes."""
    low, up = distances(y, theta, eta, group, log_scale)
    return np.asarray(np.log(np.maximum(_between(link, low, up), 1e-300)))


def floor_log_likelihood(y: Ints, theta: Floats, eta: Floats, guess: Floats) -> Floats:
    """log p of each answer with a guessing floor; `eta` is [rating, …], `guess` [rating]."""
    shape = (len(y),) + (1,) * (eta.ndim - 1)
    g, hit = guess.reshape(shape), (y == 1).reshape(shape)
    p = np.where(hit, g + (1 - g) * special.expit(eta - theta[0]), 0.0)
    p = np.where(hit, p, (1 - g) * special.expit(theta[0] - eta))
    return np.asarray(np.log(np.maximum(p, 1e-300)))


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
