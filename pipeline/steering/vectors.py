"""What is added to the residual stream, α β_j W_dec[j]: features j, their directions, and β_j."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from random import Random

import numpy as np
import torch
from torch import Tensor

from pipeline.errors import PipelineError
from pipeline.features.summaries import open_summaries
from pipeline.sae.adopted import Adopted
from pipeline.sae.checkpoint import StoredSae
from pipeline.sae.specs import seed_of
from pipeline.steering.settings import SteeringConfig
from pipeline.store.records import records_from
from pipeline.store.run_directory import RunDirectory
from pipeline.store.tables import ExemplarRecord, FeatureRecord
from pipeline.subjects.base import Intervention, SteeringVector


def drawn_features(
    directory: RunDirectory, name: str, config: SteeringConfig
) -> list[FeatureRecord]:
    """The features to steer, drawn from the kept ones, in the order of their indices."""
    features = records_from(FeatureRecord, directory.read_table(f"features/{name}.parquet"))
    kept = [feature for feature in features if feature.kept]
    draw = Random(f"{config.seed} {name}")  # noqa: S311 - no secret
    drawn = []
    for stratum, size in _strata(kept, config):
        drawn += draw.sample(stratum, size)
    return sorted(drawn, key=lambda feature: feature.index)


RATE_STRATA = 3
"""Thirds of the kept features by rate, the rarest first."""


def _strata(
    kept: Sequence[FeatureRecord], config: SteeringConfig
) -> Iterator[tuple[list[FeatureRecord], int]]:
    """The groups that features are drawn from, and how many from each: one group, or with
    `stratify` thirds by rate. Thirds have equal shares; what remains goes to the rarer ones, which
    are larger by one where the kept features do not divide by three either."""
    wanted = min(config.features, len(kept))
    if not config.stratify:
        yield list(kept), wanted
        return
    ordered = sorted(kept, key=lambda feature: (feature.rate, feature.index))
    size, larger = divmod(len(ordered), RATE_STRATA)
    share, more = divmod(wanted, RATE_STRATA)
    for stratum in range(RATE_STRATA):
        start = stratum * size + min(stratum, larger)
        end = start + size + (stratum < larger)
        yield ordered[start:end], share + (stratum < more)


def largest_over_exemplars(
    directory: RunDirectory, stored: StoredSae, quantile: float = 1.0
) -> dict[str, float]:
    """β_j = max over the exemplars x of f_j(x), for each feature that has exemplars, in raw units
    of the residual stream; or another `quantile` of f_j over them than the maximum.

    Since W_dec[j] has unit norm, α β_j is the length of the added vector: with α = 1 the feature is
    turned up as far as it ever was in its exemplars.
    """
    if isinstance(stored.sae, Adopted) and stored.sae.normalise != "none":
        raise PipelineError(
            f"SAE {stored.name} normalises each frame ({stored.sae.normalise}), so its features "
            "have no strength in the stream's units and cannot be steered"
        )
    name = stored.name
    values: dict[str, list[float]] = {}
    exemplars = records_from(ExemplarRecord, directory.read_table(f"exemplars/{name}.parquet"))
    for exemplar in exemplars:
        value = exemplar.max_activation
        if value is None:  # a run made before it was kept in the table
            value = _largest(directory, exemplar, name)
        values.setdefault(exemplar.feature, []).append(value)
    # The stored summaries are normalised; the stored SAE, like the stream, is in raw units.
    scale = stored.facts.activation_scale
    return {name: float(np.quantile(found, quantile)) * scale for name, found in values.items()}


def index_of(feature: str) -> int:
    """The latent of a feature NAME/INDEX."""
    return int(feature.rpartition("/")[2])


def _largest(directory: RunDirectory, exemplar: ExemplarRecord, name: str) -> float:
    """A feature's largest activation in one exemplar, normalised."""
    summaries = open_summaries(directory, name)
    column = summaries.column(index_of(exemplar.feature))
    place = summaries.tracks.index(exemplar.track)
    return float(column.max[column.tracks == place].max(initial=0.0))


def vector_of(stored: StoredSae, latent: int) -> SteeringVector:
    """W_dec[j], [d]: the unit direction that latent j writes, with the place that it belongs to."""
    return vector_at(stored, stored.sae.W_dec[latent].detach().clone())


def vector_at(stored: StoredSae, direction: Tensor) -> SteeringVector:
    """A direction [d] at an SAE's hookpoint."""
    return SteeringVector(
        direction=direction,
        hookpoint=stored.facts.hookpoint,
        subject_fingerprint=stored.facts.subject_fingerprint,
        delay_mapping=stored.facts.delay_mapping,
    )


def random_unit(width: int, *seed: object) -> Tensor:
    """A direction [d] drawn uniformly from the unit sphere; the same for the same seed."""
    generator = torch.Generator().manual_seed(seed_of(0, "\0".join(map(str, seed))))
    return torch.nn.functional.normalize(torch.randn(width, generator=generator), dim=0)


def orthogonal(interventions: Sequence[Intervention]) -> tuple[Intervention, ...]:
    """The interventions with directions made orthogonal at each hookpoint, in their order, by Gram
    and Schmidt: of each direction the part along those before it is removed, and what is left is
    brought back to its length, so that two features that share a direction do not add up along it.

    Raises `PipelineError` if a direction lies in the span of those before it.
    """
    found: list[Intervention] = []
    for one in interventions:
        length = one.vector.direction.norm()
        rest = one.vector.direction.double()
        for before in found:
            if before.vector.hookpoint == one.vector.hookpoint:
                unit = torch.nn.functional.normalize(before.vector.direction.double(), dim=0)
                rest = rest - (rest @ unit) * unit
        if rest.norm() < 1e-4 * length:
            raise PipelineError(
                f"intervention {len(found) + 1} of {len(interventions)} has the same direction as "
                "those before it together, so they cannot be made orthogonal; leave it out"
            )
        direction = (rest / rest.norm() * length).float()
        found.append(replace(one, vector=replace(one.vector, direction=direction)))
    return tuple(found)
