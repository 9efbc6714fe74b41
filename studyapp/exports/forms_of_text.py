"""What a cell looks like in each form of an export, and what a participation is called there."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from itertools import takewhile

from studyapp.keys import PSEUDONYM_SALT, keyed_hash

STARTS_A_FORMULA = frozenset("=+-@|%＝＋－＠｜％")
"""First characters that make a spreadsheet compute or run something, full-width ones too."""


@lru_cache(maxsize=4096)
def pseudonym(identifier: str) -> str:
    """A participation's name in every file: a hash under the pseudonyms' key, 20 characters.

    Whoever holds the site's key can find the row again; whoever holds the export, or a
    participant's own cookie, cannot.
    """
    return f"p{keyed_hash(PSEUDONYM_SALT, identifier)[:19]}"


def spreadsheet_safe(text: str) -> str:
    """The text with a leading apostrophe where a spreadsheet would take it for a formula.

    `analysis.text.spreadsheet_safe` does the same; neither may import the other.
    """
    blank = "".join(takewhile(_is_blank, text))
    starts = text[len(blank) : len(blank) + 1] in STARTS_A_FORMULA
    return f"'{text}" if starts or blank.strip(" \u00a0") else text


def _is_blank(character: str) -> bool:
    """Whether nothing is seen of it: white space, control and format characters."""
    return character.isspace() or unicodedata.category(character) in ("Cc", "Cf")
