"""The codebook of an export, made from the definitions of its columns."""

from collections.abc import Iterable
from typing import Any

from studyapp.exports.files import Column, File

CONVENTIONS = (
    "UTF-8, RFC 4180: comma, double quotes, CRLF. Times are UTC, ISO 8601. Numbers are unrounded. "
    "An empty cell means: does not apply, or was not given. Texts are exactly what was typed; a "
    "spreadsheet may take one that begins with = + - or @ for a formula, so import them as text. "
    "Withdrawn participations are in no file. In study.json, design_hash is the SHA-256 of those "
    "parts of design that design_hash_covers names, as JSON: keys sorted, no spaces, UTF-8."
)


def as_document(files: Iterable[File[Any]]) -> dict[str, Any]:
    """Return the content of `codebook.json`."""
    return {
        "conventions": CONVENTIONS,
        "files": {
            file.name: {
                "row": file.row_is,
                "columns": [_entry(column) for column in file.columns],
            }
            for file in files
        },
    }


def as_markdown(files: Iterable[File[Any]]) -> str:
    """Return the content of `codebook.md`."""
    lines = ["# Codebook", "", CONVENTIONS, ""]
    for file in files:
        lines += [f"## {file.name}", "", f"A row is {file.row_is}.", ""]
        lines += ["| column | type | unit | levels | meaning |", "|---|---|---|---|---|"]
        lines += [_line(column) for column in file.columns]
        lines.append("")
    return "\n".join(lines)


def _entry(column: Column[Any]) -> dict[str, Any]:
    return {
        "name": column.name,
        "type": column.type,
        "unit": column.unit,
        "levels": list(column.levels),
        "meaning": column.meaning,
    }


def _line(column: Column[Any]) -> str:
    cells = (
        column.name,
        column.type,
        column.unit,
        "; ".join(column.levels),
        column.meaning,
    )
    return "| " + " | ".join(text.replace("|", "\\|") for text in cells) + " |"
