"""What is added to the residual stream, α β_j W_dec[j]: features j, their directions, and β_j."""

from __future__ import annotations

from random import Random

from pipeline.errors import PipelineError
from pipeline.features.summaries import open_summaries
from pipeline.sae.adopted import Adopted
from pipeline.sae.checkpoint import StoredSae
from pipeline.steering.settings import SteeringConfig
from pipeline.store.run_directory import RunDirectory
from pipeline.store.tables import (
    ExemplarRecord,
    FeatureRecord,
    records_from,
)
from pipeline.subjects.base import SteeringVector


def drawn_features(
    directory: RunDirectory, name: str, config: SteeringConfig
) -> list[FeatureRecord]:
    """The features to steer, drawn from the kept ones, in the order of their indices."""
    features = records_from(FeatureRecord, directory.read_table(f"features/{name}.parquet"))
    kept = [feature for feature in features if feature.kept]
    order = Random(f"{config.seed} {name}").sample(kept, min(config.features, len(kept)))  # noqa: S311 - no secret
    return sorted(order, key=lambda feature: feature.index)


def largest_over_exemplars(directory: RunDirectory, stored: StoredSae) -> dict[str, float]:
    """β_j = max over the exemplars x of f_j(x), for each feature that has exemplars, in raw units
    of the residual stream.

    Since W_dec[j] has unit norm, α β_j is the length of the added vector: with α = 1 the feature is
    turned up as far as it ever was in its exemplars.
    """
    if isinstance(stored.sae, Adopted) and stored.sae.normalise != "none":
        raise PipelineError(
            f"SAE {stored.name} normalises each frame ({stored.sae.normalise}), so its features "
            "have no strength in the stream's units and cannot be steered"
        )
    name = stored.name
    largest: dict[str, float] = {}
    exemplars = records_from(ExemplarRecord, directory.read_table(f"exemplars/{name}.parquet"))
    for exemplar in exemplars:
        value = exemplar.max_activation
        if value is None:  # a run made before it was kept in the table
            value = _largest(directory, exemplar, name)
        largest[exemplar.feature] = max(value, largest.get(exemplar.feature, 0.0))
    # The stored summaries are normalised; the stored SAE, like the stream, is in raw units.
    return {feature: value * stored.facts.activation_scale for feature, value in largest.items()}


def _largest(directory: RunDirectory, exemplar: ExemplarRecord, name: str) -> float:
    """A feature's largest activation in one exemplar, normalised."""
    summaries = open_summaries(directory, name)
    column = summaries.column(int(exemplar.feature.rpartition("/")[2]))
    place = summaries.tracks.index(exemplar.track)
    return float(column.max[column.tracks == place].max(initial=0.0))


def vector_of(stored: StoredSae, latent: int) -> SteeringVector:
    """W_dec[j], [d]: the unit direction that latent j writes, with the place that it belongs to."""
    return SteeringVector(
        direction=stored.sae.W_dec[latent].detach().clone(),
        hookpoint=stored.facts.hookpoint,
        subject_fingerprint=stored.facts.subject_fingerprint,
        delay_mapping=stored.facts.delay_mapping,
    )
