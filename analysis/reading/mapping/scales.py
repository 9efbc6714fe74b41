"""The scale of a rating: numbers between two ends, or words from the lowest to the highest."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.errors import AnalysisError
from analysis.reading.columns import LOWEST, SCALE, WIDEST

# As the site's pages say them (studyapp/models/participation.py and its translations), and some
# that others use; lowest first.
WORDS: tuple[tuple[str, ...], ...] = (
    ("Not confident at all", "Slightly confident", "Somewhat confident", "Fairly confident",
     "Completely confident"),
    ("Gar nicht sicher", "Ein wenig sicher", "Einigermaßen sicher", "Ziemlich sicher",
     "Völlig sicher"),
    ("غير واثق إطلاقًا", "واثق قليلًا", "واثق إلى حد ما", "واثق إلى حد كبير", "واثق تمامًا"),
    ("まったく確信がない", "少し確信がある", "ある程度確信がある", "かなり確信がある",
     "完全に確信がある"),
    ("Strongly disagree", "Disagree", "Neither agree nor disagree", "Agree", "Strongly agree"),
    ("Bad", "Poor", "Fair", "Good", "Excellent"),
    ("Strongly disagree", "Disagree", "Somewhat disagree", "Neither agree nor disagree",
     "Somewhat agree", "Agree", "Strongly agree"),
    ("no", "yes"), ("nein", "ja"), ("false", "true"),
)  # fmt: skip
RANGES = ((0, 1), (1, 5), (0, 4), (1, 7), (0, 6), (0, 10), (0, 100))
"""Of these the first that holds all ratings is proposed."""
SLIDERS = ((0, 1), (0, 10), (0, 100))
"""The same where a rating is no whole number."""
MOST_LEVELS = 11
NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?([eE][+-]?\d+)?", re.ASCII)


@dataclass(frozen=True)
class Scale:
    """The ends of a numeric scale, or the words of its levels; one of the two."""

    lowest: float = float(LOWEST)
    highest: float = float(SCALE[-1])
    levels: tuple[str, ...] = ()
    slider: bool = False
    """Whether every number between the ends can be a rating; else only whole steps, if few."""

    def __post_init__(self) -> None:
        if self.levels:
            folded = [_folded(level) for level in self.levels]
            if len(self.levels) < 2 or len(set(folded)) < len(folded):
                raise AnalysisError(
                    f"[scale] levels are {len(self.levels)}; name at least two, each once, the "
                    "lowest first"
                )
        elif not (math.isfinite(self.lowest) and self.lowest < self.highest < math.inf):
            raise AnalysisError(
                f"[scale] lowest is {self.lowest:g} and highest {self.highest:g}; lowest must be "
                "the smaller (of a reversed scale name levels, the lowest first)"
            )

    @property
    def steps(self) -> float:
        """How many steps of 1 from one end to the other."""
        return len(self.levels) - 1 if self.levels else self.highest - self.lowest

    @property
    def is_five_levels(self) -> bool:
        """Whether it is the scale of `responses.csv`, however it is numbered or worded."""
        return self.steps == WIDEST and not self.slider

    @property
    def is_ordinal(self) -> bool:
        """Whether it has few levels, one step apart; a slider has none."""
        few = float(self.steps).is_integer() and self.steps < MOST_LEVELS
        return few and not self.slider

    @property
    def ends(self) -> tuple[float, float]:
        """As the report numbers them: words from 1, two of them 0 and 1."""
        if self.levels:
            return (0.0, 1.0) if len(self.levels) == 2 else (1.0, float(len(self.levels)))
        return self.lowest, self.highest

    def inner(self, step: float) -> float:
        """A step as the estimates take it: the ends are 1 and 5, which no linear one notices."""
        return LOWEST + WIDEST * step / self.steps

    def outer(self, inner: float) -> float:
        """Such a number on the scale itself."""
        low, high = self.ends
        return low + (inner - LOWEST) * (high - low) / WIDEST

    def outer_width(self, inner: float) -> float:
        """The same of a difference."""
        low, high = self.ends
        return inner * (high - low) / WIDEST

    def step_of(self, cell: str) -> float | None:
        """How many steps over the lowest level a cell is; None if it is on no level."""
        if self.levels:
            folded = [_folded(level) for level in self.levels]
            return float(folded.index(_folded(cell))) if _folded(cell) in folded else None
        number = number_in(cell)
        if number is None or not self.lowest <= number <= self.highest:
            return None
        return number - self.lowest

    @property
    def meaning(self) -> str:
        """The levels as an error names them."""
        if self.levels:
            return "one of " + ", ".join(self.levels)
        return f"a number from {self.lowest:g} to {self.highest:g}"


def number_in(cell: str) -> float | None:
    """The number in a cell, with a point or a comma; None if it is none."""
    if not NUMBER.fullmatch(cell.strip()):
        return None
    found = float(cell.strip().replace(",", "."))
    return found if math.isfinite(found) else None


def scale_of(values: Sequence[str]) -> Scale | None:
    """The scale that these cells are probably on; None if they are not ratings."""
    numbers = [number_in(value) for value in values]
    known = [number for number in numbers if number is not None]
    if len(known) == len(values) and known:
        slider = not all(number.is_integer() for number in known)
        for low, high in SLIDERS if slider else RANGES:
            if low <= min(known) and max(known) <= high:
                return Scale(float(low), float(high), slider=slider and high < MOST_LEVELS)
        return None
    folded = {_folded(value) for value in values}
    for words in WORDS:
        if folded <= {_folded(word) for word in words}:
            return Scale(levels=words)
    return None


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())
