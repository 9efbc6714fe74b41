"""Exemplars: the strongest validation tracks, their clips, and where they peak."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import soundfile as sf

from pipeline.activation_files import read_shards
from pipeline.artifacts import RunDirectory
from pipeline.records import ExemplarRecord, FeatureRecord, TrackRecord, records_from
from pipeline.sae import checkpoint

NAME = "layer1-n128-k4"


def exemplars(directory: RunDirectory) -> list[ExemplarRecord]:
    return records_from(ExemplarRecord, directory.read_table(f"exemplars/{NAME}.parquet"))


def test_exemplars_are_the_validation_tracks_with_the_largest_mean(finished_run: Path) -> None:
    directory = RunDirectory(finished_run)
    tracks = records_from(TrackRecord, directory.read_table("corpus.parquet"))
    validation = {row.track for row in tracks if row.split == "validation"}
    tensors, metadata = directory.read_tensors(f"features/{NAME}.activations.safetensors")
    names = json.loads(metadata["tracks"])
    rows = exemplars(directory)
    features = records_from(FeatureRecord, directory.read_table(f"features/{NAME}.parquet"))
    assert {row.feature for row in rows} == {row.feature for row in features if row.kept}
    for feature in {row.feature for row in rows}:
        index = int(feature.partition("/")[2])
        means = {n: float(m) for n, m in zip(names, tensors["mean"][:, index], strict=True)}
        expected = sorted(validation, key=lambda name: (-means[name], name))[:3]
        found = [row for row in rows if row.feature == feature]
        assert [row.track for row in found] == expected
        assert [row.rank for row in found] == [1, 2, 3]
        assert [row.mean_activation for row in found] == [means[name] for name in expected]


def test_a_clip_is_the_tracks_sound_under_its_hash(finished_run: Path, corpus_folder: Path) -> None:
    row = exemplars(RunDirectory(finished_run))[0]
    path = finished_run / "exemplars" / NAME / "clips" / f"{row.clip}.flac"
    assert hashlib.sha256(path.read_bytes()).hexdigest() == row.clip
    original, _ = sf.read(corpus_folder / "audio" / f"{row.track[1:]}.flac")
    clip, rate = sf.read(path)
    assert (rate, row.seconds, row.start_seconds) == (8000, 2.0, 0.0)
    np.testing.assert_array_equal(clip, original)


def test_the_peak_is_the_middle_of_the_strongest_frame(finished_run: Path) -> None:
    directory = RunDirectory(finished_run)
    stored = checkpoint.load(directory, NAME)
    facts, array = next(read_shards(directory, stored.facts.hookpoint))
    import torch

    for row in exemplars(directory)[:20]:
        frames = torch.from_numpy(array[facts.tracks.index(row.track)]).float()
        latent = stored.sae.encode(frames).dense(128)[:, int(row.feature.partition("/")[2])]
        # Three frames were dropped for their special tokens; frame t spans t/50 s to (t + 1)/50 s.
        assert row.peak_seconds == round((3 + int(latent.argmax()) + 0.5) / 50, 6)


def test_no_clip_is_stored_that_no_feature_uses(finished_run: Path) -> None:
    stored = {path.stem for path in (finished_run / "exemplars" / NAME / "clips").iterdir()}
    assert stored == {row.clip for row in exemplars(RunDirectory(finished_run))}
