"""The rules by which an export flags answers: their names and ranges.

A study's `quality_rules` are frozen with it; `exports.flags` applies them.
"""

from __future__ import annotations

from collections.abc import Mapping

from studyapp.core.errors import StudyError

RULES: dict[str, tuple[int, int]] = {"fast_seconds": (0, 60), "straight_line": (2, 1000)}
"""Rule → its least and its largest value."""


def check_rules(rules: Mapping[str, float]) -> None:
    """Raise `StudyError` if a rule is missing, unknown or out of range."""
    if set(rules) != set(RULES):
        raise StudyError(
            f"quality_rules must be {', '.join(sorted(RULES))}, not {', '.join(rules)}"
        )
    for name, (low, high) in RULES.items():
        if not isinstance(rules[name], int | float) or not low <= rules[name] <= high:
            raise StudyError(f"{name} is {rules[name]}: it must be from {low} to {high}")
