"""Figure 6: in how many tracks a latent fires, against how strongly, one SAE at a time.

Prevalence is the firing rate over validation tracks; strength the largest activation in them. The
paper does not say which summary of a latent's activations it draws; the mean over tracks is in the
same table. A picture of 65,536 points is drawn as counts in cells of equal size on both logarithmic
axes, each at the geometric mean of its latents.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.paper.sweep import Sae, Sweep

Floats = npt.NDArray[np.float64]

CELLS_PER_DECADE = 8


@dataclass(frozen=True)
class Dot:
    """The latents of one cell."""

    rate: float
    """Geometric mean."""
    strength: float
    """Geometric mean of the largest activations, normalised."""
    latents: int
    kept: bool


@dataclass(frozen=True)
class Prevalence:
    """One SAE's latents that fire."""

    sae: Sae
    dots: tuple[Dot, ...]
    firing: int
    silent: int
    """Latents that never fire, or whose largest activation is not above 0: off the logarithmic
    axes."""
    spearman_max: float | None
    """Rank correlation of rate and largest activation over the latents that fire."""
    spearman_mean: float | None
    """The same with the mean activation over tracks."""


def prevalence(sweep: Sweep) -> list[Prevalence]:
    """One per SAE; only one table is in memory at a time."""
    return [_of(sae) for sae in sweep.saes]


def _of(sae: Sae) -> Prevalence:
    rate, top, mean, kept = sae.columns(
        f"features/{sae.name}.parquet", "rate", "max_activation", "mean_activation", "kept"
    )
    fires = (rate > 0) & (top > 0)
    return Prevalence(
        sae=sae,
        dots=tuple(
            dot
            for group in (False, True)
            for dot in _dots(rate[fires & (kept == group)], top[fires & (kept == group)], group)
        ),
        firing=int(fires.sum()),
        silent=int((~fires).sum()),
        spearman_max=_spearman(rate[fires], top[fires]),
        spearman_mean=_spearman(rate[fires], mean[fires]),
    )


def _dots(rate: Floats, strength: Floats, kept: bool) -> list[Dot]:
    if not len(rate):
        return []
    logs = np.log10(np.stack([rate, strength], axis=1))
    cells = np.floor(logs * CELLS_PER_DECADE).astype(np.int64)
    _, place, counts = np.unique(cells, axis=0, return_inverse=True, return_counts=True)
    place = place.ravel()
    means = [10 ** (np.bincount(place, weights=logs[:, axis]) / counts) for axis in (0, 1)]
    return [
        Dot(float(x), float(y), int(count), kept)
        for x, y, count in zip(*means, counts, strict=True)
    ]


def _spearman(one: Floats, other: Floats) -> float | None:
    """None where a rank correlation is not defined."""
    from scipy.stats import spearmanr

    if len(one) < 3 or len(set(one)) < 2 or len(set(other)) < 2:
        return None
    return float(spearmanr(one, other).statistic)
