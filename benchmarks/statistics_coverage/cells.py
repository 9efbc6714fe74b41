"""The cells of the grid, declared: every combination of `LEVELS` that a study can have.

A latent rating has variance 1: the shares `icc_listener`, `icc_feature` and `own` (a feature's own
level under each method) of it, and the rest as noise of the single rating. Of a listener's share a
third is the listener's own preference for a method where listeners rate both.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from itertools import combinations, product

from analysis.design.simulation import PAPER_SHARES

FLOOR = (0.75, 0.15, 0.06, 0.03, 0.01)
PLACES = {"floor": FLOOR, "middle": PAPER_SHARES, "ceiling": FLOOR[::-1]}
"""Shares of the answers 1 to 5."""
LEVELS: dict[str, tuple[object, ...]] = {
    "participants": (10, 40),
    "features": (10, 100),
    "ratings": (1, 4, 10, 40),
    "icc_listener": (0.0, 0.3),
    "icc_feature": (0.0, 0.3),
    "own": (0.0, 0.15),
    "place": tuple(PLACES),
    "noise": ("equal", "unequal"),
    "within": (False, True),
}
FRACTION = 32
"""Cells of the balanced fraction, on which what takes seconds per study is measured."""


@dataclass(frozen=True)
class Cell:
    """A design and a population."""

    participants: int
    """Listeners per method; within listeners the same ones rate both."""
    features: int
    ratings: int
    """Ratings of a feature under each method."""
    icc_listener: float
    icc_feature: float
    own: float
    """The variance of feature × method."""
    place: str
    noise: str
    """`unequal`: each listener's noise is .5, 1 or 2 times as large, in units of their rms."""
    within: bool

    @cached_property
    def name(self) -> str:
        """The cell in a line, which also seeds its studies."""
        design = "within" if self.within else "between"
        return (
            f"{self.participants}x{self.features}x{self.ratings} {design} {self.place} "
            f"{self.noise} {self.icc_listener:g}/{self.icc_feature:g}/{self.own:g}"
        )

    @property
    def rest(self) -> float:
        """The variance of a single rating's noise."""
        return 1.0 - self.icc_listener - self.icc_feature - self.own

    @property
    def preference(self) -> float:
        """The variance of a listener's own preference for a method."""
        return self.icc_listener / 3 if self.within else 0.0

    @property
    def shares(self) -> tuple[float, ...]:
        """The answers 1 to 5."""
        return PLACES[self.place]

    @property
    def possible(self) -> bool:
        """Whether every listener has a trial, and none rates a feature twice under a method."""
        return self.ratings <= self.participants <= self.features * self.ratings


@lru_cache
def grid() -> tuple[Cell, ...]:
    """Every possible cell, shuffled, so that a part of a run is a fair sample of all."""
    found = [Cell(*levels) for levels in product(*LEVELS.values())]  # type: ignore[arg-type]
    return tuple(sorted((cell for cell in found if cell.possible), key=_shuffled))


def _shuffled(cell: Cell | ChoiceCell) -> str:
    return hashlib.sha256(cell.name.encode()).hexdigest()


@lru_cache
def fraction(n: int = FRACTION) -> tuple[Cell, ...]:
    """`n` cells in which every two levels of different factors meet about equally often.

    Greedy: each next cell is the one whose pairs of levels have met least often so far.
    """
    met: Counter[tuple[tuple[str, object], ...]] = Counter()
    found: list[Cell] = []
    for _ in range(n):
        rest = [cell for cell in grid() if cell not in found]
        best = min(rest, key=lambda cell: sum(met[pair] ** 2 for pair in _level_pairs(cell)))
        found.append(best)
        met.update(_level_pairs(best))
    return tuple(found)


@lru_cache(maxsize=4096)
def _level_pairs(cell: Cell) -> tuple[tuple[tuple[str, object], ...], ...]:
    return tuple(combinations(sorted(asdict(cell).items()), 2))


def like(cells: Iterable[Cell], **levels: Sequence[object]) -> list[Cell]:
    """The cells with one of the given levels of each factor named."""
    return [
        cell
        for cell in cells
        if all(getattr(cell, name) in allowed for name, allowed in levels.items())
    ]


@dataclass(frozen=True)
class ChoiceCell:
    """A cell whose trials have a choice, too."""

    cell: Cell
    kind: str
    """`identification` (one of five options is right) or `candidates` (four labels of the method's
    own, and one from another feature)."""
    accuracy: float
    """Share of right choices, or of the method's first label."""
    lift: float = 0.0
    """How much higher confidence in a hit is, on the latent scale."""
    link: str = "probit"
    """The distribution of the noise of a rating."""

    @property
    def name(self) -> str:
        """The cell in a line."""
        return f"{self.cell.name} {self.kind} {self.accuracy:g}"

    @property
    def chance(self) -> float:
        """The share of hits by guessing."""
        return 0.2 if self.kind == "identification" else 0.0


ACCURACIES = (0.25, 0.5, 0.8)


@lru_cache
def choice_grid() -> tuple[ChoiceCell, ...]:
    """Choices: every structure × between and within × three accuracies × both kinds.

    The shares of variance are .3, .3 and .15 throughout, or 0, 0 and 0.
    """
    rated = like(grid(), place=("middle",), noise=("equal",))
    alike = [
        c for c in rated if (c.icc_listener, c.icc_feature, c.own) in ((0, 0, 0), (0.3, 0.3, 0.15))
    ]
    found = [
        ChoiceCell(cell, kind, accuracy, lift=0.5)
        for accuracy in ACCURACIES
        for kind in ("identification", "candidates")
        for cell in alike
    ]
    return tuple(sorted(found, key=_shuffled))


def score_cells() -> list[ChoiceCell]:
    """Candidates with scores and own words, at the floor and in the middle, accuracies in turn."""
    spread = {"icc_listener": (0.3,), "icc_feature": (0.3,), "own": (0.15,), "noise": ("equal",)}
    cells = like(grid(), place=("floor", "middle"), **spread)
    found = [ChoiceCell(c, "candidates", ACCURACIES[i % 3]) for i, c in enumerate(cells)]
    return sorted(found, key=_shuffled)


def family_cells() -> list[Cell]:
    """Where tests over three and five methods are adjusted: the structures at the borders."""
    return [
        cell
        for cell in like(grid(), place=("floor", "middle"), noise=("equal",), own=(0.15,))
        if cell.icc_listener == cell.icc_feature == 0.3
    ]
