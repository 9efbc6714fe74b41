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
    """One row a latent, from its validation tracks; `validation` [track] says which they are."""
    mean, peak = summary.mean[validation], summary.max[validation]
    largest = peak.max(axis=0)
    firing = fires(peak, thresholds(config, largest)).sum(axis=0)
    reasons = drop_reasons(config, firing, len(peak))
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
    """Why each latent is dropped; empty where it is kept. The first reason that holds is given."""
    _, low, high = config.filter
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
