"""Tables of other platforms: the same study gives the same estimates in every shape."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import random
from pathlib import Path

import pytest

from analysis.__main__ import main
from analysis.errors import AnalysisError
from analysis.reading.mapping.mapping import as_toml, read_mapping
from analysis.reading.mapping.propose import propose
from analysis.reading.mapping.scales import Scale, scale_of
from analysis.reading.mapping.tables import read_table
from analysis.reading.table import Responses, read_responses
from analysis.report.analyse import analyse
from analysis.report.settings import Settings
from tests.analysis.factories import paper_rows
from tests.analysis.reading.shapes import SHAPES, Row

BROKEN = 300


def golden(participants: int = 6, trials: int = 4) -> list[Row]:
    rows = paper_rows(participants=participants, trials=trials)
    # A feature's name may hold the sign that separates it from the method's.
    return [row | {"feature": str(row["feature"]).replace("layer3-n1536-k16/", "layer3_")}
            for row in rows]  # fmt: skip


def proposed(folder: Path, name: str, data: bytes) -> tuple[Path, Path]:
    """The table and the mapping that is proposed for it, not edited."""
    table = folder / f"{name}.csv"
    table.write_bytes(data)
    mapping = folder / f"{name}.toml"
    mapping.write_text(as_toml(*propose(read_table(table))))
    return table, mapping


def test_one_study_in_every_shape_gives_the_same_estimates(tmp_path: Path) -> None:
    found = {}
    for name, shape in SHAPES.items():
        table, mapping = proposed(tmp_path, name, shape(golden()))
        summary = analyse(table, Settings(resamples=100, mapping=mapping)).summary
        found[name] = {
            (e.name, e.method, e.interval): (e.value, e.low, e.high) for e in summary.estimates
        }
        assert any(f"{name}.toml" in note for note in summary.notes)
    first = found.pop("our_own")
    assert len(first) > 100
    for name, other in found.items():
        # What a platform does not tell (who is complete, times) changes no estimate of ratings.
        assert first.keys() <= other.keys(), name
        for key, values in first.items():
            assert other[key] == pytest.approx(values, abs=1e-9), (name, key)


def test_the_command_proposes_refuses_to_overwrite_and_reports(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "ratings.csv"
    table.write_bytes(SHAPES["psynet"](golden()))
    assert main(["map", str(table)]) == 0
    assert 'method = "definition.method"' in capsys.readouterr().out
    assert main(["map", str(table)]) == 2
    assert "ratings.mapping.toml exists, and may have been edited" in capsys.readouterr().err
    mapping = ["--mapping", str(tmp_path / "ratings.mapping.toml")]
    out = ["--out", str(tmp_path / "report"), "--resamples", "100"]
    assert main([str(table), *mapping, *out]) == 0
    assert "48 ratings, 2 methods" in capsys.readouterr().out
    assert "definition.method" in (tmp_path / "report" / "report.html").read_text()


def read(folder: Path, text: str, mapping: str) -> Responses:
    (folder / "t.csv").write_bytes(text.encode())
    (folder / "m.toml").write_text(mapping)
    return read_responses(folder / "t.csv", mapping=folder / "m.toml")


COLUMNS = (
    '[columns]\nparticipation = "who"\nmethod = "how"\nfeature = "what"\nconfidence = "says"\n'
)


@pytest.mark.parametrize(
    ("cells", "scale", "ratings"),
    [
        (("1", "3,0", "5"), "lowest = 1\nhighest = 5", [1, 3, 5]),
        (("-2", "0", "2"), "lowest = -2\nhighest = 2", [1, 3, 5]),
        (("gar nicht sicher", "Einigermaßen  sicher", "Völlig sicher"),
         'levels = ["Gar nicht sicher", "Ein wenig sicher", "Einigermaßen sicher", "Ziemlich '
         'sicher", "Völlig sicher"]', [1, 3, 5]),
    ],
)  # fmt: skip
def test_levels_are_numbers_between_two_ends_or_words(
    cells: tuple[str, ...], scale: str, ratings: list[int], tmp_path: Path
) -> None:
    text = "who;how;what;says\n" + "".join(f"p;m;f{n};{cell}\n" for n, cell in enumerate(cells))
    found = read(tmp_path, text, f"{COLUMNS}[scale]\n{scale}\n")
    assert found.ratings["rating"].tolist() == ratings


@pytest.mark.parametrize(
    ("text", "change", "said"),
    [
        ("who,how,what,says\np,m,f,6\n", "", "t.csv: row 2: says is '6', expected a number"),
        ("who,how,what,says\np,m,f,4.5\n", "", "t.csv: row 2: says is '4.5', between two levels"),
        ("who,how,what,says\np,,f,4\n", "", "t.csv: row 2: method is empty"),
        ("who,how,what\np,m,f\n", "", "m.toml: t.csv has no column 'says'; it has who, how, what"),
        ("who,how,what,says\np,m,f\n", "", "nothing to estimate"),
        ("who,how,what,says\np,m,f,1,x\n", "", "t.csv: row 2 has 5 cells where the header has 4"),
        ("who\np\n", "", "t.csv: its first line has one column only"),
        ("who,how,who\n", "", "t.csv: column 'who' appears more than once"),
        ("who,how,what,says\n", "", "t.csv: has a header but no rows"),
        ("PK\x03\x04", "", "t.csv: a workbook of Excel or another spreadsheet: save the sheet"),
        ('[{"data": {}, "annotations": [1]}]', "", "an annotation of task None has no result"),
        ('[{"data": {}, "annotations": [{"id": 7, "result": [{"from_name": "c", "value": {}}, '
         '{"from_name": "c", "value": {}}]}]}]', "", "annotation 7 has several results of 'c'"),
        ("who,how,what,says\np,m,f,1\n", "[scale]\nslider = 1\n", "slider is 1, not true or"),
        ("[1, 2]", "", "t.csv: its JSON is not a list of objects"),
        ("who,how,what,says\np,m,f,1\n", "[keep]\nhow = ['z']\n", "no row is left by m.toml"),
        ("who,how,what,says\np,m,f,1\n", "[keep]\nhow = 'z'\n", "m.toml: [keep] how is 'z', not a"),
        ("who,how,what,says\np,m,f,1\n", "[kept]\n", "m.toml: unknown section 'kept'; known: "),
        ("who,how,what,says\np,m,f,1\n", "[scale]\nlowest = 5\n", "m.toml: [scale] lowest is 5"),
        ("who,how,what,says\np,m,f,1.5\n", "[scale]\nhighest = 7\n", "'1.5', between two levels"),
        ("who,how,what,says\np,m,f,1\n", "x = ", "m.toml: not TOML: "),
        ("who,how,what,says\np,m,f,1\n", "[[join]]\nfile = 'no.csv'\nkey='a'\non='who'\n",
         "no.csv: no such file or directory"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_in_a_line(
    text: str, change: str, said: str, tmp_path: Path
) -> None:
    with pytest.raises(AnalysisError) as refused:
        read(tmp_path, text, COLUMNS + change)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_as_windows_wrote_it_is_read_and_said(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes("who\tà\r\np\té\r\n".encode("cp1252"))
    table = read_table(tmp_path / "t.csv")
    assert (table.columns, table.rows) == (("who", "à"), ({"who": "p", "à": "é"},))
    assert "read as Windows-1252" in table.notes[0]
    (tmp_path / "t.csv").write_bytes("sep=|\nwho|à\np|é\n".encode("utf-16"))
    assert read_table(tmp_path / "t.csv").columns == ("who", "à")


def test_json_is_a_table_too_and_lists_of_participants_are_one_table(tmp_path: Path) -> None:
    rows = [[{"who": "p", "response": {"Q0": 4}}], [{"who": "q", "response": {"Q0": 5}}]]
    (tmp_path / "t.json").write_text(json.dumps(rows))
    table = read_table(tmp_path / "t.json")
    assert [row["response.Q0"] for row in table.rows] == ["4", "5"]


def test_items_say_what_columns_without_a_pattern_are_and_a_file_is_joined(tmp_path: Path) -> None:
    (tmp_path / "arms.csv").write_text("id,arm,Status\np,gemini,APPROVED\nq,essentia,RETURNED\n")
    mapping = """complete = ["APPROVED"]
    [columns]
    participation = "who"
    method = "arm"
    participation_status = "Status"
    confidence = "{item}"
    [items]
    Q1 = {feature = "f1"}
    Q2 = {feature = "f2"}
    [[join]]
    file = "arms.csv"
    key = "id"
    on = "who"
    """
    found = read(tmp_path, "who,Q1,Q2\np,1,2\nq,3,\n", mapping)
    assert found.ratings[["method", "feature", "rating"]].values.tolist() == [
        ["gemini", "f1", 1], ["gemini", "f2", 2]
    ]  # fmt: skip
    assert found.rows["participation_status"].tolist() == ["complete", "complete", "active"]


def test_a_methods_name_may_hold_the_sign_that_ends_it(tmp_path: Path) -> None:
    header = "participant,essentia_1,essentia_2,corpus_tags_1,corpus_tags_2\n"
    table, mapping = proposed(tmp_path, "t", f"{header}p,1,2,3,4\nq,2,3,4,5\n".encode())
    found = read_responses(table, mapping=mapping).ratings
    assert set(found["method"]) == {"essentia", "corpus_tags"}
    assert set(found["feature"]) == {"1", "2"}


def test_columns_of_the_listener_are_no_responses(tmp_path: Path) -> None:
    header = "participant_id,group,hearing_loss,essentia_1,essentia_2,gemini_1,gemini_2\n"
    table, mapping = proposed(tmp_path, "t", f"{header}p,g,12,1,2,3,4\nq,h,15,2,3,4,5\n".encode())
    found = read_responses(table, mapping=mapping).ratings
    assert set(found["method"]) == {"essentia", "gemini"}
    assert set(found["participation"]) == {"p", "q"}
    assert len(found) == 8
    # The same by a pattern: the participant's column fits it, too.
    by_pattern = '[columns]\nparticipation = "participant_id"\nconfidence = "{method}_{feature}"\n'
    found = read(tmp_path, "participant_id,a_1,b_1\n1,2,3\n2,4,5\n", by_pattern).ratings
    assert found["rating"].tolist() == [2, 3, 4, 5]


WIDE = '[columns]\nparticipation = "who"\nconfidence = "{item}"\n[items]\n'


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        (f"{WIDE}Q9 = {{method = 'm', feature = 'f'}}\nQ1 = {{method = 'm', feature = 'g'}}\n",
         "[items]: t.csv has no column 'Q9'"),
        (f"{WIDE}Q1 = {{method = '?', feature = 'f'}}\n", "Q1: method is '?'; say what it is"),
        (f"{WIDE}Q1 = {{method = 'm', feature = 'f'}}\n".replace("[i", 'method = "arm"\n[i'),
         "method is in [columns], and told by"),
        ('[columns]\nparticipation = "who"\nconfidence = "Q1"\nmethod = "arm"\nfeature = "arm"\n'
         'trial = "n"\nrepeat_of = "n"\n', "repeat_of names trials"),
    ],
)  # fmt: skip
def test_what_would_be_lost_or_overridden_unseen_is_refused(
    mapping: str, said: str, tmp_path: Path
) -> None:
    with pytest.raises(AnalysisError) as refused:
        read(tmp_path, "who,arm,n,Q1\np,x,1,1\np,x,1,2\n", mapping)
    assert said in str(refused.value)


def test_rows_that_were_left_out_are_counted_and_a_reversed_scale_is_levels(tmp_path: Path) -> None:
    more = '[scale]\nlevels = ["5", "4", "3", "2", "1"]\n[leave_out]\nhow = ["z"]\n'
    text = "sep=\t\nwho\thow\twhat\tsays\np\tm\tf\t1\np\tz\tg\t2\n"
    found = read(tmp_path, text, COLUMNS + more)
    assert found.ratings["rating"].tolist() == [5]
    assert "1 of 2 rows were left out by [keep] and [leave_out] of m.toml." in found.notes


@pytest.mark.parametrize(("highest", "noted"), [(7, "No rating is above 5."), (100, "")])
def test_unused_levels_are_noted_in_the_scale_s_own_numbers(
    highest: int, noted: str, tmp_path: Path
) -> None:
    rows = "".join(f"p{n},m,f,{1 + n % 5}\n" for n in range(60))
    scale = f"[scale]\nlowest = 1\nhighest = {highest}\n"
    notes = read(tmp_path, f"who,how,what,says\n{rows}", COLUMNS + scale).notes
    assert [note[: len(noted)] for note in notes if "is above" in note] == [noted] * bool(noted)


def test_what_cells_are_probably_rated_on() -> None:
    assert scale_of(["0", "1"]) == Scale(0.0, 1.0)
    assert scale_of(["0", "100", "33,5"]) == Scale(0.0, 100.0)
    assert scale_of(["0", "0.37"]) == Scale(0.0, 1.0, slider=True)
    assert scale_of(["10", "3,7"]) == Scale(0.0, 10.0, slider=True)
    assert scale_of(["0", "8"]) == Scale(0.0, 10.0)
    assert scale_of(["1", "7"]) == Scale(1.0, 7.0)
    assert scale_of(["yes", "No"]) == Scale(levels=("no", "yes"))
    assert scale_of(["red", "yes"]) is None


CELLS = (
    "",
    " ",
    "0",
    "6",
    "4,5",
    "NaN",
    "1e9",
    '"',
    '{"a":',
    "[1]",
    "\x07",
    "x" * 500,
    "٤",
    "a\nb",
)
SETTINGS = ("?", "", "{trial}", "{method}{method}", "{item}", "{odd}", "definition.no", "a\\nb")


def broken(data: bytes, mapping: str, rng: random.Random) -> tuple[bytes, str]:
    """One to three faults in a table or in its mapping."""
    for _ in range(rng.randint(1, 3)):
        kind = rng.randrange(6)
        if kind == 0:
            rows = list(csv.reader(io.StringIO(data.decode("utf-8", "replace"))))
            row = rng.choice(rows)
            row[rng.randrange(len(row))] = rng.choice(CELLS)
            buffer = io.StringIO()
            csv.writer(buffer).writerows(rows)
            data = buffer.getvalue().encode()
        elif kind == 1:
            place = rng.randrange(len(data))
            data = data[:place] + bytes([rng.randrange(256)]) + data[place + rng.randrange(3) :]
        elif kind == 2:
            data = data[: rng.randrange(len(data) // 2)] or b"x"
        else:
            lines = mapping.split("\n")
            place = rng.randrange(len(lines))
            if kind == 3:
                lines[place] = lines[place].partition("=")[0] + f'= "{rng.choice(SETTINGS)}"'
            elif kind == 4:
                del lines[place]
            else:
                lines.insert(place, rng.choice(lines))
            mapping = "\n".join(lines)
    return data, mapping


def test_three_hundred_broken_tables_and_mappings_each_get_one_line(tmp_path: Path) -> None:
    rng, refused = random.Random(0), set()
    whole = {
        name: (table.read_bytes(), mapping.read_text())
        for name, shape in SHAPES.items()
        for table, mapping in [proposed(tmp_path, name, shape(golden(3, 3)))]
    }
    for place in range(BROKEN):
        data, mapping = broken(*whole[list(whole)[place % len(whole)]], rng)
        (tmp_path / "t.csv").write_bytes(data)
        (tmp_path / "m.toml").write_text(mapping)
        for attempt in (
            lambda: read_responses(tmp_path / "t.csv", mapping=tmp_path / "m.toml"),
            lambda: as_toml(*propose(read_table(tmp_path / "t.csv"))),
        ):
            try:
                attempt()
            except AnalysisError as error:
                refused.add(str(error))
    assert not any("\n" in line for line in refused)
    assert len(refused) > 60


def test_a_proposal_is_read_back_as_it_was(tmp_path: Path) -> None:
    for name, shape in SHAPES.items():
        table, mapping = proposed(tmp_path, name, shape(golden()))
        made, _ = propose(read_table(table))
        assert dataclasses.asdict(read_mapping(mapping)) == dataclasses.asdict(made)
