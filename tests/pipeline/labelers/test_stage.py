"""The stage `labels`: files, counts, the same bytes twice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.errors import PipelineError
from pipeline.progress import SilentProgress
from pipeline.records import LabelCandidate, records_from
from pipeline.stages import labels
from tests.pipeline.labelers.factory import SAE, make_run


def test_two_runs_have_the_same_bytes_and_failures_are_counted(tmp_path: Path) -> None:
    entries = []
    for name in ("a", "b"):
        config, directory = make_run(tmp_path / name)
        labels.run(config, directory, progress=SilentProgress())
        entries.append(directory.manifest()["stages"]["labels"])
    assert entries[0]["files"] == entries[1]["files"]
    assert set(entries[0]["files"]) == {
        "labels/descriptors.parquet",
        f"labels/{SAE}/descriptors.parquet",
        f"labels/{SAE}/corpus-tags.parquet",
    }
    assert entries[0]["summary"][SAE]["corpus-tags"] == {
        "features": 5, "failed": 1, "candidates": 20,
    }  # fmt: skip
    rows = records_from(LabelCandidate, directory.read_table(f"labels/{SAE}/corpus-tags.parquet"))
    assert sum(row.status == "failed" for row in rows) == 1


def test_an_unknown_method_costs_no_work_and_leaves_nothing(tmp_path: Path) -> None:
    config, directory = make_run(tmp_path)
    config = replace(config, labels=replace(config.labels, methods=("descriptors", "astrology")))
    with pytest.raises(PipelineError, match="astrology"):
        labels.run(config, directory, progress=SilentProgress())
    assert not directory.path_of("labels").exists()
    assert not directory.is_done("labels")
