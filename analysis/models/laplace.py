"""The random effects integrated out by Laplace's approximation, with the exact gradient.

With b all random effects stacked, Z their design matrix (each entry σ of its effect, times the
covariate if the effect is a random slope), and
h(b) = Σ log p(y | η = xβ + Zb) − b'b/2, the integral of exp h is approximated at its mode b̂ by

    log L ≈ h(b̂) − ½ log det H,   H = −∂²h/∂b² = I + Z'WZ,   W = diag(−∂² log p/∂η²)

(Tierney and Kadane 1986, JASA 81, 82–86; the 2π of the integral cancel those of the normal
density). The gradient takes account of the mode moving with the parameters, by implicit
differentiation (as in Skaug and Fournier 2006, Computational Statistics & Data Analysis 51,
699–709), with derivatives by hand instead of automatic ones.

With a guessing floor W is the expected information, in H and in Newton's method (Fisher scoring),
as in R's `glmer`; only the movement of the mode takes the observed one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.arrays import Floats
from analysis.estimates.intervals import sums_within
from analysis.models.curvature import Curvature, layout_of
from analysis.models.data import Data, Parts, unpack
from analysis.models.link_functions import Link, Terms, floor_terms, terms

CLOSE = 1e-9
"""The mode is found once a Newton step gains no more than this: convergence is quadratic."""
CLOSER = 1e-18
"""The same with a guessing floor, where the expected information makes convergence linear."""


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

    The last mode is kept as the start of the next search.
    """

    def __init__(self, data: Data, link: Link) -> None:
        if data.guess is not None and link != "logit":
            raise ValueError("a guessing floor is for the logit link")
        self.data, self.link = data, link
        self.levels, self.sizes = data.factors, data.sizes()
        self.layout = layout_of(self.levels, self.sizes)
        self.close = CLOSE if data.guess is None else CLOSER
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
        """Standard deviations of the random effects."""
        return [float(s) for s in unpack(parameters, self.data).sigma]

    def loadings(self, parameters: Floats) -> list[float | Floats]:
        """Z's entry of each random effect (`Data.loadings`)."""
        return self.data.loadings(self.sigma(parameters))

    def mode(self, parameters: Floats) -> ConditionalModes:
        """b̂ by Newton's method with step halving, from the last mode; h is concave in b."""
        parts = unpack(parameters, self.data)
        sigma, fixed = self.loadings(parameters), self.data.x @ parts.beta
        b = [start.copy() for start in self.start]
        value, found = self._at(parts, fixed, sigma, b)
        for _ in range(100):
            # 1) The Newton step H⁻¹ ∂h/∂b, with ∂h/∂b = Z' ∂log p/∂η − b.
            curvature = Curvature(found.weight, self.layout, sigma)
            score = [
                sums_within(s * found.slope, at, n) - e
                for s, at, n, e in zip(sigma, self.levels, self.sizes, b, strict=True)
            ]
            step = curvature.solve(score)
            gain = sum(float(s @ d) for s, d in zip(score, step, strict=True))
            # 2) Halve it until h does not fall.
            scale = 1.0
            while scale > 1e-8:
                moved = [e + scale * d for e, d in zip(b, step, strict=True)]
                new_value, new_found = self._at(parts, fixed, sigma, moved)
                if new_value >= value - 1e-10:
                    break
                scale /= 2
            b, value, found = moved, new_value, new_found
            if gain < self.close:
                break
        self.start = b
        return ConditionalModes(b, found, Curvature(found.weight, self.layout, sigma))

    def _at(
        self, parts: Parts, fixed: Floats, sigma: list[float | Floats], b: list[Floats]
    ) -> tuple[float, Terms]:
        """h(b) and the likelihood's terms at b."""
        eta = fixed + sum(s * e[at] for s, e, at in zip(sigma, b, self.levels, strict=True))
        found = self._terms(parts, np.asarray(eta))
        return float(found.log_p.sum()) - sum(float(e @ e) for e in b) / 2, found

    def _terms(self, parts: Parts, eta: Floats) -> Terms:
        data = self.data
        if data.guess is not None:
            return floor_terms(data.y, parts.theta, eta, data.guess)
        log_scale = None if data.scale is None else data.scale @ parts.gamma
        return terms(self.link, data.y, parts.theta, eta, data.group, log_scale)

    def _gradient(self, parameters: Floats, mode: ConditionalModes) -> Floats:
        """The exact gradient of log L.

        With w_r the weight of rating r, z_r its row of Z, a_r = z_r'H⁻¹z_r, t = Z'(a ∂w/∂η) and the
        adjoint m = H⁻¹t (with the observed weights, where they differ): at a fixed b̂ the derivative
        of log L is that of h − ½ Σ a w (a held constant; by σ, Z changes too), and since ∂h/∂b = 0
        at b̂, its movement adds −½ m' ∂(∂h/∂b)/∂(parameter).
        """
        # 1) a and H⁻¹z at each rating; t, and the adjoint m.
        found, curvature, sigma = mode.terms, mode.curvature, self.loadings(parameters)
        a, at_levels = curvature.leverages()
        push = a * found.weight_slope
        t = [
            sums_within(s * push, at, n)
            for s, at, n in zip(sigma, self.levels, self.sizes, strict=True)
        ]
        observed = found.observed
        moves = curvature if observed is found.weight else Curvature(observed, self.layout, sigma)
        m = moves.solve(t)
        # 2) Derivatives by η and by each σ; "along" is Zm, the adjoint at each rating.
        along = sum(s * e[at] for s, e, at in zip(sigma, m, self.levels, strict=True))
        by_eta = found.slope - 0.5 * push + 0.5 * observed * along
        by_sigma = [
            float(np.sum(c * (by_eta * b[at] - found.weight * own - 0.5 * found.slope * e[at])))
            for c, b, at, own, e in zip(
                self.data.loadings([1.0] * len(sigma)),
                mode.b,
                self.levels,
                at_levels,
                m,
                strict=True,
            )
        ]
        # 3) Derivatives by the thresholds above and below each rating's category.
        upper = found.upper - 0.5 * a * found.weight_upper - 0.5 * found.slope_upper * along
        lower = found.lower - 0.5 * a * found.weight_lower - 0.5 * found.slope_lower * along
        # 4) Derivatives by the logarithm of each rating's scale, if it has one.
        by_scale = np.zeros(0)
        if found.by_scale is not None and self.data.scale is not None:
            own_scale = found.by_scale
            each = own_scale.log_p - 0.5 * a * own_scale.weight - 0.5 * own_scale.slope * along
            by_scale = self.data.scale.T @ each
        thresholds = self._by_thresholds(parameters, np.asarray(upper), np.asarray(lower))
        return np.concatenate([thresholds, self.data.x.T @ by_eta, by_sigma, by_scale])

    def _by_thresholds(self, parameters: Floats, upper: Floats, lower: Floats) -> Floats:
        """The gradient by each set's first threshold and log gaps, in the order of `unpack`."""
        y, k, sets = self.data.y, self.data.n_theta, self.data.n_sets
        place = y if self.data.group is None else self.data.group * (k + 1) + y
        # A threshold is the upper one of its category and the lower one of the next.
        above, below = (
            np.bincount(place, weights=w, minlength=sets * (k + 1)).reshape(sets, k + 1)
            for w in (upper, lower)
        )
        by_theta = above[:, :k] + below[:, 1:]
        # A gap moves every threshold behind it, by the chain rule with its exponential.
        gaps = np.exp(np.clip(parameters[: k * sets].reshape(sets, k)[:, 1:], -30, 30))
        tails = np.cumsum(by_theta[:, ::-1], axis=1)[:, ::-1]
        return np.asarray(np.hstack([tails[:, :1], tails[:, 1:] * gaps]).ravel())
