"""A track whose activations cannot be computed is set aside, and the stage continues."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch

from pipeline.config import RunConfig, config_from_dict
from pipeline.context import open_context
from pipeline.corpus.tracks import SET_ASIDE, usable_tracks
from pipeline.errors import PipelineError
from pipeline.pieces import make
from pipeline.progress import SilentProgress
from pipeline.run import execute
from pipeline.stages.activations import FEW_GONE, Shards
from pipeline.store.activations import read_shards
from pipeline.store.records import table_of
from pipeline.store.run_directory import RunDirectory
from pipeline.store.tables import SetAsideRecord
from pipeline.subjects.base import SubjectFacts
from pipeline.verify import verify

POINT = "decoder.layers.0.resid_post"


class Noting(SilentProgress):
    """Collects the notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def begun(small_config: dict[str, Any], corpus_folder: Path, tmp_path: Path) -> RunConfig:
    """A config whose corpus is a copy of its own, with the stage `corpus` done in `run`."""
    shutil.copytree(corpus_folder, tmp_path / "corpus")
    corpus = {**small_config["corpus"], "path": str(tmp_path / "corpus")}
    machine = {**small_config.get("machine", {}), "batch_tracks": 4}
    config = config_from_dict({**small_config, "corpus": corpus, "machine": machine})
    execute(config, tmp_path / "run", progress=SilentProgress(), until="corpus")
    return config


def test_files_that_went_bad_since_are_set_aside_counted_and_shown(
    begun: RunConfig, tmp_path: Path
) -> None:
    (tmp_path / "corpus/audio/003.flac").unlink()
    (tmp_path / "corpus/audio/005.flac").write_bytes(b"no sound")
    (tmp_path / "corpus/audio/007.flac").unlink()
    progress = Noting()
    directory = execute(begun, tmp_path / "run", progress=progress, until="features")
    gone = {"t003", "t005", "t007"}
    inside = [track for facts, _ in read_shards(directory, POINT) for track in facts.tracks]
    assert len(inside) == 45
    assert not gone & set(inside)
    assert sorted(inside) == [track.track for track in usable_tracks(directory)]
    summary = directory.summary("activations")
    assert summary["tracks"] == 45
    assert summary["set_aside"]["since the stage corpus: the file is missing"] == 2
    assert sum(summary["set_aside"].values()) == 3
    assert "excluded: 2 × since the stage corpus: the file is missing" in progress.notes
    assert verify(directory.path, progress=SilentProgress()) == []


def test_a_run_with_tracks_set_aside_is_labelled_and_graded(
    begun: RunConfig, tmp_path: Path
) -> None:
    (tmp_path / "corpus/audio/003.flac").unlink()
    directory = execute(begun, tmp_path / "run", progress=SilentProgress(), until="scores")
    context = open_context(begun, directory, directory.sae_names()[0], progress=SilentProgress())
    assert "t003" not in context.place_of
    assert len(context.tracks) == 47
    assert all(context.active(place).tracks.max() < 47 for place in range(len(context.features)))


def test_a_run_without_odd_tracks_has_no_list_of_them(finished_run: Path) -> None:
    directory = RunDirectory(finished_run)
    assert not directory.path_of("activations/set_aside.parquet").exists()
    assert "set_aside" not in directory.summary("activations")


def test_a_corpus_that_has_gone_is_refused(begun: RunConfig, tmp_path: Path) -> None:
    for path in (tmp_path / "corpus/audio").iterdir():
        path.write_bytes(b"no sound")
    with pytest.raises(PipelineError, match=r"no longer be read \(since .*still where it was\?"):
        execute(begun, tmp_path / "run", progress=SilentProgress(), until="activations")


def test_a_corpus_that_has_gone_in_part_is_refused_and_does_not_shrink(
    begun: RunConfig, tmp_path: Path
) -> None:
    directory = RunDirectory(tmp_path / "run")
    train = [track for track in usable_tracks(directory) if track.split == "train"]
    for track in train[: FEW_GONE + 1]:
        (tmp_path / "corpus" / track.path).unlink()
    with pytest.raises(PipelineError, match=r"^11 of 48 tracks.*the file is missing\); is the"):
        execute(begun, tmp_path / "run", progress=SilentProgress(), until="activations")
    assert not directory.is_done("activations")


def test_a_list_left_by_a_stopped_attempt_is_not_believed(begun: RunConfig, tmp_path: Path) -> None:
    """The disk is back for the second attempt, so all tracks have activations."""
    directory = execute(begun, tmp_path / "run", progress=SilentProgress(), until="activations")
    stale = table_of(SetAsideRecord, [SetAsideRecord("t003", "since the stage corpus: gone")])
    pq.write_table(stale, directory.path_of(SET_ASIDE))
    assert len(usable_tracks(directory)) == 48
    assert execute(begun, tmp_path / "run", progress=SilentProgress(), until="features")


@dataclass
class Loud:
    """A stand-in for a subject that overflows on the first sound of its batch."""

    facts: SubjectFacts
    left: int = 1

    def encode(self, audio: torch.Tensor) -> torch.Tensor:
        return torch.zeros(len(audio), 4, 6, dtype=torch.int64)

    def activations(
        self, codes: torch.Tensor, hookpoints: Sequence[str]
    ) -> dict[str, torch.Tensor]:
        found = torch.ones(len(codes), 6, 8)
        if self.left:
            self.left -= 1
            found[0, 4] = 1e6
        return {name: found.clone() for name in hookpoints}


FACTS = SubjectFacts(
    fingerprint="f", sample_rate=8000, frame_rate=50.0, n_codebooks=4, n_blocks=2, width=8,
    codec_width=8,
)  # fmt: skip


def test_a_track_that_overflows_float16_is_set_aside_alone(
    begun: RunConfig, tmp_path: Path
) -> None:
    directory = RunDirectory(tmp_path / "run")
    make(Shards(begun, directory, Loud(FACTS)), directory, progress=SilentProgress())
    (reason,) = directory.summary("activations")["set_aside"]
    assert reason == f"its activations at {POINT} do not fit float16 (65,504)"
    assert directory.summary("activations")["tracks"] == len(usable_tracks(directory)) == 47


def test_a_split_of_which_no_track_gives_activations_is_refused(
    begun: RunConfig, tmp_path: Path
) -> None:
    directory = RunDirectory(tmp_path / "run")
    alone = replace(begun, machine=replace(begun.machine, batch_tracks=1))
    with pytest.raises(PipelineError, match=r"no track of the split test, train, validation .*48"):
        make(Shards(alone, directory, Loud(FACTS, left=48)), directory, progress=SilentProgress())
