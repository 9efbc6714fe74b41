"""A run made on a GPU can be read on a machine without one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.__main__ import main
from pipeline.config import config_from_dict
from pipeline.devices import fault_of, on_device
from pipeline.errors import PipelineError
from pipeline.progress import SilentProgress
from pipeline.run import execute, execute_stage, forget
from pipeline.store.run_directory import RunDirectory
from pipeline.verify import verify

ELSEWHERE = "cuda" if not torch.cuda.is_available() else "cuda:63"


class Noting(SilentProgress):
    """Collects the notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def made_elsewhere(run: Path) -> Path:
    """The run, edited as if it had been made on a GPU."""
    facts = json.loads((run / "run.json").read_text())
    facts["config"]["machine"]["device"] = ELSEWHERE
    (run / "run.json").write_text(json.dumps(facts))
    return run


def test_a_run_of_another_device_is_verified_here_with_a_line_that_says_so(run_copy: Path) -> None:
    progress = Noting()
    assert verify(made_elsewhere(run_copy), progress=progress) == []
    (note,) = progress.notes
    assert note.startswith(f"the run was made on {ELSEWHERE}, and torch cannot compute there")
    assert note.endswith("computing on the CPU")


def test_a_device_that_is_asked_for_by_name_must_be_here(
    run_copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(run_copy), "--device", "cpu"]) == 0
    for command in ("verify", "recovery", "steer"):
        assert main([command, str(run_copy), "--device", ELSEWHERE]) == 2
        said = capsys.readouterr().err.strip().splitlines()[-1]
        assert said.startswith(f"error: --device {ELSEWHERE}: torch cannot compute there")


def test_a_run_on_a_device_that_is_not_here_is_refused_before_any_work(
    small_config: dict[str, Any], tmp_path: Path
) -> None:
    config = config_from_dict({**small_config, "machine": {"device": ELSEWHERE}})
    with pytest.raises(PipelineError, match=r"\[machine\] device is .*; set it to cpu"):
        execute(config, tmp_path / "run", progress=SilentProgress())
    assert not (tmp_path / "run").exists()
    assert fault_of("nonsense") != ""
    assert on_device(config, "cpu", SilentProgress()).machine.device == "cpu"


def test_a_worker_without_the_device_makes_the_stages_that_do_not_use_it(
    small_config: dict[str, Any], finished_run: Path, run_copy: Path
) -> None:
    config = config_from_dict({**small_config, "machine": {"device": ELSEWHERE}})
    for stage in ("exemplars", "corpus"):
        forget(run_copy, stage)
        execute_stage(config, run_copy, stage, progress=SilentProgress())
        made, before = (
            RunDirectory(path).manifest()["stages"][stage]["files"]
            for path in (run_copy, finished_run)
        )
        assert made == before
    with pytest.raises(PipelineError, match="torch cannot compute there"):
        execute_stage(config, run_copy, "activations", progress=SilentProgress())
