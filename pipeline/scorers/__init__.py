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
    "localisation": "pipeline.scorers.localisation.Localisation",
    "intruder": "pipeline.scorers.intruder.Intruder",
}

FORMER_NAMES = {"fuzzing": "localisation"}
"""Names that configs may still have. A run keeps the name that its config has, in its key and in
its files, so that nothing of an older run changes."""


def scorer(name: str) -> Scorer:
    """The scorer of that name; an unknown name is refused with the list of the known ones."""
    made: Scorer = resolve(SCORERS, FORMER_NAMES.get(name, name), "scorer")()
    return made
