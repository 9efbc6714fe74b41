"""Every number of the tables, again from the runs' Parquet files in plain lines."""

from __future__ import annotations

import csv
from collections import defaultdict
from math import sqrt
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.stats import spearmanr, t

from pipeline.paper.counts import layout, published
from pipeline.paper.intervals import mean_over_features
from pipeline.paper.latex import table_1
from pipeline.paper.published import PROBE, TABLE_1, TABLE_2, TOTAL
from pipeline.paper.sweep import join
from pipeline.paper.table_2 import steered
from pipeline.store.records import table_of
from pipeline.store.run_directory import RunDirectory
from pipeline.store.steering_tables import ImprovedRecord
from tests.pipeline.paper.factory import EXPANSIONS, KS, LAYERS, WIDTH, make_run

MODELS = {"musicgen-tiny": 0, "musicgen-tiny (random weights)": 1}


def read(report: Path, name: str) -> list[dict[str, str]]:
    with (report / "tables" / name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def sae(layer: Any, expansion: Any, k: Any) -> str:
    return f"layer{layer}-n{int(float(expansion) * WIDTH)}-k{k}"


def rows_of(run: Path, folder: str, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(run / folder / name).to_pylist()
    return found


def at_layer(run: Path, folder: str, layer: Any, file: str) -> list[dict[str, Any]]:
    """The rows of all SAEs of a layer."""
    return [
        row
        for expansion in EXPANSIONS
        for k in KS
        for row in rows_of(run, folder, file.format(sae(layer, expansion, k)))
    ]


def scores_of(run: Path, layer: Any, method: str) -> dict[str, list[float]]:
    found = defaultdict(list)
    for row in at_layer(run, "scores", layer, "{}/clap.parquet"):
        if row["method"] == method and row["status"] == "ok":
            found[row["feature"]].append(row["score"])
    return found


def test_the_papers_table_1_is_laid_out_as_it_prints_it() -> None:
    found = published()
    assert found.total == TOTAL == 4697
    assert found.columns == (
        *(("MusicGen large", layer) for layer in ("2", "12", "24", "36", "46")),
        *(("MusicGen small", layer) for layer in ("2", "6", "12", "18", "22")),
    )
    assert found.rows == ((4, 32), (32, 32), (4, 100), (32, 100))
    assert found.cells == (
        (12, 0, 4, 4, 3, 0, 0, 0, 0, 0),
        (30, 117, 149, 135, 71, 3, 7, 4, 7, 9),
        (407, 109, 147, 28, 25, 6, 3, 0, 0, 0),
        (2344, 222, 412, 131, 177, 59, 47, 4, 4, 17),
    )
    bold = [
        [cell for cell, mark in zip(cells, marks, strict=True) if mark]
        for cells, marks in zip(found.cells, found.largest, strict=True)
    ]
    # Layer 12 of the small model has 4 twice, and layer 36 of the large one its most at k 32.
    assert bold == [[], [135, 4, 7], [], [2344, 222, 412, 177, 59, 47, 4, 17]]
    assert len(TABLE_1) == 40
    assert sum(row.improved for row in TABLE_2) == 268
    assert PROBE["MusicGen large"] == (50.29, 3.41)


def test_a_missing_sae_is_no_zero_and_a_layer_of_zeros_has_no_largest() -> None:
    found = layout([one for one in TABLE_1 if (one.layer, one.k) != (2, 100) and one.layer != 12])
    column = found.columns.index(("MusicGen small", "2"))
    assert [row[column] for row in found.cells] == [0, 3, None, None]
    assert "4 & 100 & --" in table_1(found)
    found = layout([one for one in TABLE_1 if one.model == "MusicGen small" and one.expansion == 4])
    assert [row[-1] for row in found.largest] == [False, False]


def test_kept_and_dropped_latents_are_counted(report: Path, runs: list[Path]) -> None:
    found = read(report, "table_1.csv")
    assert len(found) == len(MODELS) * len(LAYERS) * len(EXPANSIONS) * len(KS)
    most: dict[tuple[str, str], int] = defaultdict(int)
    for row in found:
        name = sae(row["layer"], row["expansion"], row["k"])
        latents = rows_of(runs[MODELS[row["model"]]], "features", f"{name}.parquet")
        expected = {
            "kept": sum(one["kept"] for one in latents),
            "latents": len(latents),
            "never_fires": sum(one["reason"] == "r = 0" for one in latents),
            "too_frequent": sum(one["reason"] == "r > 0.25" for one in latents),
            "too_rare": sum(one["reason"] == "r < 0.01" for one in latents),
            "too_few_tracks": sum("fewer" in one["reason"] for one in latents),
        }
        assert {column: int(row[column]) for column in expected} == expected
        column = row["model"], row["layer"]
        most[column] = max(most[column], expected["kept"])
    for row in found:
        bold = int(row["kept"]) == most[row["model"], row["layer"]]
        assert row["most_of_layer"] == str(bold).lower()


def test_figure_3_and_8_are_means_over_features_whose_shared_exemplars_count(
    report: Path, runs: list[Path]
) -> None:
    found = read(report, "figure_3.csv")
    assert len(found) == len(MODELS) * len(LAYERS) * 4
    for row in found:
        run = runs[MODELS[row["model"]]]
        labels = scores_of(run, row["layer"], row["method"])
        values = {feature: fmean(scores) for feature, scores in labels.items()}
        mean = fmean(values.values())
        assert float(row["mean"]) == pytest.approx(mean)
        assert int(row["features"]) == len(values)
        assert int(row["labels"]) == sum(len(scores) for scores in labels.values())
        half = half_width(values, exemplars_of(run, row["layer"]))
        assert float(row["high"]) - mean == pytest.approx(half)
        assert mean - float(row["low"]) == pytest.approx(half)
        assert "share exemplar clips" in row["interval"]
    captioned = [row for row in found if row["method"] in ("gemini", "captioner@other")]
    assert read(report, "figure_8.csv") == captioned
    assert {row["method"] for row in found if row["control"] == "true"} == {"random-label"}


def exemplars_of(run: Path, layer: Any) -> dict[str, set[str]]:
    found = defaultdict(set)
    for row in at_layer(run, "exemplars", layer, "{}.parquet"):
        found[row["feature"]].add(row["track"])
    return found


def half_width(values: dict[str, float], clips: dict[str, set[str]]) -> float:
    """With every matrix written out, [feature, feature]."""
    y = np.asarray([*values.values()])
    own = [clips[feature] for feature in values]
    overlap = [[len(a & b) / sqrt(len(a) * len(b)) for b in own] for a in own]
    w, m = np.asarray(overlap), np.eye(len(y)) - 1 / len(y)
    e = m @ y
    expected = [
        [np.trace(m), np.trace(m @ w)],
        [np.trace(m @ w), np.trace(m @ w @ m @ w)],
    ]
    apart, common = np.linalg.solve(expected, [e @ e, e @ w @ e])
    if apart < 0:
        apart, common = 0.0, e @ e / np.trace(m @ w)
    variance = (apart * len(y) + max(common, 0.0) * w.sum()) / len(y) ** 2
    variance = max(variance, e @ e / (len(y) - 1) / len(y))
    different = len(set.union(*own))
    return float(t.ppf(0.975, min(len(y), different) - 1) * sqrt(variance))


def test_figure_4_is_the_share_of_kept_features_whose_best_label_reaches_a_threshold(
    report: Path, runs: list[Path]
) -> None:
    found = read(report, "figure_4.csv")
    real = {row["method"] for row in found} - {"random-label", "best of all methods"}
    assert real == {"descriptors", "gemini", "captioner@other"}
    for row in found[::67]:
        run = runs[MODELS[row["model"]]]
        methods = real if row["method"] == "best of all methods" else {row["method"]}
        best: dict[str, float] = {}
        for layer in LAYERS:
            for method in methods:
                for feature, scores in scores_of(run, layer, method).items():
                    best[feature] = max(best.get(feature, -1.0), *scores)
        kept = sum(
            one["kept"]
            for layer in LAYERS
            for one in at_layer(run, "features", layer, "{}.parquet")
        )
        reached = sum(value >= float(row["threshold"]) for value in best.values())
        assert float(row["coverage"]) == pytest.approx(reached / kept)
        assert (int(row["kept"]), int(row["features"])) == (kept, len(best))


def test_figure_6_has_every_firing_latent_once(report: Path, runs: list[Path]) -> None:
    dots = read(report, "figure_6_dots.csv")
    for row in read(report, "figure_6.csv"):
        latents = rows_of(runs[MODELS[row["model"]]], "features", f"{row['sae']}.parquet")
        fires = [one for one in latents if one["rate"] > 0]
        assert (int(row["firing"]), int(row["silent"])) == (
            len(fires), len(latents) - len(fires),
        )  # fmt: skip
        rank = spearmanr([o["rate"] for o in fires], [o["max_activation"] for o in fires])
        assert float(row["spearman_rate_max_activation"]) == pytest.approx(rank.statistic)
        own = [d for d in dots if (d["model"], d["sae"]) == (row["model"], row["sae"])]
        for kept in ("true", "false"):
            count = sum(int(dot["latents"]) for dot in own if dot["kept"] == kept)
            assert count == sum(one["kept"] == (kept == "true") for one in fires)
        # Dots are geometric means, so the mean of all logarithms stays.
        logs = sum(int(d["latents"]) * np.log(float(d["strength"])) for d in own)
        assert logs == pytest.approx(sum(np.log(one["max_activation"]) for one in fires))


def test_figure_9_is_the_cumulative_distribution_of_features(
    report: Path, runs: list[Path]
) -> None:
    found = read(report, "figure_9.csv")
    for model, run in MODELS.items():
        for method in ("gemini", "captioner@other"):
            values = sorted(
                fmean(scores)
                for layer in LAYERS
                for scores in scores_of(runs[run], layer, method).values()
            )
            own = [row for row in found if (row["model"], row["method"]) == (model, method)]
            assert [float(row["score"]) for row in own] == pytest.approx(values)
            shares = [(place + 1) / len(values) for place in range(len(values))]
            assert [float(row["share"]) for row in own] == pytest.approx(shares)


def test_table_2_is_the_papers_intervention_of_every_evaluated_sae(tmp_path: Path) -> None:
    """The evaluation's own tests hold its numbers; here, that they reach the right row."""
    directory = RunDirectory(make_run(tmp_path / "run"))
    assert steered(join([directory.path])) == []
    rows = [
        ImprovedRecord(
            sae=sae(layer, 4, 3), hookpoint="", intervention=intervention, kept=15, tried=10,
            seeds=2, improved=layer, low=0.1, high=0.5, random_tried=10, random_improved=2,
            random_low=None, random_high=None, p=None, pool_share=0.2, improved_one_seed=1,
        )
        for layer in LAYERS
        for intervention in ("add", "ablate")
    ]  # fmt: skip
    with directory.writer("steering-evaluation") as writer:
        writer.write_table("steering/table2.parquet", table_of(ImprovedRecord, rows))
    found = steered(join([directory.path]))
    assert [(row.layer, row.expansion, row.k, row.found) for row in found] == [
        ("1", 4, 3, rows[0]), ("4", 4, 3, rows[2]),
    ]  # fmt: skip


def test_the_interval_covers_where_features_share_clips() -> None:
    """What a clip does to all features that it represents is hidden from their spread."""
    generator = np.random.default_rng(0)
    covered, apart = 0, 0
    for _ in range(60):
        effects = generator.normal(0, 0.1, 40)
        own = [generator.choice(40, 5, replace=False) for _ in range(120)]
        values = np.asarray([effects[clips].mean() for clips in own])
        values += generator.normal(0, 0.1, 120)
        found = mean_over_features(values, [[str(clip) for clip in clips] for clips in own])
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 0 <= found.high
        apart += abs(found.value) <= 1.96 * values.std(ddof=1) / sqrt(120)
    assert covered >= 50
    assert apart < 45
    same = mean_over_features(np.arange(4.0), [["a", "b"]] * 4)
    assert same.high == pytest.approx(1.5 + t.ppf(0.975, 1) * np.std([0, 1, 2, 3], ddof=1) / 2)


def test_one_feature_has_no_interval() -> None:
    found = mean_over_features(np.asarray([0.3]), [["a"]])
    assert found[:4] == (0.3, None, None, 1)
    assert found.interval.startswith("none")
