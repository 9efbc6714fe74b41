"""Encodings, byte order marks, and line endings."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import GeminiConfig, config_from_dict, load_config
from pipeline.errors import PipelineError
from pipeline.files.text import first_line, json_of, lines_of, read_csv, read_json, read_text
from pipeline.labelers.remote.questions import prompt_of
from pipeline.labelers.study_responses import NEEDED, answers

TEXT = "caption: ä café \u2028 ♪\n"


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (b"", "utf-8"),
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
    ],
)
def test_a_marked_encoding_is_read(tmp_path: Path, mark: bytes, encoding: str) -> None:
    (tmp_path / "x.txt").write_bytes(mark + TEXT.encode(encoding))
    assert read_text(tmp_path / "x.txt") == TEXT
    assert first_line(tmp_path / "x.txt") == TEXT.rstrip("\n")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("first\ncafé".encode("cp1252"), r"is not UTF-8: byte 0xE9 at position 9, line 2.*cp1252"),
        ("plain".encode("utf-16-le"), "byte 1 is 0; is it UTF-16 without a byte order mark"),
        (codecs.BOM_UTF16_LE + b"a", "is not UTF-16: byte 0x61 at position 2"),
    ],
)
def test_another_encoding_is_refused_in_one_line_that_names_it(
    tmp_path: Path, data: bytes, said: str
) -> None:
    (tmp_path / "x.csv").write_bytes(data)
    with pytest.raises(PipelineError, match=said) as caught:
        read_text(tmp_path / "x.csv")
    assert str(caught.value).startswith(str(tmp_path / "x.csv"))
    assert "\n" not in str(caught.value)


def test_a_corpus_folder_whose_name_is_no_utf_8_is_refused_in_one_line(
    small_config: dict[str, Any], tmp_path: Path
) -> None:
    config = config_from_dict(small_config)
    with pytest.raises(PipelineError, match=r"the corpus folder .*mod\\udce0' is not UTF-8"):
        config.with_corpus(tmp_path / "mod\udce0")


def test_a_line_ends_at_a_line_feed_and_nowhere_else() -> None:
    odd = "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\x1dh\x1ei"
    assert lines_of(f"{odd}\r\nsecond\n\nlast") == [odd, "second", "", "last"]
    assert lines_of("") == []
    assert lines_of("one\n") == ["one"]


def test_json_that_is_none_is_refused(tmp_path: Path) -> None:
    for text in ("{", "", "[" * 100_000, "1" * 10_000):
        with pytest.raises(PipelineError, match="x is not JSON"):
            json_of(text, "x")
    with pytest.raises(PipelineError, match="cannot be read: No such file"):
        read_json(tmp_path / "absent.json")


def test_a_csv_of_odd_rows_keeps_the_others(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text('a,b\n1,"two\u2028lines\nhere"\n\nshort\n1,2,3\n1,2,,\n', encoding="utf-8")
    columns, rows = read_csv(path)
    assert columns == ["a", "b"]
    assert [row.cells["a"] for row in rows] == ["1", "short", "1", "1"]
    assert rows[0].cells["b"] == "two\u2028lines\nhere"
    assert [row.reason for row in rows] == [
        "", "has 1 cells where the header has 2", "has 3 cells where the header has 2", "",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('a,b\n1,"never closed\n2,3\n', "a quotation mark opened before line .* is never closed"),
        ("a,a\n1,2\n", "has the column a more than once"),
    ],
)
def test_a_csv_that_swallows_rows_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(PipelineError, match=said):
        read_csv(tmp_path / "x.csv")


def test_an_empty_csv_has_no_columns(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("")
    assert read_csv(tmp_path / "x.csv") == ([], [])


def test_a_config_and_answers_with_a_mark_are_read(
    small_config: dict[str, Any], tmp_path: Path
) -> None:
    model = small_config["subject"]["model"]
    text = f"[subject]\r\nmodel = '{model}'\r\nhookpoints = ['decoder.layers.0.resid_post']\r\n"
    columns = ",".join(NEEDED)
    for mark, encoding in ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le")):
        (tmp_path / "run.toml").write_bytes(mark + text.encode(encoding))
        assert load_config(tmp_path / "run.toml").subject.model == model
        (tmp_path / "r.csv").write_bytes(
            mark + f"{columns}\r\np,m,f,main,complete,4,,é,r\r\n".encode(encoding)
        )
        assert [answer.free_text for answer in answers(tmp_path / "r.csv")] == ["é"]
    (tmp_path / "run.toml").write_bytes("# café\n".encode("cp1252"))
    with pytest.raises(PipelineError, match=r"config .*run\.toml is not UTF-8: byte 0xE9"):
        load_config(tmp_path / "run.toml")


@pytest.mark.parametrize("value", ["inf", "1e999", "nan", "x", "0", "6", "9" * 5000])
def test_an_answer_with_an_odd_number_is_refused_in_a_line(tmp_path: Path, value: str) -> None:
    row = dict.fromkeys(NEEDED, "1") | {
        "kind": "main", "participation_status": "complete", "confidence": value,
    }  # fmt: skip
    (tmp_path / "x.csv").write_text(",".join(NEEDED) + "\n" + ",".join(row.values()) + "\n")
    with pytest.raises(PipelineError, match=r"x\.csv, line 2: "):
        answers(tmp_path / "x.csv")


def test_an_empty_prompt_is_refused_before_it_is_paid_for(tmp_path: Path) -> None:
    (tmp_path / "prompt.txt").write_text("\ufeff \n")
    with pytest.raises(PipelineError, match=r"prompt\.txt is empty"):
        prompt_of(GeminiConfig(prompt=tmp_path / "prompt.txt"), "gemini")
