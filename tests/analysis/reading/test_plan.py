"""What was planned, and deviations from it: `analysis.reading.plan`, `…report.analyse`."""

import json
from pathlib import Path
from typing import Any

import pytest

from analysis.errors import AnalysisError
from analysis.estimates.choices.comparisons import compare_choices
from analysis.estimates.hypothesis_tests import hypothesis_tests_of
from analysis.estimates.method_pairs import pair_of
from analysis.estimates.results import Summary
from analysis.models.mixed import ALL_METHODS
from analysis.models.mixed_choices import describe_choice_models
from analysis.reading.plan import PLANNABLE, Plan, read_plan, too_late
from analysis.reading.table import read_responses
from analysis.report.analyse import analyse
from analysis.report.build import build_report
from analysis.report.settings import Settings
from tests.analysis.factories import PAPER, full_rows, identification_rows, paper_rows, write_csv

THREE = {**PAPER, "chance": (0.3, 0.3, 0.2, 0.1, 0.1)}


def summary(folder: Path, plan: Any, settings: Settings | None = None, **study: Any) -> Summary:
    table = write_csv(folder / "responses.csv", paper_rows(participants=6, shares=THREE))
    (folder / "study.json").write_text(json.dumps({"analysis_plan": plan, **study}))
    return analyse(table, settings or Settings(resamples=100)).summary


def confirmatory(found: Summary) -> list[tuple[str, str]]:
    return [(t.name, t.method) for t in found.tests if t.family == "confirmatory"]


def test_holm_s_family_is_the_plan_s_tests_of_the_plan_s_comparisons(tmp_path: Path) -> None:
    tests = ["welch_participant_means", "superiority_ratings"]
    plan = {"comparisons": [["gemini", "essentia"], ["gemini", "chance"]], "confirmatory": tests}
    found = summary(tmp_path, plan)
    assert sorted(confirmatory(found)) == sorted(
        (test, f"gemini − {other}") for test in tests for other in ("essentia", "chance")
    )
    assert found.comparisons == (
        ("gemini", "essentia"),
        ("gemini", "chance"),
        ("chance", "essentia"),
    )
    family = [t for t in found.tests if t.family == "confirmatory"]
    least = min(family, key=lambda t: t.p or 1)
    assert least.p_adjusted == pytest.approx(4 * (least.p or 1))
    assert found.deviations == ()


def test_without_a_plan_each_comparison_has_one_confirmatory_test(tmp_path: Path) -> None:
    found = summary(tmp_path, {})
    assert {name for name, _ in confirmatory(found)} == {"difference_mean_confidence"}
    assert len(confirmatory(found)) == 3
    assert (found.plan, found.deviations) == ({}, ())


def test_the_plan_s_options_are_followed_and_a_command_s_are_deviations(tmp_path: Path) -> None:
    plan = {"equivalence_bound": 1, "seed": 7, "resamples": 150, "statuses": ["complete"]}
    found = summary(tmp_path, plan, Settings())
    assert (found.seed, found.resamples, found.deviations) == (7, 150, ())
    assert any("difference in mean confidence is 1 or more" in t.label for t in found.tests)
    asked = Settings(seed=8, resamples=150, bound=0.5, compare=("chance", "gemini"))
    found = summary(tmp_path, plan | {"comparisons": [["gemini", "essentia"]]}, asked)
    assert list(found.deviations) == [
        "The plan says comparisons gemini − essentia; this analysis used chance − gemini.",
        "The plan says equivalence_bound 1; this analysis used 0.5.",
        "The plan says seed 7; this analysis used 8.",
        "Only chance − gemini was compared, as the command asked. The other 2 comparisons of these "
        "3 methods were not made, and no p-value is adjusted for them.",
    ]
    assert confirmatory(found) == []


def test_what_cannot_be_followed_is_a_deviation(tmp_path: Path) -> None:
    plan = {
        "comparisons": [["gemini", "nobody"], ["essentia", "gemini"]],
        "confirmatory": ["sign_flip_participant_means"],
        "level": 0.9,
    }
    told = " ".join(summary(tmp_path, plan, exclusion_rules={"max_failed_catch": 0}).deviations)
    for part in ("'level'", "no ratings of nobody"):
        assert part in told
    absent = (
        "confirmatory test sign_flip_participant_means of essentia − gemini was not made: it is"
    )
    assert f"{absent} of participants who rated both methods, and most rated only one." in told
    assert "exclusion rule max_failed_catch was not applied" in told
    rule = tmp_path / "rules.json"
    rule.write_text("{}")
    asked = Settings(resamples=100, exclusions=rule)
    told = " ".join(summary(tmp_path, {}, asked, exclusion_rules={"same_confidence": 1}).deviations)
    assert "in place of the plan" in told


