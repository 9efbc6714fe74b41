"""Whole runs on a tiny random subject: finished, resumed, repeated, refused."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import config_from_dict
from pipeline.errors import PipelineError
from pipeline.progress import SilentProgress
from pipeline.run import MADE_OF, STAGE_FUNCTIONS, STAGES, execute, execute_stage, forget
from pipeline.store.run_directory import RunDirectory

LAST = "exemplars"


def hashes(path: Path) -> dict[str, dict[str, str]]:
    stages = RunDirectory(path).manifest()["stages"]
    return {stage: entry["files"] for stage, entry in stages.items()}


class StopAfter(SilentProgress):
    """Interrupts the run after a number of steps."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def advance(self, n: int = 1) -> None:
        self.left -= n
        if self.left < 0:
            raise KeyboardInterrupt


def test_the_stages_are_run_in_the_order_of_the_registry(finished_run: Path) -> None:
    assert tuple(STAGE_FUNCTIONS) == STAGES
    assert tuple(hashes(finished_run)) == STAGES[: STAGES.index(LAST) + 1]


def test_the_run_says_what_made_it(finished_run: Path, small_config: dict[str, Any]) -> None:
    run = json.loads((finished_run / "run.json").read_text())
    assert {
        "config", "key", "subject_fingerprint", "corpus_fingerprint", "seeds", "versions",
        "created_at",
    } < set(run)  # fmt: skip
    assert config_from_dict(run["config"]) == config_from_dict(small_config)
    assert run["versions"]["torch"].startswith("2.")


@pytest.mark.parametrize("steps", [30, 60, 130, 200, 300, 320])
def test_an_interrupted_run_ends_with_the_hashes_of_an_undisturbed_one(
    steps: int, small_config: dict[str, Any], finished_run: Path, tmp_path: Path
) -> None:
    config, out = config_from_dict(small_config), tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        execute(config, out, progress=StopAfter(steps), until=LAST)
    assert len(hashes(out)) < len(hashes(finished_run))
    execute(config, out, progress=SilentProgress(), until=LAST)
    assert hashes(out) == hashes(finished_run)


