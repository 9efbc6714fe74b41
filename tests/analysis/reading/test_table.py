"""Reading and refusing: `analysis.reading.table`."""

from pathlib import Path

import pytest

from analysis.errors import AnalysisError
from analysis.reading.table import Responses, read_responses
from tests.analysis.factories import Row, full_rows, write_csv

GOOD: Row = {
    "participation": "p1",
    "method": "m",
    "feature": "s/1",
    "trial": 1,
    "confidence": 4,
}


def read(tmp_path: Path, rows: list[Row], **options: object) -> Responses:
    return read_responses(write_csv(tmp_path / "r.csv", rows), **options)  # type: ignore[arg-type]


def refusal(tmp_path: Path, content: str | bytes) -> str:
    path = tmp_path / "r.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(AnalysisError) as caught:
        read_responses(path)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_five_columns_are_enough(tmp_path: Path) -> None:
    responses = read(tmp_path, [GOOD])
    assert responses.methods == ["m"]
    assert responses.ratings["rating"].tolist() == [4]
    assert responses.accounting.n_ratings == 1


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    notes = " ".join(read(tmp_path, [GOOD]).notes)
    for column in ("kind", "participation_status", "run", "chosen_label"):
        assert f"no column {column}" in notes


def test_nothing_is_said_of_columns_that_are_there(tmp_path: Path) -> None:
    whole: Row = {
        "kind": "main",
        "participation_status": "complete",
        "run": "r",
        "chosen_label": "piano",
    }
    assert read(tmp_path, [GOOD | whole]).notes == ()


def test_only_main_trials_are_ratings(tmp_path: Path) -> None:
    rows = [
        GOOD | {"trial": i, "kind": kind, "feature": f"s/{i}"}
        for i, kind in enumerate(("practice", "main", "catch", "repeat", "main"), start=1)
    ]
    responses = read(tmp_path, rows)
    assert responses.ratings["trial"].tolist() == ["2", "5"]
    assert responses.accounting.rows_by_kind == {
        "catch": 1,
        "main": 2,
        "practice": 1,
        "repeat": 1,
    }


def test_only_complete_participations_count_and_the_rest_is_counted(tmp_path: Path) -> None:
    rows = [
        GOOD | {"participation": f"p{i}", "participation_status": status}
        for i, status in enumerate(("complete", "active", "returned", "returned", "timed_out"))
    ]
    responses = read(tmp_path, rows)
    assert responses.accounting.n_participants == 1
    assert responses.accounting.left_out_by_status == {
        "active": (1, 1),
        "returned": (2, 2),
        "timed_out": (1, 1),
    }
    more = read(tmp_path, rows, statuses=("complete", "active"))
    assert more.accounting.n_participants == 2


def test_a_rating_that_is_missing_is_counted_not_guessed(tmp_path: Path) -> None:
    responses = read(tmp_path, [GOOD, GOOD | {"trial": 2, "confidence": ""}])
    assert (responses.accounting.n_ratings, responses.accounting.n_without_confidence) == (1, 1)


def test_the_same_feature_of_two_runs_is_two_features(tmp_path: Path) -> None:
    rows = [GOOD | {"run": "a"}, GOOD | {"run": "b", "trial": 2}]
    assert read(tmp_path, rows).accounting.n_features == 2


def test_whole_numbers_written_as_floats_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_bytes("﻿participation,method,feature,trial,confidence\r\np,m,f,1.0,5.0\r\n".encode())
    assert read_responses(path).ratings["rating"].tolist() == [5]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("confidence", "6"),
        ("confidence", "0"),
        ("confidence", "4.5"),
        ("confidence", "high"),
        ("confidence", "-1"),
        ("confidence", "٤"),
        ("confidence", "nan"),
        ("confidence", "7"),
        ("confidence", "4,0"),
        ("confidence", "NA"),
        ("confidence", "Fairly confident"),
        ("participation_status", "Complete"),
        ("trial", "0"),
        ("trial", "one"),
        ("trial", "9" * 30),
        ("kind", "Main"),
        ("kind", ""),
        ("participation_status", "withdrawn"),
        ("participation_status", ""),
        ("chosen_position", "6"),
        ("chosen_rank", "0"),
        ("response_ms", "1e3"),
        ("plays_1", "-1"),
        ("target_position", "0"),
    ],
)
def test_a_value_outside_its_levels_names_row_and_value(
    tmp_path: Path, column: str, value: str
) -> None:
    fine = GOOD | (
        {}
        if column in GOOD
        else {
            column: {
                "kind": "main",
                "participation_status": "complete",
            }.get(column, "1")
        }
    )
    with pytest.raises(AnalysisError) as caught:
        read(tmp_path, [fine, fine | {"trial": 2, column: value}])
    message = str(caught.value)
    assert message.startswith(f"r.csv: row 3: {column} is ")
    assert value[:20] in message


