"""Sequential looks at a study: levels by alpha spending, and p-values that take account of them.

With looks after fractions t_1 < … < t_K = 1 of the planned participants, Z_j and Z_k of a test are
normal with correlation √(t_j / t_k) under the null hypothesis (Jennison and Turnbull 2000, *Group
Sequential Methods*, ch. 3). A spending function says how much of α may have been spent by each look
(Lan and DeMets 1983, Biometrika 70, 659–663; here per side, two sides):

    O'Brien–Fleming type   2 (2 − 2 Φ(z_(α/4) / √t))
    Pocock type            α log(1 + (e − 1) t)

The boundary c_k at each look, |Z_k| > c_k, follows by recursive numerical integration (Armitage,
McPherson and Rowe 1969, J. Royal Statistical Society A 132, 235–244). A test by Student's t uses
the nominal two-sided level 2 (1 − Φ(c_k)) for its p (Jennison and Turnbull, ch. 4.4).

The *sequential p-value* of a p at look k is the smallest overall α at which p is within its nominal
level (Liu and Anderson 2008, J. American Statistical Association 103, 1621–1630). Holm's method
over the sequential p-values of several tests keeps the family-wise error rate over all looks, since
both families of boundaries are nested in α (Maurer and Bretz 2013, Statistics in Biopharmaceutical
Research 5, 311–320): each test spends α / m, and takes over what rejected ones leave.

Where features are shared, information grows more slowly than participants, looks are more alike
than √(t_j / t_k), and the boundaries err on the cautious side. Measured with three looks at three
methods (`benchmarks.statistics_looks`), family-wise false alarms at 5 %, O’Brien–Fleming and Pocock
type: 3.9 and 4.0 % with 30 participants a method and features of their own (2,000 studies), 5.4 and
5.2 % with 100 shared features (3,000), 4.2 and 3.1 % with 60 on 20 features, 3.7 and 2.6 % within
45 participants on 30 features, 3.2 and 2.8, 2.4 and 1.6 % where one method differs (1,000 each).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from scipy import interpolate, optimize, stats

from analysis.arrays import Floats
from analysis.reading.looks import OBRIEN_FLEMING, Look

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)
FARTHEST = 9.0
"""A boundary beyond this many standard deviations is not told from infinity."""
SMALLEST = 1e-15
"""A smaller p counts as this."""
GRID = 120
"""Values of α between which sequential p-values are interpolated; from 1e-5 to 0.5 they err by less
than 1e-5 of themselves."""


def spent(spending: str, t: float, alpha: float) -> float:
    """The two-sided α that may be spent by information fraction t."""
    if spending == OBRIEN_FLEMING:
        return float(4 * stats.norm.sf(stats.norm.isf(alpha / 4) / math.sqrt(t)))
    return alpha * math.log1p((math.e - 1) * t)


def boundaries(spending: str, fractions: Sequence[float], alpha: float = 0.05) -> list[float]:
    """c_k of each look at the fractions, in increasing order."""
    found: list[float] = []
    before, at, weights = 0.0, np.zeros(1), np.ones(1)
    previous = 0.0
    for t in fractions:
        # On the scale of B = Z √t, increments are independent: what is left inside the earlier
        # boundaries (`weights` at the nodes `at`) is spread by a normal step.
        step, total = math.sqrt(t - before), spent(spending, t, alpha)
        inside = _crossing(total - previous, at, weights, step, math.sqrt(t))
        found.append(inside / math.sqrt(t))
        nodes, lengths = _nodes(inside)
        density = stats.norm.pdf((nodes[:, None] - at[None, :]) / step) / step
        weights, at = lengths * (density @ weights), nodes
        before, previous = t, total
    return found


def _crossing(spend: float, at: Floats, weights: Floats, step: float, spread: float) -> float:
    """The b with P(|B| > b) = `spend` after a normal step from the nodes."""

    def excess(b: float) -> float:
        out = stats.norm.sf((b - at) / step) + stats.norm.sf((b + at) / step)
        return float(out @ weights) - spend

    top = FARTHEST * spread
    if excess(top) >= 0:
        return top
    # All of α is spent at the latest by the last look: nothing is left inside at α = 1.
    return 0.0 if excess(0.0) <= 0 else float(optimize.brentq(excess, 0.0, top, xtol=1e-10))


def _nodes(half: float) -> tuple[Floats, Floats]:
    """Nodes and weights of the integral from −half to half."""
    return half * _NODES, half * _WEIGHTS


def nominal_levels(spending: str, fractions: Sequence[float], alpha: float = 0.05) -> list[float]:
    """The two-sided level at which a test rejects at each look."""
    return [float(2 * stats.norm.sf(c)) for c in boundaries(spending, fractions, alpha)]


def sequential_p(p: float, spending: str, fractions: tuple[float, ...]) -> float:
    """The smallest overall α at which a `p` rejects at the last of the fractions; at most 1."""
    reached = float(stats.norm.isf(max(p, SMALLEST) / 2))
    crossed, quantiles = _inverse(spending, fractions)
    if reached <= crossed[0]:
        return 1.0
    z = float(interpolate.PchipInterpolator(crossed, quantiles)(min(reached, crossed[-1])))
    return min(1.0, max(p, float(2 * stats.norm.sf(z))))


@lru_cache(maxsize=32)
def _inverse(spending: str, fractions: tuple[float, ...]) -> tuple[Floats, Floats]:
    """The last look's boundaries, increasing, and the normal quantile of the α that gives each."""
    quantiles = np.linspace(0.0, float(stats.norm.isf(SMALLEST / 2)), GRID)
    last = [boundaries(spending, fractions, float(2 * stats.norm.sf(z)))[-1] for z in quantiles]
    crossed, first = np.unique(last, return_index=True)
    return crossed, quantiles[first]


def level_at(look: Look, alpha: float = 0.05) -> float:
    """The nominal two-sided level of a single test at a look."""
    return nominal_levels(look.spending, look.fractions, alpha)[-1]


def sequential(p_values: Sequence[float], look: Look | None) -> list[float]:
    """Sequential p-values of tests at a look; the p-values as they are without looks."""
    if look is None:
        return list(p_values)
    return [sequential_p(p, look.spending, look.fractions) for p in p_values]