def test_what_the_site_recorded_while_the_study_was_open_is_a_deviation(tmp_path: Path) -> None:
    made = {"kind": "places_added", "places": 4, "at": "2026-05-01T10:00:00Z", "reason": "Lost."}
    found = summary(tmp_path, {}, deviations=[made, "not a deviation"]).deviations
    assert list(found) == [
        "Places were added (4) on 2026-05-01, while the study was under way. Reason given: Lost."
    ]


def test_a_confirmatory_test_that_cannot_be_made_is_a_deviation(tmp_path: Path) -> None:
    table = write_csv(tmp_path / "responses.csv", paper_rows(participants=1))
    plan = {"comparisons": [["essentia", "gemini"]]}
    (tmp_path / "study.json").write_text(json.dumps({"analysis_plan": plan}))
    told = analyse(table, Settings(resamples=100)).summary.deviations
    assert len(told) == 1
    assert "difference_mean_confidence of essentia − gemini could not be made" in told[0]


@pytest.mark.parametrize(
    ("study", "answered", "part"),
    [
        (None, ["2026-11-20T18:00:00Z"], ""),
        ({}, ["2026-11-20T18:00:00Z"], ""),
        ({"frozen_at": ""}, [], "never frozen"),
        ({"frozen_at": "2026-11-21T00:00:00+00:00"}, ["2026-11-20T18:00:00Z"], "after its first"),
        ({"frozen_at": "2026-11-19T00:00:00"}, ["", "2026-11-20T18:00:00Z"], ""),
        ({"frozen_at": 5}, ["2026-11-20T18:00:00Z"], ""),
    ],
)
def test_a_plan_frozen_late_was_not_fixed_beforehand(
    study: dict[str, Any] | None, answered: list[str], part: str
) -> None:
    found = too_late(study, answered)
    assert (part in found) if part else found == ""


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ([1], "analysis_plan is"),
        ({"comparisons": "a"}, "comparisons is 'a', expected a list of pairs"),
        ({"comparisons": [["a", "a"]]}, "pairs of two different methods"),
        ({"comparisons": [["a", "b"], ["b", "a"]]}, "each once"),
        ({"confirmatory": ["luck"]}, "confirmatory is 'luck', expected one of difference_mean"),
        ({"confirmatory": []}, "expected a list of"),
        ({"statuses": ["gone"]}, "statuses is 'gone'"),
        ({"equivalence_bound": True}, "equivalence_bound is 'True'"),
        ({"equivalence_bound": float("nan")}, "a number above 0"),
        ({"resamples": 10**9}, "a whole number from 100 to 1000000"),
        ({"seed": -1}, "seed is '-1'"),
    ],
)
def test_a_plan_of_another_form_is_refused_in_one_line(plan: Any, message: str) -> None:
    with pytest.raises(AnalysisError, match=message):
        read_plan({"analysis_plan": plan})


def test_every_plannable_test_is_one_that_is_made(tmp_path: Path) -> None:
    responses = write_csv(tmp_path / "r.csv", full_rows(participants=8))
    tests = analyse(responses, Settings(resamples=100)).summary.tests
    made = {t.name for t in tests if t.method != ALL_METHODS}
    rows = paper_rows(participants=4)
    for row in rows:
        row["participation"] = str(row["participation"])[2:]
        row["trial"] = int(str(row["trial"])) + (100 if row["method"] == "gemini" else 0)
    within = pair_of(read_responses(write_csv(tmp_path / "w.csv", rows)), "essentia", "gemini")
    made |= {t.name for t in hypothesis_tests_of(within, seed=0, resamples=100)}
    chosen = write_csv(tmp_path / "i.csv", identification_rows())
    choices, names = read_responses(chosen), ("alto", "brio")
    made |= {t.name for t in compare_choices(choices, *names)[1]}
    made |= {t.name for t in describe_choice_models(choices, [names])[1][names]}
    assert made == set(PLANNABLE)
    assert Plan().family("difference_mean_confidence", ("a", "b"))


def test_simulated_listeners_are_never_passed_off_as_people(tmp_path: Path) -> None:
    [told] = summary(tmp_path, {}, simulated_participations=18).warnings
    assert told.startswith("18 of the participations are simulated listeners, not people")
    assert not any(
        "simulated" in n for n in summary(tmp_path, {}, simulated_participations=0).warnings
    )


def test_the_page_tells_plan_and_deviations(tmp_path: Path) -> None:
    table = write_csv(tmp_path / "responses.csv", paper_rows(participants=4))
    build_report(table, tmp_path / "none", resamples=100)
    assert "No analysis plan was provided" in (tmp_path / "none" / "report.html").read_text()
    plan = {"text": "<i>We expect</i> more.", "seed": 3}
    (tmp_path / "study.json").write_text(json.dumps({"analysis_plan": plan, "frozen_at": ""}))
    build_report(table, tmp_path / "plan", resamples=100)
    text = (tmp_path / "plan" / "report.html").read_text()
    assert "&lt;i&gt;We expect&lt;/i&gt; more." in text
    assert "Deviations from the plan" in text
    assert "never frozen" in text
