"""What is known of each latent from validation tracks, counted in one pass over their entries."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pipeline.config import FeaturesConfig
from pipeline.features.encoding import ENTRY
from pipeline.features.firing import fires, thresholds

EDGES = 2.0 ** np.arange(-8, 8.5, 0.5)
"""Between the bins of the histogram of f_j(x), normalised: bin i holds EDGES[i − 1] < f ≤ EDGES[i],
so that the rate at any τ of these follows from it."""
BINS = len(EDGES) + 1


class LatentStatistics(NamedTuple):
    """What is known of each latent from validation tracks."""

    firing: np.ndarray
    """n_j, in how many of them it fires, [latent] int64."""
    mean: np.ndarray
    """Mean over them of its mean activation, [latent] float64. A short track counts as much as a
    long one."""
    max: np.ndarray
    """Its largest activation, [latent] float32."""
    histogram: np.ndarray
    """[latent, bin] int32; see the module."""
    top: np.ndarray
    """`ENTRY` [latent, count]; see the module."""

    @classmethod
    def zeros(cls, n_latents: int, count: int) -> LatentStatistics:
        """Of latents that are never active."""
        top = np.zeros((n_latents, count), dtype=ENTRY)
        top["track"] = -1
        return cls(
            np.zeros(n_latents, np.int64), np.zeros(n_latents), np.zeros(n_latents, np.float32),
            np.zeros((n_latents, BINS), np.int32), top,
        )  # fmt: skip

    def part(self, first: int, last: int) -> LatentStatistics:
        """A view of the latents from `first` to before `last`."""
        return LatentStatistics(*(array[first:last] for array in self))

    def fill(
        self, entries: np.ndarray, first: int, validation: np.ndarray, config: FeaturesConfig
    ) -> None:
        """Count `entries`, `ENTRY` [entry] of all tracks, by latent and then by track; `first`: the
        latent that comes first here, `validation`: which tracks to count, [track] bool."""
        n_latents = len(self.firing)
        here = entries[validation[entries["track"]]]
        latent = here["latent"] - first
        # 1) Largest and mean activation. `bincount` adds in float64, in the order of the entries; a
        #    track without an entry would add 0.
        np.maximum.at(self.max, latent, here["max"])
        self.mean[:] = np.bincount(latent, here["mean"], n_latents) / int(validation.sum())
        cells = latent * BINS + np.searchsorted(EDGES, here["max"])
        self.histogram[:] = np.bincount(cells, minlength=n_latents * BINS).reshape(-1, BINS)
        # 2) E_j, the tracks in which the latent fires: f_j(x) > τ_j.
        tau = thresholds(config, self.max)
        firing = fires(here["max"], tau[latent])
        self.firing[:] = np.bincount(latent[firing], minlength=n_latents)
        _strongest(here[firing], latent[firing], self.top)


def _strongest(entries: np.ndarray, latent: np.ndarray, into: np.ndarray) -> None:
    """Fill in each latent's entries of the largest mean, `ENTRY` [latent, count], ties by track."""
    # A stable sort: equal means stay in the order of the tracks.
    order = np.lexsort((-entries["mean"], latent))
    entries, latent = entries[order], latent[order]
    place = np.arange(len(latent)) - np.searchsorted(latent, latent)
    within = place < into.shape[1]
    into[latent[within], place[within]] = entries[within]
