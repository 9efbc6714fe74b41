"""The ensemble's weights: from ranks only, and from listeners' answers in an earlier study."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.config import RunConfig, config_from_dict
from pipeline.context import SaeContext
from pipeline.errors import PipelineError
from pipeline.labelers import labeler
from pipeline.labelers.ensemble import PRIOR, Weights, combined, weights_of
from pipeline.labelers.study_responses import NEEDED
from pipeline.store.tables import LabelCandidate

METHODS = ("descriptors", "corpus-tags")


def write_answers(path: Path, answers: list[tuple[str, int, int]]) -> Path:
    """`(method, chosen rank, confidence)`, one trial each."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        rows = csv.DictWriter(stream, NEEDED)
        rows.writeheader()
        for number, (method, rank, confidence) in enumerate(answers):
            rows.writerow(
                {
                    "participation": f"p{number}", "method": method, "run": "r", "feature": "f",
                    "kind": "main", "participation_status": "complete", "confidence": confidence,
                    "chosen_rank": rank, "free_text": "",
                }
            )  # fmt: skip
    return path


def config(tmp_path: Path, answers: list[tuple[str, int, int]] | None = None) -> RunConfig:
    ensemble: dict[str, object] = {"methods": list(METHODS), "damping": 60.0}
    if answers is not None:
        ensemble["responses"] = str(write_answers(tmp_path / "responses.csv", answers))
        ensemble["run"] = "r"
    return config_from_dict(
        {
            "corpus": {"path": str(tmp_path)},
            "subject": {"model": str(tmp_path), "hookpoints": ["decoder.layers.0.resid_post"]},
            "ensemble": ensemble,
        }
    )


def order(weights: Weights) -> list[str]:
    """The merged names of one feature, for which each method gives two labels."""
    given = [
        (method, LabelCandidate("f", rank, f"{method} {rank}", 0.5, "", name=f"{method} {rank}"))
        for method in METHODS
        for rank in (1, 2)
    ]
    return [one.text for one in combined(given, METHODS, weights)]


def test_without_listeners_a_rank_counts_the_same_under_every_method(tmp_path: Path) -> None:
    weights = weights_of(config(tmp_path), METHODS)
    assert weights["descriptors", 1] == weights["corpus-tags", 1] == 1 / 61
    assert order(weights) == ["descriptors 1", "corpus-tags 1", "descriptors 2", "corpus-tags 2"]


def test_listeners_move_the_method_that_they_believe_up(tmp_path: Path) -> None:
    """Of 40 answers to corpus-tags, 30 are confident choices of rank 1; none to descriptors are."""
    answers = [("corpus-tags", 1, 5)] * 30 + [("corpus-tags", 2, 2)] * 10
    answers += [("descriptors", 1, 2)] * 20 + [("descriptors", 3, 4)] * 20
    weights = weights_of(config(tmp_path, answers), METHODS)
    everywhere = {1: (30 + 0.5) / 81, 2: (0 + 0.25) / 81, 3: (20 + 0.5 / 3) / 81}
    believed = {("corpus-tags", 1): 30, ("descriptors", 1): 0, ("descriptors", 3): 20}
    for method in METHODS:
        for rank, share in everywhere.items():
            hits = believed.get((method, rank), 0)
            expected = (hits + PRIOR * share) / (40 + PRIOR)
            assert weights[method, rank] == pytest.approx(expected), (method, rank)
    # An unconfident choice of rank 1 is no hit: descriptors' first comes after corpus-tags'.
    assert order(weights) == ["corpus-tags 1", "descriptors 1", "descriptors 2", "corpus-tags 2"]


def test_answers_to_other_methods_calibrate_nothing(tmp_path: Path) -> None:
    weights = weights_of(config(tmp_path, [("gemini", 1, 5)] * 9), METHODS)
    assert weights == weights_of(config(tmp_path), METHODS)


def test_answers_about_another_run_calibrate_nothing(tmp_path: Path) -> None:
    mine = config(tmp_path, [("corpus-tags", 1, 5)] * 10)
    alone = weights_of(mine, METHODS)
    path = mine.ensemble.responses
    assert path is not None
    with path.open("a", newline="") as stream:
        rows = csv.DictWriter(stream, NEEDED)
        for number in range(20):
            rows.writerow(
                {
                    "participation": f"q{number}", "method": "descriptors", "run": "other",
                    "feature": "f", "kind": "main", "participation_status": "complete",
                    "confidence": 5, "chosen_rank": 1, "free_text": "",
                }
            )  # fmt: skip
    assert weights_of(mine, METHODS) == alone


def test_answers_without_the_run_that_they_are_about_are_refused(tmp_path: Path) -> None:
    mine = config(tmp_path, [("corpus-tags", 1, 5)] * 3)
    for named, said in (("", "run is empty"), ("s", "no answer is about run s")):
        other = replace(mine, ensemble=replace(mine.ensemble, run=named))
        with pytest.raises(PipelineError, match=rf"{said}.*\(in the file: r\)"):
            labeler("ensemble").outside(other)


def test_a_method_that_gave_none_of_the_texts_is_not_asked_to_read(
    context: SaeContext,
) -> None:
    """Only corpus-tags gave these texts, so a method that cannot score tracks does not matter."""
    mine = replace(context.config.ensemble, methods=("corpus-tags", "gemini"))
    both = replace(context, config=replace(context.config, ensemble=mine))
    texts = sorted({row.text for row in context.labels("corpus-tags") if row.text})
    heard = labeler("ensemble").reading(both, texts)
    alone = labeler("corpus-tags").reading(context, texts)
    assert heard is not None
    assert alone is not None
    np.testing.assert_array_equal(heard, alone)
