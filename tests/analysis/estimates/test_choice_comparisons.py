"""What was chosen, compared between two methods: `analysis.estimates.choice_comparisons`."""

from pathlib import Path

import numpy as np
import pytest

from analysis.estimates.choice_comparisons import compare_choices
from analysis.estimates.results import Estimate, HypothesisTest
from analysis.reading.table import read_responses
from tests.analysis.factories import Row, full_rows, identification_rows, write_csv


def compared(
    tmp_path: Path, rows: list[Row], a: str = "alto", b: str = "brio"
) -> tuple[dict[str, Estimate], dict[str, HypothesisTest]]:
    responses = read_responses(write_csv(tmp_path / "r.csv", rows))
    found, tests = compare_choices(responses, a, b)
    return {e.name: e for e in found}, {t.name: t for t in tests}


def test_the_difference_is_that_of_the_corrected_accuracies(tmp_path: Path) -> None:
    rows = identification_rows(shares={"alto": 0.3, "brio": 0.7}, shared=True)
    found, tests = compared(tmp_path, rows)
    share = {
        m: np.mean([r["chosen_position"] == r["target_position"] for r in rows if r["method"] == m])
        for m in ("alto", "brio")
    }
    difference = found["difference_identification_corrected"]
    assert difference.value == pytest.approx((share["alto"] - share["brio"]) / 0.8)
    assert difference.high is not None
    assert difference.high < 0
    test = tests["difference_identification_corrected"]
    assert test.p is not None
    assert test.p < 0.001
    paired = found["difference_identification_paired"]
    assert paired.value == pytest.approx(difference.value, abs=0.05)
    assert paired.n_features == 40


def test_features_of_one_method_only_cannot_be_paired(tmp_path: Path) -> None:
    found, _ = compared(tmp_path, identification_rows(shares={"alto": 0.3, "brio": 0.7}))
    assert "fewer than two features" in found["difference_identification_paired"].reason
    difference = found["difference_identification_corrected"]
    assert difference.low is not None
    assert "Newcombe" in difference.interval


def test_never_against_always_has_an_interval_but_no_t(tmp_path: Path) -> None:
    found, tests = compared(tmp_path, identification_rows(shares={"alto": 0.0, "brio": 1.0}))
    difference = found["difference_identification_corrected"]
    assert difference.value == pytest.approx(-1.25)
    assert difference.low == pytest.approx(-1.25)
    assert difference.high is not None
    assert difference.high < -0.6
    assert "no spread" in tests["difference_identification_corrected"].reason


def test_without_options_nothing_is_corrected_and_the_reason_is_given(tmp_path: Path) -> None:
    rows = [
        {k: v for k, v in r.items() if not k.startswith("option_")}
        for r in identification_rows(shares={"alto": 0.3, "brio": 0.7})
    ]
    found, tests = compared(tmp_path, rows)
    assert "unknown" in found["difference_identification_corrected"].reason
    assert "unknown" in tests["difference_identification_corrected"].reason


def test_shares_of_first_labels_are_compared_under_candidates(tmp_path: Path) -> None:
    rows = full_rows(participants=12)
    found, tests = compared(tmp_path, rows, "essentia", "gemini")
    main = [r for r in reversed(rows) if r["kind"] == "main"]
    # A participant's second rating of a feature does not count.
    first = {(r["participation"], r["feature"]): r for r in main}.values()
    share = {
        m: np.mean([r["chosen_rank"] == 1 for r in first if r["method"] == m])
        for m in ("essentia", "gemini")
    }
    difference = found["difference_share_first_label"]
    assert difference.value == pytest.approx(share["essentia"] - share["gemini"])
    assert set(tests) == {"difference_share_first_label"}
