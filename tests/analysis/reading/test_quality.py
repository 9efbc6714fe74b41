"""Flags, repeats and exclusions: `analysis.reading.quality`, `analysis.reading.exclusions`."""

import json
from pathlib import Path
from typing import Any

import pytest

from analysis.errors import AnalysisError
from analysis.listeners.repeats import describe_repeats
from analysis.reading.exclusions import RESPONSE_RULES, RULES, exclude
from analysis.reading.quality import FLAGS, flag_counts, participations
from analysis.reading.table import Responses, read_responses
from analysis.report.build import build_report
from tests.analysis.factories import Row, full_rows, paper_rows, write_csv


def study(folder: Path, rows: list[Row], rules: Any = None) -> Responses:
    if rules is not None:
        (folder / "study.json").write_text(json.dumps({"exclusion_rules": rules}))
    return read_responses(write_csv(folder / "responses.csv", rows))


def small() -> list[Row]:
    """Two methods × 3 participations × 6 main trials, a catch trial and a repeat each."""
    rows = full_rows(participants=3, trials=6, ratings_per_feature=1)
    for r in rows:
        r["chosen_rank"] = r["chosen_position"] = 1 + (int(str(r["trial"])) % 2)
        r["chosen_label"], r["response_ms"] = r[f"option_{r['chosen_rank']}"], 45_000
        if r["kind"] == "catch":
            r["chosen_rank"] = 1
    return rows


def of(rows: list[Row], person: str, kind: str = "main") -> list[Row]:
    return [r for r in rows if r["participation"] == person and r["kind"] == kind]


def test_a_clean_study_has_no_flags(tmp_path: Path) -> None:
    rows = small()
    for r in rows:
        if r["kind"] == "repeat":
            r.update(
                {
                    k: of(rows, str(r["participation"]))[0][k]
                    for k in ("chosen_label", "chosen_rank", "confidence")
                }
            )
        if r["kind"] == "main":
            r["confidence"] = 1 + int(str(r["trial"])) % 3
    counts = flag_counts(participations(study(tmp_path, rows)))
    assert set(counts) == {"failed_catch", "same_confidence", "same_position", "inconsistent"}
    assert all(n == (0, 3) for by in counts.values() for n in by.values())


def test_each_flag_is_raised_by_what_it_says(tmp_path: Path) -> None:
    rows = small()
    for r in of(rows, "es000", "catch"):
        r["chosen_rank"] = 3
    for r in of(rows, "es001"):
        r["confidence"] = 4
    for r in of(rows, "es002"):
        r["chosen_position"] = 2
    for r in of(rows, "ge000", "repeat"):
        r["chosen_label"] = "another"
    for r in of(rows, "ge001"):
        r["response_ms"] = 9_000
    (tmp_path / "stimuli.csv").write_text(
        "clip,seconds\n" + "".join(f"{r[f'clip_{i}']},10\n" for r in rows for i in (1, 2, 3))
    )
    table = participations(study(tmp_path, rows), tmp_path).set_index("participation")
    assert set(FLAGS) <= set(table.columns)
    assert table.loc["es000", "failed_catch"]
    assert table.loc["es001", "same_confidence"]
    assert table.loc["es002", "same_position"]
    assert table.loc["ge000", "inconsistent"]
    assert table.loc["ge001", "rushed"]
    assert table["rushed"].sum() == table["failed_catch"].sum() == 1
    assert table.loc["ge001", "median_response_ms"] == 9000


def test_a_straight_line_is_as_long_as_the_study_says(tmp_path: Path) -> None:
    rows = paper_rows(participants=2, trials=3)
    for r in rows:
        r["confidence"] = 1 + int(r["method"] == "gemini")
    responses = study(tmp_path, rows)
    assert not participations(responses, tmp_path)["same_confidence"].any()
    (tmp_path / "study.json").write_text('{"quality_rules": {"straight_line": 3}}')
    assert participations(responses, tmp_path)["same_confidence"].all()
    build_report(tmp_path / "responses.csv", tmp_path / "out", seed=0, resamples=100)
    page = (tmp_path / "out" / "report.html").read_text()
    assert "The same confidence in all of 3 or more main trials" in page
    (tmp_path / "study.json").write_text('{"quality_rules": {"straight_line": "long"}}')
    with pytest.raises(AnalysisError, match=r"study\.json: straight_line is 'long', expected a n"):
        participations(responses, tmp_path)


def test_what_the_table_cannot_judge_has_no_flag(tmp_path: Path) -> None:
    table = participations(study(tmp_path, paper_rows(participants=2)))
    assert set(flag_counts(table)) == {"same_confidence"}


