"""What a cell looks like in each form of an export, and what a participation is called there."""

from __future__ import annotations

from functools import lru_cache

from django.utils.crypto import salted_hmac

PSEUDONYM_SALT = "earwitness.pseudonym"
STARTS_A_FORMULA = frozenset("=+-@\t\r\n|%＝＋－＠")
"""First characters, leading spaces aside, that make a spreadsheet compute or run something."""


@lru_cache(maxsize=4096)
def pseudonym(identifier: str) -> str:
    """A participation's name in every file: a hash keyed by the site's secret, 20 characters.

    Whoever holds the site's key can find the row again; whoever holds the export, or a
    participant's own cookie, cannot.
    """
    made = salted_hmac(PSEUDONYM_SALT, identifier, algorithm="sha256").hexdigest()
    return f"p{made[:19]}"


def spreadsheet_safe(text: str) -> str:
    """The text with a leading apostrophe where a spreadsheet would take it for a formula."""
    bare = text.lstrip(" \u00a0")
    if bare and (bare[0] in STARTS_A_FORMULA or text[0] in STARTS_A_FORMULA):
        return f"'{text}"
    return text
