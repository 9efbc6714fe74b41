"""The problems that `verify` finds in a damaged run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.__main__ import main
from pipeline.errors import PipelineError
from pipeline.files.hashing import sha256_of
from pipeline.progress import SilentProgress
from pipeline.run import STAGES
from pipeline.store.run_directory import RunDirectory
from pipeline.verify import verify
from tests.pipeline.tensors import safetensors_bytes

CFG = "sae/layer0-n128-k4/cfg.json"


def test_a_whole_run_is_sound(finished_run: Path) -> None:
    assert verify(finished_run, progress=SilentProgress()) == []


def test_a_changed_and_a_missing_file_are_named(run_copy: Path) -> None:
    (run_copy / "corpus.parquet").write_bytes(b"other")
    (run_copy / "concepts.json").unlink()
    assert verify(run_copy, progress=SilentProgress()) == [
        "concepts.json: missing",
        "corpus.parquet: its SHA-256 differs from the manifest",
    ]


@pytest.mark.parametrize("key", ["hookpoint", "delay_mapping", "subject_fingerprint"])
def test_an_sae_that_does_not_belong_to_its_activations_is_named(run_copy: Path, key: str) -> None:
    cfg = json.loads((run_copy / CFG).read_text())
    cfg["metadata"][key] = "decoder.layers.1.resid_post"
    (run_copy / CFG).write_text(json.dumps(cfg))
    # The manifest agrees: what is wrong is not the hash.
    manifest = json.loads((run_copy / "manifest.json").read_text())
    manifest["stages"]["sae"]["files"][CFG] = sha256_of(run_copy / CFG)
    (run_copy / "manifest.json").write_text(json.dumps(manifest))
    problems = verify(run_copy, progress=SilentProgress())
    assert any("layer0-n128-k4" in problem for problem in problems)


def rewrite(run: Path, stage: str, name: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    """Change a run's tensors and the manifest's hash of them."""
    path = run / name
    tensors, metadata = RunDirectory(run).read_tensors(name)
    changed = {"activations": change(tensors["activations"])}
    path.write_bytes(safetensors_bytes(changed, metadata))
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["stages"][stage]["files"][name] = sha256_of(path)
    (run / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    "change",
    [
        lambda array: np.roll(array, 1, axis=1),  # a frame late: another delay
        lambda array: np.roll(array, 1, axis=2),  # other dimensions
        lambda array: (array * 1.05).astype(np.float16),
    ],
)
def test_activations_that_the_subject_does_not_give_are_named(
    run_copy: Path, change: Callable[[np.ndarray], np.ndarray]
) -> None:
    name = "activations/decoder.layers.1.resid_post/00000.safetensors"
    rewrite(run_copy, "activations", name, change)
    problems = verify(run_copy, progress=SilentProgress())
    assert len(problems) == 3
    assert all(
        p.startswith(f"{name}: track t") and "differs when recomputed" in p for p in problems
    )
    assert verify(run_copy, progress=SilentProgress(), sample=0) == []


def test_a_subject_that_was_changed_since_is_named(
    run_copy: Path, subject_folder: Path, tmp_path: Path
) -> None:
    model = tmp_path / "model"
    shutil.copytree(subject_folder, model)
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config))
    run = json.loads((run_copy / "run.json").read_text())
    run["config"]["subject"]["model"] = str(model)
    (run_copy / "run.json").write_text(json.dumps(run))
    (problem,) = verify(run_copy, progress=SilentProgress())
    assert problem.startswith(f"subject {model}: its fingerprint is ")


def test_a_corpus_that_is_elsewhere_is_said_and_can_be_given(
    run_copy: Path, corpus_folder: Path
) -> None:
    run = json.loads((run_copy / "run.json").read_text())
    run["config"]["corpus"]["path"] = "/nowhere"
    (run_copy / "run.json").write_text(json.dumps(run))
    progress = Noting()
    assert verify(run_copy, progress=progress) == []
    assert progress.notes == [
        "activations were not recomputed: corpus folder /nowhere does not exist"
    ]
    again = Noting()
    assert verify(run_copy, progress=again, corpus=corpus_folder) == []
    assert again.notes == []


class Noting(SilentProgress):
    """Collects the notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"run\.json is missing"):
        verify(tmp_path, progress=SilentProgress())


DONE: dict[str, object] = {"files": {}, "summary": {}, "seconds": 1}
DAMAGES = {
    "run.json": [
        "[]", "null", "7", "{}", '{"config": 7, "subject_fingerprint": "x"}', "", "\0",
        '{"config": {"subject": null}, "subject_fingerprint": "x"}', None,
    ],
    "manifest.json": [
        "[]", "null", "{}", '{"stages": []}', '{"stages": {"sae": 7}}', "", None,
        '{"stages": {"sae": {"files": []}}}', '{"stages": {"sae": {"files": {"a": 7}}}}',
        '{"stages": {"sae": {"files": {}}}}',
        '{"stages": {"sae": {"files": {}, "summary": {}}}}',
        json.dumps({"stages": dict.fromkeys(STAGES, DONE)}),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text"), [(name, text) for name, texts in DAMAGES.items() for text in texts]
)
def test_a_damaged_run_is_refused_in_a_line_by_every_command(
    run_copy: Path, name: str, text: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    (run_copy / name).unlink()
    if text is None:
        (run_copy / name).mkdir()
    else:
        (run_copy / name).write_text(text)
    for command in ("verify", "recovery", "steer"):
        capsys.readouterr()
        assert main([command, str(run_copy)]) == 2
        last = capsys.readouterr().err.strip().split("\n")[-1]
        assert last.startswith("error: "), last