@pytest.mark.parametrize("column", ["participation", "method", "feature", "trial"])
def test_who_what_and_when_must_be_known(tmp_path: Path, column: str) -> None:
    with pytest.raises(AnalysisError, match=f"row 3: {column} is empty"):
        read(tmp_path, [GOOD, GOOD | {"trial": 2, column: ""}])


def test_a_catch_trial_needs_no_method_or_feature(tmp_path: Path) -> None:
    rows = [
        GOOD | {"kind": "main"},
        GOOD | {"kind": "catch", "trial": 2, "method": "", "feature": ""},
    ]
    assert read(tmp_path, rows).accounting.n_ratings == 1


def test_the_same_trial_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AnalysisError, match=r"row 4: trial '1' of .* is already in row 2"):
        read(tmp_path, [GOOD, GOOD | {"trial": 2}, GOOD | {"confidence": 5}])


def test_files_that_are_no_tables(tmp_path: Path) -> None:
    header = "participation,method,feature,trial,confidence\n"
    assert "empty file" in refusal(tmp_path, "")
    assert "no response" in refusal(tmp_path, header)
    assert "confidence is missing" in refusal(tmp_path, "participation,method,feature,trial\n")
    assert "more than once" in refusal(tmp_path, header.strip() + ",trial\n")
    assert "not UTF-8" in refusal(tmp_path, b"\xffparticipation")
    assert "NUL" in refusal(tmp_path, header + "p,m,f\0,1,4\n")
    assert "row 3 has 4 cells" in refusal(tmp_path, header + "p,m,f,1,4\np,m,f,2\n")
    assert "RFC 4180" in refusal(tmp_path, header + 'p,"m"x,f,1,4\n')
    assert "RFC 4180" in refusal(tmp_path, header + 'p,"m,f,1,4\n')


def test_rows_are_numbered_as_a_spreadsheet_shows_them(tmp_path: Path) -> None:
    text = 'participation,method,feature,trial,confidence\np,"a\nb",f,1,4\n\np,m,f,2,9\n'
    assert "row 4: confidence is '9'" in refusal(tmp_path, text)


def test_a_file_that_is_not_there_and_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(AnalysisError):
            read_responses(path)


def test_a_column_taken_for_methods_is_refused(tmp_path: Path) -> None:
    rows = [GOOD | {"method": f"label {i}", "trial": i + 1} for i in range(41)]
    with pytest.raises(AnalysisError, match="41 methods, over 40"):
        read(tmp_path, rows)


def test_nothing_to_estimate_is_said(tmp_path: Path) -> None:
    with pytest.raises(AnalysisError, match="no response of kind main"):
        read(tmp_path, [GOOD | {"kind": "practice"}])
    with pytest.raises(AnalysisError, match="with status complete"):
        read(tmp_path, [GOOD | {"participation_status": "active"}])
    with pytest.raises(AnalysisError, match="has a confidence"):
        read(tmp_path, [GOOD | {"confidence": ""}])
    with pytest.raises(AnalysisError, match="unknown participation status 'done'"):
        read(tmp_path, [GOOD], statuses=("done",))


