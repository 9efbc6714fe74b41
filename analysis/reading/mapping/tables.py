"""Reads a table as spreadsheets and experiment platforms write it: every cell is text.

Delimiters: comma, semicolon, tab, vertical bar, found by the header, or named by a first line
`sep=;`. Encodings: UTF-8, UTF-16 and UTF-32 with their mark, UTF-8 without, and else Windows-1252,
as Excel's plain CSV is; the last is noted. A list of JSON objects, and one JSON object per line,
are tables too, and so are Label Studio's tasks (`label_studio`). Cells that hold JSON objects
(`definition`, `response`) give a further column per key, `definition.method`. The two extra header
rows of Qualtrics are left out.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.errors import AnalysisError, quote
from analysis.reading.mapping import label_studio
from analysis.reading.text_files import MARKS, lines_of, read_bytes

DELIMITERS = (",", ";", "\t", "|")
CELL_LIMIT = 1_000_000
WORKBOOK = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
"""How an .xlsx or .ods, and an .xls, begins. They are not read: a workbook holds several sheets,
formulas and formats that change what a cell is, and every spreadsheet saves as CSV what it shows.
"""
IMPORT_ID = '{"ImportId":'


@dataclass(frozen=True)
class Table:
    """A file's cells as text, in the order of its rows."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[Mapping[str, str], ...]
    """A row lacks no column."""
    lines: tuple[int, ...]
    """Each row's number as a spreadsheet shows it; of JSON, its place in the list."""
    notes: tuple[str, ...] = ()

    def values(self, column: str) -> list[str]:
        """The distinct cells of a column that are not empty, in their order."""
        return list(dict.fromkeys(row[column] for row in self.rows if row[column]))


def read_table(path: Path) -> Table:
    """The table in a file; every refusal is an `AnalysisError` of one line."""
    data = read_bytes(path)
    if data.startswith(WORKBOOK):
        raise AnalysisError(
            f"{path.name}: a workbook of Excel or another spreadsheet: save the sheet with the "
            "answers as “CSV UTF-8” there, and give that file"
        )
    text, notes = _decoded(path.name, data)
    if text.lstrip().startswith(("[", "{")):
        header, records = _of_json(path.name, text)
    else:
        header, records = _of_csv(path.name, text)
    if not records:
        raise AnalysisError(f"{path.name}: has a header but no rows")
    rows = [dict(zip(header, record, strict=True)) for _, record in records]
    columns, rows = _opened(header, rows)
    return Table(path.name, tuple(columns), tuple(rows), tuple(n for n, _ in records), notes)


def _decoded(name: str, data: bytes) -> tuple[str, tuple[str, ...]]:
    marked = next((codec for mark, codec in MARKS if data.startswith(mark)), None)
    for encoding in (marked,) if marked else ("utf-8", "cp1252"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            break
        said = f"{name} is not UTF-8 and was read as Windows-1252: look at its special characters."
        return text, (said,) if encoding == "cp1252" else ()
    raise AnalysisError(
        f"{name}: not a text file in UTF-8, UTF-16 with its mark, or Windows-1252; save it as CSV"
    )


def _of_csv(name: str, text: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    first = text.split("\n", 1)[0].strip("\r ")
    named = first[4:5] if first.startswith("sep=") and len(first) == 5 else ""
    delimiter = named or _delimiter(name, text)
    csv.field_size_limit(CELL_LIMIT)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter)
    try:
        found = [(n, one) for n, one in enumerate(reader, 1) if any(cell.strip() for cell in one)]
    except csv.Error as error:
        raise AnalysisError(f"{name}: not a CSV near line {reader.line_num}: {error}") from error
    found = found[1:] if named else found
    if not found:
        raise AnalysisError(f"{name}: empty file")
    header = [cell.strip() for cell in found[0][1]]
    while header and not header[-1]:
        header.pop()
    _check_header(name, header)
    rows = found[1:]
    if len(rows) > 1 and any(cell.startswith(IMPORT_ID) for cell in rows[1][1]):
        rows = rows[2:]
    return header, [(n, _fitted(name, n, row, len(header))) for n, row in rows]


def _delimiter(name: str, text: str) -> str:
    """The one that splits the header into most cells."""
    counts = {}
    for delimiter in DELIMITERS:
        try:
            header = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
        except csv.Error:
            header = []
        counts[delimiter] = len(header)
    best = max(counts, key=lambda one: counts[one])
    if counts[best] < 2:
        raise AnalysisError(
            f"{name}: its first line has one column only; known delimiters are commas, semicolons, "
            "tabs and vertical bars"
        )
    return best


def _check_header(name: str, header: list[str]) -> None:
    empty = [place for place, column in enumerate(header, 1) if not column]
    if empty:
        raise AnalysisError(f"{name}: its column {empty[0]} has no name")
    doubled = [column for column in header if header.count(column) > 1]
    if doubled:
        raise AnalysisError(f"{name}: column {quote(doubled[0])} appears more than once")


def _fitted(name: str, line: int, row: list[str], width: int) -> list[str]:
    """A row of the header's length: spreadsheets leave empty cells out, or add some."""
    if any(cell.strip() for cell in row[width:]):
        raise AnalysisError(f"{name}: row {line} has {len(row)} cells where the header has {width}")
    return [cell.strip() for cell in row[:width]] + [""] * (width - len(row))


def _of_json(name: str, text: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    try:
        if text.lstrip().startswith("["):
            found = json.loads(text)
        else:
            found = [json.loads(line) for line in lines_of(text) if line.strip()]
    except (ValueError, RecursionError) as error:
        raise AnalysisError(f"{name}: starts like JSON but is none") from error
    # jsPsych's servers keep a list per participant.
    objects = [one for part in found for one in (part if isinstance(part, list) else [part])]
    if not objects or not all(isinstance(one, dict) for one in objects):
        raise AnalysisError(f"{name}: its JSON is not a list of objects, one per response")
    if label_studio.is_nested(objects):
        objects = list(label_studio.rows_of(name, objects))
    flat = [_flat(one) for one in objects]
    header = list(dict.fromkeys(key for one in flat for key in one))
    return header, [(n, [one.get(key, "") for key in header]) for n, one in enumerate(flat, 1)]


def _flat(found: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Keys of nested objects joined by dots; a list of one is what it holds."""
    flat: dict[str, str] = {}
    for key, value in found.items():
        while isinstance(value, list) and len(value) == 1:
            value = value[0]
        if isinstance(value, dict) and value:
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = _text(value)
    return flat


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value.strip() if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _opened(
    header: list[str], rows: list[dict[str, str]]
) -> tuple[list[str], list[dict[str, str]]]:
    """With a column per key of the columns whose cells are JSON objects."""
    for column in list(header):
        found = [_object_in(row[column]) for row in rows]
        if not any(found) or any(
            f is None and row[column] for f, row in zip(found, rows, strict=True)
        ):
            continue
        flat = [_flat(one or {}, f"{column}.") for one in found]
        more = [key for key in dict.fromkeys(k for one in flat for k in one) if key not in header]
        header = [*header, *more]
        rows = [
            row | {key: one.get(key, "") for key in more}
            for row, one in zip(rows, flat, strict=True)
        ]
    return header, rows


def _object_in(cell: str) -> dict[str, Any] | None:
    """The object that a cell holds as JSON; of a list of one, what it holds."""
    if not cell.startswith(("{", "[{")):
        return None
    try:
        found = json.loads(cell)
    except (ValueError, RecursionError):
        return None
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    return found if isinstance(found, dict) else None
