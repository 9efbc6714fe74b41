"""One way to compare and to search texts: without regard to case and spacing."""

from __future__ import annotations


def fold(text: str) -> str:
    """Return the text with single spaces and its case folded."""
    return " ".join(text.split()).casefold()
