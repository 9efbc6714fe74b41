"""How a study lets its sounds be played, in researchers' words."""

from __future__ import annotations


def in_words(*, hear_before_choosing: int, most_plays: int, from_start: bool) -> str:
    """The three settings in one line."""
    parts = ["as often as people like" if not most_plays else f"at most {most_plays} plays each"]
    if from_start:
        parts.append("each from the start")
    if hear_before_choosing:
        parts.append(f"{hear_before_choosing} s of each before choosing")
    return ", ".join(parts)
