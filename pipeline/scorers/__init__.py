"""Ways to grade labels. Each is one file; naming it here does not import it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.registry import resolve

if TYPE_CHECKING:
    from pipeline.scorers.base import Scorer

# To add a scorer: one file in pipeline/scorers/ whose class is a `base.Scorer`, and a line
# here. tests/pipeline/scorers/test_contract.py runs over every entry.
SCORERS: dict[str, str] = {
    "reading": "pipeline.scorers.reading.Reading",
    "clap": "pipeline.scorers.clap_fit.ClapFit",
    "detection": "pipeline.scorers.detection.Detection",
    "fuzzing": "pipeline.scorers.fuzzing.Fuzzing",
    "intruder": "pipeline.scorers.intruder.Intruder",
}


def scorer(name: str) -> Scorer:
    """The scorer of that name; an unknown name is refused with the list of the known ones."""
    made: Scorer = resolve(SCORERS, name, "scorer")()
    return made
