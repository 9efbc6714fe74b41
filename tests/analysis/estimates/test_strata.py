"""Several studies or versions in one table: `analysis.estimates.strata` and what uses it."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from analysis.estimates.results import Summary
from analysis.report.build import build_report
from tests.analysis.factories import Row, full_rows, identification_rows, paper_rows, write_csv

PAIR = "essentia − gemini"
EQUAL = dict.fromkeys(("essentia", "gemini"), (0.1, 0.2, 0.2, 0.3, 0.2))
EASY = dict.fromkeys(("essentia", "gemini"), (0.01, 0.02, 0.07, 0.3, 0.6))


def reported(folder: Path, rows: list[Row]) -> Summary:
    return build_report(write_csv(folder / "r.csv", rows), folder / "out", resamples=100)


def two_versions(essentia: int = 8) -> list[Row]:
    """Two methods that are equal in each version; version 2 is easy and has few of gemini."""
    one = paper_rows(seed=1, participants=24, shares=EQUAL)
    two = paper_rows(seed=2, participants=24, shares=EASY)
    first = [
        r for r in one if r["method"] == "gemini" or str(r["participation"]) < f"es{essentia:03d}"
    ]
    second = [r for r in two if r["method"] == "essentia" or str(r["participation"]) < "ge008"]
    return [
        row
        | {
            "study_version": version,
            "participation": f"v{version}{row['participation']}",
            "feature": f"v{version}{row['feature']}",
        }
        for version, rows in ((1, first), (2, second))
        for row in rows
    ]


def test_methods_are_compared_within_versions(tmp_path: Path) -> None:
    rows = two_versions()
    found = reported(tmp_path, rows)
    difference = found.find("difference_mean_confidence", PAIR)
    expected = weight = 0.0
    crude = {}
    for version in (1, 2):
        a, b = (
            [int(str(r["confidence"])) for r in rows
             if (r["study_version"], r["method"]) == (version, method)]
            for method in ("essentia", "gemini")
        )  # fmt: skip
        w = len(a) * len(b) / (len(a) + len(b))
        expected += w * (np.mean(a) - np.mean(b))
        weight += w
    for method in ("essentia", "gemini"):
        crude[method] = np.mean([int(str(r["confidence"])) for r in rows if r["method"] == method])
    assert difference.value == pytest.approx(expected / weight)
    assert crude["essentia"] - crude["gemini"] > 0.5  # pooled, essentia would seem better
    assert difference.low is not None
    assert difference.low < 0 < (difference.high or 0)
    tests = {t.name: t for t in found.tests}
    assert (tests["difference_mean_confidence"].p or 0) > 0.05
    assert (tests["clmm_logit_wald"].p or 0) > 0.05
    assert "within studies and versions" in tests["welch_participant_means"].reason
    assert found.warnings[0].startswith("This table holds versions 1 and 2.")
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert page.index("Methods are compared within each of them") < page.index('class="lead"')
    assert "as if they were one" not in page


def test_the_interval_of_a_stratified_difference_is_its_test_inverted(tmp_path: Path) -> None:
    """One rating per listener and version: a stratified t test that can be written in a line."""
    rng = np.random.default_rng(3)
    rows: list[Row] = [
        {"participation": f"p{i}", "method": "ab"[i % 2], "feature": f"f{i}", "trial": 1,
         "confidence": int(rng.integers(1, 6)), "study": "one" if i < 24 else "two"}
        for i in range(60)
    ]  # fmt: skip
    found = reported(tmp_path, rows)
    e = found.find("difference_mean_confidence", "a − b")
    value = variance = 0.0
    for study, n in (("one", 24), ("two", 36)):
        w = n / 60  # two equal sides: n_A n_B / (n_A + n_B) is proportional to n
        for side, sign in (("a", 1), ("b", -1)):
            x = np.array([int(str(r["confidence"])) for r in rows
                          if (r["study"], r["method"]) == (study, side)])  # fmt: skip
            value += sign * w * x.mean()
            variance += w**2 * np.sum((x - x.mean()) ** 2) / len(x) ** 2
    assert e.value == pytest.approx(value)
    test = next(t for t in found.tests if t.name == "difference_mean_confidence")
    assert test.df == 56
    assert test.statistic == pytest.approx(value / math.sqrt(variance * 60 / 59))
    assert (e.low or 0) * (e.high or 0) <= 0 or (test.p or 1) < 0.05


def test_methods_that_share_no_version_are_not_compared(tmp_path: Path) -> None:
    rows = [r | {"study_version": 1 if r["method"] == "essentia" else 2}
            for r in paper_rows(participants=6)]  # fmt: skip
    found = reported(tmp_path, rows)
    assert found.comparisons == ()
    assert found.deviations == (
        "essentia was not compared with gemini: no study and no version in the table has both.",
    )
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "1 other comparison of these 2 methods was not made" in page


def test_every_comparison_of_choices_and_features_is_within_strata(tmp_path: Path) -> None:
    """A study twice, under two names, gives the values of the study once."""
    once = full_rows(participants=12)
    once = [r | {"study_version": 1} for r in once]
    twice = once + [r | {"study_version": 2, "participation": f"v2{r['participation']}"}
                    for r in once]  # fmt: skip
    (tmp_path / "twice").mkdir()
    one, two = reported(tmp_path, once), reported(tmp_path / "twice", twice)
    for name in (
        "difference_mean_confidence",
        "difference_paired_by_feature",
        "difference_share_at_least_4",
        "difference_share_first_label",
        "superiority_ratings",
        "clmm_mean_confidence",
    ):
        of = "gemini" if name.startswith("clmm") else PAIR
        rough = 0.03 if name.startswith("clmm") else 1e-9
        assert two.find(name, of).value == pytest.approx(one.find(name, of).value, abs=rough), name


def test_accuracy_is_compared_within_studies(tmp_path: Path) -> None:
    rows = [
        r | {"study": study, "participation": f"{study}{r['participation']}"}
        for study, seed in (("one", 1), ("two", 2))
        for r in identification_rows(seed=seed)
    ]
    found = reported(tmp_path, rows)
    e = found.find("difference_identification_corrected", "alto − brio")
    assert e.low is not None
    assert next(t for t in found.tests if t.name == "difference_identification_corrected").p
    assert found.find("logistic_identification_effect", "alto − brio").value is not None
