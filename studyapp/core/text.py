"""Folds text for comparing and searching: case and spacing do not matter."""

from __future__ import annotations


def fold(text: str) -> str:
    """Return the text with its case folded and runs of white space as single spaces."""
    return " ".join(text.split()).casefold()
