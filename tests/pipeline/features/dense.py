"""Summaries as dense arrays, for slow definitions to compare with."""

from __future__ import annotations

import json
from typing import NamedTuple

import numpy as np

from pipeline.features.summaries import columns_path, dense_path, open_summaries
from pipeline.files.hashing import sha256_of
from pipeline.store.run_directory import RunDirectory
from tests.pipeline.tensors import safetensors_bytes


class Dense(NamedTuple):
    """Two arrays [track, latent]."""

    tracks: tuple[str, ...]
    mean: np.ndarray
    max: np.ndarray


def dense(directory: RunDirectory, name: str) -> Dense:
    """All columns of an SAE; 0 where there is none."""
    summaries = open_summaries(directory, name)
    mean, peak = np.zeros((2, len(summaries.tracks), summaries.n_latents), dtype=np.float32)
    for latent in summaries.latents.tolist():
        column = summaries.column(latent)
        mean[column.tracks, latent], peak[column.tracks, latent] = column.mean, column.max
    return Dense(summaries.tracks, mean, peak)


def as_earlier_versions(directory: RunDirectory, name: str, summaries: Dense) -> None:
    """Store `summaries` as earlier versions did, in place of the columns."""
    data = safetensors_bytes(
        {"mean": summaries.mean, "max": summaries.max}, {"tracks": json.dumps(summaries.tracks)}
    )
    directory.path_of(dense_path(name)).write_bytes(data)
    directory.path_of(columns_path(name)).unlink()
    manifest = directory.manifest()
    files = manifest["stages"]["features"]["files"]
    del files[columns_path(name)]
    files[dense_path(name)] = sha256_of(directory.path_of(dense_path(name)))
    directory.path_of("manifest.json").write_text(json.dumps(manifest))
