"""Recovery on a tiny run: what is computed, kept, and said."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from pipeline.__main__ import main
from pipeline.corpus.planted import planted_concepts
from pipeline.errors import PipelineError
from pipeline.progress import SilentProgress
from pipeline.recovery.detection import BestCandidate, detections
from pipeline.recovery.probe import Probe, probes
from pipeline.recovery.report import found, meaning, report_lines
from pipeline.recovery.stored import read_back
from pipeline.recovery.table import RESULT, ConceptRow, Recovery, recover
from pipeline.store.run_directory import RunDirectory
from tests.pipeline.features.dense import dense


class Untouched(SilentProgress):
    """Fails as soon as any work begins."""

    def start(self, stage: str, total: int, unit: str) -> None:
        raise AssertionError(f"{stage} was done again")


def scores_of(directory: RunDirectory, feature: str, split: str) -> tuple[np.ndarray, list[str]]:
    """Mean activations of a feature [track], or of several, "SAE/FIRST:LAST", [track, feature]."""
    sae, _, index = feature.partition("/")
    first, _, last = index.partition(":")
    names, mean, _ = dense(directory, sae)
    rows = directory.read_table("corpus.parquet").to_pylist()
    inside = {row["track"] for row in rows if row["split"] == split}
    mask = [name in inside for name in names]
    columns = slice(int(first), int(last)) if last else int(first)
    return mean[mask][:, columns], [n for n in names if n in inside]


def test_the_feature_is_the_best_on_train_and_graded_on_test(finished_run: Path) -> None:
    directory = RunDirectory(finished_run)
    tags = {r["track"]: r["tags"] for r in directory.read_table("corpus.parquet").to_pylist()}
    graded = []
    for name, detection in detections(directory, planted_concepts(directory)).items():
        for split, value in (("train", detection.train_auroc), ("test", detection.auroc)):
            scores, tracks = scores_of(directory, detection.feature, split)
            expected = roc_auc_score([name in tags[track] for track in tracks], scores)
            assert value == pytest.approx(expected)
        every = []
        for sae in directory.sae_names():
            scores, tracks = scores_of(directory, f"{sae}/0:128", "train")
            present = [name in tags[track] for track in tracks]
            every += [roc_auc_score(present, column) for column in scores.T]
        assert detection.train_auroc == pytest.approx(max(every))
        graded.append(name)
    assert graded == ["low", "mid", "high"]


def test_the_probe_hears_what_is_linearly_there(finished_run: Path) -> None:
    directory = RunDirectory(finished_run)
    found_probes = probes(directory, planted_concepts(directory), SilentProgress())
    assert set(found_probes) == {"low", "mid", "high"}
    assert max(probe.auroc for probe in found_probes.values()) > 0.8


def test_a_second_call_reads_what_the_first_computed(run_copy: Path) -> None:
    first = recover(run_copy, control=True, probe=True, progress=SilentProgress())
    assert recover(run_copy, control=True, probe=True, progress=Untouched()) == first
    assert first.has_control
    assert first.has_probe
    control = RunDirectory(run_copy / "recovery" / "random-decoder")
    theirs = RunDirectory(run_copy)
    assert control.is_done("features")
    assert control.read_json("run.json")["config"]["subject"]["control"] == "random"
    assert control.read_table("corpus.parquet") == theirs.read_table("corpus.parquet")
    assert main(["verify", str(run_copy)]) == 0


@pytest.mark.parametrize("changed", ["features", "activations"])
def test_a_table_made_of_other_files_is_made_again(run_copy: Path, changed: str) -> None:
    first = recover(run_copy, control=False, probe=False, progress=SilentProgress())
    directory = RunDirectory(run_copy)
    name = next(n for n in directory.manifest()["stages"][changed]["files"] if "safetensors" in n)
    manifest = directory.manifest()
    manifest["stages"][changed]["files"][name] = "0" * 64
    manifest["stages"]["recovery"]["files"] = {}
    (run_copy / "manifest.json").write_text(json.dumps(manifest))
    (run_copy / RESULT).write_text("what was made of the other files")
    assert recover(run_copy, control=False, probe=False, progress=SilentProgress()) == first
    assert RESULT in directory.manifest()["stages"]["recovery"]["files"]


def test_the_command_prints_every_concept_and_writes_every_figure(
    run_copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "r.json"
    assert main(["recovery", str(run_copy), "--no-control", "--json", str(path)]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in ("low", "mid", "high", "pitch"))
    assert "without the control it is unknown" in out
    stored = json.loads(path.read_text())
    assert [row["concept"] for row in stored["rows"]] == ["low", "mid", "high"]
    counts = stored.pop("counts")
    assert set(counts) == {"feature", "probe", "control", "control probe"}
    assert read_back(Recovery, stored).rows[0].detection is not None


def test_a_corpus_without_planted_concepts_is_refused(run_copy: Path) -> None:
    (run_copy / "concepts.json").unlink()
    with pytest.raises(PipelineError, match="no planted concepts to recover"):
        recover(run_copy, control=False, probe=False, progress=SilentProgress())


DETECTION = BestCandidate("s/0", 0.9, 0.9, 0.8, 0.95, "DeLong, logit scale", 0.8)
PROBE = Probe("decoder.layers.0.resid_post", 0.03, 0.9, 0.95, 0.9, 0.98)


def table(n_positive: int = 30, control: float = 0.6) -> Recovery:
    weak = replace(DETECTION, auroc=control)
    row = ConceptRow("harp", "instrument", n_positive, 40, DETECTION, PROBE, weak, None)
    return Recovery((row, replace(row, concept="bell")), "all", True, True)


def test_only_concepts_with_enough_test_tracks_are_counted() -> None:
    assert found(table(), "feature") == 2
    assert found(table(n_positive=19), "feature") == 0


def test_the_sentence_says_whether_training_brought_it() -> None:
    assert "2 more than on an untrained decoder" in meaning(table())
    assert "nothing here shows that training made the difference" in meaning(table(control=0.9))


def test_a_concept_with_too_few_tracks_is_shown_and_said() -> None:
    result = table()
    empty = replace(result.rows[0], detection=None, probe=None, control=None)
    lines = list(report_lines(replace(result, rows=(empty,))))
    assert "too few train or test tracks" in lines[1]


def test_a_result_comes_back_from_json() -> None:
    assert read_back(Recovery, json.loads(json.dumps(asdict(table())))) == table()
