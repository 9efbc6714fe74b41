"""What is true in a cell: thresholds, shares of the answers, and a shift of half a step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial

import numpy as np
from scipy import optimize, special

from analysis.arrays import Floats
from benchmarks.statistics_coverage.cells import Cell

SCALES = np.array([0.5, 1.0, 2.0]) / np.sqrt(5.25 / 3)
"""A listener's noise where it is unequal; their mean square is 1."""
LOGISTIC_SD = float(np.pi / np.sqrt(3))
APART = 0.5
"""Steps by which the third method differs: the default bound of the equivalence test."""
STEPS = np.arange(1.0, 6.0)
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(80)
_WEIGHTS = _WEIGHTS / np.sqrt(2 * np.pi)


@dataclass(frozen=True)
class Population:
    """The latent scale of a cell; `link` is the distribution of the noise."""

    cell: Cell
    link: str

    @property
    def scales(self) -> Floats:
        """The factors of a listener's noise, each equally likely."""
        return SCALES if self.cell.noise == "unequal" else np.ones(1)

    def above(self, cut: float, shift: float = 0.0) -> float:
        """P(latent > cut) over all listeners, features and single ratings."""
        spread = np.sqrt(1 - self.cell.rest) * _NODES
        noise = np.sqrt(self.cell.rest) * self.scales
        z = (shift + spread[:, None] - cut) / noise
        tail = special.ndtr(z) if self.link == "probit" else special.expit(z * LOGISTIC_SD)
        return float(_WEIGHTS @ tail.mean(axis=1))

    @cached_property
    def cuts(self) -> Floats:
        """Thresholds [4] at which the answers have the cell's shares."""
        sums = np.cumsum(self.cell.shares)[:-1]
        return np.array([root(partial(self._over, share=float(share))) for share in sums])

    def _over(self, cut: float, share: float) -> float:
        """By how much the share of answers up to the cut is over `share`."""
        return 1 - self.above(cut) - share

    def answers(self, shift: float) -> Floats:
        """Shares of the answers 1 to 5 under a shift."""
        above = [1.0, *(self.above(float(c), shift) for c in self.cuts), 0.0]
        return -np.diff(above)

    def mean(self, shift: float) -> float:
        """Mean rating under a shift."""
        return float(STEPS @ self.answers(shift))

    @property
    def apart(self) -> float:
        """The difference of the third method: away from the nearer end of the scale."""
        return -APART if self.cell.place == "ceiling" else APART

    @cached_property
    def shift(self) -> float:
        """The latent shift of the third method."""
        target = self.mean(0.0) + self.apart
        return root(lambda s: self.mean(s) - target)


def root(of: Callable[[float], float]) -> float:
    """Where a monotone function is 0."""
    return float(optimize.brentq(of, -12.0, 12.0, xtol=1e-10))


@lru_cache(maxsize=4096)
def population_of(cell: Cell, link: str = "probit") -> Population:
    """The population of a cell; its thresholds are found once."""
    return Population(cell, link)


def superiority_of(a: Floats, b: Floats) -> float:
    """P(A > B) + P(A = B)/2 for independent answers with these shares."""
    below = np.cumsum(b) - b
    return float(a @ (below + b / 2))


@lru_cache(maxsize=1024)
def intercept(rate: float, sd: float) -> float:
    """The b at which the mean of expit(b + sd z) over z ~ N(0, 1) is `rate`."""
    return root(lambda b: float(_WEIGHTS @ special.expit(b + sd * _NODES)) - rate)
