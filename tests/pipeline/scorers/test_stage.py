"""The stage `scores`: files, counts, the same bytes twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from pipeline.clap import backends
from pipeline.config import ClapConfig, config_from_dict
from pipeline.corpus.tracks import usable_in_table_order
from pipeline.labelers import LABELERS
from pipeline.progress import SilentProgress
from pipeline.scorers import FORMER_NAMES, SCORERS
from pipeline.stages import labels, scores
from pipeline.store.records import records_from
from pipeline.store.run_directory import RunDirectory
from pipeline.store.tables import ScoreRecord
from tests.essentia import here
from tests.pipeline.clap.tiny_laion import save_tiny_laion
from tests.pipeline.conftest import KEY
from tests.pipeline.labelers.factory import SAE, Outside, make_run
from tests.pipeline.scorers.elsewhere import labelled_and_graded


def test_two_runs_have_the_same_bytes_under_every_method_and_scorer(
    tmp_path: Path, outside: Outside
) -> None:
    sections = outside.config()
    # A random model places all texts near each other: only equal embeddings are one name.
    sections["labels"] |= {"synonyms": "clap", "synonym_cosine": 1.0}
    sections["scores"]["scorers"] = list(SCORERS)
    directory = labelled_and_graded(tmp_path / "a", sections)
    # The other one in a process of its own, where sets and dictionaries hash otherwise.
    module = "tests.pipeline.scorers.elsewhere"
    subprocess.run(
        [sys.executable, "-m", module, str(tmp_path / "b")], input=json.dumps(sections).encode(),
        env={**os.environ, "PYTHONHASHSEED": "12345", "GEMINI_API_KEY": KEY}, check=True,
    )  # fmt: skip
    other = RunDirectory(tmp_path / "b" / "run")
    entries = [one.manifest()["stages"] for one in (directory, other)]
    assert entries[0]["labels"]["files"] == entries[1]["labels"]["files"]
    assert entries[0]["scores"]["files"] == entries[1]["scores"]["files"]
    assert set(entries[0]["scores"]["files"]) == {
        "scores/clap-tracks.safetensors",
        "scores/clap-pieces.safetensors",
        *(f"scores/{SAE}/{name}.parquet" for name in SCORERS),
    }
    assert entries[0]["scores"]["summary"][SAE]["reading"]["corpus-tags"] == {
        "labels": 20, "failed": 5, "median_score_of_rank_1": 1.0,
    }  # fmt: skip
    rows = records_from(ScoreRecord, directory.read_table(f"scores/{SAE}/reading.parquet"))
    assert list(dict.fromkeys(row.method for row in rows)) == here(LABELERS)
    assert {row.heard_by for row in rows} == {""}
    assert sum(row.status == "failed" for row in rows if row.method == "corpus-tags") == 5


def test_a_scorer_by_its_former_name_grades_as_before_into_the_file_of_that_name(
    tmp_path: Path, outside: Outside
) -> None:
    sections = outside.config()
    sections["labels"] = {"methods": ["corpus-tags"]}
    sections["scores"]["scorers"] = ["localisation", *FORMER_NAMES]
    directory = labelled_and_graded(tmp_path, sections)
    tables = [
        directory.read_table(f"scores/{SAE}/{name}.parquet") for name in ("localisation", "fuzzing")
    ]
    assert tables[0].equals(tables[1])
    assert tables[0].num_rows
    # The name is part of the run's key, so a config must keep the one that it has.
    config = config_from_dict(
        {"subject": {"model": "m", "hookpoints": ["paper-small"]}, "scores": sections["scores"]}
    )
    assert config.scores.scorers == ("localisation", "fuzzing")


def test_embeddings_that_are_there_are_not_made_again(tmp_path: Path, outside: Outside) -> None:
    sections = outside.config()
    sections["labels"] = {"methods": ["corpus-tags"]}
    sections["scores"]["scorers"] = ["clap"]
    config, directory = make_run(tmp_path, **sections)
    labels.run(config, directory, progress=SilentProgress())
    scores.run(config, directory, progress=SilentProgress())
    embeddings = directory.path_of("scores/clap-tracks.safetensors")
    rows = directory.read_tensors("scores/clap-tracks.safetensors")[0]["tracks"]
    splits = [record.split for record in usable_in_table_order(directory)]
    # No label is made from a train track or graded on one.
    assert [bool(np.isnan(row).all()) for row in rows] == [split == "train" for split in splits]
    assert not np.isnan(rows[[split != "train" for split in splits]]).any()
    before = embeddings.stat().st_mtime_ns
    scores.run(config, directory, progress=SilentProgress())
    assert embeddings.stat().st_mtime_ns == before
    assert "scores/clap-tracks.safetensors" in directory.manifest()["stages"]["scores"]["files"]


def test_a_score_says_which_clap_gave_it(tmp_path: Path, outside: Outside) -> None:
    models = {"transformers": outside.clap, "laion-clap": save_tiny_laion(tmp_path / "laion")}
    found = {}
    for backend, model in models.items():
        sections = outside.config() | {"clap": {"model": str(model), "backend": backend}}
        sections["labels"] = {"methods": ["corpus-tags"]}
        sections["scores"]["scorers"] = ["clap"]
        directory = labelled_and_graded(tmp_path / backend, sections)
        rows = records_from(ScoreRecord, directory.read_table(f"scores/{SAE}/clap.parquet"))
        given = backends.fingerprint(ClapConfig(model=str(model), backend=backend))
        assert {row.heard_by for row in rows} == {given}
        found[backend] = [row.score for row in rows]
    assert found["transformers"] != found["laion-clap"]