def test_repeats_are_compared_with_the_trial_they_repeat(tmp_path: Path) -> None:
    rows = small()
    for r in rows:
        if r["kind"] == "repeat":
            r.update(
                {
                    k: of(rows, str(r["participation"]))[0][k]
                    for k in ("chosen_label", "chosen_rank", "confidence")
                }
            )
    of(rows, "es000", "repeat")[0]["chosen_label"] = "another"
    found = {
        e.name: e for e in describe_repeats(study(tmp_path, rows), "essentia") if e.recommended
    }
    assert (found["repeat_same_choice"].count, found["repeat_same_choice"].of) == (2, 3)
    assert found["repeat_same_confidence"].value == 1


def test_a_rule_of_the_plan_drops_whole_participations(tmp_path: Path) -> None:
    rows = small()
    of(rows, "es000", "catch")[0]["chosen_rank"] = 3
    responses = study(tmp_path, rows, {"max_failed_catch": 0})
    excluded = exclude(responses, tmp_path)
    assert excluded.source == "plan"
    assert excluded.responses.accounting.n_participants == 5
    assert excluded.exclusions[0].n_participations == 1
    assert excluded.exclusions[0].n_responses == 6
    assert len(responses.ratings) == 36


def test_a_rule_over_responses_drops_these_alone(tmp_path: Path) -> None:
    rows = small()
    of(rows, "es000")[2]["response_ms"] = 400
    of(rows, "es001")[2]["hidden_ms"] = 70_000
    responses = study(tmp_path, rows, {"min_response_ms": 500, "max_hidden_ms": 60_000})
    excluded = exclude(responses, tmp_path)
    assert [e.n_responses for e in excluded.exclusions] == [1, 1]
    assert excluded.responses.accounting.n_ratings == 34


def test_other_rules_than_the_plan_s_are_a_deviation(tmp_path: Path) -> None:
    responses = study(tmp_path, small(), {"min_response_ms": 500})
    given = tmp_path / "mine.json"
    given.write_text('{"min_response_ms": 800}')
    assert exclude(responses, tmp_path, given).source == "deviation"
    given.write_text('{"min_response_ms": 500}')
    assert exclude(responses, tmp_path, given).source == "plan"
    (tmp_path / "study.json").unlink()
    assert exclude(responses, tmp_path, given).source == "given"
    assert exclude(responses, tmp_path).source == "none"


def test_a_rule_that_cannot_be_applied_says_so(tmp_path: Path) -> None:
    rows = paper_rows(participants=2)
    responses = study(tmp_path, rows, {"max_failed_catch": 0, "mood": "good"})
    first, second = exclude(responses, tmp_path).exclusions
    assert (first.applied, second.applied) == (False, False)
    assert "catch_passed" in first.reason
    assert "does not know" in second.reason


def test_rules_that_are_no_rules_are_refused(tmp_path: Path) -> None:
    responses = study(tmp_path, small())
    given = tmp_path / "mine.json"
    for text, message in (
        ("[1]", "not a JSON object"),
        ("{", "not readable as JSON"),
        ('{"mood": 1}', "unknown exclusion rule 'mood'; known: max_failed_catch"),
        ('{"min_response_ms": "fast"}', "min_response_ms is 'fast', expected a number"),
        ('{"min_response_ms": NaN}', "expected a number"),
    ):
        given.write_text(text)
        with pytest.raises(AnalysisError, match=message):
            exclude(responses, tmp_path, given)
    given.write_text('{"min_response_ms": 1000000000}')
    with pytest.raises(AnalysisError, match="leave no responses"):
        exclude(responses, tmp_path, given)
    (tmp_path / "study.json").write_text("[]")
    with pytest.raises(AnalysisError, match=r"study\.json: not a JSON object"):
        exclude(responses, tmp_path)


@pytest.mark.parametrize("rule", [*RULES, *RESPONSE_RULES])
def test_every_rule_can_be_applied_to_a_full_export(tmp_path: Path, rule: str) -> None:
    rows = small()
    (tmp_path / "stimuli.csv").write_text(
        "clip,seconds\n" + "".join(f"{r[f'clip_{i}']},10\n" for r in rows for i in (1, 2, 3))
    )
    limit = 1 if rule in ("same_confidence", "same_position", "inconsistent") else 0
    responses = study(tmp_path, rows, {rule: limit})
    try:
        assert exclude(responses, tmp_path).exclusions[0].applied
    except AnalysisError as error:
        assert "leave no responses" in str(error)  # noqa: PT017


def test_the_report_shows_results_with_and_without(tmp_path: Path) -> None:
    rows = full_rows(participants=8)
    of(rows, "es000", "catch")[0]["chosen_rank"] = 3
    study(tmp_path, rows, {"max_failed_catch": 0})
    summary = build_report(tmp_path / "responses.csv", tmp_path / "out", seed=0, resamples=100)
    names = {(e.name, e.method) for e in summary.without_exclusions}
    assert ("difference_mean_confidence", "essentia − gemini") in names
    text = (tmp_path / "out" / "report.html").read_text()
    assert "with and without the exclusions" in text
    assert (tmp_path / "out" / "tables" / "participations.csv").read_text().count("\n") == 17
