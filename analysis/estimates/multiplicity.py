"""p-values adjusted for multiple tests: Holm, and Benjamini and Hochberg."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p-values (1979, Scandinavian J. of Statistics 6, 65–70).

    With p_(1) ≤ … ≤ p_(m): adjusted p_(i) = max over j ≤ i of min(1, (m − j + 1) p_(j)). Controls
    the family-wise error rate, whatever the dependence of the tests.
    """
    order = np.argsort(p_values, kind="stable")
    m, highest = len(p_values), 0.0
    adjusted = [0.0] * m
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (m - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Step-up adjusted p-values: Benjamini and Hochberg 1995, J. Royal Statistical Society B 57.

    With p_(1) ≤ … ≤ p_(m): adjusted p_(i) = min over j ≥ i of min(1, m p_(j) / j). Rejecting those
    at most q controls the false discovery rate at q, for independent or positively dependent tests.
    """
    order = np.argsort(p_values, kind="stable")[::-1]
    m, lowest = len(p_values), 1.0
    adjusted = [0.0] * m
    for back, index in enumerate(order):
        lowest = min(lowest, p_values[index] * m / (m - back))
        adjusted[index] = lowest
    return adjusted
