"""What is added to the residual stream: features, directions and how far."""

from __future__ import annotations

import json
from random import Random

from pipeline.sae.checkpoint import StoredSae
from pipeline.steering.settings import SteeringConfig
from pipeline.store.run_directory import RunDirectory
from pipeline.store.tables import (
    ExemplarRecord,
    FeatureRecord,
    records_from,
)
from pipeline.subjects.base import SteeringVector


def drawn(directory: RunDirectory, name: str, config: SteeringConfig) -> list[FeatureRecord]:
    """The features to steer, in the order of their indices."""
    features = records_from(FeatureRecord, directory.read_table(f"features/{name}.parquet"))
    kept = [feature for feature in features if feature.kept]
    order = Random(f"{config.seed} {name}").sample(kept, min(config.features, len(kept)))  # noqa: S311 - no secret
    return sorted(order, key=lambda feature: feature.index)


def largest_over_exemplars(directory: RunDirectory, stored: StoredSae) -> dict[str, float]:
    """β of each feature that has exemplars, in raw units of the residual stream."""
    name = stored.name
    tensors, metadata = directory.read_tensors(f"features/{name}.activations.safetensors")
    row_of = {track: row for row, track in enumerate(json.loads(metadata["tracks"]))}
    largest: dict[str, float] = {}
    exemplars = records_from(ExemplarRecord, directory.read_table(f"exemplars/{name}.parquet"))
    for exemplar in exemplars:
        latent = int(exemplar.feature.rpartition("/")[2])
        value = float(tensors["max"][row_of[exemplar.track], latent])
        largest[exemplar.feature] = max(value, largest.get(exemplar.feature, 0.0))
    return {feature: value * stored.facts.activation_scale for feature, value in largest.items()}


def vector_of(stored: StoredSae, latent: int) -> SteeringVector:
    """W_d[j]: the unit direction that an SAE's latent writes, with where it belongs."""
    return SteeringVector(
        direction=stored.sae.W_dec[latent].detach().clone(),
        hookpoint=stored.facts.hookpoint,
        subject_fingerprint=stored.facts.subject_fingerprint,
        delay_mapping=stored.facts.delay_mapping,
    )
