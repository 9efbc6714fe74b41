"""What the page says of comparisons, plan and data, and what it must not say."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from analysis.estimates.results import Summary
from analysis.report.build import build_report
from tests.analysis.factories import Row, full_rows, paper_rows, write_csv

THREE = {
    "alto": (0.1, 0.2, 0.2, 0.3, 0.2),
    "brio": (0.18, 0.2, 0.2, 0.24, 0.18),
    "coda": (0.12, 0.2, 0.2, 0.28, 0.2),
}
BRIO_CODA = "brio − coda"


def reported(
    folder: Path, rows: Sequence[Row], study: Any = None, **options: Any
) -> tuple[Summary, str, str]:
    """The summary, the page as one line of text, and its last lead."""
    folder.mkdir(exist_ok=True)
    table = write_csv(folder / "r.csv", rows)
    if study is not None:
        (folder / "study.json").write_text(json.dumps(study), encoding="utf-8")
    summary = build_report(table, folder / "out", resamples=100, **options)
    page = (folder / "out" / "report.html").read_text(encoding="utf-8")
    lead = re.findall(r'<p class="lead">(.*?)</p>', page, re.DOTALL)[-1]
    return summary, plain(page), plain(lead)


def plain(markup: str) -> str:
    return " ".join(re.sub("<[^>]+>", " ", markup).replace("&nbsp;", " ").split())


def close() -> list[Row]:
    """Three methods; brio and coda differ at .026 before adjustment, the others do not."""
    return paper_rows(seed=36, participants=12, shares=THREE)


def test_the_lead_speaks_from_the_adjusted_test_and_not_from_the_interval(tmp_path: Path) -> None:
    summary, page, lead = reported(tmp_path, close())
    difference = summary.find("difference_mean_confidence", BRIO_CODA)
    assert (difference.high or 0) < 0  # its own interval does exclude zero
    test = next(
        t for t in summary.tests if (t.name, t.method) == ("difference_mean_confidence", BRIO_CODA)
    )
    assert (test.p_adjusted or 0) > 0.05
    assert "Of 3 confirmatory tests, adjusted together by Holm’s method, none reject at 5 %" in lead
    assert "Inconclusive at this precision: 3: alto − brio" in lead
    assert "excludes zero" not in page


def test_one_comparison_has_the_verdict_of_its_test(tmp_path: Path) -> None:
    _, _, lead = reported(tmp_path, paper_rows(participants=12))
    assert "rejects its null hypothesis (p" in lead
    equal = {"essentia": THREE["alto"], "gemini": THREE["alto"]}
    _, _, lead = reported(tmp_path / "equal", paper_rows(participants=6, shares=equal))
    assert "does not reject its null hypothesis" in lead
    assert "inconclusive at this precision" in lead


def test_a_comparison_out_of_three_says_what_was_not_compared(tmp_path: Path) -> None:
    summary, page, lead = reported(tmp_path, close(), compare=("brio", "coda"))
    assert "2 other comparisons of these 3 methods were not made." in lead
    assert len(summary.deviations) == 1
    assert "no p-value is adjusted for them" in summary.deviations[0]
    assert "Departures from the default" in page


def frozen(at: str) -> dict[str, Any]:
    plan = {"comparisons": [["brio", "coda"]], "confirmatory": ["superiority_ratings"]}
    return {"analysis_plan": plan, "frozen_at": at}


def answered() -> list[Row]:
    return [row | {"answered_at": "2026-11-20T18:00:00Z"} for row in close()]


def confirmatory(summary: Summary) -> set[tuple[str, str]]:
    return {(t.name, t.method) for t in summary.tests if t.family == "confirmatory"}


def test_a_plan_frozen_after_an_answer_names_no_confirmatory_test(tmp_path: Path) -> None:
    early, page, _ = reported(tmp_path, answered(), frozen("2026-11-19T00:00:00Z"))
    assert confirmatory(early) == {("superiority_ratings", BRIO_CODA)}
    assert "Preregistration" in page
    assert "named by the plan" in page
    late, page, lead = reported(tmp_path / "late", answered(), frozen("2026-11-21T00:00:00Z"))
    assert {name for name, _ in confirmatory(late)} == {"difference_mean_confidence"}
    assert len(confirmatory(late)) == 3
    assert "The study was frozen after its first answer" in page
    assert "are therefore exploratory" in page
    assert "by this program’s default" in page
    assert "Of 3 confirmatory tests" in lead
    for claim in ("Preregistration", "fixed beforehand:", "named by the plan"):
        assert claim not in page


def test_a_plan_whose_time_is_unknown_is_not_said_to_be_in_time(tmp_path: Path) -> None:
    _, page, _ = reported(tmp_path, close(), {"analysis_plan": {"seed": 3}})
    assert "cannot be checked here" in page


MANY = {f"m{i}": THREE["alto"] for i in range(5)}


def test_a_planned_model_is_made_for_its_pair_whatever_else_there_is(tmp_path: Path) -> None:
    plan = {"comparisons": [["m0", "m1"]], "confirmatory": ["clmm_logit_wald"]}
    summary, page, _ = reported(
        tmp_path, paper_rows(participants=6, shares=MANY), {"analysis_plan": plan}
    )
    assert len(summary.comparisons) == 10
    model = [t for t in summary.tests if t.name == "clmm_logit_wald"]
    assert [t.method for t in model if t.family == "confirmatory"] == ["m0 − m1"]
    assert len(model) == 10
    assert all(t.p is not None for t in model)
    assert "does not apply" not in page


def test_a_caption_speaks_of_a_model_only_where_there_is_one(tmp_path: Path) -> None:
    rows = [
        row | {"feature": f"{row['method']} {row['feature']}"}
        for row in paper_rows(participants=9, trials=1)
    ]
    _, page, _ = reported(tmp_path, rows)
    assert "The mixed model is one" not in page
    assert "One model of all methods" not in page
    _, page, _ = reported(tmp_path / "two", paper_rows(participants=6))
    assert "The mixed model is one model of all methods" in page
    assert "One model of all methods" in page


def test_a_model_that_cannot_be_fitted_says_why(tmp_path: Path) -> None:
    plan = {"comparisons": [["essentia", "gemini"]], "confirmatory": ["clmm_logit_wald"]}
    rows = paper_rows(participants=9, trials=1)
    rows = [row | {"feature": f"{row['method']} {row['feature']}"} for row in rows]
    summary, _, _ = reported(tmp_path, rows, {"analysis_plan": plan})
    assert [d for d in summary.deviations if "no participant and no feature has two ratings" in d]


def test_where_features_repeat_the_page_says_why_a_test_is_absent(tmp_path: Path) -> None:
    summary, page, _ = reported(tmp_path, full_rows(participants=10))
    assert "features were rated by several participants" in page
    made = {t.name for t in summary.tests if t.p is not None}
    assert not {name for name in made if name.endswith("participant_means")}
    assert "by Welch’s test" not in page
    assert "intervals are over listeners and features like these" in page


def test_a_share_of_features_says_what_it_depends_on(tmp_path: Path) -> None:
    _, page, _ = reported(tmp_path, full_rows(participants=10))
    assert "mean rating is ≥ 4; depends on the number of ratings per feature" in page
    assert "Share of features whose true mean is ≥ 4, with shrinkage (empirical Bayes)" in page


def test_attrition_and_missing_confidence_are_told_by_method(tmp_path: Path) -> None:
    rows = [row | {"participation_status": "complete"} for row in paper_rows(participants=6)]
    assert "What entered, by method" not in reported(tmp_path, rows)[1]
    for row in rows:
        if row["participation"] in ("ge000", "ge001"):
            row["participation_status"] = "returned"
    page = reported(tmp_path / "left", rows)[1]
    assert "Of these, not counted because of their status 0 2" in page


def test_nothing_on_the_page_asks_what_confidence_cannot_answer(tmp_path: Path) -> None:
    _, page, _ = reported(tmp_path, paper_rows(participants=6))
    assert "hear what the name says" not in page
    assert "trust" not in page


def test_a_planned_test_without_an_estimate_is_named_by_its_null_hypothesis(tmp_path: Path) -> None:
    plan = {"comparisons": [["brio", "coda"]], "confirmatory": ["equivalence_mean_confidence"]}
    _, _, lead = reported(tmp_path, close(), {"analysis_plan": plan})
    assert "The comparison brio − coda, null hypothesis “difference in mean confidence is" in lead
    _, _, lead = reported(tmp_path / "mean", paper_rows(participants=6))
    assert "The difference in mean confidence, essentia − gemini, is" in lead
