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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import linalg, optimize, sparse

from analysis.intervals import Floats, Ints, sums_within
from analysis.links import Link, Terms, log_likelihood, terms

LARGEST = 12.0
"""An effect or standard deviation on the latent scale beyond this is taken for separation."""


class NotFitted(Exception):  # noqa: N818 - an answer, not an error
    """The model cannot be fitted; the message is the reason as the report shows it."""


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


@dataclass(frozen=True)
class Data:
    """Ratings as categories from 0, predictors [rating, k], and each random effect's levels."""

    y: Ints
    x: Floats
    factors: tuple[Ints, ...]

    @property
    def n_theta(self) -> int:
        """Number of thresholds."""
        return int(self.y.max())

    def sizes(self) -> tuple[int, ...]:
        """Levels of each random effect."""
        return tuple(int(f.max()) + 1 for f in self.factors)


def prepare(ratings: Floats, x: Floats, factors: Sequence[Ints]) -> Data:
    """Data of a model; refuses what cannot be fitted."""
    used, y = np.unique(ratings, return_inverse=True)
    if len(used) < 2:
        raise NotFitted("every rating is the same")
    if len(factors) not in (1, 2):
        raise ValueError("one or two random effects")
    for factor in factors:
        if factor.max() < 1:
            raise NotFitted("a random effect needs two levels")
    return Data(y.astype(np.int64), x, tuple(factors))


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
    theta, beta, sigma = _unpack(found.x, data)
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


def _unpack(parameters: Floats, data: Data) -> tuple[Floats, Floats, Floats]:
    """Thresholds (first, then logs of the gaps), effects, standard deviations (sign is free)."""
    k, n = data.n_theta, data.x.shape[1]
    gaps = np.exp(np.clip(parameters[1:k], -30, 30))
    theta = parameters[0] + np.concatenate([[0.0], np.cumsum(gaps)])
    return theta, parameters[k : k + n], parameters[k + n :]


def _check(found: optimize.OptimizeResult, data: Data) -> None:
    _, beta, sigma = _unpack(found.x, data)
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


@dataclass
class Mode:
    """The random effects' mode for given parameters, and the curvature there."""

    b: list[Floats]
    terms: Terms
    curvature: Curvature


