"""Activation files: complete, aligned, with correct metadata."""

from __future__ import annotations

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
from pipeline.subjects.extraction import SHARD_TRACKS, shards_of
from pipeline.subjects.transformers_backend import TransformersSubject

HOOKPOINT = "decoder.layers.1.resid_post"


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
    shards = shards_of(tracks, 8000)
    assert [len(shard) for shard in shards] == [1, SHARD_TRACKS, 1]
    assert shards[0][0].track == "b"


def test_facts_come_back_from_metadata() -> None:
    facts = ShardFacts(("a", "ü"), "f", HOOKPOINT, "frame=step-1", 50.0, 3)
    assert ShardFacts.from_metadata(facts.to_metadata()) == facts


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
