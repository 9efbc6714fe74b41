"""Which latents count as features: a row for each, kept or dropped with the reason."""

from __future__ import annotations

import numpy as np

from pipeline.config import FeaturesConfig
from pipeline.features.firing import fires, thresholds
from pipeline.features.summaries import TrackSummary
from pipeline.sae.checkpoint import StoredSae
from pipeline.sae.specs import feature_key
from pipeline.store.tables import FeatureRecord


def feature_records(
    stored: StoredSae, summary: TrackSummary, validation: np.ndarray, config: FeaturesConfig
) -> list[FeatureRecord]:
    """One row per latent, kept or not, from validation tracks only (`validation` [track] bool).

    Everything that the filter decides on is from validation tracks: the SAE was fitted to train
    tracks, and labels are graded on test tracks.
    """
    # [validation track, latent] each.
    mean, peak = summary.mean[validation], summary.max[validation]
    largest = peak.max(axis=0)
    # n_j, the number of tracks in which each latent fires; r_j = n_j / number of tracks.
    firing = fires(peak, thresholds(config, largest)).sum(axis=0)
    reasons = drop_reasons(config, firing, len(peak))
    # The mean of the tracks' means: a short track counts as much as a long one.
    average = mean.mean(axis=0, dtype=np.float64)
    return [
        FeatureRecord(
            feature=feature_key(stored.name, index),
            sae=stored.name,
            hookpoint=stored.facts.hookpoint,
            index=index,
            rate=int(firing[index]) / len(peak),
            firing_tracks=int(firing[index]),
            mean_activation=float(average[index]),
            max_activation=float(largest[index]),
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
