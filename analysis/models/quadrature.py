"""A single random effect integrated out by adaptive Gauss–Hermite quadrature."""

from __future__ import annotations

import math

import numpy as np

from analysis.arrays import Floats
from analysis.models.data import unpack
from analysis.models.laplace import Laplace
from analysis.models.link_functions import floor_log_likelihood, log_likelihood


class Quadrature:
    """Adaptive Gauss–Hermite quadrature: Pinheiro and Bates 1995, J. Computational and Graphical
    Statistics 4, 12–35.

    For each level, ∫ exp g(b) φ(b) db ≈ s Σ_k w_k exp(g(b_k) − b_k²/2 + x_k²/2) / √(2π), with
    g its log-likelihood, b_k = b̂ + s x_k, s = H^(−1/2), and x_k, w_k the points and weights for the
    weight function exp(−x²/2). One point is Laplace's approximation.
    """

    def __init__(self, laplace: Laplace, nodes: int) -> None:
        self.laplace = laplace
        self.points, self.weights = np.polynomial.hermite_e.hermegauss(nodes)

    def value(self, parameters: Floats) -> float:
        """Minus the log-likelihood at `parameters`."""
        # 1) The points b_k, [level, k].
        laplace, data = self.laplace, self.laplace.data
        mode = laplace.mode(parameters)
        parts = unpack(parameters, data)
        sigma, level = laplace.sigma(parameters)[0], laplace.levels[0]
        scale = np.sqrt(mode.curvature.inverses[:, 0, 0])
        b = mode.b[0][:, None] + scale[:, None] * self.points[None, :]
        # 2) log p at each, [rating, k], summed within levels, [level, k].
        eta = (data.x @ parts.beta)[:, None] + sigma * b[level]
        if data.guess is None:
            log_scale = None if data.scale is None else data.scale @ parts.gamma
            each = log_likelihood(laplace.link, data.y, parts.theta, eta, data.group, log_scale)
        else:
            each = floor_log_likelihood(data.y, parts.theta, eta, data.guess)
        inside = np.zeros_like(b)
        np.add.at(inside, level, each)
        # 3) The weighted sum, on the log scale against underflow.
        logs = inside - b**2 / 2 + self.points[None, :] ** 2 / 2 + np.log(self.weights)[None, :]
        top = logs.max(axis=1)
        integral = top + np.log(np.exp(logs - top[:, None]).sum(axis=1))
        return -float(np.sum(integral + np.log(scale) - math.log(2 * math.pi) / 2))

    def gradient(self, parameters: Floats) -> Floats:
        """Central differences of `value`: the points move with the parameters."""
        moves = np.eye(len(parameters)) * 1e-5
        return np.array(
            [(self.value(parameters + m) - self.value(parameters - m)) / 2e-5 for m in moves]
        )
