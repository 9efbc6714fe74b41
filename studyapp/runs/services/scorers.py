"""What scorers' numbers mean, in words for pages."""

from __future__ import annotations

MEANING = {
    "detection": "How well the label tells held-out tracks in which the feature fires from "
    "others, by CLAP (AUROC): 0.5 is chance, 1 is perfect.",
    "intruder": "How often the label finds the one clip of five in which the feature does not "
    "fire, by CLAP: 0.2 is chance, 1 is perfect.",
    "localisation": "How well the label tells the moments of a track at which the feature fires "
    "from the others, by CLAP (AUROC): 0.5 is chance, 1 is perfect.",
    "clap": "How well the label fits the feature’s exemplars, by CLAP (mean cosine, −1 to 1). The "
    "label was made from these clips, so this does not validate it.",
    "reading": "How well the label, read by its own method, tells held-out tracks in which the "
    "feature fires from others (AUROC): 0.5 is chance. Not comparable between methods.",
}
MEANING["fuzzing"] = MEANING["localisation"]
CHANCE = {"detection": 0.5, "reading": 0.5, "localisation": 0.5, "fuzzing": 0.5, "intruder": 0.2}
"""Score of a label that says nothing."""


def explained(scorer: str) -> str:
    """What a scorer's numbers mean."""
    return MEANING.get(scorer, f"A grade by the scorer {scorer}.")
