"""Which latents count as features: a row for each, kept or dropped with the reason."""

from __future__ import annotations

import numpy as np

from pipeline.config import FeaturesConfig
from pipeline.features.statistics import LatentStatistics
from pipeline.sae.specs import feature_key
from pipeline.store.tables import FeatureRecord


def feature_records(
    name: str,
    hookpoint: str,
    statistics: LatentStatistics,
    n_validation: int,
    config: FeaturesConfig,
) -> list[FeatureRecord]:
    """One row per latent, kept or not, from the statistics of `n_validation` validation tracks.

    Everything that the filter decides on is from validation tracks: the SAE was fitted to train
    tracks, and labels are graded on test tracks.
    """
    reasons = drop_reasons(config, statistics.firing, n_validation)
    return [
        FeatureRecord(
            feature=feature_key(name, index),
            sae=name,
            hookpoint=hookpoint,
            index=index,
            # r_j = n_j / number of tracks.
            rate=int(statistics.firing[index]) / n_validation,
            firing_tracks=int(statistics.firing[index]),
            mean_activation=float(statistics.mean[index]),
            max_activation=float(statistics.max[index]),
            kept=not reason,
            reason=reason,
        )
        for index, reason in enumerate(reasons)
    ]


def drop_reasons(config: FeaturesConfig, firing_tracks: np.ndarray, n_tracks: int) -> list[str]:
    """Why each latent is dropped, [latent]; empty where it is kept. The first rule that drops it
    is given.

    low ≤ r_j ≤ high is the filter of Singh, Cherep and Maes, `firing_tracks` [latent] being n_j and
    r_j = n_j / `n_tracks`: very frequent latents are uninformative, very rare ones give too few
    exemplars. The fixed minimum of tracks is an addition, for small corpora.
    """
    _, low, high = config.filter
    # r_j as a fraction of two whole numbers, so that the limits are exact: 0.25 of 40 tracks is 10.
    reasons = []
    for firing in firing_tracks.tolist():
        rate = firing / n_tracks
        if firing == 0:
            reasons.append("r = 0")
        elif rate > high:
            reasons.append(f"r > {high:g}")
        elif rate < low:
            reasons.append(f"r < {low:g}")
        elif firing < config.min_tracks:
            reasons.append(f"fires in fewer than {config.min_tracks} tracks")
        else:
            reasons.append("")
    return reasons
