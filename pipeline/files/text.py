"""Text files from elsewhere: TOML, JSON, lines of JSON, CSV.

UTF-8 is read, with a byte order mark or without, and UTF-16 and UTF-32 where their mark says so.
Anything else is refused in one line that names the file, the byte and the likely encoding. Lines
end at a line feed, or a carriage return and a line feed, and nowhere else: `str.splitlines` would
cut at U+2028, U+0085 and six more characters that may stand inside a caption.
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

# The mark of UTF-32 begins with that of UTF-16, so it is looked for first.
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
CELL_CHARACTERS = 10_000_000
"""Most that a cell of a CSV may hold."""
HEAD_BYTES = 65_536
END = "\ue000end\ue000"
"""Added as a last line: if it is not read as one, a quotation mark was never closed."""


def read_text(path: Path) -> str:
    """The text in a file; raises `PipelineError` if it cannot be read or its encoding is odd."""
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise PipelineError(f"{path} cannot be read: {reason}") from error
    return decoded(data, str(path))


def decoded(data: bytes, name: str) -> str:
    """Bytes as text, without a byte order mark; `name` stands in the refusal."""
    encoding = _encoding(data)
    if encoding == "utf-8" and b"\0" in data[:4]:
        raise PipelineError(
            f"{name} is not UTF-8 text: byte {data[:4].index(0)} is 0; is it UTF-16 without a "
            "byte order mark, or no text? Save it as UTF-8"
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
    """The lines of a text, without their ends."""
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    return lines[:-1] if lines[-1] == "" else lines


def json_of(text: str, name: str) -> Any:
    """The JSON in a text; raises `PipelineError` if it is none."""
    try:
        return json.loads(text, strict=False)  # a raw tab inside a caption is no reason to lose it
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise PipelineError(f"{name} is not JSON: {reason}") from error


def read_json(path: Path) -> Any:
    """The JSON in a file; raises `PipelineError` if it cannot be read or is none."""
    return json_of(read_text(path), str(path))


@dataclass(frozen=True)
class Row:
    """A row of a CSV."""

    line: int
    """Where it ends in the file, counted from 1."""
    cells: dict[str, str]
    """By column; those that are there, if the row is too short or too long."""
    reason: str = ""
    """Why it cannot be used."""


def read_csv(path: Path) -> tuple[list[str], list[Row]]:
    """Columns and rows of a CSV with a header, blank lines left out.

    Raises `PipelineError` if the file as a whole cannot be read so.
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
    """The first line of a file, for telling what it is: odd bytes become U+FFFD."""
    with path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
    lines = lines_of(head.decode(_encoding(head), errors="replace"))
    return lines[0] if lines else ""


def _encoding(data: bytes) -> str:
    return next((codec for mark, codec in MARKS if data.startswith(mark)), "utf-8")


def _rows(header: list[str], records: list[tuple[int, list[str]]]) -> Iterator[Row]:
    for line, record in records:
        # Spreadsheets leave commas of empty cells at the end of a row.
        spare = any(cell.strip() for cell in record[len(header) :])
        fits = len(record) >= len(header) and not spare
        reason = "" if fits else f"has {len(record)} cells where the header has {len(header)}"
        yield Row(line, dict(zip(header, record, strict=False)), reason)
