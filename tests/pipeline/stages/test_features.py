"""Rates, the filter and neighbours against slow definitions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.artifacts import RunDirectory
from pipeline.config import config_from_dict
from pipeline.records import FeatureRecord, NeighbourRecord, TrackRecord, records_from
from pipeline.sae import checkpoint
from pipeline.stages.features import neighbours

NAME = "layer0-n128-k4"


def splits(directory: RunDirectory) -> dict[str, str]:
    rows = records_from(TrackRecord, directory.read_table("corpus.parquet"))
    return {row.track: row.split for row in rows}


def test_rate_is_the_share_of_validation_tracks_over_the_threshold(
    finished_run: Path, small_config: dict[str, Any]
) -> None:
    directory = RunDirectory(finished_run)
    config = config_from_dict(small_config).features
    split = splits(directory)
    tensors, metadata = directory.read_tensors(f"features/{NAME}.activations.safetensors")
    validation = [split[track] == "validation" for track in json.loads(metadata["tracks"])]
    peaks, means = tensors["max"][validation], tensors["mean"][validation]
    for row in records_from(FeatureRecord, directory.read_table(f"features/{NAME}.parquet")):
        firing = sum(float(peak) > config.filter[0] for peak in peaks[:, row.index])
        assert row.firing_tracks == firing
        assert row.rate == firing / sum(validation)
        assert row.kept == (firing >= config.min_tracks)
        assert row.kept == (row.reason == "")
        np.testing.assert_allclose(row.mean_activation, means[:, row.index].mean(), rtol=1e-5)
        assert row.max_activation == peaks[:, row.index].max()


def test_neighbours_are_the_nearest_kept_directions() -> None:
    directions = np.eye(4)[:, [0, 1, 2, 3]]
    directions[1] = [0.8, 0.6, 0, 0]
    directions[2] = [0.6, 0.8, 0, 0]
    assert neighbours(directions, [0, 1, 2], 1) == [
        (0, 1, 1, 0.8),
        (1, 2, 1, 0.96),
        (2, 1, 1, 0.96),
    ]
    assert neighbours(directions, [3], 5) == []


def test_neighbours_are_listed_for_every_kept_feature(finished_run: Path) -> None:
    directory = RunDirectory(finished_run)
    features = records_from(FeatureRecord, directory.read_table(f"features/{NAME}.parquet"))
    kept = {row.feature for row in features if row.kept}
    table = directory.read_table(f"features/{NAME}.neighbours.parquet")
    rows = records_from(NeighbourRecord, table)
    assert {row.feature for row in rows} == kept
    assert {row.neighbour for row in rows} <= kept
    first = rows[0]
    decoder = checkpoint.load(directory, NAME).sae.decoder.numpy()
    one, other = (decoder[int(key.partition("/")[2])] for key in (first.feature, first.neighbour))
    np.testing.assert_allclose(first.cosine, one @ other, rtol=1e-5)


def test_the_summary_counts_every_latent_once(finished_run: Path) -> None:
    assert sum(RunDirectory(finished_run).summary("features")[NAME].values()) == 128
