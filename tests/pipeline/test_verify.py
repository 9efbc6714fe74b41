"""What `verify` finds in a damaged run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.artifacts import sha256_of
from pipeline.errors import PipelineError
from pipeline.progress import SilentProgress
from pipeline.verify import verify

CFG = "sae/layer0-n128-k4/cfg.json"


def test_a_whole_run_is_sound(finished_run: Path) -> None:
    assert verify(finished_run, progress=SilentProgress()) == []


def test_a_changed_and_a_missing_file_are_named(run_copy: Path) -> None:
    (run_copy / "corpus.parquet").write_bytes(b"other")
    (run_copy / "concepts.json").unlink()
    assert verify(run_copy, progress=SilentProgress()) == [
        "concepts.json: missing",
        "corpus.parquet: its SHA-256 is not the manifest's",
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


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"run\.json is missing"):
        verify(tmp_path, progress=SilentProgress())
