"""The evaluation of steering on a whole tiny run."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.__main__ import main
from pipeline.errors import PipelineError
from pipeline.progress import SilentProgress
from pipeline.stages.steering_evaluation import evaluate
from pipeline.steering.horizons.table import horizons_of
from pipeline.steering.pairs import read_pairs
from pipeline.steering.settings import EvaluationConfig
from pipeline.steering.table import lines, mean_slopes, table_two
from pipeline.store.records import records_from, table_of
from pipeline.store.run_directory import RunDirectory
from pipeline.store.steering_tables import EffectRecord, HorizonEffectRecord, MovedRecord
from pipeline.store.tables import LabelCandidate
from pipeline.verify import verify
from tests.pipeline.clap.tiny_clap import save_tiny_clap

CONFIG = EvaluationConfig(
    features=2, alphas=(1.0, 8.0), takes=2, seconds=0.4, prompt="", random_directions=3,
    interventions=("add", "ablate", "exemplar-difference", "random-direction"),
    saes=("layer1-n128-k4",),
)  # fmt: skip
(SAE,) = CONFIG.saes


@pytest.fixture
def directory(
    run_copy: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> RunDirectory:
    folder = tmp_path_factory.mktemp("clap")
    monkeypatch.setenv("EARWITNESS_CLAP_MODEL", str(save_tiny_clap(folder)))
    found = RunDirectory(run_copy)
    with found.writer("labels") as writer:
        rows = [LabelCandidate(f"{SAE}/{index}", 1, "low", 1.0, "") for index in range(128)]
        table = table_of(LabelCandidate, rows)
        writer.write_table(f"labels/{SAE}/corpus-tags.parquet", table)
    return found


class Interrupted(SilentProgress):
    """Stops the work when the first part was measured."""

    def start(self, stage: str, total: int, unit: str) -> None:
        self.stage = stage

    def advance(self, n: int = 1) -> None:
        if self.stage.startswith("steering layer"):
            raise KeyboardInterrupt


def test_an_evaluation_that_was_interrupted_gives_the_bytes_of_one_that_was_not(
    directory: RunDirectory, tmp_path: Path
) -> None:
    other = RunDirectory(Path(shutil.copytree(directory.path, tmp_path / "other")))
    with pytest.raises(KeyboardInterrupt):
        evaluate(CONFIG, directory, progress=Interrupted())
    assert not directory.is_done("steering-evaluation")
    assert (directory.path / ".unfinished").is_dir()
    for one in (directory, other):
        evaluate(CONFIG, one, progress=SilentProgress())
    files = [one.manifest()["stages"]["steering-evaluation"]["files"] for one in (directory, other)]
    assert files[0] == files[1]
    assert set(files[0]) == {
        *(f"steering/{name}.parquet" for name in ("slopes", "table2", "selection", "ablation")),
        *(
            f"steering/{SAE}.{name}.parquet"
            for name in ("effects", "moved", "slopes", "output-scores")
        ),
    }
    assert not (directory.path / ".unfinished").exists()
    _whole(directory)


def _whole(directory: RunDirectory) -> None:
    """One row per feature, intervention, α and seed, and the tables made of them."""
    table = directory.read_table(f"steering/{SAE}.effects.parquet")
    rows = records_from(EffectRecord, table)
    keys = {(r.feature, r.intervention, r.draw, r.alpha, r.seed) for r in rows}
    assert len(keys) == len(rows) == 4 * 2 * 2 * 2 + 3 * 2 * 2 * 2
    assert {row.label for row in rows} == {"low"}
    assert all(row.label_similarity is not None for row in rows)
    _others(directory, rows)
    (add,) = [row for row in table_two(directory) if row.intervention == "add"]
    assert (add.sae, add.tried, add.seeds) == (SAE, 2, 2)
    measured = {(row.intervention, row.measure) for row in mean_slopes(directory)}
    assert ("ablate", "similarity") in measured
    # All have the same features here, and so the same random clips to be compared with.
    (random,) = {r.frechet for r in mean_slopes(directory) if r.intervention == "random-direction"}
    assert {row.frechet_random for row in mean_slopes(directory)} == {random}
    assert any("add" in line and "of 2" in line for line in lines(directory))
    assert verify(directory.path, progress=SilentProgress()) == []


def _others(directory: RunDirectory, effects: list[EffectRecord]) -> None:
    """Every feature and intervention has the ten others that moved most."""
    rows = records_from(MovedRecord, directory.read_table(f"steering/{SAE}.moved.parquet"))
    assert {(r.feature, r.intervention) for r in rows} == {
        (r.feature, r.intervention) for r in effects if r.intervention != "random-pool"
    }
    for feature in {row.feature for row in rows}:
        add = [row for row in rows if (row.feature, row.intervention) == (feature, "add")]
        assert [row.rank for row in add] == [*range(1, 11)]
        assert feature not in {row.other for row in add}


def test_what_cannot_be_evaluated_is_one_line(
    directory: RunDirectory, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for changed, message in (
        ({"saes": ("layer9",)}, "has no SAE 'layer9'; it has: layer0"),
        ({"interventions": ("subtract",)}, "unknown intervention 'subtract'; known: add"),
        ({"method": "gemini"}, "no labels by 'gemini'; it has: corpus-tags"),
    ):
        with pytest.raises(PipelineError, match=message):
            evaluate(replace(CONFIG, **changed), directory, progress=SilentProgress())
    assert main(["steer", str(directory.path), "--evaluate", "--alpha", "2"]) == 2
    assert "an evaluation needs 1" in capsys.readouterr().err
    assert main(["steer", str(directory.path), "--sae", SAE]) == 2
    assert capsys.readouterr().err.endswith("--sae needs --evaluate\n")
    run = directory.read_json("run.json")
    run["config"]["subject"]["control"] = "random"
    (directory.path / "run.json").write_text(json.dumps(run))
    with pytest.raises(PipelineError, match=r"belongs to subject .* and cannot steer subject"):
        evaluate(CONFIG, directory, progress=SilentProgress())


def test_what_remains_after_a_stop_is_measured_window_by_window(
    directory: RunDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    point = "decoder.layers.0.resid_post"
    command = ["steer", str(directory.path), "--evaluate", "--horizons", "--seconds", "3.2",
               "--features", "1", "--takes", "2", "--prompt", "", "--random-directions", "3",
               "--sae", SAE, "--stratify", "--layer", point, "--forget"]  # fmt: skip
    assert main(command) == 0
    rows = records_from(
        HorizonEffectRecord, directory.read_table(f"steering/{SAE}.horizons.parquet")
    )
    windows = {(row.start, row.end) for row in rows}
    assert windows == {(-2.0, -1.0), (-1.0, 0.0), (0.0, 1.0)}
    assert len(rows) == (2 + 3) * 2 * len(windows)
    assert all(row.own_activation is not None for row in rows)
    assert {(row.stop, row.forgotten, row.hookpoint) for row in rows} == {(2.0, True, point)}
    assert all(row.recurrence is not None for row in rows)
    found = horizons_of(directory)
    assert {(row.intervention, row.start) for row in found} == {
        (intervention, start) for intervention in ("add", "random-direction") for start in (-1, 0)
    }
    assert [row.measure for row in found].count("recurrence") == 2
    assert len(capsys.readouterr().out.splitlines()) == len(found) + 1
    files = directory.manifest()["stages"]["steering-horizons"]["files"]
    assert set(files) == {"steering/horizons.parquet", f"steering/{SAE}.horizons.parquet"}
    assert verify(directory.path, progress=SilentProgress()) == []
    assert main(["steer", str(directory.path), "--horizons"]) == 2
    assert capsys.readouterr().err.endswith("--horizons needs --evaluate\n")
    assert main(["steer", str(directory.path), "--evaluate", "--forget"]) == 2
    assert capsys.readouterr().err.endswith("--forget needs --horizons\n")


def test_pairs_of_prompts_are_read_from_a_file(tmp_path: Path) -> None:
    listed = read_pairs(Path(__file__).parents[3] / "fixtures" / "steering_pairs.toml")
    assert {"tempo", "brightness"} < {pair.name for pair in listed}
    assert len(listed) >= 8
    broken = tmp_path / "pairs.toml"
    both = '[[pair]]\nname = "tempo"\npositive = ["fast"]\nnegative = ["{}"]\n'
    for text, message in (
        ('[[pair]]\nname = "tempo"\npositive = ["fast"]\n', "'tempo' needs lists of prompts"),
        ('[pair]\nname = "tempo"\n', r"pairs are tables \[\[pair\]\]"),
        (both.format("fast"), "'tempo' has the same prompts on both sides"),
        (2 * both.format("slow"), "2 pairs are named 'tempo'"),
    ):
        broken.write_text(text)
        with pytest.raises(PipelineError, match=message):
            read_pairs(broken)