class Laplace:
    """Minus the Laplace-approximate log-likelihood and its exact gradient.

    Random effects are stacked as [first, second], the second being the one with more levels, whose
    block of the curvature is diagonal and is eliminated first (Schur complement).
    """

    def __init__(self, data: Data, link: Link) -> None:
        self.data, self.link = data, link
        sizes = data.sizes()
        self.order = sorted(range(len(sizes)), key=lambda i: sizes[i])
        self.levels = [data.factors[i] for i in self.order]
        self.sizes = [sizes[i] for i in self.order]
        self.start = [np.zeros(size) for size in self.sizes]

    def objective(self, parameters: Floats) -> tuple[float, Floats]:
        """Minus log-likelihood and gradient at `parameters`."""
        mode = self.mode(parameters)
        value = float(mode.terms.log_p.sum()) - sum(float(b @ b) for b in mode.b) / 2
        return -(value - mode.curvature.log_det / 2), -self._gradient(parameters, mode)

    def gradient(self, parameters: Floats) -> Floats:
        """The gradient alone."""
        return self.objective(parameters)[1]

    def sigma(self, parameters: Floats) -> list[float]:
        """Standard deviations in the order of `levels`."""
        sigma = _unpack(parameters, self.data)[2]
        return [float(sigma[i]) for i in self.order]

    def mode(self, parameters: Floats) -> Mode:
        """Newton's method with step halving from the last mode; the target is concave."""
        theta, beta, _ = _unpack(parameters, self.data)
        sigma, fixed = self.sigma(parameters), self.data.x @ beta
        b = [start.copy() for start in self.start]
        value, found = self._at(theta, fixed, sigma, b)
        for _ in range(100):
            curvature = Curvature(found.weight, self.levels, self.sizes, sigma)
            score = [
                s * sums_within(found.slope, at, n) - e
                for s, at, n, e in zip(sigma, self.levels, self.sizes, b, strict=True)
            ]
            step = curvature.solve(score)
            gain = sum(float(s @ d) for s, d in zip(score, step, strict=True))
            scale = 1.0
            while scale > 1e-8:
                moved = [e + scale * d for e, d in zip(b, step, strict=True)]
                new_value, new_found = self._at(theta, fixed, sigma, moved)
                if new_value >= value - 1e-10:
                    break
                scale /= 2
            b, value, found = moved, new_value, new_found
            # Convergence is quadratic: after the step that gained this little, b is exact.
            if gain < 1e-9:
                break
        self.start = b
        return Mode(b, found, Curvature(found.weight, self.levels, self.sizes, sigma))

    def _at(
        self, theta: Floats, fixed: Floats, sigma: list[float], b: list[Floats]
    ) -> tuple[float, Terms]:
        eta = fixed + sum(s * e[at] for s, e, at in zip(sigma, b, self.levels, strict=True))
        found = terms(self.link, self.data.y, theta, np.asarray(eta))
        return float(found.log_p.sum()) - sum(float(e @ e) for e in b) / 2, found

    def _gradient(self, parameters: Floats, mode: Mode) -> Floats:
        """Exact gradient: the mode moves with the parameters, which the adjoint `m` accounts for.

        With H the curvature, a_r = z_r'H⁻¹z_r and t = Z'(a ∂w/∂η), m = H⁻¹t, the log-likelihood's
        derivative is that of h − ½ Σ a w at a fixed mode, less ½ of the derivative of h's own slope
        along m.
        """
        found, curvature, sigma = mode.terms, mode.curvature, self.sigma(parameters)
        a, at_levels = curvature.leverages()
        push = a * found.weight_slope
        t = [
            s * sums_within(push, at, n)
            for s, at, n in zip(sigma, self.levels, self.sizes, strict=True)
        ]
        m = curvature.solve(t)
        along = sum(s * e[at] for s, e, at in zip(sigma, m, self.levels, strict=True))
        by_eta = found.slope - 0.5 * push + 0.5 * found.weight * along
        by_sigma = [
            float(np.sum(by_eta * b[at] - found.weight * own - 0.5 * found.slope * e[at]))
            for b, at, own, e in zip(mode.b, self.levels, at_levels, m, strict=True)
        ]
        upper = found.upper - 0.5 * a * found.weight_upper - 0.5 * found.slope_upper * along
        lower = found.lower - 0.5 * a * found.weight_lower - 0.5 * found.slope_lower * along
        return self._assemble(parameters, by_eta, by_sigma, np.asarray(upper), np.asarray(lower))

    def _assemble(
        self,
        parameters: Floats,
        by_eta: Floats,
        by_sigma: list[float],
        upper: Floats,
        lower: Floats,
    ) -> Floats:
        """The gradient by (first threshold, log gaps, effects, standard deviations)."""
        y, k = self.data.y, self.data.n_theta
        by_theta = (
            np.bincount(y, weights=upper, minlength=k + 1)[:k]
            + np.bincount(y, weights=lower, minlength=k + 1)[1:]
        )
        gaps = np.exp(np.clip(parameters[1:k], -30, 30))
        tails = np.cumsum(by_theta[::-1])[::-1]
        ordered = np.zeros(len(by_sigma))
        ordered[self.order] = by_sigma
        return np.concatenate([tails[:1], tails[1:] * gaps, self.data.x.T @ by_eta, ordered])


