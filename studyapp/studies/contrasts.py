"""What a study of pairs sets against what: `add@1/plain`, `add@1/prompt@1`, `add@2/add@1`.

A side is `plain`, the clip without steering, or `INTERVENTION@DOSE`, with a name of the pipeline's
registry of interventions and the dose α. Both sides of a pair have one feature and one seed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

PLAIN = "plain"
CONTROLS = frozenset({"random-direction", "random-feature", "equal-rate-feature",
                      "random-ablation"})  # fmt: skip
"""Interventions of the pipeline that do not concern the feature itself."""
PROMPT = "prompt"
LONGEST = 120
"""Characters of a contrast."""


@dataclass(frozen=True, order=True)
class Side:
    """One of the two clips of a pair."""

    intervention: str
    """Empty for the clip without steering."""
    strength: float

    @property
    def role(self) -> str:
        """What exports call it: plain, steered, random or prompt."""
        if not self.intervention:
            return PLAIN
        if self.intervention in CONTROLS:
            return "random"
        return PROMPT if self.intervention == PROMPT else "steered"

    def __str__(self) -> str:
        return f"{self.intervention}@{self.strength:g}" if self.intervention else PLAIN


@dataclass(frozen=True)
class Contrast:
    """Two sides; the first is stored first in its items."""

    first: Side
    second: Side

    @property
    def sides(self) -> tuple[Side, Side]:
        """Both."""
        return (self.first, self.second)

    def __str__(self) -> str:
        return f"{self.first}/{self.second}"


def read(text: str) -> Contrast:
    """The contrast that a text names. Raises `ValueError` with one line if it names none."""
    parts = text.strip().split("/")
    if len(parts) != 2 or len(text) > LONGEST:
        raise ValueError(f"{text!r} is not a contrast: two sides, such as add@1/plain")
    first, second = (_side(part.strip(), text) for part in parts)
    if first == second:
        raise ValueError(f"{text!r} sets a clip against itself")
    return Contrast(first, second)


def problem_with(contrasts: Sequence[str]) -> str:
    """Why these cannot be a study's contrasts, in one line; empty if they can be."""
    if not contrasts:
        return "pairs need contrasts, such as add@1/plain, of clips by python -m pipeline steer"
    try:
        known = [read(one) for one in contrasts]
    except ValueError as error:
        return str(error)
    sides = [frozenset(one.sides) for one in known]
    twice = [str(one) for one, pair in zip(known, sides, strict=True) if sides.count(pair) > 1]
    return f"the contrast {twice[0]} is given twice" if twice else ""


def proposed(offered: Iterable[tuple[str, float]]) -> list[str]:
    """Contrasts that these clips allow: every dose against no steering, against a control of equal
    dose, and against the prompt, and the strongest dose against the weakest."""
    sides = sorted({Side(name, dose) for name, dose in offered if dose})
    steered = [side for side in sides if side.role == "steered"]
    found = [Contrast(one, Side("", 0.0)) for one in steered]
    found += [
        Contrast(one, other)
        for one in steered
        for other in sides
        if (other.role == "random" and other.strength == one.strength)
        or (other.role == PROMPT and one.strength == 1)
    ]
    for name in dict.fromkeys(side.intervention for side in steered):
        own = [side for side in steered if side.intervention == name]
        if len(own) > 1:
            found.append(Contrast(own[-1], own[0]))
    return [str(one) for one in found]


def _side(text: str, whole: str) -> Side:
    if text == PLAIN:
        return Side("", 0.0)
    name, at, dose = text.partition("@")
    try:
        strength = float(dose)
    except ValueError:
        strength = math.nan
    if not (name and at and math.isfinite(strength) and strength):
        raise ValueError(
            f"{whole!r}: {text!r} is neither plain nor INTERVENTION@DOSE, such as add@1"
        )
    return Side(name, strength)
