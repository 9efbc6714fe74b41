"""Pieces of a stage: found again after a kill, made again where something was missing."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest

from pipeline.config import config_from_dict
from pipeline.errors import BusyError, PipelineError
from pipeline.pieces import close, make_piece, unfinished
from pipeline.progress import SilentProgress
from pipeline.run import execute, forget, open_stage
from pipeline.stages import exemplars, features
from pipeline.stages.activations import Shards
from pipeline.stages.sae import Trainings
from pipeline.store.run_directory import RunDirectory
from pipeline.store.writers import Piece, StageWriter


class Interrupt(SilentProgress):
    """Interrupts after a number of steps; `first` is the first number of steps reported."""

    def __init__(self, steps: int = 10**9) -> None:
        self.left, self.first = steps, -1

    def advance(self, n: int = 1) -> None:
        self.first = n if self.first < 0 else self.first
        self.left -= n
        if self.left < 0:
            raise KeyboardInterrupt


def files(directory: RunDirectory, stage: str) -> dict[str, str]:
    found: dict[str, str] = directory.manifest()["stages"][stage]["files"]
    return found


def test_a_killed_extraction_continues_after_its_last_finished_shard(
    small_config: dict[str, Any], finished_run: Path, tmp_path: Path
) -> None:
    """The longer tracks come first, 36 in one shard; the other shard has 12."""
    config = config_from_dict(small_config)
    with pytest.raises(KeyboardInterrupt):
        execute(config, tmp_path / "run", progress=Interrupt(48 + 40), until="activations")
    assert not RunDirectory(tmp_path / "run").is_done("activations")
    resumed = Interrupt()
    directory = execute(config, tmp_path / "run", progress=resumed, until="activations")
    assert resumed.first == 36
    assert files(directory, "activations") == files(RunDirectory(finished_run), "activations")
    assert not (directory.path / ".unfinished").exists()
    assert not (directory.path / ".partial").exists()


def test_pieces_in_any_order_by_anybody_give_the_same_files(
    small_config: dict[str, Any], finished_run: Path, run_copy: Path
) -> None:
    config, directory = config_from_dict(small_config), RunDirectory(run_copy)
    forget(run_copy, "activations")
    for work in (Shards, Trainings, features.OfSaes, exemplars.OfSaes):
        names = list(unfinished(work(config, directory), directory))
        assert len(names) == 2
        with pytest.raises(PipelineError, match=f"its piece {names[0]} is not finished"):
            close(work(config, directory), directory, progress=SilentProgress())
        for name in reversed(names):
            with directory.lock(shared=True), RunDirectory(run_copy).lock(shared=True):
                make_piece(work(config, directory), directory, name, lambda _: None)
        close(work(config, directory), directory, progress=SilentProgress())
        assert files(directory, work.stage) == files(RunDirectory(finished_run), work.stage)


def test_a_stage_that_somebody_else_closed_or_redid_is_left_alone(
    small_config: dict[str, Any], run_copy: Path
) -> None:
    """By a worker that keeps the stage open from one piece to the next."""
    config = config_from_dict(small_config)
    forget(run_copy, "activations")
    stage = open_stage(config, run_copy, "activations")
    assert stage is not None
    execute(config, run_copy, progress=SilentProgress(), until="activations")
    stage.make("00000", lambda _: None)
    assert not (run_copy / ".unfinished").exists()
    forget(run_copy, "corpus")
    with pytest.raises(PipelineError, match="needs stage corpus, which is not done"):
        stage.make("00000", lambda _: None)


def test_a_track_that_was_missing_is_looked_for_again_by_the_next_attempt(
    small_config: dict[str, Any], finished_run: Path, corpus_folder: Path, tmp_path: Path
) -> None:
    corpus = Path(shutil.copytree(corpus_folder, tmp_path / "corpus"))
    config = config_from_dict(small_config).with_corpus(corpus)
    execute(config, tmp_path / "run", progress=SilentProgress(), until="corpus")
    (corpus / "audio/003.flac").rename(tmp_path / "aside")
    with pytest.raises(KeyboardInterrupt):
        execute(config, tmp_path / "run", progress=Interrupt(40), until="activations")
    (tmp_path / "aside").rename(corpus / "audio/003.flac")
    directory = execute(config, tmp_path / "run", progress=SilentProgress(), until="activations")
    assert files(directory, "activations") == files(RunDirectory(finished_run), "activations")


def test_a_record_counts_only_with_its_key_and_its_files(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "run")
    directory.begin({"key": "k"})
    with directory.piece_writer("sae", "a", key="k") as writer:
        writer.write_bytes("sae/a", b"a")
    assert directory.finished_piece("sae", "a", key="k") is not None
    assert directory.finished_piece("sae", "a", key="other") is None
    assert directory.finished_piece("sae", "b", key="k") is None
    directory.path_of("sae/a").unlink()
    assert directory.finished_piece("sae", "a", key="k") is None


def test_what_is_unfinished_of_a_forgotten_stage_goes_with_it(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "run")
    directory.begin({"key": "k"})
    with directory.writer("activations") as writer:
        writer.write_bytes("activations/a", b"a")
    with directory.piece_writer("sae", "a", key="k") as piece:
        piece.write_bytes("sae/a", b"a")
    directory.forget(("activations", "sae"))
    left = {path.name for path in directory.path.rglob("*") if path.is_file()}
    assert left == {"run.json", "manifest.json"}


def test_a_process_taken_for_dead_cannot_write_into_the_snapshot_of_its_successor(
    tmp_path: Path,
) -> None:
    scratch = RunDirectory(tmp_path / "run").scratch("sae")
    scratch.save("a.b", {"x": np.zeros(1)}, {"step": "1"})
    (tmp_path / "run/.unfinished/sae/a.b.0123.partial").write_bytes(b"half")
    scratch.save("a.b", {"x": np.ones(1)}, {"step": "2"})
    found = scratch.load("a.b")
    assert found is not None
    assert (found[0]["x"].tolist(), found[1]) == ([1.0], {"step": "2"})
    left = [path.name for path in (tmp_path / "run/.unfinished/sae").iterdir()]
    assert left == ["a.b.safetensors"]


def test_a_snapshot_that_a_rival_removed_while_it_was_written_is_not_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def removed(stream: BinaryIO, *_: object) -> None:
        Path(stream.name).unlink()

    scratch = RunDirectory(tmp_path / "run").scratch("sae")
    scratch.save("a", {"x": np.zeros(1)}, {"step": "1"})
    monkeypatch.setattr("pipeline.store.writers.write_safetensors", removed)
    scratch.save("a", {"x": np.ones(1)}, {"step": "2"})
    found = scratch.load("a")
    assert found is not None
    assert found[1] == {"step": "1"}


def test_a_piece_that_ends_leaves_the_folder_in_which_others_begin(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "run")
    directory.begin({"key": "k"})
    with directory.piece_writer("sae", "a", key="k"):
        pass
    assert list((directory.path / ".partial").iterdir()) == [directory.path / ".partial/sae"]
    with directory.writer("sae"):
        pass
    assert not (directory.path / ".partial").exists()


def test_whoever_makes_a_piece_shares_the_lock_and_keeps_others_out(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "run")
    directory.begin({"key": "k"})
    with (
        directory.lock(shared=True),
        directory.lock(shared=True),
        pytest.raises(BusyError),
        directory.lock(),
    ):
        pass
    with directory.lock(), pytest.raises(BusyError), directory.lock(shared=True):
        pass


def test_time_spent_on_several_pieces_at_once_counts_once(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "run")
    directory.begin({"key": "k"})
    spans = [(100.0, 110.0), (105.0, 120.0), (200.0, 201.0)]
    with StageWriter(directory, "sae") as writer:
        writer.take([Piece(str(at), "k", {}, {}, *span) for at, span in enumerate(spans)])
    assert directory.manifest()["stages"]["sae"]["seconds"] == pytest.approx(21, abs=0.5)