class Curvature:
    """H = I + Z'WZ for one or two crossed random effects, by its Schur complement.

    For two: H = [D₁ C; C' D₂] with D diagonal and C sparse; S = (D₁ − C D₂⁻¹ C')⁻¹ is dense of the
    smaller number of levels.
    """

    def __init__(
        self, weight: Floats, levels: list[Ints], sizes: list[int], sigma: list[float]
    ) -> None:
        self.levels, self.sigma = levels, sigma
        self.diagonals = [
            1 + s**2 * sums_within(weight, at, n)
            for s, at, n in zip(sigma, levels, sizes, strict=True)
        ]
        self.log_det = float(np.log(self.diagonals[-1]).sum())
        if len(levels) == 2:
            product = sigma[0] * sigma[1] * weight
            shape = (sizes[0], sizes[1])
            self.cross: Any = sparse.csr_array((product, (levels[0], levels[1])), shape=shape)
            self.over: Any = self.cross * (1 / self.diagonals[1])[None, :]
            schur = np.diag(self.diagonals[0]) - (self.over @ self.cross.T).toarray()
            self.factor = linalg.cho_factor(schur, lower=True)
            self.log_det += 2 * float(np.log(np.diag(self.factor[0])).sum())

    def solve(self, right: list[Floats]) -> list[Floats]:
        """H⁻¹ times a stacked vector."""
        if len(self.levels) == 1:
            return [right[0] / self.diagonals[0]]
        first = linalg.cho_solve(self.factor, right[0] - self.over @ right[1])
        return [first, (right[1] - self.cross.T @ first) / self.diagonals[1]]

    def leverages(self) -> tuple[Floats, list[Floats]]:
        """z_r'H⁻¹z_r for each rating, and for each effect (H⁻¹z_r) at the rating's own level."""
        if len(self.levels) == 1:
            own: Floats = self.sigma[0] / self.diagonals[0][self.levels[0]]
            return self.sigma[0] * own, [own]
        inverse = linalg.cho_solve(self.factor, np.eye(len(self.diagonals[0])))
        spread = (self.over.T @ inverse).T
        one = np.diag(inverse)[self.levels[0]]
        both = -spread[self.levels[0], self.levels[1]]
        two = (1 / self.diagonals[1] + self.over.multiply(spread).sum(axis=0))[self.levels[1]]
        s, t = self.sigma
        first, second = s * one + t * both, s * both + t * two
        return s * first + t * second, [first, second]


class Quadrature:
    """Adaptive Gauss–Hermite quadrature for one random effect (Pinheiro and Bates 1995).

    Each level's integral is taken at `nodes` points around its mode, scaled by the curvature.
    """

    def __init__(self, laplace: Laplace, nodes: int) -> None:
        self.laplace = laplace
        self.points, self.weights = np.polynomial.hermite_e.hermegauss(nodes)

    def value(self, parameters: Floats) -> float:
        """Minus log-likelihood."""
        laplace, data = self.laplace, self.laplace.data
        mode = laplace.mode(parameters)
        theta, beta, _ = _unpack(parameters, data)
        sigma, level = laplace.sigma(parameters)[0], laplace.levels[0]
        scale = 1 / np.sqrt(mode.curvature.diagonals[0])
        b = mode.b[0][:, None] + scale[:, None] * self.points[None, :]
        eta = (data.x @ beta)[:, None] + sigma * b[level]
        each = log_likelihood(laplace.link, data.y, theta, eta)
        inside = np.zeros_like(b)
        np.add.at(inside, level, each)
        logs = inside - b**2 / 2 + self.points[None, :] ** 2 / 2 + np.log(self.weights)[None, :]
        top = logs.max(axis=1)
        integral = top + np.log(np.exp(logs - top[:, None]).sum(axis=1))
        return -float(np.sum(integral + np.log(scale) - math.log(2 * math.pi) / 2))

    def gradient(self, parameters: Floats) -> Floats:
        """Central differences: the points move with the parameters."""
        moves = np.eye(len(parameters)) * 1e-5
        return np.array(
            [(self.value(parameters + m) - self.value(parameters - m)) / 2e-5 for m in moves]
        )
