"""`python -m pipeline quality`: one row per SAE, its losses between the mean frame's and none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pipeline.__main__ import main
from pipeline.sae import checkpoint
from pipeline.stages.quality import Losses
from pipeline.store.records import records_from
from pipeline.store.run_directory import RunDirectory
from pipeline.store.tables import QualityRecord


def test_a_runs_saes_are_measured_on_validation_tracks(
    finished_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished_run, run)
    assert main(["quality", str(run), "--tracks", "3"]) == 0
    directory = RunDirectory(run)
    table = directory.read_table("quality.parquet")
    assert directory.manifest()["stages"]["quality"]["files"].keys() == {"quality.parquet"}
    records = records_from(QualityRecord, table)
    assert [one.sae for one in records] == list(directory.sae_names())
    for one in records:
        facts = checkpoint.read_facts(directory, one.sae)
        assert one.fvu == pytest.approx(facts.validation_fvu, rel=1e-4)
        assert one.cosine == pytest.approx(facts.validation_cosine, rel=1e-4)
        assert one.dense_share == pytest.approx(facts.validation_dense_share, abs=0.02)
        assert sum(one.densities) + round(one.dead_share * one.n_latents) == one.n_latents
        assert one.loss_tracks == 3
        assert [len(one.loss), len(one.loss_mean), len(one.loss_zero)] == [4, 4, 4]
    printed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in printed[-2:]] == [one.sae for one in records]
    # Without tracks neither corpus nor subject is read.
    assert main(["quality", str(run), "--tracks", "0"]) == 0
    (first, _) = records_from(QualityRecord, directory.read_table("quality.parquet"))
    assert (first.loss_tracks, first.loss, first.loss_recovered) == (0, (), None)


def test_losses_of_another_subject_are_refused(
    finished_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished_run, run)
    path = run / checkpoint.cfg_path(RunDirectory(run).sae_names()[0])
    cfg = json.loads(path.read_text())
    cfg["metadata"]["subject_fingerprint"] = "another"
    path.write_text(json.dumps(cfg))
    assert main(["quality", str(run), "--tracks", "1"]) == 2
    assert "belongs to subject_fingerprint another and cannot" in capsys.readouterr().err
    assert not (run / "quality.parquet").exists()


def test_loss_recovered_is_0_at_the_ablation_and_1_where_nothing_is_lost() -> None:
    found = Losses(1, intact=(1.0, 2.0), reconstructed=(1.5, 2.5), mean=(3.0, 4.0), zero=(1.0, 1.0))
    assert found.recovered(found.mean) == 0.75
    assert found.recovered(found.reconstructed) == 0
    assert found._replace(reconstructed=found.intact).recovered(found.mean) == 1
    # Where zeros do better than the subject's own stream, there is no scale.
    assert found.recovered(found.zero) is None


def test_without_saes_nothing_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    RunDirectory(tmp_path / "run").begin({})
    assert main(["quality", str(tmp_path / "run")]) == 2
    assert "stage sae is not done; run it first" in capsys.readouterr().err
