"""The random effects integrated out by Laplace's approximation, with the exact gradient.

With b all random effects stacked, Z their design matrix (each entry σ of its effect), and
h(b) = Σ log p(y | η = xβ + Zb) − b'b/2, the integral of exp h is approximated at its mode b̂ by

    log L ≈ h(b̂) − ½ log det H,   H = −∂²h/∂b² = I + Z'WZ,   W = diag(−∂² log p/∂η²)

(Tierney and Kadane 1986, JASA 81, 82–86; the 2π of the integral cancel those of the normal
density). The gradient takes account of the mode moving with the parameters, by implicit
differentiation (as in Skaug and Fournier 2006, Computational Statistics & Data Analysis 51,
699–709), with derivatives by hand instead of automatic ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import linalg, sparse

from analysis.arrays import Floats, Ints
from analysis.estimates.intervals import sums_within
from analysis.models.data import Data, unpack
from analysis.models.link_functions import Link, Terms, terms


@dataclass
class ConditionalModes:
    """The random effects at their mode b̂ for given parameters, and the curvature there."""

    b: list[Floats]
    """Each random effect's modes, [level]."""
    terms: Terms
    """The likelihood's terms at the mode."""
    curvature: Curvature


class Laplace:
    """Minus the Laplace-approximate log-likelihood, and its exact gradient.

    Random effects are ordered by their number of levels. H has a diagonal block for each; that of
    the larger effect is eliminated first (`Curvature`). The last mode is kept as the start of the
    next search.
    """

    def __init__(self, data: Data, link: Link) -> None:
        self.data, self.link = data, link
        sizes = data.sizes()
        self.order = sorted(range(len(sizes)), key=lambda i: sizes[i])
        self.levels = [data.factors[i] for i in self.order]
        self.sizes = [sizes[i] for i in self.order]
        self.start = [np.zeros(size) for size in self.sizes]

    def objective(self, parameters: Floats) -> tuple[float, Floats]:
        """Minus the log-likelihood, and minus its gradient, at `parameters`."""
        mode = self.mode(parameters)
        value = float(mode.terms.log_p.sum()) - sum(float(b @ b) for b in mode.b) / 2
        return -(value - mode.curvature.log_det / 2), -self._gradient(parameters, mode)

    def gradient(self, parameters: Floats) -> Floats:
        """Only the gradient of the objective."""
        return self.objective(parameters)[1]

    def sigma(self, parameters: Floats) -> list[float]:
        """Standard deviations in the order of `levels`."""
        sigma = unpack(parameters, self.data)[2]
        return [float(sigma[i]) for i in self.order]

    def mode(self, parameters: Floats) -> ConditionalModes:
        """b̂ by Newton's method with step halving, from the last mode; h is concave in b."""
        theta, beta, _ = unpack(parameters, self.data)
        sigma, fixed = self.sigma(parameters), self.data.x @ beta
        b = [start.copy() for start in self.start]
        value, found = self._at(theta, fixed, sigma, b)
        for _ in range(100):
            # 1) The Newton step H⁻¹ ∂h/∂b, with ∂h/∂b = Z' ∂log p/∂η − b.
            curvature = Curvature(found.weight, self.levels, self.sizes, sigma)
            score = [
                s * sums_within(found.slope, at, n) - e
                for s, at, n, e in zip(sigma, self.levels, self.sizes, b, strict=True)
            ]
            step = curvature.solve(score)
            gain = sum(float(s @ d) for s, d in zip(score, step, strict=True))
            # 2) Halve it until h does not fall.
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
        return ConditionalModes(b, found, Curvature(found.weight, self.levels, self.sizes, sigma))

    def _at(
        self, theta: Floats, fixed: Floats, sigma: list[float], b: list[Floats]
    ) -> tuple[float, Terms]:
        """h(b) and the likelihood's terms at b."""
        eta = fixed + sum(s * e[at] for s, e, at in zip(sigma, b, self.levels, strict=True))
        found = terms(self.link, self.data.y, theta, np.asarray(eta))
        return float(found.log_p.sum()) - sum(float(e @ e) for e in b) / 2, found

    def _gradient(self, parameters: Floats, mode: ConditionalModes) -> Floats:
        """The exact gradient of log L.

        With w_r the weight of rating r, z_r its row of Z, a_r = z_r'H⁻¹z_r, t = Z'(a ∂w/∂η) and the
        adjoint m = H⁻¹t: at a fixed b̂ the derivative of log L is that of h − ½ Σ a w (a held
        constant; by σ, Z changes too), and since ∂h/∂b = 0 at b̂, its movement adds
        −½ m' ∂(∂h/∂b)/∂(parameter).
        """
        # 1) a and H⁻¹z at each rating; t, and the adjoint m.
        found, curvature, sigma = mode.terms, mode.curvature, self.sigma(parameters)
        a, at_levels = curvature.leverages()
        push = a * found.weight_slope
        t = [
            s * sums_within(push, at, n)
            for s, at, n in zip(sigma, self.levels, self.sizes, strict=True)
        ]
        m = curvature.solve(t)
        # 2) Derivatives by η and by each σ; "along" is Zm, the adjoint at each rating.
        along = sum(s * e[at] for s, e, at in zip(sigma, m, self.levels, strict=True))
        by_eta = found.slope - 0.5 * push + 0.5 * found.weight * along
        by_sigma = [
            float(np.sum(by_eta * b[at] - found.weight * own - 0.5 * found.slope * e[at]))
            for b, at, own, e in zip(mode.b, self.levels, at_levels, m, strict=True)
        ]
        # 3) Derivatives by the thresholds above and below each rating's category.
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
        """The gradient by (first threshold, log gaps, β, σ), in the order of `data.unpack`."""
        y, k = self.data.y, self.data.n_theta
        # A threshold is the upper one of its category and the lower one of the next.
        by_theta = (
            np.bincount(y, weights=upper, minlength=k + 1)[:k]
            + np.bincount(y, weights=lower, minlength=k + 1)[1:]
        )
        # A gap moves every threshold behind it, by the chain rule with its exponential.
        gaps = np.exp(np.clip(parameters[1:k], -30, 30))
        tails = np.cumsum(by_theta[::-1])[::-1]
        ordered = np.zeros(len(by_sigma))
        ordered[self.order] = by_sigma
        return np.concatenate([tails[:1], tails[1:] * gaps, self.data.x.T @ by_eta, ordered])


