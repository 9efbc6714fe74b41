"""How values, texts and participations are written in the cells of an export."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime
from functools import lru_cache
from itertools import takewhile
from typing import Any

from studyapp.core.keys import PSEUDONYM_SALT, keyed_hash

STARTS_A_FORMULA = frozenset("=+-@|%＝＋－＠｜％")
"""First characters that make a spreadsheet evaluate a cell, including full-width ones."""
CELL = re.compile(
    r"([;\r\n][\s\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]*)(?=[=+\-@|%＝＋－＠｜％])"
)
"""The start of a cell inside a text, for spreadsheets that separate cells by semicolons. They do so
in countries with decimal commas, even inside quotation marks."""


def cell(value: Any) -> str:
    """Return a value as the text of its cell: UTC times in ISO 8601, unrounded numbers."""
    if type(value) is str:
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return time_cell(value) if isinstance(value, datetime) else str(value)


def time_cell(value: datetime | None) -> str:
    """Return a time in UTC, ISO 8601; "" for None."""
    return "" if value is None else value.astimezone(UTC).isoformat()


@lru_cache(maxsize=4096)
def pseudonym(identifier: str) -> str:
    """Return a participation's name in every file: a keyed hash, 20 characters.

    The row can be found again with the site's pseudonym key, but not with the export or with the
    participant's own cookie.
    """
    return f"p{keyed_hash(PSEUDONYM_SALT, identifier)[:19]}"


def spreadsheet_safe(text: str) -> str:
    """Put an apostrophe before a text that a spreadsheet would take for a formula.

    `analysis.report.text.spreadsheet_safe` does the same; neither package may import the other.
    """
    blank = "".join(takewhile(_is_blank, text))
    rest = text[len(blank) :]
    safe = blank + CELL.sub(r"\1'", rest)
    return f"'{safe}" if rest[:1] in STARTS_A_FORMULA or blank.strip(" \u00a0") else safe


def _is_blank(character: str) -> bool:
    """Whether a character is invisible: white space, control and format characters."""
    return character.isspace() or unicodedata.category(character) in ("Cc", "Cf")
