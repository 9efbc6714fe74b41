"""Text for comparing and searching (case and spacing do not matter), and durations in words."""

from __future__ import annotations


def fold(text: str) -> str:
    """Return the text with its case folded and runs of white space as single spaces."""
    return " ".join(text.split()).casefold()


def hours_in_words(hours: float) -> str:
    """Return a duration in words: in minutes under two hours, otherwise in hours."""
    return f"{max(1, round(hours * 60))} min" if hours < 2 else f"{hours:.1f} h"
