"""Per-track means and maxima against dense ones."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pipeline.errors import PipelineError
from pipeline.features.summaries import frames_of, summarise, track_summary
from pipeline.progress import SilentProgress
from pipeline.sae import checkpoint
from pipeline.sae.frames import checked_shards
from pipeline.store.run_directory import RunDirectory
from tests.pipeline.sae.test_model import random_sae


def test_means_and_maxima_are_those_of_the_dense_latents() -> None:
    sae = random_sae()
    x = torch.randn(3, 7, 6, generator=torch.Generator().manual_seed(0))
    mean, peak = summarise(sae, x)
    for row in range(3):
        dense = sae.encode(x[row]).dense(20)
        torch.testing.assert_close(mean[row], dense.mean(dim=0))
        torch.testing.assert_close(peak[row], dense.max(dim=0).values)
        torch.testing.assert_close(frames_of(sae, x[row], torch.tensor([4, 2])), dense[:, [4, 2]])


def test_every_track_is_summarised_once_in_order_of_name(finished_run: Path) -> None:
    directory = RunDirectory(finished_run)
    stored = checkpoint.load(directory, "layer0-n128-k4")
    found = track_summary(directory, stored, workers=2, progress=SilentProgress())
    assert found.tracks == tuple(f"t{n:03d}" for n in range(48))
    shards = list(checked_shards(directory, stored))
    # Two files, in neither of which the tracks of the other would all come first.
    assert [facts.tracks[0] for facts, _ in shards] == ["t000", "t001"]
    scale = stored.facts.activation_scale
    for facts, array in shards:
        for place, track in enumerate(facts.tracks):
            dense = stored.sae.encode(torch.from_numpy(array[place]).float()).dense(128) / scale
            row = found.tracks.index(track)
            torch.testing.assert_close(torch.from_numpy(found.mean[row]), dense.mean(dim=0))
            torch.testing.assert_close(torch.from_numpy(found.max[row]), dense.max(dim=0).values)


def test_an_sae_does_not_read_another_hookpoints_files(finished_run: Path) -> None:
    directory = RunDirectory(finished_run)
    stored = checkpoint.load(directory, "layer0-n128-k4")
    facts = {**vars(stored.facts), "subject_fingerprint": "another"}
    foreign = checkpoint.StoredSae("x", stored.sae, checkpoint.SaeFacts(**facts))
    with pytest.raises(PipelineError, match="belongs to subject_fingerprint another"):
        next(checked_shards(directory, foreign))
