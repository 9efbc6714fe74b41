"""What each latent does in each track: columns against dense latents, whatever the machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.config import MachineConfig, RunConfig, config_from_dict
from pipeline.errors import PipelineError
from pipeline.features.columns import SORTING, Spill
from pipeline.features.encoding import ENTRY, frames_of, summarise
from pipeline.features.exemplars import choose, peak_seconds
from pipeline.features.statistics import EDGES
from pipeline.features.summaries import columns_path, matrices, open_summaries
from pipeline.pieces import make
from pipeline.progress import SilentProgress
from pipeline.sae import checkpoint
from pipeline.sae.frames import checked_shards
from pipeline.stages.features import OfSaes
from pipeline.store.records import records_from
from pipeline.store.run_directory import RunDirectory
from pipeline.store.tables import FeatureRecord, TrackRecord
from tests.pipeline.features.dense import as_earlier_versions, dense
from tests.pipeline.sae.test_model import random_sae

NAME = "layer0-n128-k4"


@pytest.fixture
def config(small_config: dict[str, Any]) -> RunConfig:
    return config_from_dict(small_config)


def test_means_maxima_and_peaks_are_those_of_the_dense_latents() -> None:
    sae = random_sae()
    x = torch.randn(3, 7, 6, generator=torch.Generator().manual_seed(0))
    found = summarise(sae, x)
    for row in range(3):
        latents = sae.encode(x[row]).dense(20)
        torch.testing.assert_close(found.mean[row], latents.mean(dim=0))
        torch.testing.assert_close(found.max[row], latents.max(dim=0).values)
        active = latents.max(dim=0).values > 0
        assert torch.equal(found.frame[row][active], latents.argmax(dim=0)[active].int())
        chosen = frames_of(sae, x[row], torch.tensor([4, 2]))
        torch.testing.assert_close(chosen, latents[:, [4, 2]])


def test_every_track_is_summarised_once_in_order_of_name(finished_run: Path) -> None:
    directory = RunDirectory(finished_run)
    stored = checkpoint.load(directory, NAME)
    found = dense(directory, NAME)
    assert found.tracks == tuple(f"t{n:03d}" for n in range(48))
    shards = list(checked_shards(directory, [stored]))
    # Two files, in neither of which the tracks of the other would all come first.
    assert [facts.tracks[0] for facts, _ in shards] == ["t000", "t001"]
    scale = stored.facts.activation_scale
    for facts, array in shards:
        for place, track in enumerate(facts.tracks):
            latents = stored.sae.encode(torch.from_numpy(array[place]).float()).dense(128) / scale
            row = found.tracks.index(track)
            torch.testing.assert_close(torch.from_numpy(found.mean[row]), latents.mean(dim=0))
            torch.testing.assert_close(torch.from_numpy(found.max[row]), latents.max(dim=0).values)


def test_files_do_not_depend_on_workers_memory_or_groups(
    run_copy: Path, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = RunDirectory(run_copy)
    before = directory.digest("features")
    for machine, groups in (
        (MachineConfig(workers=3), 256),
        (MachineConfig(workers=1, memory_gb=0.01), 256),
        (MachineConfig(workers=2, memory_gb=0.01), 7),
    ):
        monkeypatch.setattr("pipeline.features.columns.SORTING", 1_000_000)
        monkeypatch.setattr("pipeline.features.columns.MOST_GROUPS", groups)
        monkeypatch.setattr("pipeline.features.columns.GROUP_LATENTS", 1)
        make(
            OfSaes(replace(config, machine=machine), directory),
            directory,
            progress=SilentProgress(),
        )
        assert directory.digest("features") == before


def test_no_group_takes_more_memory_than_it_may(tmp_path: Path) -> None:
    drawn = np.random.default_rng(0)
    entries = np.zeros(4000, dtype=ENTRY)
    # Some latents are active in nearly all tracks, most in few.
    cells = np.flatnonzero(drawn.random(600 * 40) < np.repeat(drawn.random(600) ** 8, 40))[:4000]
    entries = entries[: len(cells)]
    entries["latent"], entries["track"] = np.divmod(cells, 40)
    entries["mean"] = drawn.random(len(cells))
    memory = 60 * ENTRY.itemsize * SORTING
    with Spill(tmp_path, range(600), 2, memory) as spill:
        for track in range(40):
            spill.add(entries[entries["track"] == track])
    groups = list(spill.groups())
    assert [first for first, _, _ in groups[1:]] == [last for _, last, _ in groups[:-1]]
    assert all(len(group) <= 60 for _, _, group in groups)
    assert len(groups) > 20
    found = np.concatenate([group for _, _, group in groups])
    np.testing.assert_array_equal(np.sort(found, order=["latent", "track"]), entries)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_without_planted_concepts_only_kept_latents_have_columns(
    run_copy: Path, config: RunConfig
) -> None:
    directory = RunDirectory(run_copy)
    complete = {name: dense(directory, name) for name in directory.sae_names()}
    (run_copy / "concepts.json").unlink()
    make(OfSaes(config, directory), directory, progress=SilentProgress())
    rows = records_from(FeatureRecord, directory.read_table(f"features/{NAME}.parquet"))
    kept = [row.index for row in rows if row.kept]
    summaries, found = open_summaries(directory, NAME), dense(directory, NAME)
    assert summaries.latents.tolist() == kept
    np.testing.assert_array_equal(found.mean[:, kept], complete[NAME].mean[:, kept])
    dropped = next(row.index for row in rows if not row.kept and row.firing_tracks)
    with pytest.raises(PipelineError, match=f"{NAME}/{dropped} is not kept"):
        next(matrices(summaries, [kept[0], dropped]))


def test_histogram_and_strongest_tracks_of_every_latent(
    finished_run: Path, config: RunConfig
) -> None:
    directory = RunDirectory(finished_run)
    tensors, _ = directory.read_tensors(columns_path(NAME))
    tracks, mean, peak = dense(directory, NAME)
    table = directory.read_table("corpus.parquet").to_pylist()
    inside = {row["track"] for row in table if row["split"] == "validation"}
    validation = [track in inside for track in tracks]
    tau, count = config.features.filter[0], config.exemplars.count
    for latent in range(128):
        firing = [n for n in np.flatnonzero(validation) if peak[n, latent] > tau]
        strongest = sorted(firing, key=lambda n: (-mean[n, latent], n))[:count]
        rows = [*strongest, *[-1] * (count - len(strongest))]
        assert tensors["top_track"][latent].tolist() == rows
        # The number of validation tracks over each edge follows from the bins above it.
        over = [int((peak[validation, latent] > edge).sum()) for edge in EDGES]
        assert np.cumsum(tensors["histogram"][latent][::-1])[-2::-1].tolist() == over


def test_a_run_of_an_earlier_version_gives_the_same_exemplars(
    run_copy: Path, config: RunConfig
) -> None:
    directory = RunDirectory(run_copy)
    rows = records_from(TrackRecord, directory.read_table("corpus.parquet"))
    tracks = {row.track: row for row in rows}
    chosen = choose(directory, NAME, tracks, config)
    peaks = peak_seconds(directory, NAME, chosen)
    as_earlier_versions(directory, NAME, dense(directory, NAME))
    again = choose(directory, NAME, tracks, config)
    assert {row.frame for rows in again.values() for row in rows} == {None}
    assert [[row[:3] for row in rows] for rows in again.values()] == [
        [row[:3] for row in rows] for rows in chosen.values()
    ]
    assert peak_seconds(directory, NAME, again) == peaks


def test_an_sae_does_not_read_another_hookpoints_files(finished_run: Path) -> None:
    directory = RunDirectory(finished_run)
    stored = checkpoint.load(directory, NAME)
    facts = {**vars(stored.facts), "subject_fingerprint": "another"}
    foreign = checkpoint.StoredSae("x", stored.sae, checkpoint.SaeFacts(**facts))
    with pytest.raises(PipelineError, match="belongs to subject_fingerprint another"):
        next(checked_shards(directory, [foreign]))
