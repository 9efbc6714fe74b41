"""Planned looks: `analysis.reading.looks`, and what a report at each of them says."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from analysis.errors import AnalysisError
from analysis.estimates.looks import sequential_p
from analysis.estimates.multiplicity import holm
from analysis.estimates.repeated import EFFECTS
from analysis.reading.looks import Looks, look_at, planned_participants, read_looks
from analysis.report.analyse import analyse
from analysis.report.sections import report
from analysis.report.settings import Settings
from tests.analysis.factories import PAPER, paper_rows, write_csv

LOOKS = {"fractions": [0.33, 0.67, 1], "spending": "pocock", "participants": 60}
THREE = {**PAPER, "chance": (0.2, 0.2, 0.2, 0.2, 0.2)}


def reported(folder: Path, each: int, plan: dict[str, Any], **study: Any) -> tuple[Any, str]:
    """Summary and words of a report of three methods with `each` participants."""
    rows = paper_rows(participants=each, trials=4, shares=THREE, participant_sd=0.4)
    for row in rows:
        row["answered_at"] = "2026-11-20T18:00:00Z"
    table = write_csv(folder / "responses.csv", rows)
    study = {"analysis_plan": plan, "frozen_at": "2026-11-01T00:00:00Z", **study}
    (folder / "study.json").write_text(json.dumps(study))
    found = analyse(table, Settings(resamples=100))
    _title, body = report(found, [])
    return found.summary, re.sub("<[^>]+>", "", " ".join(body))


def test_at_a_planned_look_the_adjusted_p_values_are_holm_s_of_the_sequential_ones(
    tmp_path: Path,
) -> None:
    found, page = reported(tmp_path, 14, {"looks": LOOKS})  # 42 of 60: the second look
    assert (found.look["number"], found.look["of"], found.look["counted"]) == (2, 3, 42)
    family = [t for t in found.tests if t.family == "confirmatory"]
    assert len(family) == 3
    expected = holm([sequential_p(t.p or 1, "pocock", (0.33, 0.67)) for t in family])
    assert [t.p_adjusted for t in family] == pytest.approx(expected)
    assert "look 2 of 3 planned looks, after 42 of 60 planned participants" in page
    assert "made again at the next look" in page
    assert found.deviations == ()


def test_at_a_planned_look_intervals_and_tests_of_one_difference_agree(tmp_path: Path) -> None:
    names = ["difference_mean_confidence", "superiority_ratings", "clmm_logit_wald"]
    found, page = reported(tmp_path, 14, {"looks": LOOKS, "confirmatory": names})
    level = found.look["level"]
    assert level < 0.05
    estimates = {(e.name, e.method): e for e in found.estimates if e.recommended}
    rejected = []
    for t in [t for t in found.tests if t.family == "confirmatory"]:
        e = estimates[EFFECTS.get(t.name, t.name), t.method]
        null = 0.5 if t.name == "superiority_ratings" else 0.0
        rejected.append(sequential_p(t.p, "pocock", (0.33, 0.67)) <= 0.05)
        assert (not e.low < null < e.high) is rejected[-1], (t.name, t.method)
        half = float(stats.t.isf(level / 2, t.df)) * (e.value - null) / t.statistic
        assert (e.low, e.high) == pytest.approx((e.value - half, e.value + half))
        assert e.interval.endswith(", repeated at look 2 of 3")
        assert e.level == 0.95
    assert set(rejected) == {True, False}
    # Nothing else is widened.
    assert "repeated" not in estimates["difference_paired_by_feature", t.method].interval
    assert f"with a nominal level of {100 * (1 - level):.2f} %" in page


def test_at_a_look_that_was_not_planned_nothing_is_confirmatory(tmp_path: Path) -> None:
    found, page = reported(tmp_path, 10, {"looks": LOOKS})  # 30 of 60
    assert found.look == {}
    assert not any(t.family == "confirmatory" for t in found.tests)
    assert "after 30 participants. The plan looks at the results after 20, 40, 60" in page
    assert "nothing in this report is confirmatory" in page


@pytest.mark.parametrize(("state", "confirmatory"), [("open", 0), ("closed", 3)])
def test_before_the_planned_end_of_an_open_study_nothing_is_confirmatory(
    tmp_path: Path, state: str, confirmatory: int
) -> None:
    design: dict[str, Any] = {"features_wanted": 40, "ratings_per_item": 2}
    design |= {"trials_per_participation": 4}
    design |= {"conditions": ["a", "b", "c"], "design": "between", "state": state}
    found, page = reported(tmp_path, 6, {}, design=design)
    assert sum(t.family == "confirmatory" for t in found.tests) == confirmatory
    assert ("18 of 60 planned participants" in page) == (state == "open")


def test_looks_of_a_plan_that_was_frozen_late_do_not_count(tmp_path: Path) -> None:
    found, _ = reported(tmp_path, 10, {"looks": LOOKS}, frozen_at="2026-12-01T00:00:00Z")
    assert found.look == {}
    assert any(t.family == "confirmatory" for t in found.tests)


def test_a_table_is_at_the_look_that_it_is_near(tmp_path: Path) -> None:
    looks = Looks((0.5, 1.0), "pocock", 100)
    places = {n: look_at(looks, 100, n) for n in (40, 46, 55, 56, 94, 95, 130)}
    assert {n: look.number if look else 0 for n, look in places.items()} == {
        40: 0, 46: 1, 55: 1, 56: 0, 94: 0, 95: 2, 130: 2,
    }  # fmt: skip


def test_the_planned_number_follows_from_the_design() -> None:
    design: dict[str, Any] = {"features_wanted": 100, "ratings_per_item": 4}
    design |= {"trials_per_participation": 10}
    design |= {"conditions": ["a", "b"]}
    assert planned_participants({"design": design | {"design": "between"}}, None) == 80
    assert planned_participants({"design": design | {"design": "within"}}, None) == 80
    assert planned_participants({"design": "between"}, None) is None
    assert planned_participants(None, Looks((0.5, 1.0), "pocock", 7)) == 7


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([0.5, 1], "expected an object with fractions and spending"),
        ({"fractions": [0.5, 0.9]}, "expected increasing shares of which the last is 1"),
        ({"fractions": [0.5, 0.55, 1]}, "expected shares more than 0.1 apart"),
        ({"fractions": [1]}, "expected 2 to 10 shares"),
        ({"fractions": [0.5, 1], "spending": "all"}, "expected obrien-fleming or pocock"),
        ({"fractions": [0.5, 1], "participants": 0}, "expected a whole number above 0"),
        ({"fractions": [0.5, 1], "when": 3}, "only fractions, spending and participants"),
    ],
)
def test_malformed_looks_are_refused_in_one_line(given: Any, said: str) -> None:
    with pytest.raises(AnalysisError, match=said):
        read_looks(given)
