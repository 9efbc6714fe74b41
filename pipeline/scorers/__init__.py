"""Ways to grade labels. Each is one file; naming it here does not import it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.registry import resolve

if TYPE_CHECKING:
    from pipeline.scorers.base import Scorer

# To add a scorer: one file in pipeline/scorers/ whose class follows `base.Scorer`, and a line
# here. tests/pipeline/scorers/test_contract.py runs over every entry.
SCORERS: dict[str, str] = {
    "detection": "pipeline.scorers.detection.Detection",
}


def scorer(name: str) -> Scorer:
    """The scorer of that name; an unknown name is refused with the list of the known ones."""
    made: Scorer = resolve(SCORERS, name, "scorer")()
    return made
