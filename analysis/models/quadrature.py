"""A single random effect integrated out by adaptive Gauss–Hermite quadrature."""

from __future__ import annotations

import math

import numpy as np

from analysis.arrays import Floats
from analysis.models.data import unpack
from analysis.models.laplace import Laplace
from analysis.models.link_functions import log_likelihood


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
        theta, beta, _ = unpack(parameters, data)
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
