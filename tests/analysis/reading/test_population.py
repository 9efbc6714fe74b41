"""Whose answers enter the estimates, and the warnings where studies or versions are pooled."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from analysis.design.planning import from_pilot
from analysis.errors import AnalysisError
from analysis.estimates.results import Summary
from analysis.report.build import build_report
from tests.analysis.factories import Row, full_rows, paper_rows, write_csv


def summary(folder: Path, rows: list[Row]) -> Summary:
    folder.mkdir(exist_ok=True)
    table = write_csv(folder / "responses.csv", rows)
    return build_report(table, folder / "report", resamples=100)


def marked(rows: list[Row], share: float) -> list[Row]:
    """The first so many rows are by simulated listeners."""
    return [row | {"simulated": str(i < share * len(rows)).lower()} for i, row in enumerate(rows)]


def test_simulated_rows_are_left_out_and_the_page_says_so_first(tmp_path: Path) -> None:
    rows = paper_rows(participants=4)
    fake = [row | {"participation": f"s{row['participation']}", "confidence": 5} for row in rows]
    people = [row | {"simulated": "false"} for row in rows]
    alone = summary(tmp_path, people)
    mixed = summary(tmp_path / "mixed", people + [row | {"simulated": "true"} for row in fake])
    assert mixed.estimates == alone.estimates
    assert mixed.accounting == alone.accounting
    assert (alone.warnings, mixed.warnings) == (
        (), ("80 responses of 8 simulated participations were left out: only people’s answers "
             "are counted.",)
    )  # fmt: skip
    page = (tmp_path / "mixed" / "report" / "report.html").read_text(encoding="utf-8")
    assert 0 < page.index("were left out") < page.index('class="lead"')


def test_where_all_are_simulated_they_are_reported_as_such(tmp_path: Path) -> None:
    found = summary(tmp_path, marked(paper_rows(participants=4), 1))
    assert found.accounting["n_ratings"] == 80
    assert found.warnings[0].startswith("All of these answers are by simulated listeners")


def test_participants_csv_says_it_where_the_table_does_not(tmp_path: Path) -> None:
    rows = paper_rows(participants=4)
    people = sorted({str(row["participation"]) for row in rows})
    write_csv(tmp_path / "participants.csv",
              [{"participation": one, "simulated": str(one == people[0]).lower()}
               for one in people])  # fmt: skip
    found = summary(tmp_path, rows)
    assert found.accounting["n_participants"] == 7
    assert found.warnings[0].startswith("10 responses of 1 simulated participations")


def test_study_json_alone_tells_all_from_some(tmp_path: Path) -> None:
    rows = paper_rows(participants=4)
    for real, expected in ((0, "All of these answers"), (3, "8 of the participations")):
        counts = {"complete": {"real": real, "simulated": 8}}
        study = {"participations": counts, "simulated_participations": 8}
        (tmp_path / "study.json").write_text(json.dumps(study), encoding="utf-8")
        assert summary(tmp_path, rows).warnings[0].startswith(expected)


def test_people_without_a_rating_are_not_made_up_for(tmp_path: Path) -> None:
    rows = marked(paper_rows(participants=4), 0.5)
    rows = [row | {"participation_status": "active" if row["simulated"] == "false" else "complete"}
            for row in rows]  # fmt: skip
    with pytest.raises(AnalysisError, match=r"status complete\. 40 responses of 4 simulated"):
        summary(tmp_path, rows)


def test_a_value_that_is_neither_true_nor_false_is_refused(tmp_path: Path) -> None:
    rows = [row | {"simulated": "perhaps"} for row in paper_rows(participants=1)]
    with pytest.raises(AnalysisError, match="row 2: simulated is 'perhaps', expected true or fals"):
        summary(tmp_path, rows)


def test_several_studies_and_versions_are_said_first(tmp_path: Path) -> None:
    rows = [row | {"study": "hearing", "study_version": 1 + (i % 2)}
            for i, row in enumerate(paper_rows(participants=4))]  # fmt: skip
    assert [line.split(".")[0] for line in summary(tmp_path, rows).warnings] == [
        "This table holds versions 1 and 2 of hearing"
    ]
    rows[0] |= {"study": "names"}
    assert [line.split(".")[0] for line in summary(tmp_path, rows).warnings] == [
        "This table holds 2 studies (hearing, names)",
        "This table holds versions 1 and 2 of hearing",
    ]
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert page.index("holds 2 studies") < page.index('class="lead"')


def test_a_pilot_is_read_without_simulated_rows(tmp_path: Path) -> None:
    rows = full_rows(participants=12)
    people = [row | {"simulated": "false"} for row in rows]
    fake = [row | {"simulated": "true", "participation": f"s{row['participation']}",
                   "confidence": 1} for row in rows]  # fmt: skip
    alone = from_pilot(write_csv(tmp_path / "alone.csv", people))
    assert from_pilot(write_csv(tmp_path / "mixed.csv", people + fake)) == alone
