"""When a feature fires in a track, and which features are kept: one rule for every stage.

A latent fires in a track if its largest activation there exceeds τ. Its rate r is the share of
usable validation tracks where it fires. Source: Singh, Cherep and Maes, arXiv 2505.18186; τ and
its unit are the config's.
"""

from __future__ import annotations

import numpy as np

from pipeline.config import FeaturesConfig


def thresholds(config: FeaturesConfig, validation_max: np.ndarray) -> np.ndarray:
    """τ of each latent [latent], normalised; `validation_max` [latent] is each latent's largest
    activation over validation (`max_activation` of the feature's row)."""
    threshold, _, _ = config.filter
    if config.threshold_unit == "relative":
        return threshold * np.asarray(validation_max, dtype=np.float64)
    return np.full(np.shape(validation_max), threshold)


def fires(maxima: np.ndarray, tau: np.ndarray) -> np.ndarray:
    """Whether each latent fires in each track, [track, latent] bool."""
    return np.asarray(maxima > tau[None, :])
