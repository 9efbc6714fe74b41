"""What a cell looks like in each form of an export, and what a participation is called there."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import takewhile

from studyapp.core.keys import PSEUDONYM_SALT, keyed_hash

STARTS_A_FORMULA = frozenset("=+-@|%＝＋－＠｜％")
"""First characters that make a spreadsheet compute or run something, full-width ones too."""
CELL = re.compile(
    r"([;\r\n][\s\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]*)(?=[=+\-@|%＝＋－＠｜％])"
)
"""What begins a cell within a text where a spreadsheet separates cells by semicolons: it does in
countries that write decimal commas, whatever quotation marks stand around the text."""


@lru_cache(maxsize=4096)
def pseudonym(identifier: str) -> str:
    """A participation's name in every file: a hash under the pseudonyms' key, 20 characters.

    Whoever holds the site's key can find the row again; whoever holds the export, or a
    participant's own cookie, cannot.
    """
    return f"p{keyed_hash(PSEUDONYM_SALT, identifier)[:19]}"


def spreadsheet_safe(text: str) -> str:
    """The text with a leading apostrophe where a spreadsheet would take it for a formula.

    `analysis.report.text.spreadsheet_safe` does the same; neither may import the other.
    """
    blank = "".join(takewhile(_is_blank, text))
    rest = text[len(blank) :]
    safe = blank + CELL.sub(r"\1'", rest)
    return f"'{safe}" if rest[:1] in STARTS_A_FORMULA or blank.strip(" \u00a0") else safe


def _is_blank(character: str) -> bool:
    """Whether nothing is seen of it: white space, control and format characters."""
    return character.isspace() or unicodedata.category(character) in ("Cc", "Cf")
