"""Numbers that come as text: one way to read them, whatever was sent."""

from __future__ import annotations

DIGITS = 15
"""More than any number of a row or a form has; Python refuses thousands, databases twenty."""


def whole(text: str) -> int | None:
    """The whole number, 0 or more; None if the text is none, or too long to be one of ours."""
    return int(text) if text.isdecimal() and len(text) <= DIGITS else None