def test_a_killed_run_ends_with_the_hashes_of_an_undisturbed_one(
    small_config: dict[str, Any], finished_run: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    script = (
        "import json, sys, torch\n"
        "from pathlib import Path\n"
        "from pipeline.config import config_from_dict\n"
        "from pipeline.progress import SilentProgress\n"
        "from pipeline.run import execute\n"
        "torch.set_num_threads(1)\n"
        f"config = config_from_dict(json.loads({json.dumps(small_config)!r}))\n"
        f"execute(config, Path({str(out)!r}), progress=SilentProgress(), until={LAST!r})\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script])
    while process.poll() is None and not (out / "activations").is_dir():
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    execute(config_from_dict(small_config), out, progress=SilentProgress(), until=LAST)
    assert hashes(out) == hashes(finished_run)


def test_a_finished_run_is_not_touched_again(
    small_config: dict[str, Any], finished_run: Path
) -> None:
    before = (finished_run / "manifest.json").stat().st_mtime_ns
    execute(config_from_dict(small_config), finished_run, progress=StopAfter(0), until=LAST)
    assert (finished_run / "manifest.json").stat().st_mtime_ns == before


def test_a_stage_made_anew_has_the_old_hashes_and_leaves_the_earlier_ones_alone(
    run_copy: Path, finished_run: Path, small_config: dict[str, Any]
) -> None:
    before = RunDirectory(run_copy).manifest()["stages"]
    ledger = run_copy / "labels" / "gemini-ledger.jsonl"
    ledger.parent.mkdir()
    ledger.write_text("what was paid for")
    assert forget(run_copy, "features") == ("features", "exemplars")
    assert list(RunDirectory(run_copy).manifest()["stages"]) == ["corpus", "activations", "sae"]
    removed = [*before["features"]["files"], *before["exemplars"]["files"]]
    assert [name for name in removed if (run_copy / name).exists()] == []
    with pytest.raises(PipelineError, match=r"stage exemplars of .* is not done"):
        forget(run_copy, "exemplars")
    config = config_from_dict(small_config)
    directory = execute(config, run_copy, progress=SilentProgress(), until=LAST)
    assert hashes(run_copy) == hashes(finished_run)
    assert ledger.read_text() == "what was paid for"
    after = directory.manifest()["stages"]
    assert {n: after[n] for n in STAGES[:3]} == {n: before[n] for n in STAGES[:3]}
    execute(config, run_copy, progress=StopAfter(0), until=LAST)


def test_what_was_steered_goes_with_the_exemplars_alone(run_copy: Path) -> None:
    for stage in ("steering", "labels"):
        with RunDirectory(run_copy).writer(stage) as writer:
            writer.write_bytes(f"{stage}/a.txt", b"a")
    assert forget(run_copy, "labels") == ("labels",)
    assert (run_copy / "steering" / "a.txt").exists()
    assert forget(run_copy, "exemplars") == ("exemplars", "steering")
    assert not (run_copy / "steering" / "a.txt").exists()


AFTER_LABELS = ("steering-evaluation", "steering-horizons", "benchmark")
AFTER_FEATURES = tuple(name for name in MADE_OF if name != "quality")


@pytest.mark.parametrize(
    ("stage", "gone"),
    [
        ("scores", ("scores",)),
        ("labels", ("labels", "scores", *AFTER_LABELS)),
        (
            "exemplars",
            ("exemplars", "labels", "scores", "steering", *AFTER_LABELS),
        ),
        ("features", ("features", "exemplars", "labels", "scores", *AFTER_FEATURES)),
        ("corpus", (*STAGES, *MADE_OF)),
    ],
)
def test_what_commands_made_goes_with_the_stage_that_it_was_made_of(
    stage: str, gone: tuple[str, ...], run_copy: Path
) -> None:
    directory = RunDirectory(run_copy)
    for name in ("labels", "scores", *MADE_OF):
        with directory.writer(name) as writer:
            writer.write_bytes(f"{name}/a.txt", b"a")
    control = RunDirectory(run_copy / "recovery" / "random-decoder")
    control.begin({})
    for name in STAGES[:4]:
        with control.writer(name) as writer:
            writer.write_bytes(f"{name}/a.txt", b"a")
    assert forget(run_copy, stage) == gone
    for name in ("labels", "scores", *MADE_OF):
        assert (run_copy / name / "a.txt").exists() == (name not in gone)
    # A control is made as the run is, so the same stages of it are made again.
    left = [name for name in STAGES[:4] if name not in gone]
    assert list(control.manifest()["stages"]) == left
    assert [name for name in STAGES if (control.path / name / "a.txt").exists()] == left


def test_redo_of_another_config_forgets_nothing(
    run_copy: Path, finished_run: Path, small_config: dict[str, Any]
) -> None:
    other = config_from_dict({**small_config, "labels": {"seed": 99}})
    with pytest.raises(PipelineError, match="another config"):
        execute(other, run_copy, progress=SilentProgress(), redo="exemplars")
    assert hashes(run_copy) == hashes(finished_run)


def test_stage_by_stage_gives_the_same_files(
    small_config: dict[str, Any], finished_run: Path, tmp_path: Path
) -> None:
    config, out = config_from_dict(small_config), tmp_path / "run"
    for stage in STAGES[: STAGES.index("sae") + 1]:
        execute_stage(config, out, stage, progress=SilentProgress())
    theirs = hashes(finished_run)
    assert hashes(out) == {stage: theirs[stage] for stage in ("corpus", "activations", "sae")}


def test_a_stage_before_its_turn_is_refused(small_config: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="stage sae needs stage corpus, which is not done"):
        execute_stage(
            config_from_dict(small_config), tmp_path / "run", "sae", progress=SilentProgress()
        )


def test_an_unknown_stage_is_answered_with_the_known_ones(
    small_config: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(PipelineError, match="unknown stage 'steer'; known: corpus, activations"):
        execute(
            config_from_dict(small_config), tmp_path / "run", progress=SilentProgress(),
            until="steer",
        )  # fmt: skip


def test_a_run_of_another_config_is_refused_naming_what_differs(
    small_config: dict[str, Any], finished_run: Path
) -> None:
    other = {**small_config, "sae": {**small_config["sae"], "steps": 61}}
    with pytest.raises(PipelineError) as caught:
        execute(config_from_dict(other), finished_run, progress=SilentProgress())
    assert "what differs: sae.steps (60 there, 61 here)" in str(caught.value)


def test_another_machine_section_is_the_same_run(
    small_config: dict[str, Any], finished_run: Path
) -> None:
    faster = {**small_config, "machine": {"workers": 2}}
    execute(config_from_dict(faster), finished_run, progress=StopAfter(0), until=LAST)


def test_without_a_corpus_nothing_is_begun(small_config: dict[str, Any], tmp_path: Path) -> None:
    config = config_from_dict({"subject": small_config["subject"]})
    with pytest.raises(PipelineError, match="no corpus is given"):
        execute(config, tmp_path / "run", progress=SilentProgress())
    with pytest.raises(PipelineError, match="does not exist"):
        execute(
            config.with_corpus(tmp_path / "absent"), tmp_path / "run", progress=SilentProgress()
        )
    assert not (tmp_path / "run").exists()
