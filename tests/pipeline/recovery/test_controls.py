"""Controls: the run's own tracks, more sizes, and a choice that no test track has a part in."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import roc_auc_score

from pipeline.config import config_from_dict
from pipeline.corpus.planted import planted_concepts
from pipeline.progress import SilentProgress
from pipeline.recovery.choice import best_set, grades, subsets
from pipeline.recovery.controls import standin
from pipeline.sae import checkpoint
from pipeline.store.run_directory import RunDirectory
from tests.pipeline.features.dense import as_earlier_versions, dense


class Stages(SilentProgress):
    """Keeps which stages were worked on."""

    def __init__(self) -> None:
        self.started: list[str] = []

    def start(self, stage: str, total: int, unit: str) -> None:
        self.started.append(stage)


@pytest.mark.parametrize(
    ("control", "width", "sizes"),
    [
        ("codec-latents", 16, {128, 256}),
        ("mel-spectrogram", 64, {128, 256}),
        ("phase-randomised-corpus", 32, {128, 256}),
    ],
)
def test_a_stand_in_has_the_features_size_and_twice_that_on_the_runs_own_tracks(
    control: str, width: int, sizes: set[int], run_copy: Path, small_config: dict[str, Any]
) -> None:
    directory = RunDirectory(run_copy)
    progress = Stages()
    made = standin(directory, config_from_dict(small_config), control, progress)
    saes = [checkpoint.load(made, name).sae for name in made.sae_names()]
    assert {sae.W_dec.shape[1] for sae in saes} == {width}
    assert {sae.n_latents for sae in saes} == sizes
    assert "corpus" not in progress.started
    ours, theirs = (one.manifest()["stages"]["corpus"]["files"] for one in (directory, made))
    assert ours == theirs


def test_a_corpus_that_has_changed_is_read_again(
    run_copy: Path, small_config: dict[str, Any], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(small_config["corpus"]["path"], tmp_path / "corpus"))
    listed = pq.read_table(folder / "corpus.parquet")
    pq.write_table(listed.slice(0, 40), folder / "corpus.parquet")
    config = config_from_dict(small_config).with_corpus(folder)
    progress = Stages()
    made = standin(RunDirectory(run_copy), config, "mel-spectrogram", progress)
    assert "corpus" in progress.started
    assert made.read_table("corpus.parquet").num_rows == 40


def test_the_set_is_the_best_on_validation_tracks_whatever_the_test_tracks_say(
    run_copy: Path,
) -> None:
    directory = RunDirectory(run_copy)
    concepts = planted_concepts(directory)
    rows = directory.read_table("corpus.parquet").to_pylist()
    tags = {row["track"]: row["tags"] for row in rows}
    split = {row["track"]: row["split"] for row in rows}
    means = {}
    for label, names in subsets(directory).items():
        found = []
        for concept in (one for one in concepts if one.count("validation") >= 2):
            best, value = -1.0, 0.0
            for sae in names:
                on = {}
                for part in ("train", "validation"):
                    scores, tracks = scores_of(directory, sae, split, part)
                    present = [concept.name in tags[track] for track in tracks]
                    on[part] = [round(roc_auc_score(present, column), 9) for column in scores.T]
                if max(on["train"]) > best:
                    best = max(on["train"])
                    value = on["validation"][int(np.argmax(on["train"]))]
            found.append(value)
        means[label] = float(np.mean(found))
    choice = best_set(directory, concepts)
    assert choice is not None
    assert choice.tried == len(means) == 3
    assert choice.mean == pytest.approx(max(means.values()))
    assert means[choice.label] == pytest.approx(choice.mean)

    for sae in directory.sae_names():
        summaries = dense(directory, sae)
        test = [split[track] == "test" for track in summaries.tracks]
        for array in (summaries.mean, summaries.max):
            array[test] = np.random.default_rng(0).random(array[test].shape)
        as_earlier_versions(directory, sae, summaries)
    assert best_set(directory, concepts) == choice
    assert grades(directory, sae, concepts).shape == (2, 3, 128)


def scores_of(
    directory: RunDirectory, sae: str, split: dict[str, str], part: str
) -> tuple[np.ndarray, list[str]]:
    tracks, mean, _ = dense(directory, sae)
    inside = [split[track] == part for track in tracks]
    return mean[inside], [track for track in tracks if split[track] == part]
