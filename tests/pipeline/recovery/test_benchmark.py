"""The benchmark: every control is real, chosen on train, graded on test, and said in words."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.config import config_from_dict
from pipeline.errors import PipelineError
from pipeline.progress import SilentProgress
from pipeline.recovery import benchmark as module
from pipeline.recovery.benchmark import Benchmark, Column, benchmark
from pipeline.recovery.benchmark_report import benchmark_lines
from pipeline.recovery.directions import KINDS
from pipeline.recovery.naming import Division, Naming, names_concept
from pipeline.recovery.stability import Stability, has_partner, other_seeds, stability
from pipeline.recovery.stored import read_back
from pipeline.run import execute, forget
from pipeline.store.activations import read_shards
from pipeline.store.run_directory import RunDirectory
from pipeline.subjects import STANDINS
from pipeline.subjects.controls import randomise
from pipeline.verify import verify


@pytest.fixture
def few_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny corpus has a handful of test tracks a concept."""
    monkeypatch.setattr(module, "ENOUGH_TRACKS", 2)


@pytest.mark.usefixtures("few_are_enough")
def test_a_whole_benchmark(run_copy: Path) -> None:
    result = benchmark(run_copy, progress=SilentProgress())
    names = [column.name for column in result.columns]
    assert names == [
        "features", "random decoder", *KINDS, "phase-randomised corpus", "codec latents",
        "mel spectrogram", "linear probe", "permuted concepts",
    ]  # fmt: skip
    by_name = {column.name: column for column in result.columns}
    # Three pitches: a mel spectrogram tells them, concepts dealt at random cannot be told.
    assert by_name["mel spectrogram"].mean > 0.9
    assert by_name["permuted concepts"].mean < 0.8
    # Chosen among just as many, or it would not say what choosing brings.
    assert by_name["permuted concepts"].n_candidates == by_name["features"].n_candidates
    assert by_name["random dictionary"].n_candidates == by_name["random directions"].n_candidates
    # A control with dictionaries of its own chooses among them on validation tracks.
    for name, tried in (
        ("random decoder", "3 sets of 2"), ("phase-randomised corpus", "9 sets of 4"),
        ("codec latents", "3 sets of 2"), ("mel spectrogram", "3 sets of 2"),
    ):  # fmt: skip
        assert f"chosen on validation of {tried} dictionaries" in by_name[name].settings
    for name in ("features", *KINDS, "linear probe", "permuted concepts"):
        assert "chosen on validation" not in by_name[name].settings
    assert [row.sae for row in result.stability] == list(RunDirectory(run_copy).sae_names())
    assert read_back(Benchmark, json.loads(json.dumps(asdict(result)))) == result
    entry = RunDirectory(run_copy).manifest()["stages"]["benchmark"]
    assert benchmark(run_copy, progress=SilentProgress()) == result
    assert RunDirectory(run_copy).manifest()["stages"]["benchmark"] == entry

    # Every control is a run of its own, with a key that no other has, and is verified.
    runs = {run.path.name: run for run in RunDirectory(run_copy).nested()}
    assert set(runs) == {"random-decoder", *STANDINS}
    described = [run.read_json("run.json") for run in (RunDirectory(run_copy), *runs.values())]
    for part in ("key", "subject_fingerprint"):
        assert len({one[part] for one in described}) == 5
    assert verify(run_copy, progress=SilentProgress()) == []
    for name, run in runs.items():
        weights = next(run.path.glob("sae/*/sae_weights.safetensors"))
        relative = weights.relative_to(run.path)
        weights.write_bytes(b"damaged")
        problem = f"recovery/{name}/{relative}: its SHA-256 differs from the manifest"
        assert problem in verify(run_copy, progress=SilentProgress(), sample=0)

    # Redone from its SAEs on, nothing that stood on them is left, here or in a control.
    assert forget(run_copy, "sae") == ("sae", "features", "exemplars", "recovery", "benchmark")
    assert not (run_copy / "recovery" / "recovery.json").exists()
    assert not (run_copy / "recovery" / "benchmark.json").exists()
    for run in (RunDirectory(run_copy), *runs.values()):
        assert list(run.manifest()["stages"]) == ["corpus", "activations"]
        assert not list(run.path.glob("sae/*/*.*")) + list(run.path.glob("features/*"))


