"""Gathers what interventions on one SAE are made from, out of the run's files."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pipeline.corpus.tracks import usable_tracks
from pipeline.errors import PipelineError
from pipeline.sae import checkpoint
from pipeline.sae.checkpoint import StoredSae
from pipeline.sae.frames import checked_shards
from pipeline.steering.interventions import Material
from pipeline.steering.pairs import Pair, mean_differences, read_pairs
from pipeline.steering.settings import SteeringConfig
from pipeline.steering.vectors import largest_over_exemplars
from pipeline.store.records import records_from
from pipeline.store.run_directory import RunDirectory
from pipeline.store.tables import (
    ExemplarRecord,
    FeatureRecord,
    LabelCandidate,
    NeighbourRecord,
)

CONTROL_METHOD = "random-label"
"""A method whose labels belong to other features."""


def material_of(
    directory: RunDirectory, name: str, config: SteeringConfig, subject: Any
) -> Material:
    """The material of one SAE; `subject` generates the clips of paired prompts, if any."""
    stored = checkpoint.load(directory, name)
    betas = largest_over_exemplars(directory, stored, config.beta_quantile)
    rows = records_from(FeatureRecord, directory.read_table(f"features/{name}.parquet"))
    features = {row.feature: row for row in rows if row.kept and row.feature in betas}
    pairs = paired(config, subject, stored)
    return Material(
        config=config,
        stored=stored,
        features=features,
        betas=betas | {key: float(vector.norm()) for key, vector in pairs.items()},
        labels=labels_of(directory, name, config.method),
        neighbours=_neighbours(directory, name),
        exemplar_means=partial(exemplar_means, directory, stored),
        pairs={key: vector / vector.norm() for key, vector in pairs.items()},
    )


def pairs_of(config: SteeringConfig) -> list[Pair]:
    """The pairs of prompts, if `mean-difference` is asked for and a file is given."""
    wanted = bool(config.pairs) and "mean-difference" in config.interventions
    return read_pairs(Path(config.pairs)) if wanted else []


def paired(config: SteeringConfig, subject: Any, stored: StoredSae) -> dict[str, Tensor]:
    """The difference in means of each pair at an SAE's hookpoint."""
    return mean_differences(
        subject, pairs_of(config), stored.facts.hookpoint, seconds=config.seconds,
        seeds=[config.seed + take for take in range(config.takes)], rows=None,
    )  # fmt: skip


def labels_of(directory: RunDirectory, name: str, method: str) -> dict[str, str]:
    """Each feature's best label by `method`, or by the run's first method that has labels.

    Raises `PipelineError` if `method` is given and wrote none.
    """
    written = [
        method
        for file in directory.names(f"labels/{name}")
        if file.endswith(".parquet")
        for method in [file.removesuffix(".parquet")]
        if method != CONTROL_METHOD
    ]
    if method and method not in written:
        raise PipelineError(
            f"SAE {name} has no labels by {method!r}; it has: {', '.join(written) or 'none'}"
        )
    if not written:
        return {}
    ordered = directory.description("config")["config"]["labels"]["methods"]
    chosen = method or next((one for one in ordered if one in written), written[0])
    table = directory.read_table(f"labels/{name}/{chosen}.parquet")
    rows = records_from(LabelCandidate, table)
    return {row.feature: row.text for row in rows if row.rank == 1 and row.status == "ok"}


def exemplar_means(directory: RunDirectory, stored: StoredSae) -> dict[str, Tensor]:
    """For each feature the mean stream [d] over its exemplars' frames less that over the frames of
    all validation tracks."""
    validation = {one.track for one in usable_tracks(directory) if one.split == "validation"}
    means: dict[str, np.ndarray] = {}
    for facts, array in checked_shards(directory, [stored]):
        for row, track in enumerate(facts.tracks):
            if track in validation:
                means[track] = array[row].mean(axis=0, dtype=np.float64)
    overall = np.mean(list(means.values()), axis=0)
    tracks: dict[str, list[str]] = {}
    for one in exemplars_of(directory, stored.name):
        tracks.setdefault(one.feature, []).append(one.track)
    return {
        feature: torch.from_numpy(np.mean([means[t] for t in own], axis=0) - overall).float()
        for feature, own in tracks.items()
    }


def exemplars_of(directory: RunDirectory, name: str) -> Sequence[ExemplarRecord]:
    """The exemplars of an SAE's features."""
    return records_from(ExemplarRecord, directory.read_table(f"exemplars/{name}.parquet"))


def _neighbours(directory: RunDirectory, name: str) -> dict[str, str]:
    relative = f"features/{name}.neighbours.parquet"
    rows = records_from(NeighbourRecord, directory.read_table(relative))
    return {row.feature: row.neighbour for row in rows if row.rank == 1}
