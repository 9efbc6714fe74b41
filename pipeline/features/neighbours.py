"""Kept features whose decoder directions are nearest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def neighbours(
    directions: np.ndarray, kept: Sequence[int], count: int
) -> list[tuple[int, int, int, float]]:
    """Latent, neighbour, rank and cosine of the nearest kept directions of each kept latent.

    `directions` [latent, d] have unit norm. Ties go to the smaller index.
    """
    chosen = np.asarray(kept, dtype=np.intp)
    rows: list[tuple[int, int, int, float]] = []
    for latent in chosen:
        cosines = directions[chosen] @ directions[latent]
        order = np.argsort(-cosines, kind="stable")
        nearest = [place for place in order if chosen[place] != latent][:count]
        for rank, place in enumerate(nearest, start=1):
            rows.append((int(latent), int(chosen[place]), rank, float(cosines[place])))
    return rows
