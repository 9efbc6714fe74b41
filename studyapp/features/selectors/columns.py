"""The columns of the feature browser and what each number on its pages means.

A run's facets count how many of its features have a value; a column without one is not shown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from studyapp.models import Feature, Run
from studyapp.runs.services.scorers import explained

CONFIDENCE = (
    "How sure the method says it is, on its own scale: not comparable between methods. The methods "
    "rank their labels by it; a lower rank can still get a higher score."
)


@dataclass(frozen=True)
class Column:
    """A number of each feature that lists show."""

    name: str
    label: str
    help: str
    note: str = ""
    """A word below the label."""
    wide: bool = False
    """Whether only wide screens show it."""


@dataclass(frozen=True)
class Cell:
    """A feature's number in a column, as it is written."""

    column: Column
    text: str
    by: str = ""
    """The method that it is of."""


def cells_of(columns: Sequence[Column], feature: Feature) -> list[Cell]:
    """The feature's numbers. Written here: templates would take longer than the queries."""
    return [WRITTEN[column.name](column, feature) for column in columns]


def _score(column: Column, feature: Feature) -> Cell:
    if feature.score is None:
        return Cell(column, "–")
    return Cell(column, f"{feature.score:.3f}", feature.score_method)


WRITTEN: dict[str, Callable[[Column, Feature], Cell]] = {
    "score": _score,
    "agreement": lambda column, feature: Cell(
        column, "–" if feature.agreement is None else f"{feature.agreement:.2f}"
    ),
    "rate": lambda column, feature: Cell(column, f"{feature.percent:.1f} %"),
    "strength": lambda column, feature: Cell(column, f"{feature.max_activation:.2f}"),
}


def columns_of(run: Run) -> list[Column]:
    """The columns in which the run's features have values."""
    scorer = run.facets.get("scorer", "")
    score = Column(
        "score",
        "Score",
        f"By the scorer {scorer}. {explained(scorer)} Of the methods’ first labels the best "
        "counts, and its method is named; controls are left out.",
        note=scorer,
    )
    found = [
        (score, run.facets.get("scored")),
        (AGREEMENT, run.facets.get("compared")),
        (RATE, True),
        (STRENGTH, True),
    ]
    return [column for column, has_values in found if has_values]


AGREEMENT = Column(
    "agreement",
    "Agreement",
    "How far the methods’ first three labels use the same words: 1 the same ones, 0 none in "
    "common. Controls are left out.",
    wide=True,
)
RATE = Column("rate", "Rate", "The share of validation tracks in which the feature fires.")
NOTE = Column("note", "Note", "What somebody wrote about the feature on this list.")
STRENGTH = Column(
    "strength", "Strength", "The feature’s largest activation in any validation track.", wide=True
)