def test_blanks_around_a_method_are_removed_and_another_case_is_refused(tmp_path: Path) -> None:
    rows = [GOOD | {"feature": f"s/{i}", "trial": i + 1} for i in range(3)]
    rows[1]["method"], rows[2]["method"] = "m ", "\u00a0m"
    responses = read(tmp_path, rows)
    assert responses.methods == ["m"]
    assert "Blanks around the method’s name were removed in 2 rows." in responses.notes
    rows[2]["method"] = "M"
    with pytest.raises(AnalysisError, match="methods 'M' and 'm' differ only in upper and lower"):
        read(tmp_path, rows)


def test_only_the_first_rating_of_a_feature_by_a_participant_counts(tmp_path: Path) -> None:
    rows = [
        GOOD | {"trial": 3, "confidence": 1},
        GOOD | {"trial": 2, "confidence": 5},
        GOOD | {"trial": 4, "method": "other"},
        GOOD | {"trial": 1, "participation": "p2"},
    ]
    responses = read(tmp_path, rows)
    assert responses.ratings["rating"].tolist() == [5, 4, 4]
    assert responses.accounting.n_second_ratings == 1
    assert responses.accounting.n_without_confidence == 0


def test_what_is_missing_is_counted_by_method(tmp_path: Path) -> None:
    rows = [
        GOOD | {"participation": "p1", "participation_status": "complete"},
        GOOD | {"participation": "p2", "participation_status": "active"},
        GOOD | {"participation": "p3", "participation_status": "complete", "confidence": ""},
        GOOD | {"participation": "q1", "participation_status": "complete", "method": "n"},
    ]
    assert read(tmp_path, rows).accounting.by_method == {
        "m": {"participations": 3, "not_counted": 1, "responses": 2, "without_confidence": 1},
        "n": {"participations": 1, "not_counted": 0, "responses": 1, "without_confidence": 0},
    }


def test_a_table_that_is_not_separated_by_commas_is_recognised(tmp_path: Path) -> None:
    header = "participation,method,feature,trial,confidence\n"
    assert "separated by semicolons?" in refusal(tmp_path, header.replace(",", ";"))
    assert "separated by tabs?" in refusal(tmp_path, header.replace(",", "\t"))
    assert "delete it" in refusal(tmp_path, "sep=,\n" + header)


def test_times_that_are_none_are_noted_and_refuse_nothing(tmp_path: Path) -> None:
    times = [
        ("2026-11-20T18:00:00Z", "20.11.2026 18:01"),
        ("2026-11-20T18:00:00Z", "2026-11-20T18:01:00Z"),
        ("2026-11-20T18:00:00Z", "2026-11-20T17:00:00Z"),
    ]
    rows = [
        GOOD | {"feature": f"s/{i}", "trial": i + 1, "shown_at": shown, "answered_at": answered}
        for i, (shown, answered) in enumerate(times)
    ]
    responses = read(tmp_path, rows)
    assert responses.accounting.n_ratings == 3
    told = " ".join(responses.notes)
    assert "answered_at is not an ISO 8601 time in 1 rows" in told
    assert "1 rows were answered before they were shown" in told


def test_a_last_row_of_commas_is_blank(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("participation,method,feature,trial,confidence,kind\np,m,f,1,4,main\n,,,,,\n")
    assert read_responses(path).accounting.n_rows == 1


def test_a_scale_whose_top_nobody_used_is_asked_about(tmp_path: Path) -> None:
    rows = [GOOD | {"feature": f"s/{i}", "trial": i + 1} for i in range(50)]
    assert any("No confidence is above 4" in note for note in read(tmp_path, rows).notes)
    rows[0]["confidence"] = 5
    assert not any("No confidence" in note for note in read(tmp_path, rows).notes)


def test_practice_rows_without_a_run_do_not_make_a_second_run(tmp_path: Path) -> None:
    rows = [GOOD | {"run": "r", "kind": "main"}, GOOD | {"run": "", "kind": "practice", "trial": 2}]
    assert read(tmp_path, rows).ratings["feature_key"].tolist() == ["s/1"]


def test_a_very_long_text_is_read(tmp_path: Path) -> None:
    rows = [row | {"free_text": ""} for row in full_rows(participants=2, catch=False)]
    rows[0] |= {"free_text": "x" * 960_000}
    assert read_responses(write_csv(tmp_path / "r.csv", rows)).accounting.n_rows == 40
