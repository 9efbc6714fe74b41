"""Rates, the filter and neighbours against slow definitions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.config import FeaturesConfig, config_from_dict
from pipeline.features.encoding import ENTRY
from pipeline.features.filter import feature_records
from pipeline.features.neighbours import neighbours
from pipeline.features.statistics import LatentStatistics
from pipeline.sae import checkpoint
from pipeline.store.records import records_from
from pipeline.store.run_directory import RunDirectory
from pipeline.store.tables import FeatureRecord, NeighbourRecord, TrackRecord
from tests.pipeline.features.dense import dense

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
    tracks, means, peaks = dense(directory, NAME)
    validation = [split[track] == "validation" for track in tracks]
    peaks, means = peaks[validation], means[validation]
    for row in records_from(FeatureRecord, directory.read_table(f"features/{NAME}.parquet")):
        firing = sum(float(peak) > config.filter[0] for peak in peaks[:, row.index])
        assert row.firing_tracks == firing
        assert row.rate == firing / sum(validation)
        assert row.kept == (0.1 <= row.rate <= 0.75)  # two tracks of 12 are a sixth already
        assert row.kept == (row.reason == "")
        np.testing.assert_allclose(row.mean_activation, means[:, row.index].mean(), rtol=1e-5)
        assert row.max_activation == peaks[:, row.index].max()


def test_the_run_drops_latents_for_every_part_of_the_filter(finished_run: Path) -> None:
    counts = RunDirectory(finished_run).summary("features")[NAME]
    assert set(counts) == {"kept", "r = 0", "r < 0.1", "r > 0.75"}


@pytest.mark.parametrize(
    ("firing", "reason"),
    [
        (0, "r = 0"),
        (1, "r < 0.01"),
        (4, "r < 0.01"),
        (5, "fires in fewer than 10 tracks"),
        (9, "fires in fewer than 10 tracks"),
        (10, ""),
        (125, ""),
        (126, "r > 0.25"),
        (500, "r > 0.25"),
    ],
)
def test_a_latent_is_kept_from_ten_tracks_and_1_to_25_percent_of_validation(
    firing: int, reason: str
) -> None:
    """Latent 0 fires, τ = 3 exceeded, in so many of 500 validation tracks and in all others."""
    validation = np.arange(600) % 6 > 0
    peak = np.full((4, 600), 3.0, dtype=np.float32)  # at τ, not over it
    peak[0, ~validation] = 9.0
    peak[0, np.flatnonzero(validation)[:firing]] = 3.5
    entries = np.zeros(peak.size, dtype=ENTRY)
    entries["latent"], entries["track"] = np.divmod(np.arange(peak.size), 600)
    entries["max"] = peak.flatten()
    statistics = LatentStatistics.zeros(4, 3)
    statistics.fill(entries, 0, validation, FeaturesConfig())
    rows = feature_records(NAME, "decoder.layers.0.resid_post", statistics, 500, FeaturesConfig())
    assert (rows[0].firing_tracks, rows[0].rate) == (firing, firing / 500)
    assert (rows[0].kept, rows[0].reason) == (reason == "", reason)
    assert {row.reason for row in rows[1:]} == {"r = 0"}


def test_neighbours_are_the_nearest_kept_directions() -> None:
    directions = np.array([[1, 0, 0], [0.8, 0.6, 0], [0.6, 0.8, 0]])
    assert neighbours(directions, [0, 5, 7], 1) == [
        (0, 5, 1, 0.8),
        (5, 7, 1, 0.96),
        (7, 5, 1, 0.96),
    ]
    assert neighbours(directions[:1], [3], 5) == []


def test_neighbours_do_not_depend_on_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    directions = np.random.default_rng(0).integers(-2, 3, (40, 3)).astype(np.float32)  # with ties
    kept = list(range(0, 120, 3))
    expected = []
    for row, latent in enumerate(kept):
        cosines = directions @ directions[row]
        order = [n for n in np.argsort(-cosines, kind="stable") if n != row][:6]
        expected += [(latent, kept[n], rank, cosines[n]) for rank, n in enumerate(order, start=1)]
    for rows in (1, 7, 1024):
        monkeypatch.setattr("pipeline.features.neighbours.ROWS_AT_ONCE", rows)
        assert neighbours(directions, kept, 6) == expected


def test_neighbours_are_listed_for_every_kept_feature(finished_run: Path) -> None:
    directory = RunDirectory(finished_run)
    features = records_from(FeatureRecord, directory.read_table(f"features/{NAME}.parquet"))
    kept = {row.feature for row in features if row.kept}
    table = directory.read_table(f"features/{NAME}.neighbours.parquet")
    rows = records_from(NeighbourRecord, table)
    assert {row.feature for row in rows} == kept
    assert {row.neighbour for row in rows} <= kept
    first = rows[0]
    decoder = checkpoint.load(directory, NAME).sae.W_dec.numpy()
    one, other = (decoder[int(key.partition("/")[2])] for key in (first.feature, first.neighbour))
    np.testing.assert_allclose(first.cosine, one @ other, rtol=1e-5)


def test_the_summary_counts_every_latent_once(finished_run: Path) -> None:
    assert sum(RunDirectory(finished_run).summary("features")[NAME].values()) == 128
