"""When a latent fires in a track: one rule for every stage.

Latent j fires in track x if f_j(x) > τ_j, where f_j(x) is its largest activation over the frames of
x. Its rate r_j is the share of usable validation tracks in which it fires. Source: Singh, Cherep
and Maes, arXiv 2505.18186, whose τ is 0 (`[features] preset = "paper"`); other τ and the relative
unit are additions.
"""

from __future__ import annotations

import numpy as np

from pipeline.config import FeaturesConfig


def thresholds(config: FeaturesConfig, validation_max: np.ndarray) -> np.ndarray:
    """τ_j of each latent [latent], in normalised units (the RMS of a centred activation is 1).

    `validation_max` [latent]: each latent's largest activation over validation tracks
    (`max_activation` of the feature's row), normalised; a relative τ is a share of it.
    """
    threshold, _, _ = config.filter
    if config.threshold_unit == "relative":
        return threshold * np.asarray(validation_max, dtype=np.float64)
    return np.full(np.shape(validation_max), threshold)


def fires(maxima: np.ndarray, tau: np.ndarray | np.floating) -> np.ndarray:
    """f_j(x) > τ_j for each of `maxima` f_j(x), with the τ_j that belongs to it: of one latent
    [track], or of several [track, latent]."""
    return np.asarray(maxima > tau)