class Curvature:
    """H = I + Z'WZ for one or two crossed random effects: its determinant, and products with H⁻¹.

    For one, H is diagonal. For two, H = [D₁ C; C' D₂] with D₁, D₂ diagonal and C [level of the
    first, level of the second] sparse. Eliminating D₂ leaves the Schur complement
    S = D₁ − C D₂⁻¹ C', dense and as large as the smaller number of levels, and
    log det H = log det D₂ + log det S.
    """

    def __init__(
        self, weight: Floats, levels: list[Ints], sizes: list[int], sigma: list[float]
    ) -> None:
        self.levels, self.sigma = levels, sigma
        # 1) The diagonals: 1 + σ² Σ w over the ratings of a level.
        self.diagonals = [
            1 + s**2 * sums_within(weight, at, n)
            for s, at, n in zip(sigma, levels, sizes, strict=True)
        ]
        self.log_det = float(np.log(self.diagonals[-1]).sum())
        if len(levels) == 2:
            # 2) C, C D₂⁻¹, and the Cholesky factor of S.
            product = sigma[0] * sigma[1] * weight
            shape = (sizes[0], sizes[1])
            self.cross: Any = sparse.csr_array((product, (levels[0], levels[1])), shape=shape)
            self.over: Any = self.cross * (1 / self.diagonals[1])[None, :]
            schur = np.diag(self.diagonals[0]) - (self.over @ self.cross.T).toarray()
            self.factor = linalg.cho_factor(schur, lower=True)
            self.log_det += 2 * float(np.log(np.diag(self.factor[0])).sum())

    def solve(self, right: list[Floats]) -> list[Floats]:
        """H⁻¹ times a stacked vector, by block elimination."""
        if len(self.levels) == 1:
            return [right[0] / self.diagonals[0]]
        first = linalg.cho_solve(self.factor, right[0] - self.over @ right[1])
        return [first, (right[1] - self.cross.T @ first) / self.diagonals[1]]

    def leverages(self) -> tuple[Floats, list[Floats]]:
        """a_r = z_r'H⁻¹z_r, and for each effect (H⁻¹z_r) at the rating's level, each [rating]."""
        if len(self.levels) == 1:
            own: Floats = self.sigma[0] / self.diagonals[0][self.levels[0]]
            return self.sigma[0] * own, [own]
        # The blocks of H⁻¹ at each rating's two levels: S⁻¹, −S⁻¹CD₂⁻¹, D₂⁻¹ + D₂⁻¹C'S⁻¹CD₂⁻¹.
        inverse = linalg.cho_solve(self.factor, np.eye(len(self.diagonals[0])))
        spread = (self.over.T @ inverse).T
        one = np.diag(inverse)[self.levels[0]]
        both = -spread[self.levels[0], self.levels[1]]
        two = (1 / self.diagonals[1] + self.over.multiply(spread).sum(axis=0))[self.levels[1]]
        s, t = self.sigma
        first, second = s * one + t * both, s * both + t * two
        return s * first + t * second, [first, second]
