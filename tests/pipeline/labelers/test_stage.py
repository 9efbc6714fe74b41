"""The stage `labels`: files, counts, the same bytes twice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.errors import PipelineError
from pipeline.labelers.distinct import distinct
from pipeline.progress import SilentProgress
from pipeline.stages import labels
from pipeline.store.records import records_from
from pipeline.store.tables import LabelCandidate
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
        "reasons": {"the feature has no exemplars": 1},
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


def test_a_method_comes_after_what_it_is_made_of(tmp_path: Path) -> None:
    config, directory = make_run(
        tmp_path, labels={"methods": ["random-label", "ensemble", "corpus-tags"]}
    )
    labels.run(config, directory, progress=SilentProgress())
    dealt = records_from(LabelCandidate, directory.read_table(f"labels/{SAE}/random-label.parquet"))
    own = records_from(LabelCandidate, directory.read_table(f"labels/{SAE}/corpus-tags.parquet"))
    assert list(directory.summary("labels")[SAE]) == ["random-label", "ensemble", "corpus-tags"]
    for row in dealt:
        if row.status == "ok":
            method, donor = row.provenance.split(" for ")
            assert (method, donor == row.feature) == ("corpus-tags", False)
            assert row.text in {r.text for r in own if (r.feature, r.rank) == (donor, row.rank)}


def test_a_method_made_of_what_the_run_lacks_is_refused(tmp_path: Path) -> None:
    config, directory = make_run(
        tmp_path, labels={"methods": ["corpus-tags", "random-label@descriptors"]}
    )
    with pytest.raises(PipelineError, match="uses the labels of descriptors, which"):
        labels.run(config, directory, progress=SilentProgress())


def test_candidates_that_say_the_same_are_one(tmp_path: Path) -> None:
    given = [
        LabelCandidate("f", 1, "Hissing sounds", 0.9, ""),
        LabelCandidate("f", 2, "drum", 0.8, ""),
        LabelCandidate("f", 3, "hiss", 0.7, ""),
        LabelCandidate("g", 1, "the hiss", 0.7, ""),
    ]
    names = {"Hissing sounds": "hiss", "hiss": "hiss", "the hiss": "hiss", "drum": "drum"}
    rows = distinct(given, names)
    assert [(r.feature, r.rank, r.text, r.name, r.merged) for r in rows] == [
        ("f", 1, "Hissing sounds", "hiss", ("hiss",)),
        ("f", 2, "drum", "drum", ()),
        ("g", 1, "the hiss", "hiss", ()),
    ]
