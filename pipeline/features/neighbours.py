"""The kept features whose decoder directions are nearest, by cosine of the rows of W_dec."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def neighbours(
    directions: np.ndarray, kept: Sequence[int], count: int
) -> list[tuple[int, int, int, float]]:
    """For each kept latent the `count` nearest other kept ones: latent, neighbour, rank from 1, and
    cosine, −1 to 1.

    `directions` [n, d] are rows of unit norm (W_dec), so an inner product is a cosine. Ties go to
    the smaller index.
    """
    chosen = np.asarray(kept, dtype=np.intp)
    rows: list[tuple[int, int, int, float]] = []
    # One row of the Gram matrix at a time: [kept] in memory, not [kept, kept].
    for latent in chosen:
        cosines = directions[chosen] @ directions[latent]
        order = np.argsort(-cosines, kind="stable")
        nearest = [place for place in order if chosen[place] != latent][:count]
        for rank, place in enumerate(nearest, start=1):
            rows.append((int(latent), int(chosen[place]), rank, float(cosines[place])))
    return rows
