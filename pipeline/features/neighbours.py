"""The kept features whose decoder directions are nearest, by cosine of the rows of W_dec."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

ROWS_AT_ONCE = 1024
"""Rows of the Gram matrix [row, kept] that are in memory together."""


def neighbours(
    directions: np.ndarray, kept: Sequence[int], count: int
) -> list[tuple[int, int, int, float]]:
    """For each kept latent the `count` nearest other kept ones: latent, neighbour, rank from 1, and
    cosine, −1 to 1.

    `directions` [kept, d] are rows of unit norm (of W_dec), so an inner product is a cosine. Ties
    go to the smaller index.
    """
    chosen = np.asarray(kept, dtype=np.intp)
    count = min(count, len(chosen) - 1)
    rows: list[tuple[int, int, int, float]] = []
    for start in range(0, len(chosen), ROWS_AT_ONCE):
        cosines = directions[start : start + ROWS_AT_ONCE] @ directions.T
        own = np.arange(len(cosines))
        cosines[own, start + own] = -np.inf
        for latent, near in zip(chosen[start:], cosines, strict=False):
            for rank, place in enumerate(_nearest(near, count), start=1):
                rows.append((int(latent), int(chosen[place]), rank, float(near[place])))
    return rows


def _nearest(cosines: np.ndarray, count: int) -> np.ndarray:
    """The places of the `count` largest, the first of equals first, without sorting the others."""
    if count <= 0:
        return np.arange(0)
    least = np.partition(cosines, len(cosines) - count)[len(cosines) - count]
    places = np.flatnonzero(cosines >= least)
    nearest: np.ndarray = places[np.argsort(-cosines[places], kind="stable")][:count]
    return nearest
