"""Parses numbers in requests, whatever was sent."""

from __future__ import annotations

DIGITS = 15
"""More digits than any of our numbers has; Python refuses thousands, databases twenty."""


def whole(text: str) -> int | None:
    """Return the text as an integer ≥ 0; None if it is not one or is too long."""
    return int(text) if text.isdecimal() and len(text) <= DIGITS else None
