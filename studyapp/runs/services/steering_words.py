"""What interventions and their measures mean, in words for pages."""

from __future__ import annotations

from dataclasses import dataclass

INTERVENTIONS = {
    "add": "The feature’s own vector is added in every step, as in the paper: α times its largest "
    "activation over the exemplars.",
    "add-two": "The feature and its nearest kept neighbour are added, their directions made "
    "orthogonal.",
    "clamp": "The latent writes α times its largest activation over the exemplars, whatever it "
    "wrote before.",
    "ablate": "What the latent writes is taken out.",
    "ablate-asked": "What the latent writes is taken out of music whose prompt has the label.",
    "random-ablation": "As much as the feature wrote is taken out along a random direction.",
    "exemplar-difference": "Added is the mean of the exemplars’ frames less that of all validation "
    "tracks; no SAE is needed.",
    "mean-difference": "Added is the difference in means of two sets of prompts.",
    "prompt": "The label is a part of the prompt; nothing is added.",
    "random-direction": "A random direction is added, as long as the feature’s vector.",
    "random-feature": "Another kept feature, drawn at random, is added.",
    "equal-rate-feature": "The kept feature that fires as often is added.",
}
"""As in `pipeline/steering/interventions.py`; a test compares them."""


@dataclass(frozen=True)
class Measure:
    """What is measured of a steered clip."""

    name: str
    axis: str
    """Of a chart: the rise, with its unit."""
    help: str


MEASURES = {
    "similarity": Measure(
        "Similarity to exemplars",
        "rise of the CLAP cosine to the exemplars",
        "Mean CLAP cosine of the music to the feature’s exemplars.",
    ),
    "label_similarity": Measure(
        "Similarity to the label",
        "rise of the CLAP cosine to the label",
        "CLAP cosine of the music to the feature’s label.",
    ),
    "concept_score": Measure(
        "Planted concept",
        "rise of the concept’s log-odds",
        "Log-odds of the planted concept that the feature detects, by a classifier of sound.",
    ),
    "own_moved": Measure(
        "Own activation",
        "rise of its activation, standard deviations",
        "How far the feature’s own mean activation rises when the music is read again, in standard "
        "deviations over validation tracks.",
    ),
    "others_moved": Measure(
        "Other features",
        "mean move of the others, standard deviations",
        "How far the other kept features move when the music is read again, up or down, on "
        "average, in standard deviations over validation tracks.",
    ),
}


def explained(intervention: str) -> str:
    """What an intervention does."""
    return INTERVENTIONS.get(intervention, f"The intervention {intervention}.")
