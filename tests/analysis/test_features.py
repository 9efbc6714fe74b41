"""Features one by one, and the script for R: `analysis.features`, `analysis.rscript`."""

import csv
from pathlib import Path

import numpy as np
import pytest

from analysis.features import features_table, shrunken
from analysis.methods import Ratings
from analysis.report import build_report
from analysis.table import read_responses
from tests.analysis.factories import full_rows, paper_rows, write_csv


def study(rng: np.random.Generator, sd: float) -> tuple[Ratings, np.ndarray[tuple[int], np.dtype]]:
    """60 features of known level, two to six ratings each."""
    level = 3 + rng.normal(0, sd, 60)
    feature = np.repeat(np.arange(60), rng.integers(2, 7, 60))
    values = level[feature] + rng.normal(0, 0.6, len(feature))
    return Ratings("m", values, np.arange(len(feature)), feature, len(feature), 60), level


def test_shrunken_levels_are_nearer_the_truth_and_their_intervals_hold_it() -> None:
    rng = np.random.default_rng(0)
    held, better = [], []
    for _ in range(40):
        ratings, level = study(rng, 0.4)
        found = shrunken(ratings)
        assert found is not None
        held.append(np.mean((found.low <= level) & (level <= found.high)))
        plain = ratings.by_feature().total / ratings.by_feature().weight
        better.append(np.mean((found.mean - level) ** 2) < np.mean((plain - level) ** 2))
    assert 0.92 < np.mean(held) < 0.97
    assert np.mean(better) > 0.95


def test_features_that_do_not_differ_or_are_rated_once_are_not_told_apart() -> None:
    each = np.arange(10)
    assert shrunken(Ratings("m", np.ones(10), each, each, 10, 10)) is None
    same = np.tile([1.0, 5.0], 5)
    assert shrunken(Ratings("m", same, each, each // 2, 10, 5)) is None


def test_the_table_of_features_has_the_most_chosen_label(tmp_path: Path) -> None:
    rows = full_rows(participants=4, catch=False)
    table = features_table(read_responses(write_csv(tmp_path / "r.csv", rows)))
    assert len(table) == len({(r["feature"], r["method"]) for r in rows})
    assert table["ratings"].sum() == len(rows)
    one = table.iloc[0]
    mine = [r for r in rows if (r["feature"], r["method"]) == (one["feature"], one["method"])]
    assert one["mean"] == pytest.approx(np.mean([int(str(r["confidence"])) for r in mine]))
    chosen = [r["chosen_label"] for r in mine]
    assert chosen.count(one["most_chosen_label"]) == one["chose_it"]
    assert one["chose_it"] == max(map(chosen.count, chosen))


def test_the_script_for_r_reads_tables_of_the_models_and_their_ratings(tmp_path: Path) -> None:
    rows = paper_rows(participants=8)
    for row in rows:
        row["feature"] = f"{row['method']}/{row['feature']}"  # none is rated twice
    table = write_csv(tmp_path / "responses.csv", rows)
    summary = build_report(table, tmp_path / "out", resamples=100)
    script = (tmp_path / "out" / "mixed_models.R").read_text()
    assert "clmm(formula, data = d, link = m$link, nAGQ = m$nodes)" in script
    assert "essentia" not in script
    with (tmp_path / "out" / "tables" / "mixed_models.csv").open(newline="") as file:
        models = list(csv.DictReader(file))
    told = {(r["link"], r["parameter"]): float(r["value"]) for r in models}
    effect = summary.find("clmm_logit_effect", "essentia − gemini")
    assert told["logit", "effect"] == effect.value
    assert {(r["random"], r["nodes"]) for r in models} == {("participant", "10")}
    with (tmp_path / "out" / "tables" / "ratings.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 160


def test_without_a_mixed_model_there_is_no_script(tmp_path: Path) -> None:
    one = {"solo": (0.1, 0.2, 0.2, 0.3, 0.2)}
    table = write_csv(tmp_path / "responses.csv", paper_rows(participants=3, shares=one))
    build_report(table, tmp_path / "out", resamples=100)
    assert not (tmp_path / "out" / "mixed_models.R").exists()
