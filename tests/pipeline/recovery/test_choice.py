"""The table that dictionaries are chosen by: train tracks choose, validation tracks grade."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from benchmarks import dictionary_choice
from pipeline.recovery.table import FOUND
from pipeline.store.run_directory import RunDirectory
from tests.pipeline.features.dense import dense


@pytest.fixture
def few_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny corpus has a handful of validation tracks a concept."""
    monkeypatch.setattr(dictionary_choice, "ENOUGH_TRACKS", 1)


def table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], run: Path
) -> list[list[str]]:
    """The printed rows, cell by cell."""
    monkeypatch.setattr("sys.argv", ["dictionary_choice", str(run)])
    assert dictionary_choice.main() == 0
    lines = capsys.readouterr().out.splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[4:]]


@pytest.mark.usefixtures("few_are_enough")
def test_each_row_is_what_another_auroc_gives(
    finished_run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = RunDirectory(finished_run)
    rows = {cells[0]: cells[1:] for cells in table(monkeypatch, capsys, finished_run)}
    facts = {r["track"]: r for r in directory.read_table("corpus.parquet").to_pylist()}
    for sae in directory.sae_names():
        names, mean, _ = dense(directory, sae)
        tracks = [facts[track] for track in names]
        found = []
        for concept in dictionary_choice.gradable(directory):
            grades = {}
            for split in ("train", "validation"):
                inside = [row["split"] == split for row in tracks]
                present = [concept.name in row["tags"] for row in tracks if row["split"] == split]
                columns = mean[inside].T
                grades[split] = [roc_auc_score(present, column) for column in columns]
            # The best on train; the first of several, whatever the last digits of two ways to sum.
            best = int(np.argmax(np.round(grades["train"], 9)))
            found.append(grades["validation"][best])
        reached = sum(value >= FOUND for value in found)
        assert rows[sae][:2] == [str(mean.shape[1]), str(reached)]
        assert rows[sae][3] == f"{np.mean(found):.3f}"


def test_too_few_tracks_or_no_run_are_one_line(
    finished_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for folder, message in (
        (finished_run, "nothing can be evaluated"),
        (tmp_path, "a run directory"),
    ):
        monkeypatch.setattr("sys.argv", ["dictionary_choice", str(folder)])
        assert dictionary_choice.main() == 2
        told = capsys.readouterr().err
        assert message in told
        assert told.count("\n") == 1
