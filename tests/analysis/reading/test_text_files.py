"""Encodings and line ends of the files that the analysis reads."""

from __future__ import annotations

import codecs
import json
from pathlib import Path

import pytest

from analysis.errors import AnalysisError
from analysis.listeners.similarity import embedded
from analysis.reading.companions import clip_seconds, read_study
from analysis.reading.table import read_responses
from analysis.reading.text_files import decoded, lines_of

TABLE = "participation,method,feature,trial,confidence\np,méthode,f,1,4\n"
ENCODINGS = [
    (b"", "utf-8"), (codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"), (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
]  # fmt: skip


@pytest.mark.parametrize(("mark", "encoding"), ENCODINGS)
def test_every_file_of_an_export_is_read_in_marked_encodings(
    tmp_path: Path, mark: bytes, encoding: str
) -> None:
    files = {
        "responses.csv": TABLE,
        "study.json": '{"design": {"név": 1}}',
        "stimuli.csv": "clip,seconds,note\r\na,1.5,\u2028é\r\n",
        "vectors.jsonl": json.dumps({"text": "a\u2028b", "vector": [1]}, ensure_ascii=False),
    }
    for name, text in files.items():
        (tmp_path / name).write_bytes(mark + text.encode(encoding))
    assert read_responses(tmp_path / "responses.csv").methods == ["méthode"]
    assert read_study(tmp_path) == {"design": {"név": 1}}
    assert clip_seconds(tmp_path) == {"a": 1.5}
    assert embedded(["a\u2028b"], file=tmp_path / "vectors.jsonl", command=None).place


def test_another_encoding_is_refused_with_file_byte_and_what_it_probably_is(
    tmp_path: Path,
) -> None:
    (tmp_path / "responses.csv").write_bytes(TABLE.encode("cp1252"))
    (tmp_path / "study.json").write_bytes('{"é": 1}'.encode("cp1252"))
    (tmp_path / "stimuli.csv").write_bytes("clip,seconds\né,1\n".encode("cp1252"))
    for look, name in (
        (lambda: read_responses(tmp_path / "responses.csv"), "responses.csv"),
        (lambda: read_study(tmp_path), "study.json"),
        (lambda: clip_seconds(tmp_path), "stimuli.csv"),
    ):
        with pytest.raises(AnalysisError, match=rf"{name}: not UTF-8 text \(byte \d+.*cp1252") as e:
            look()
        assert "\n" not in str(e.value)


def test_a_line_ends_at_a_line_feed_and_nowhere_else() -> None:
    assert lines_of("a\u2028b\x85c\x0bd\r\ne\n") == ["a\u2028b\x85c\x0bd", "e"]
    assert decoded("x", b"\xef\xbb\xbfa") == "a"
