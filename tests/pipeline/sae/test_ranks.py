"""Two real processes that torchrun starts train as one does, and one of them is killed by -9."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from pipeline.__main__ import main
from pipeline.run import forget
from pipeline.sae import checkpoint
from pipeline.sae.trainer import Wanted, train_alone
from pipeline.sae.variants import VARIANTS
from pipeline.store.run_directory import RunDirectory
from tests.pipeline.sae.in_two_processes import config_of, frames_of, weights_of
from tests.pipeline.test_main import toml_of

TOLERANCE = 1e-5
"""Of weights and of the curve after 40 steps; decoder rows have norm 1."""


@pytest.fixture(scope="module")
def made(
    finished_run: Path, small_config: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """What two processes have made; see `in_two_processes`."""
    folder = tmp_path_factory.mktemp("made")
    config = {**small_config, "machine": {"workers": 2, "snapshot_steps": 10}}
    runs = {name: str(folder / name) for name in ("whole", "killed")}
    for run in runs.values():
        forget(Path(shutil.copytree(finished_run, run)), "sae")
    (folder / "run.json").write_text(json.dumps({"config": config, **runs}))
    script = Path(__file__).with_name("in_two_processes.py")
    torchrun = "-m torch.distributed.run --standalone --nproc-per-node 2 --max-restarts 1"
    subprocess.run(
        [sys.executable, *torchrun.split(), str(script), str(folder)],
        check=True, capture_output=True, timeout=300, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    return folder


@pytest.mark.parametrize("variant", VARIANTS)
def test_two_processes_train_what_one_trains(variant: str, made: Path, finished_run: Path) -> None:
    """With latents that die and come back, clipped gradients, and batches of an odd number."""
    alone = train_alone(
        Wanted(config_of(variant), 40, 3, 5), frames_of(finished_run), device="cpu",
        advance=lambda _: None,
    )  # fmt: skip
    first, second = (load_file(made / f"{variant}-{rank}.safetensors") for rank in (0, 1))
    assert any(one.dead_share > 0 for one in alone.history)
    for name, expected in weights_of(alone).items():
        assert torch.equal(first[name], second[name])
        torch.testing.assert_close(first[name], expected, rtol=0, atol=TOLERANCE)


def test_shares_together_are_the_batch_of_one_process(made: Path, finished_run: Path) -> None:
    shares = [load_file(made / f"batch-{rank}.safetensors")["x"] for rank in (0, 1)]
    whole = next(frames_of(finished_run).batches(75, torch.Generator().manual_seed(0)))
    assert [len(share) for share in shares] == [38, 37]
    assert torch.equal(torch.cat(shares), whole)


def test_a_batch_of_fewer_frames_than_processes_is_refused(made: Path) -> None:
    refused = {(made / f"refused-{rank}").read_text() for rank in (0, 1)}
    assert refused == {
        "a batch has 1 frames, fewer than the 2 processes that share it: start fewer"
    }


def test_one_killed_by_9_is_started_again_and_ends_with_the_same_bytes(
    made: Path, finished_run: Path
) -> None:
    """Killed before step 25, so that it continues from the snapshot of step 20."""
    assert not (made / "continued-0").exists()
    assert (made / "continued-1").read_text() == "20"
    whole, killed = (RunDirectory(made / name) for name in ("whole", "killed"))
    assert killed.manifest()["stages"]["sae"]["files"] == whole.manifest()["stages"]["sae"]["files"]
    assert not (killed.path / ".unfinished").exists()
    for name in whole.sae_names():
        ours, alone = (
            checkpoint.load(run, name).sae for run in (whole, RunDirectory(finished_run))
        )
        torch.testing.assert_close(ours.W_dec, alone.W_dec, rtol=0, atol=TOLERANCE)
        stated = whole.read_json(checkpoint.cfg_path(name))["metadata"]["training"]
        assert stated["processes"] == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--until", "scores"], "torchrun trains the SAEs of a run and nothing else"),
        (["--until", "sae", "--online"], "every process would compute all activations"),
        (["--until", "sae"], "first run the same command with python in place of torchrun"),
    ],
)
def test_what_torchrun_is_not_for_is_refused(
    arguments: list[str],
    said: str,
    small_config: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "a")
    monkeypatch.setenv("RANK", "0")
    config = tmp_path / "run.toml"
    config.write_text(toml_of(small_config))
    assert main(["run", str(config), "--out", str(tmp_path / "run"), *arguments]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_other_commands_are_not_for_torchrun(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "a")
    assert main(["verify", str(tmp_path)]) == 2
    assert "torchrun is for the command run only" in capsys.readouterr().err
