"""Ways to grade labels. Each is one file; naming it here does not import it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.registry import resolve

if TYPE_CHECKING:
    from pipeline.scorers.base import Scorer

# To add a scorer: one file in pipeline/scorers/ whose class is a `base.Scorer`, and a line
# here and in ABOUT. tests/pipeline/scorers/test_contract.py runs over every entry.
SCORERS: dict[str, str] = {
    "reading": "pipeline.scorers.reading.Reading",
    "clap": "pipeline.scorers.clap_fit.ClapFit",
    "detection": "pipeline.scorers.detection.Detection",
    "localisation": "pipeline.scorers.localisation.Localisation",
    "intruder": "pipeline.scorers.intruder.Intruder",
}

ABOUT: dict[str, str] = {
    "reading": "Does the label tell firing from silent test tracks, by the method’s own model? "
    "Methods cannot be compared. Needs nothing.",
    "clap": "How well the label fits the clips that it was made from. Needs CLAP.",
    "detection": "Does the label tell firing from silent test tracks? The same judge for all "
    "methods. Needs CLAP.",
    "localisation": "Does the label tell where in a track the feature fires? Needs CLAP.",
    "intruder": "Does the label find the one clip of five that does not fit? Needs CLAP.",
}
"""What each scorer asks and what it needs, in one line for people who choose among them."""
COMPARABLE = ("detection", "intruder", "localisation", "fuzzing", "clap")
"""Scorers, by any of their names, that grade all methods by one CLAP, so that their scores may be
compared; from the most to the least suited to order features: held out first."""
FORMER_NAMES = {"fuzzing": "localisation"}
"""Names that configs may still have. A run keeps the name that its config has, in its key and in
its files, so that nothing of an older run changes."""


def scorer(name: str) -> Scorer:
    """The scorer of that name; an unknown name is refused with the list of the known ones."""
    made: Scorer = resolve(SCORERS, FORMER_NAMES.get(name, name), "scorer")()
    return made
