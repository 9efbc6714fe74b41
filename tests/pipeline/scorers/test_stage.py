"""The stage `scores`: files, counts, the same bytes twice."""

from __future__ import annotations

from pathlib import Path

from pipeline.progress import SilentProgress
from pipeline.records import ScoreRecord, records_from
from pipeline.stages import labels, scores
from tests.pipeline.labelers.factory import SAE, make_run


def test_two_runs_have_the_same_bytes_and_failures_are_counted(tmp_path: Path) -> None:
    entries = []
    for name in ("a", "b"):
        config, directory = make_run(tmp_path / name)
        labels.run(config, directory, progress=SilentProgress())
        scores.run(config, directory, progress=SilentProgress())
        entries.append(directory.manifest()["stages"]["scores"])
    assert entries[0]["files"] == entries[1]["files"]
    assert list(entries[0]["files"]) == [f"scores/{SAE}/detection.parquet"]
    assert entries[0]["summary"][SAE]["detection"]["corpus-tags"] == {
        "labels": 20, "failed": 5, "median_score_of_rank_1": 1.0,
    }  # fmt: skip
    rows = records_from(ScoreRecord, directory.read_table(f"scores/{SAE}/detection.parquet"))
    assert [row.method for row in rows] == sorted((row.method for row in rows), reverse=True)
    assert sum(row.status == "failed" for row in rows if row.method == "corpus-tags") == 5
