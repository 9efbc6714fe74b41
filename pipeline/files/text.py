"""Reads text files from elsewhere: TOML, JSON, JSON lines, CSV.

UTF-8 is read with or without a byte order mark; UTF-16 and UTF-32 only with one. Anything else is
refused in one line that names the file, the byte and the likely encoding. Lines end only at LF or
CR LF: `str.splitlines` would also split at U+2028, U+0085 and six more characters that can occur
inside a caption.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError

# The mark of UTF-32 LE starts with that of UTF-16 LE, so it has to come first.
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
CELL_CHARACTERS = 10_000_000
"""Maximum number of characters in a CSV cell."""
HEAD_BYTES = 65_536
END = "\ue000end\ue000"
"""Appended as a last line: if it is not read as its own row, a quotation mark was not closed."""


def read_text(path: Path) -> str:
    """The text in a file; raises `PipelineError` if the file or its encoding cannot be read."""
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise PipelineError(f"{path} cannot be read: {reason}") from error
    return decoded(data, str(path))


def decoded(data: bytes, name: str) -> str:
    """`data` decoded, without its byte order mark; raises `PipelineError`, which refers to the data
    as `name`, if the encoding is not known."""
    encoding = _encoding(data)
    if encoding == "utf-8" and b"\0" in data[:4]:
        raise PipelineError(
            f"{name} is not UTF-8 text: byte {data[:4].index(0)} is 0; is it UTF-16 without a "
            "byte order mark, or not a text file? Save it as UTF-8"
        )
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        where = f"byte 0x{data[error.start]:02X} at position {error.start}"
        line = data.count(b"\n", 0, error.start) + 1
        raise PipelineError(
            f"{name} is not {encoding.upper().removesuffix('-SIG')}: {where}, line {line}; was it "
            "saved as cp1252 (Windows, Excel's plain CSV) or Latin-1? Save it as UTF-8 "
            '("CSV UTF-8" in Excel)'
        ) from error


def lines_of(text: str) -> list[str]:
    """The lines of a text, without line endings."""
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    return lines[:-1] if lines[-1] == "" else lines


def json_of(text: str, name: str) -> Any:
    """The value of JSON text; raises `PipelineError`, which refers to it as `name`, if it is not
    JSON."""
    try:
        return json.loads(text, strict=False)  # accepts raw tabs inside strings, such as captions
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise PipelineError(f"{name} is not JSON: {reason}") from error


def read_json(path: Path) -> Any:
    """The JSON in a file; raises `PipelineError` if it cannot be read or is not JSON."""
    return json_of(read_text(path), str(path))


@dataclass(frozen=True)
class Row:
    """A row of a CSV."""

    line: int
    """The line on which the row ends, counted from 1."""
    cells: dict[str, str]
    """Cells by column; if the row is too short, only those that exist."""
    reason: str = ""
    """Why the row cannot be used; empty if it can."""


def read_csv(path: Path) -> tuple[list[str], list[Row]]:
    """Columns and rows of a CSV with a header, without blank lines.

    Raises `PipelineError` if the file as a whole is not such a CSV.
    """
    csv.field_size_limit(CELL_CHARACTERS)
    reader = csv.reader(io.StringIO(f"{read_text(path).rstrip()}\n{END}\n", newline=""))
    try:
        records = [(reader.line_num, record) for record in reader if record]
    except csv.Error as error:
        raise PipelineError(f"{path} is not a CSV near line {reader.line_num}: {error}") from error
    if records[-1][1] != [END]:
        raise PipelineError(
            f"{path} is not a CSV: a quotation mark opened before line {records[-1][0]} is never "
            "closed"
        )
    header = [name.strip() for name in records[0][1]] if len(records) > 1 else []
    doubled = sorted({name for name in header if name and header.count(name) > 1})
    if doubled:
        raise PipelineError(f"{path} has the column {doubled[0]} more than once")
    return header, list(_rows(header, records[1:-1]))


def first_line(path: Path) -> str:
    """The first line of a file, for recognising it; undecodable bytes become U+FFFD."""
    with path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
    lines = lines_of(head.decode(_encoding(head), errors="replace"))
    return lines[0] if lines else ""


def _encoding(data: bytes) -> str:
    return next((codec for mark, codec in MARKS if data.startswith(mark)), "utf-8")


def _rows(header: list[str], records: list[tuple[int, list[str]]]) -> Iterator[Row]:
    for line, record in records:
        # Spreadsheets leave the commas of empty cells at the end of a row.
        spare = any(cell.strip() for cell in record[len(header) :])
        fits = len(record) >= len(header) and not spare
        reason = "" if fits else f"has {len(record)} cells where the header has {len(header)}"
        yield Row(line, dict(zip(header, record, strict=False)), reason)