@pytest.mark.parametrize("control", STANDINS)
def test_a_control_that_was_killed_is_continued_as_what_it_is(
    control: str, small_config: dict[str, Any], finished_run: Path, tmp_path: Path
) -> None:
    itself = config_from_dict(small_config)
    config = replace(itself, subject=replace(itself.subject, control=control))
    execute(config, tmp_path / "run", progress=SilentProgress(), until="corpus")
    with pytest.raises(PipelineError, match="a run of another config") as caught:
        execute(itself, tmp_path / "run", progress=SilentProgress(), until="activations")
    assert f"subject.control ({control} there, none here)" in str(caught.value)
    directory = execute(config, tmp_path / "run", progress=SilentProgress(), until="activations")
    hookpoint = itself.subject.hookpoints[0]
    (facts, array), *_ = read_shards(directory, hookpoint)
    (ours, theirs), *_ = read_shards(RunDirectory(finished_run), hookpoint)
    assert facts.subject_fingerprint != ours.subject_fingerprint
    assert facts.tracks == ours.tracks
    assert array.shape != theirs.shape or np.abs(array - theirs).max() > 0.1


def test_a_corpus_too_small_to_grade_is_refused(run_copy: Path) -> None:
    with pytest.raises(PipelineError, match="nothing can be graded"):
        benchmark(run_copy, progress=SilentProgress())


def test_random_phases_keep_the_spectrum_and_nothing_in_time() -> None:
    track = torch.zeros(8001)
    track[100] = 1.0
    made = randomise(track)
    assert torch.allclose(torch.fft.rfft(made).abs(), torch.fft.rfft(track).abs(), atol=1e-4)
    assert float(made.abs().max()) < 0.2
    assert torch.equal(made, randomise(track))


def test_a_label_names_a_concept_by_whole_words() -> None:
    words = ["church organ", "organ", "pipe organ"]
    assert names_concept("A Church Organ, slowly", words)
    assert names_concept("organ-like", words)
    assert not names_concept("well organised", words)


def test_a_partner_is_a_direction_nearby() -> None:
    others = np.eye(3)
    turned = np.array([[0.8, 0.6, 0.0], [0.577, 0.577, 0.577]])
    assert has_partner(turned, others).tolist() == [True, False]


@pytest.mark.parametrize(
    ("own", "others"), [(0, (1, 2)), (1, (2, 3)), (2, (1, 3)), (3, (1, 2)), (7, (1, 2))]
)
def test_a_run_is_never_compared_with_its_own_seed(own: int, others: tuple[int, ...]) -> None:
    assert other_seeds(own) == others


def test_its_own_seed_is_refused(small_config: dict[str, Any], finished_run: Path) -> None:
    config = config_from_dict({**small_config, "sae": {**small_config["sae"], "seed": 2}})
    with pytest.raises(ValueError, match="seed 2 is the run's own"):
        stability(RunDirectory(finished_run), config, seeds=(1, 2), progress=SilentProgress())


def result_of(**changes: object) -> Benchmark:
    column = Column("features", {"a": 0.9}, 1, 0.9, 0.0, 0.0, 0.0, 0, 0, 7, "as configured")
    worse = replace(column, name="random decoder", n_found=0, difference=0.2, low=0.1, high=0.3)
    equal = replace(column, name="neurons", low=-0.1, high=0.1)
    made = Benchmark(
        1,
        (column, worse, equal),
        Division(0.85, {"s/1": "a", "s/2": "a"}, {"a": 2}, 1),
        (Naming("corpus-tags", 2, 1, 2),),
        (Stability("s", (1, 2), 10, (0.5, 0.6), 0.4, 0.01),),
    )
    return replace(made, **changes)


def test_it_says_what_is_beaten_and_what_is_open() -> None:
    text = "\n".join(benchmark_lines(result_of()))
    assert "features                 as configured" in text
    assert "the features beat: random decoder." in text
    assert "beaten by: none. Undecided: neurons." in text
    assert "Concepts split over several features: a 2." in text
    assert "the first label names the concept in 1, one of the first five in 2" in text
    assert "50%, 60% (seeds 1, 2); under all 40% of 10; random directions 1%" in text
