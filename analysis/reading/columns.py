"""The columns of `responses.csv` that the analysis reads, and the values that their cells may have.

A cell is text. A `Level` says which texts are allowed; any other refuses the file. Columns that are
not listed here are free text or identifiers and are taken as they are.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

REQUIRED = ("participation", "method", "feature", "trial", "confidence")
KINDS = ("main", "practice", "catch", "repeat")
STATUSES = ("active", "complete", "refused", "screened_out", "returned", "timed_out")
DEFAULT_STATUSES = ("complete",)
"""Participation statuses that enter the estimates, unless the command or the plan names others."""

PAIR, INTRUDER = "pair", "intruder"
TRIAL_TYPES = ("label", "identification", PAIR, INTRUDER)
CHOSEN, NONE_OF_THESE, NO_DIFFERENCE = "chosen", "none_of_these", "no_difference"
ANSWERS = (CHOSEN, NONE_OF_THESE, NO_DIFFERENCE)
ROLES = ("steered", "prompt", "random", "plain")
"""How a clip of a pair was made; a comparison is named after the first of these that is in it."""

LOWEST, HIGHEST = 1, 5
"""The confidence scale, from "Not confident at all" to "Completely confident"."""
SCALE = tuple(range(LOWEST, HIGHEST + 1))
WIDEST = HIGHEST - LOWEST
"""The largest possible difference between two ratings, in steps of the scale."""

_WHOLE = re.compile(r"[0-9]{1,15}(\.0+)?", re.ASCII)


@dataclass(frozen=True)
class Level:
    """The values that a column's cells may have."""

    allows: Callable[[str], bool]
    meaning: str
    """The allowed values as an error message names them."""


def whole(text: str) -> int | None:
    """The whole number in a cell ("4" and "4.0" alike), or None."""
    return int(text.split(".")[0]) if _WHOLE.fullmatch(text) else None


def _between(low: int, high: int) -> Level:
    def allows(text: str) -> bool:
        number = whole(text)
        return text == "" or (number is not None and low <= number <= high)

    return Level(allows, f"a whole number from {low} to {high}")


def _one_of(words: tuple[str, ...]) -> Level:
    return Level(lambda text: text in words, "one of " + ", ".join(words))


TIMES = ("shown_at", "answered_at")
"""Times, of which no estimate is made: a cell that is not one is noted, and refuses nothing."""


def time_of(text: str) -> datetime | None:
    """An ISO 8601 time, in UTC if it names no zone; None if it is not one."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def number(text: str) -> float | None:
    """The finite number in a cell, or None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


_MILLISECONDS = _between(0, 10**11)
_COUNT = _between(0, 10**9)
_RANK = _between(1, 10**6)
_POSITION = _between(1, 5)
_NUMBER = Level(lambda text: text == "" or number(text) is not None, "a number")

LEVELS: dict[str, Level] = {
    "confidence": _between(LOWEST, HIGHEST),
    "trial": _between(1, 10**6),
    "kind": _one_of(KINDS),
    "participation_status": _one_of(STATUSES),
    "repeat_of": _between(1, 10**6),
    "target_position": _POSITION,
    "chosen_position": _POSITION,
    "chosen_rank": _RANK,
    **{f"option_rank_{i}": _RANK for i in range(1, 6)},
    **{f"plays_{i}": _COUNT for i in range(1, 6)},
    **{f"heard_ms_{i}": _MILLISECONDS for i in range(1, 6)},
    "answer": _one_of((*ANSWERS, "")),
    **{f"clip_strength_{i}": _NUMBER for i in range(1, 4)},
    **{f"clip_clap_{i}": _NUMBER for i in range(1, 6)},
    "response_ms": _MILLISECONDS,
    "hidden_ms": _MILLISECONDS,
    "simulated": Level(lambda text: text.lower() in ("true", "false", ""), "true or false"),
}
"""Column to its allowed values. To add one, add its line here and a test in tests/analysis."""
