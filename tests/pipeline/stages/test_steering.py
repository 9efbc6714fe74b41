"""Steering on a run whose subject can generate."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf
import torch

from pipeline.__main__ import main
from pipeline.config import config_from_dict
from pipeline.errors import PipelineError
from pipeline.features.encoding import frames_of
from pipeline.progress import SilentProgress
from pipeline.run import execute
from pipeline.sae import checkpoint
from pipeline.sae.frames import checked_shards
from pipeline.stages.steering import steer
from pipeline.steering.settings import SteeringConfig
from pipeline.steering.vectors import drawn_features, largest_over_exemplars, vector_of
from pipeline.store.records import records_from
from pipeline.store.run_directory import RunDirectory
from pipeline.store.steering_tables import SteeringRecord
from pipeline.store.tables import ExemplarRecord
from pipeline.subjects import load_subject
from pipeline.subjects.base import Intervention, SteeringVector
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
        assert {row.feature for row in found} == {
            f.feature for f in drawn_features(directory, name, CONFIG)
        }
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
    name = directory.sae_names()[0]
    stored = checkpoint.load(directory, name)
    feature = drawn_features(directory, name, CONFIG)[0]
    exemplars = records_from(ExemplarRecord, directory.read_table(f"exemplars/{name}.parquet"))
    tracks = {e.track for e in exemplars if e.feature == feature.feature}
    largest = 0.0
    for facts, array in checked_shards(directory, [stored]):
        for row, track in enumerate(facts.tracks):
            if track in tracks:
                frames = torch.from_numpy(array[row]).float()
                found = frames_of(stored.sae, frames, torch.tensor([feature.index]))
                largest = max(largest, found.max().item())
    beta = largest_over_exemplars(directory, stored)[feature.feature]
    assert beta == pytest.approx(largest, rel=1e-4)


def test_the_vector_is_the_latents_own_row_of_the_decoder(finished_run: Path) -> None:
    """Read from the file, [latent, d], beside the row before and the row after it."""
    directory = RunDirectory(finished_run)
    for name in directory.sae_names():
        stored = checkpoint.load(directory, name)
        tensors, _ = directory.read_tensors(f"sae/{name}/sae_weights.safetensors")
        for latent in (0, 1, 77, 127):
            vector = vector_of(stored, latent)
            np.testing.assert_array_equal(vector.direction.numpy(), tensors["W_dec"][latent])
            cosines = tensors["W_dec"] @ vector.direction.numpy()
            assert int(cosines.argmax()) == latent
            assert cosines[latent] == pytest.approx(1.0, abs=1e-4)
            assert vector.hookpoint == stored.facts.hookpoint
            assert vector.subject_fingerprint == stored.facts.subject_fingerprint


def test_a_steered_clip_is_what_the_subject_makes_under_alpha_times_beta(
    directory: RunDirectory,
) -> None:
    """Each clip is generated again with the file's row of W_dec at strength α β, and no other."""
    config = replace(CONFIG, features=1, alphas=(1.0, 8.0), seconds=1.0)
    steer(config, directory, progress=SilentProgress())
    run = config_from_dict(directory.read_json("run.json")["config"])
    subject = load_subject(run.subject, device="cpu")
    name = directory.sae_names()[0]
    tensors, _ = directory.read_tensors(f"sae/{name}/sae_weights.safetensors")
    facts = checkpoint.load(directory, name).facts
    found = rows(directory, name)
    assert [row.alpha for row in found] == [1.0, 8.0]
    assert len({row.clip for row in found}) == 2
    for row in found:
        index = int(row.feature.rpartition("/")[2])
        for latent, strength, same in (
            (index, row.alpha * row.beta, True),
            (index, row.alpha, False),
            ((index + 1) % 128, row.alpha * row.beta, False),
        ):
            direction = torch.from_numpy(tensors["W_dec"][latent])
            vector = SteeringVector(direction, facts.hookpoint, facts.subject_fingerprint)
            made = subject.generate(
                "", config.seconds, row.seed, [Intervention(vector, strength, "both")]
            )
            again = np.clip(made.audio.numpy(), -1.0, 1.0)
            heard = sound(directory, name, row.clip)
            assert (np.abs(again - heard).max() < 1e-3) == same


def test_steering_raises_its_own_feature_most(finished_run: Path) -> None:
    """The residual stream that the SAE reads, with and without the vector."""
    directory = RunDirectory(finished_run)
    run = config_from_dict(directory.read_json("run.json")["config"])
    subject = load_subject(run.subject, device="cpu")
    codes = torch.randint(64, (1, 4, 40), generator=torch.Generator().manual_seed(0))
    for name in directory.sae_names():
        stored = checkpoint.load(directory, name)
        hookpoint = stored.facts.hookpoint
        for feature, beta in list(largest_over_exemplars(directory, stored).items())[:5]:
            latent = int(feature.rpartition("/")[2])
            intervention = Intervention(vector_of(stored, latent), beta)
            plain = subject.activations(codes, [hookpoint])[hookpoint][0]
            with subject.stream.steered([[intervention]]):
                steered = subject.activations(codes, [hookpoint])[hookpoint][0]
            rise = (stored.sae.preactivations(steered) - stored.sae.preactivations(plain)).mean(0)
            assert int(rise.argmax()) == latent
            assert rise[latent] > 0.2 * beta


def test_the_draw_follows_the_seed(directory: RunDirectory) -> None:
    name = directory.sae_names()[0]
    config = replace(CONFIG, features=3)
    assert drawn_features(directory, name, config) == drawn_features(directory, name, config)
    others = [drawn_features(directory, name, replace(config, seed=seed)) for seed in range(1, 6)]
    assert any(other != drawn_features(directory, name, config) for other in others)


def test_a_stratified_draw_has_as_many_features_of_each_third_by_rate(
    directory: RunDirectory,
) -> None:
    name = directory.sae_names()[0]
    kept = drawn_features(directory, name, replace(CONFIG, features=1000))
    ordered = sorted(kept, key=lambda feature: (feature.rate, feature.index))
    third = {one.feature: 3 * place // len(ordered) for place, one in enumerate(ordered)}
    for wanted in (3, 6, 7):
        config = replace(CONFIG, features=wanted, stratify=True)
        drawn = drawn_features(directory, name, config)
        counts = Counter(third[one.feature] for one in drawn)
        assert len({one.feature for one in drawn}) == len(drawn) == wanted
        assert max(counts.values()) - min(counts.values()) <= 1
        assert drawn == drawn_features(directory, name, config)
    # Every feature, if more are asked for than there are.
    assert drawn_features(directory, name, replace(CONFIG, features=1000, stratify=True)) == kept


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
    for option, value, said in (
        ("--features", "0", "must be over 0"),
        ("--seconds", "nan", "seconds nan; each must be over 0 and finite"),
        ("--alpha", "nan", "alphas is [nan]; each must be a finite number"),
    ):
        assert main(["steer", str(directory.path), option, value]) == 2
        assert said in capsys.readouterr().err
