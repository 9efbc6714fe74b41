"""Steering on a run of a subject that can generate."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from pipeline.__main__ import main
from pipeline.artifacts import RunDirectory
from pipeline.config import config_from_dict
from pipeline.errors import PipelineError
from pipeline.progress import SilentProgress
from pipeline.records import ExemplarRecord, SteeringRecord, records_from
from pipeline.run import execute
from pipeline.sae import checkpoint
from pipeline.stages.steering import (
    SteeringConfig,
    drawn,
    largest_over_exemplars,
    steer,
    vector_of,
)
from pipeline.verify import verify

CONFIG = SteeringConfig(features=2, alphas=(0.0, 8.0), seconds=0.2, prompt="")


@pytest.fixture
def directory(run_copy: Path) -> RunDirectory:
    return RunDirectory(run_copy)


def rows(directory: RunDirectory, name: str) -> list[SteeringRecord]:
    return records_from(SteeringRecord, directory.read_table(f"steering/{name}.parquet"))


def test_every_drawn_feature_is_heard_with_and_without(directory: RunDirectory) -> None:
    steer(CONFIG, directory, progress=SilentProgress())
    for name in directory.sae_names():
        found = rows(directory, name)
        assert {row.feature for row in found} == {f.feature for f in drawn(directory, name, CONFIG)}
        assert len(found) == 4
        for row in found:
            steered, plain = (sound(directory, name, clip) for clip in (row.clip, row.plain_clip))
            assert steered.shape == plain.shape == (1600,)
            same = row.clip == row.plain_clip
            assert same == (row.alpha == 0) == (row.changed_share == 0)
    assert directory.summary("steering")["config"]["alphas"] == [0.0, 8.0]
    assert verify(directory.path, progress=SilentProgress()) == []


def sound(directory: RunDirectory, name: str, clip: str) -> np.ndarray:
    samples: np.ndarray = sf.read(directory.path_of(f"steering/{name}/clips/{clip}.flac"))[0]
    return samples


def test_beta_is_the_largest_raw_activation_over_the_exemplars(directory: RunDirectory) -> None:
    from pipeline.sae.summary import checked_shards, frames_of

    name = directory.sae_names()[0]
    stored = checkpoint.load(directory, name)
    feature = drawn(directory, name, CONFIG)[0]
    exemplars = records_from(ExemplarRecord, directory.read_table(f"exemplars/{name}.parquet"))
    tracks = {e.track for e in exemplars if e.feature == feature.feature}
    largest = 0.0
    for facts, array in checked_shards(directory, stored):
        for row, track in enumerate(facts.tracks):
            if track in tracks:
                import torch

                frames = torch.from_numpy(array[row]).float()
                found = frames_of(stored.sae, frames, torch.tensor([feature.index]))
                largest = max(largest, found.max().item())
    beta = largest_over_exemplars(directory, stored)[feature.feature]
    assert beta == pytest.approx(largest, rel=1e-4)
    vector = vector_of(stored, feature.index)
    assert vector.direction.norm().item() == pytest.approx(1.0, abs=1e-4)
    assert vector.hookpoint == stored.facts.hookpoint


def test_the_draw_follows_the_seed(directory: RunDirectory) -> None:
    name = directory.sae_names()[0]
    config = replace(CONFIG, features=3)
    assert drawn(directory, name, config) == drawn(directory, name, config)
    others = [drawn(directory, name, replace(config, seed=seed)) for seed in range(1, 6)]
    assert any(other != drawn(directory, name, config) for other in others)


def test_a_run_without_exemplars_or_with_another_subject_is_refused(
    small_config: dict[str, Any], directory: RunDirectory, tmp_path: Path
) -> None:
    config = config_from_dict(small_config)
    early = execute(config, tmp_path / "early", progress=SilentProgress(), until="corpus")
    with pytest.raises(PipelineError, match="stage exemplars is not done"):
        steer(CONFIG, early, progress=SilentProgress())
    run = directory.read_json("run.json")
    run["config"]["subject"]["control"] = "random"
    (directory.path / "run.json").write_text(json.dumps(run))
    with pytest.raises(PipelineError, match=r"belongs to subject .* and cannot steer subject"):
        steer(CONFIG, directory, progress=SilentProgress())


def test_the_command_refuses_what_makes_no_sense(
    directory: RunDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["steer", str(directory.path), "--features", "0"]) == 2
    assert "must be over 0" in capsys.readouterr().err
