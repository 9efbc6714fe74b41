"""A whole run on tar shards, through audiocraft: the same activations as from files, through
transformers."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.config import config_from_dict
from pipeline.progress import SilentProgress
from pipeline.run import execute
from pipeline.store.activations import read_shards
from pipeline.store.run_directory import RunDirectory
from pipeline.verify import verify

POINT = "decoder.layers.1.resid_post"


def test_shards_and_audiocraft_give_what_files_and_transformers_give(
    finished_run: Path, small_config: dict[str, Any], corpus_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "shards"
    folder.mkdir()
    with tarfile.open(folder / "0.tar", "w") as archive:
        for path in sorted((corpus_folder / "audio").iterdir()):
            archive.add(path, arcname=f"t{path.name}")
    corpus = {**small_config["corpus"], "path": str(folder), "adapter": "webdataset"}
    subject = {**small_config["subject"], "backend": "audiocraft"}
    config = config_from_dict({**small_config, "corpus": corpus, "subject": subject})
    run = execute(config, tmp_path / "run", progress=SilentProgress(), until="exemplars")
    ours, theirs = by_track(run), by_track(RunDirectory(finished_run))
    assert {name.removeprefix("0/") for name in ours} == theirs.keys()
    for name, array in ours.items():
        expected = theirs[name.removeprefix("0/")]
        np.testing.assert_allclose(array, expected, rtol=2e-3, atol=2e-3)
    assert verify(run.path, progress=SilentProgress()) == []


def by_track(directory: RunDirectory) -> dict[str, np.ndarray]:
    return {
        track: array[row]
        for facts, array in read_shards(directory, POINT)
        for row, track in enumerate(facts.tracks)
    }
