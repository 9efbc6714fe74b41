"""What was chosen, compared between two methods: `analysis.estimates.choices.comparisons`."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from analysis.estimates.choices.comparisons import compare_choices
from analysis.estimates.intervals import NO_SPREAD, STUDENT
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
    assert difference.interval == STUDENT


def first_labels(rows: list[Row]) -> list[Row]:
    """The rows as trials among candidates: a right choice is the method's first label."""
    return [
        {k: v for k, v in r.items() if k != "target_position"}
        | {"chosen_rank": 1 if r["chosen_position"] == r["target_position"] else 2}
        for r in rows
    ]


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("within", [False, True])
@pytest.mark.parametrize("options", [(5,), (5, 3)])
def test_an_interval_excludes_its_null_exactly_where_its_test_rejects(
    tmp_path: Path, shared: bool, within: bool, options: tuple[int, ...]
) -> None:
    decided = set()
    for seed, (one, other) in enumerate(20 * [(0.3, 0.5)] + [(0.0, 1.0), (0.0, 0.0), (1.0, 0.4)]):
        shares = {"alto": one, "brio": other}
        rows = identification_rows(seed=seed, shares=shares, shared=shared, options=options)
        if within:
            rows = [
                r | {"participation": str(r["participation"])[4:], "trial": number}
                for number, r in enumerate(rows, start=1)
            ]
        for of in (rows, first_labels(rows)):
            found, tests = compared(tmp_path, of)
            for name, test in tests.items():
                e = found[name]
                assert e.low is not None, e.reason
                assert e.high is not None
                assert test.p is not None, test.reason
                outside = not e.low <= 0 <= e.high
                assert outside == (test.p < 0.05), (name, seed)
                decided.add((name, outside))
    assert len(decided) == 4


def test_the_test_of_total_separation_is_newcombe_s_interval_inverted(tmp_path: Path) -> None:
    """With n listeners on each side 0 is reached where Wilson's limits are 1/√2 from the ends."""
    rows = identification_rows(shares={"alto": 0.0, "brio": 1.0})
    _, tests = compared(tmp_path, rows)
    t = np.sqrt(10 * np.sqrt(0.5) / (1 - np.sqrt(0.5)))
    expected = 2 * stats.t.sf(t, 9)
    assert tests["difference_identification_corrected"].p == pytest.approx(expected, rel=1e-6)
    _, tests = compared(tmp_path, identification_rows(shares={"alto": 0.0, "brio": 0.0}))
    assert tests["difference_identification_corrected"].p == 1.0


def test_listeners_who_are_all_right_equally_often_leave_nothing_to_compute_with(
    tmp_path: Path,
) -> None:
    rows = identification_rows()
    for r in rows:
        right = int(str(r["target_position"]))
        r["chosen_position"] = right if int(str(r["trial"])) > 3 else 1 + right % 5
    found, tests = compared(tmp_path, rows)
    assert found["difference_identification_corrected"].reason == NO_SPREAD
    assert tests["difference_identification_corrected"].reason == NO_SPREAD


def test_never_against_always_has_an_interval_and_a_test(tmp_path: Path) -> None:
    found, tests = compared(tmp_path, identification_rows(shares={"alto": 0.0, "brio": 1.0}))
    difference = found["difference_identification_corrected"]
    assert difference.value == pytest.approx(-1.25)
    assert difference.low == pytest.approx(-1.25)
    assert difference.high is not None
    assert difference.high < -0.6
    test = tests["difference_identification_corrected"]
    assert test.p is not None
    assert test.p < 0.001
    assert test.statistic is None


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
