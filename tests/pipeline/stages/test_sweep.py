"""`--sweep` compares learning rates on validation frames and stores nothing."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import tomli_w

from pipeline.__main__ import main
from pipeline.config import config_from_dict
from pipeline.errors import PipelineError
from pipeline.progress import SilentProgress
from pipeline.run import execute
from pipeline.sae import checkpoint
from pipeline.stages.sweep import RATES, sweep
from pipeline.store.run_directory import RunDirectory


def test_every_rate_is_compared_and_the_best_is_marked(
    small_config: dict[str, Any],
    finished_run: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished_run, run)
    before = (run / "manifest.json").read_bytes()
    config = config_from_dict(small_config)
    directory = execute(config, run, progress=SilentProgress(), until="activations")
    tried = sweep(config, directory, progress=SilentProgress())
    assert [one.rate for one in tried] == list(RATES)
    assert {one.sae for one in tried} == {"layer0-n128-k4"}
    # The run's own rate is among them; its SAE saw other batches.
    own = next(one for one in tried if one.rate == config.sae.learning_rate)
    stored = checkpoint.read_facts(RunDirectory(run), own.sae)
    assert own.held_out.fvu == pytest.approx(stored.validation_fvu, rel=0.1)
    assert (run / "manifest.json").read_bytes() == before
    toml = tmp_path / "run.toml"
    toml.write_text(tomli_w.dumps(small_config))
    assert main(["run", str(toml), "--out", str(run), "--sweep"]) == 0
    marked = [line for line in capsys.readouterr().out.splitlines() if line.startswith("* layer")]
    best = min(tried, key=lambda one: one.held_out.fvu)
    assert [float(line.split()[2]) for line in marked] == [best.rate]


def test_without_validation_tracks_nothing_is_trained(
    small_config: dict[str, Any], finished_run: Path, tmp_path: Path
) -> None:
    class NoTraining(SilentProgress):
        def start(self, stage: str, total: int, unit: str) -> None:
            raise AssertionError

    run = tmp_path / "run"
    shutil.copytree(finished_run, run)
    directory = RunDirectory(run)
    tracks = directory.read_table("corpus.parquet")
    kept = tracks.filter(pc.not_equal(tracks["split"], "validation"))
    pq.write_table(kept, run / "corpus.parquet")
    with pytest.raises(PipelineError, match="no validation tracks to compare learning rates on"):
        sweep(config_from_dict(small_config), directory, progress=NoTraining())
