"""Ratings on other scales: what is linear is that of five levels, in the scale's own numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from scipy import stats

from analysis.estimates.results import Summary
from analysis.report.build import build_report
from tests.analysis.factories import paper_rows
from tests.analysis.reading.shapes import as_csv

COLUMNS = "".join(
    f'{name} = "{name}"\n'
    for name in (
        "participation",
        "method",
        "feature",
        "trial",
        "confidence",
        "chosen_rank",
        "chosen_label",
    )
)
SCALE_FREE = ("share_first", "confidence_rank", "consensus", "alpha_choice", "brennan", "icc_1",
              "spearman_clap", "difference_first", "first_label")  # fmt: skip
"""Beginnings of the names of what no scale changes, but for the numbers that a mean is given in."""


def report(folder: Path, scale: str, cells: dict[int, str]) -> Summary:
    """The report of one study, each rating written as `cells` says."""
    folder.mkdir(exist_ok=True)
    rows = paper_rows(participants=8, trials=5)
    for place, row in enumerate(rows):
        row["feature"] = f"f{place % 20}"
        row["chosen_rank"] = 1 + (place * place + place // 7) % 5
        row["chosen_label"] = f"name {row['chosen_rank']}"
        row["confidence"] = cells[int(str(row["confidence"]))]
    (folder / "t.csv").write_bytes(as_csv(rows))
    (folder / "labels.csv").write_bytes(
        as_csv(
            {"feature": f"f{n}", "method": method, "rank": rank, "score_clap": (7 * n + rank) % 11}
            for n in range(20) for method in ("gemini", "essentia") for rank in range(1, 6)
        )
    )  # fmt: skip
    (folder / "m.toml").write_text(f"[columns]\n{COLUMNS}[scale]\n{scale}\n", encoding="utf-8")
    return build_report(folder / "t.csv", folder / "out", resamples=200, mapping=folder / "m.toml")


@pytest.fixture(scope="module")
def five(tmp_path_factory: pytest.TempPathFactory) -> Summary:
    folder = tmp_path_factory.mktemp("five") / "x"
    return report(folder, "lowest = 1\nhighest = 5", {n: str(n) for n in range(1, 6)})


def test_a_slider_gives_the_same_means_and_p_values_and_no_ordinal_model(
    five: Summary, tmp_path: Path
) -> None:
    found = report(
        tmp_path / "x", "lowest = 0\nhighest = 100", {n: f"{25 * (n - 1)},0" for n in range(1, 6)}
    )
    for method in five.methods:
        theirs, ours = (one.find("mean_confidence", method) for one in (five, found))
        assert None not in (theirs.value, theirs.low, theirs.high)
        for name in ("value", "low", "high"):
            wanted = 25 * (getattr(theirs, name) - 1)
            assert getattr(ours, name) == pytest.approx(wanted, abs=1e-9)
    kept = {test.name: test.p for test in found.tests}
    assert len(kept) == 8
    assert kept == pytest.approx({t.name: t.p for t in five.tests if t.name in kept})
    assert {"scale", "share", "none", "coefficient"} >= {e.unit for e in found.estimates}
    assert not any("at_least" in e.name or "clmm" in e.name for e in found.estimates)
    page = (tmp_path / "x" / "out" / "report.html").read_text(encoding="utf-8")
    assert "The mean rating, from 0 to 100, was" in page
    assert "1 to 5" not in page
    assert "confidence" not in page.split("appendix")[0].split("</style>")[1]


def test_looks_count_on_other_scales_too(tmp_path: Path) -> None:
    looks = {"fractions": [0.5, 1], "spending": "pocock", "participants": 32}
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "study.json").write_text(json.dumps({"analysis_plan": {"looks": looks}}))
    cells = {n: str(2 * n - 1) for n in range(1, 6)}
    found = report(tmp_path / "x", "lowest = 1\nhighest = 9", cells)
    assert (found.look["number"], found.look["counted"]) == (1, 16)
    tested = found.confirmatory[0]
    own = found.recommended[tested.name, tested.method]
    assert own.interval.endswith(", repeated at look 1 of 2")
    assert tested.df is not None
    assert tested.statistic is not None
    assert own.value is not None
    half = float(stats.t.isf(found.look["level"] / 2, tested.df)) * own.value / tested.statistic
    assert own.high == pytest.approx(own.value + half)
    page = (tmp_path / "x" / "out" / "report.html").read_text(encoding="utf-8")
    assert "This is look 1 of 2 planned looks" in page


def test_few_levels_have_the_ordinal_model_too(five: Summary, tmp_path: Path) -> None:
    found = report(
        tmp_path / "x", "lowest = 0\nhighest = 8", {n: str(2 * (n - 1)) for n in range(1, 6)}
    )
    theirs, ours = (
        next(e for e in one.estimates if e.name == "clmm_logit_effect") for one in (five, found)
    )
    assert ours.value == pytest.approx(theirs.value)
    mean = next(e for e in five.estimates if e.name == "clmm_mean_confidence")
    assert mean.value is not None
    assert next(
        e for e in found.estimates if e.name == "clmm_mean_confidence"
    ).value == pytest.approx(2 * (mean.value - 1))


@pytest.mark.parametrize(
    ("scale", "cells"),
    [
        ("lowest = 0\nhighest = 1\nslider = true", {n: f"{(n - 1) / 4:g}" for n in range(1, 6)}),
        ("lowest = 0\nhighest = 10\nslider = true",
         {n: f"{2.5 * (n - 1):g}".replace(".", ",") for n in range(1, 6)}),
        ("lowest = 0\nhighest = 8", {n: str(2 * (n - 1)) for n in range(1, 6)}),
    ],
)  # fmt: skip
def test_choices_agreement_and_machine_scores_are_those_of_five_levels(
    scale: str, cells: dict[int, str], five: Summary, tmp_path: Path
) -> None:
    found = {
        (e.name, e.method): e for e in report(tmp_path / "x", scale, cells).estimates
        if e.recommended
    }  # fmt: skip
    compared, known = 0, {(e.name, e.method): e for e in five.estimates if e.recommended}
    low, high = (float(line.split(" = ")[1]) for line in scale.splitlines()[:2])
    for key, theirs in known.items():
        if not key[0].startswith(SCALE_FREE):
            continue
        ours, width = found[key], (high - low) / 4
        moved = [
            one if one is None or theirs.unit != "scale" else low + (one - 1) * width
            for one in (theirs.value, theirs.low, theirs.high)
        ]
        assert [ours.value, ours.low, ours.high] == pytest.approx(moved, abs=1e-9), key
        compared += 1
    assert compared > 30
    assert not any("1 to 5" in e.label or "confidence" in e.label for e in found.values())


def test_yes_and_no_are_a_share(tmp_path: Path) -> None:
    words = {1: "no", 2: "no", 3: "no", 4: "yes", 5: "yes"}
    found = report(tmp_path / "x", 'levels = ["no", "yes"]', words)
    rows = paper_rows(participants=8, trials=5)
    own = [int(str(row["confidence"])) > 3 for row in rows if row["method"] == "gemini"]
    assert found.find("mean_confidence", "gemini").value == pytest.approx(sum(own) / len(own))
