"""What a cell looks like in each form of an export, and what a participation is called there."""

from __future__ import annotations

from functools import lru_cache

from studyapp.keys import PSEUDONYM_SALT, keyed_hash

STARTS_A_FORMULA = frozenset("=+-@\t\r\n|%＝＋－＠")
"""First characters, leading spaces aside, that make a spreadsheet compute or run something."""


@lru_cache(maxsize=4096)
def pseudonym(identifier: str) -> str:
    """A participation's name in every file: a hash under the pseudonyms' key, 20 characters.

    Whoever holds the site's key can find the row again; whoever holds the export, or a
    participant's own cookie, cannot.
    """
    return f"p{keyed_hash(PSEUDONYM_SALT, identifier)[:19]}"


def spreadsheet_safe(text: str) -> str:
    """The text with a leading apostrophe where a spreadsheet would take it for a formula."""
    bare = text.lstrip(" \u00a0")
    if bare and (bare[0] in STARTS_A_FORMULA or text[0] in STARTS_A_FORMULA):
        return f"'{text}"
    return text
