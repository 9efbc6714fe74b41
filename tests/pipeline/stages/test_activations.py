"""Activation files: complete, aligned, with correct metadata."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.config import SubjectConfig, config_from_dict
from pipeline.corpus.audio import read_mono
from pipeline.store.activations import ShardFacts, read_shards
from pipeline.store.run_directory import RunDirectory
from pipeline.store.tables import TrackRecord
from pipeline.subjects.base import SubjectFacts
from pipeline.subjects.extraction import SHARD_TRACKS, extract_tracks, is_padded, shards_of
from pipeline.subjects.transformers_backend import TransformersSubject

HOOKPOINT = "decoder.layers.1.resid_post"
FACTS = SubjectFacts("f", 8000, 50.0, n_codebooks=4, n_blocks=2, width=32, codec_width=32)


def track(name: str, seconds: float) -> TrackRecord:
    return TrackRecord(
        track=name, path=name, sha256="", seconds=seconds, start_seconds=0.0, sample_rate=8000,
        artist="", split="train", tags=(), caption="", license="", status="ok", reason="",
    )  # fmt: skip


def test_every_usable_track_is_in_one_file_of_each_hookpoint(finished_run: Path) -> None:
    directory = RunDirectory(finished_run)
    for hookpoint in ("decoder.layers.0.resid_post", HOOKPOINT):
        tracks = [name for facts, _ in read_shards(directory, hookpoint) for name in facts.tracks]
        assert sorted(tracks) == [f"t{n:03d}" for n in range(48)]


def test_a_file_holds_what_the_subject_gives_for_the_track_from_its_first_full_frame(
    finished_run: Path, small_config: dict[str, Any]
) -> None:
    config = config_from_dict(small_config)
    assert config.corpus.path is not None
    subject = TransformersSubject(config.subject)
    facts, array = next(read_shards(RunDirectory(finished_run), HOOKPOINT))
    row = facts.tracks.index("t007")
    sound = read_mono(config.corpus.path / "audio/007.flac", sample_rate=8000, seconds=2.0)
    codes = subject.encode(torch.from_numpy(sound)[None])
    expected = subject.activations(codes, [HOOKPOINT])[HOOKPOINT][0, 3:]
    assert array.dtype == np.float16
    np.testing.assert_allclose(array[row], expected.numpy(), rtol=2e-3, atol=2e-3)
    assert (facts.hookpoint, facts.first_frame, facts.frame_rate) == (HOOKPOINT, 3, 50.0)
    assert facts.subject_fingerprint == subject.facts.fingerprint


def test_shards_hold_tracks_of_one_length_and_not_too_many() -> None:
    tracks = [track(f"a{n}", 2.0) for n in range(SHARD_TRACKS + 1)] + [track("b", 3.0)]
    shards = shards_of(tracks, FACTS)
    assert [len(shard) for shard in shards] == [1, SHARD_TRACKS, 1]
    assert shards[0][0].track == "b"


def test_tracks_of_random_lengths_share_shards_by_their_frames() -> None:
    """As many shards as there are numbers of frames; by samples there would be 1,900."""
    lengths = np.random.default_rng(0).uniform(7.5, 10.0, 2000)
    shards = shards_of([track(f"t{n}", seconds) for n, seconds in enumerate(lengths)], FACTS)
    assert len(shards) <= 130
    assert sum(map(len, shards)) == 2000
    for shard in shards:
        samples = [round(one.seconds * 8000) for one in shard]
        assert max(samples) - min(samples) < 160


@pytest.mark.parametrize("batch", [1, 3])
def test_a_track_that_ends_within_a_frame_is_padded_whatever_its_batch(
    batch: int, small_config: dict[str, Any], corpus_folder: Path
) -> None:
    subject = TransformersSubject(config_from_dict(small_config).subject)
    lengths = (1.985, 2.0, 1.9999)  # 99.25, 100 and 99.995 frames
    tracks = [replace(track(f"t{n}", s), path="audio/000.flac") for n, s in enumerate(lengths)]
    found = {}
    for start in range(0, 3, batch):
        part = extract_tracks(subject, [HOOKPOINT], corpus_folder, tracks[start : start + batch])
        found |= dict(zip(part.tracks, part.arrays[HOOKPOINT], strict=True))
    assert {array.shape[0] for array in found.values()} == {97}
    assert [is_padded(seconds, subject.facts) for seconds in lengths] == [True, False, True]
    sound = read_mono(corpus_folder / "audio/000.flac", sample_rate=8000, seconds=1.985)
    codes = subject.encode(torch.from_numpy(np.pad(sound, (0, 120)))[None])
    expected = subject.activations(codes, [HOOKPOINT])[HOOKPOINT][0, 3:]
    np.testing.assert_allclose(found["t0"], expected.half().numpy(), rtol=2e-3, atol=2e-3)


def test_facts_come_back_from_metadata() -> None:
    for padded in (False, True):
        facts = ShardFacts(("a", "ü"), "f", HOOKPOINT, "frame=step-1", 50.0, 3, padded)
        assert ShardFacts.from_metadata(facts.to_metadata()) == facts
        assert ("padded" in facts.to_metadata()) == padded


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_the_batch_size_does_not_change_codes(
    batch: int, subject_folder: Path, corpus_folder: Path
) -> None:
    subject = TransformersSubject(SubjectConfig(model=str(subject_folder), hookpoints=(HOOKPOINT,)))
    sounds = torch.stack(
        [
            torch.from_numpy(read_mono(corpus_folder / f"audio/{n:03d}.flac", sample_rate=8000))
            for n in (0, 2, 3, 4, 6, 7)  # of one length
        ]
    )
    whole = subject.encode(sounds)
    parts = torch.cat([subject.encode(some) for some in torch.split(sounds, batch)])
    assert torch.equal(whole, parts)
