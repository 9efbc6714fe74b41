"""Which of several dictionaries, or sets of them, detect concepts best on *validation* tracks.

For each concept the latent is chosen on train tracks and graded on validation tracks, so that a
choice made here does not use the test tracks, on which `recovery` grades. A control with one fixed
size and k would be a straw man: its dictionaries are chosen in the same way as the features' were.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np

from pipeline.auroc import auroc_matrix
from pipeline.corpus.planted import Planted, split_mask
from pipeline.features.summaries import matrices, open_summaries
from pipeline.sae.checkpoint import load
from pipeline.store.run_directory import RunDirectory


@dataclass(frozen=True)
class Choice:
    """The set of dictionaries that a control is graded with."""

    label: str
    saes: tuple[str, ...]
    tried: int
    """Number of sets that it was chosen from."""
    mean: float
    """Its mean AUROC on validation tracks."""


def best_set(directory: RunDirectory, concepts: Sequence[Planted]) -> Choice | None:
    """The set of a run's SAEs with the largest mean AUROC on validation tracks; of equals the
    first. None if no concept has two validation tracks with it and two without."""
    gradable = [
        concept
        for concept in concepts
        if concept.gradable()
        and min(concept.count("validation", present=present) for present in (True, False)) >= 2
    ]
    if not gradable:
        return None
    # 1) AUROC [split, concept, latent] of each SAE, computed once for all sets.
    graded = {name: grades(directory, name, gradable) for name in directory.sae_names()}
    # 2) For each set the mean over concepts of the validation AUROC of the latent that is best on
    #    train tracks.
    sets = subsets(directory)
    means = {
        label: float(validation_aurocs([graded[name] for name in names]).mean())
        for label, names in sets.items()
    }
    label = max(means, key=lambda label: means[label])
    return Choice(label, tuple(sets[label]), len(sets), means[label])


def grades(directory: RunDirectory, sae: str, concepts: Sequence[Planted]) -> np.ndarray:
    """AUROC of the mean activation of each of an SAE's latents, on train and on validation tracks,
    [split, concept, latent]."""
    summaries = open_summaries(directory, sae)
    masks, positives = {}, {}
    for split in ("train", "validation"):
        masks[split] = split_mask(directory, summaries.tracks, split)
        here = list(compress(summaries.tracks, masks[split]))
        positives[split] = np.stack([one.present(here, split) for one in concepts], axis=1)
    found = [
        np.stack([auroc_matrix(mean[masks[split]], positives[split]) for split in masks])
        for _, mean in matrices(summaries, np.arange(summaries.n_latents))
    ]
    return np.concatenate(found, axis=2)


def subsets(directory: RunDirectory) -> dict[str, list[str]]:
    """Each SAE alone, the SAEs that share a hookpoint, a number of latents or a k, and all."""
    names = list(directory.sae_names())
    shared: dict[str, list[str]] = defaultdict(list)
    for name in names:
        stored = load(directory, name)
        shared[f"{stored.facts.hookpoint}, all"].append(name)
        shared[f"{stored.sae.n_latents} latents, all"].append(name)
        shared[f"k {stored.sae.k}, all"].append(name)
    sets = {name: [name] for name in names}
    sets |= {label: group for label, group in shared.items() if 1 < len(group) < len(names)}
    return sets | {"all": names}


def validation_aurocs(graded: Sequence[np.ndarray]) -> np.ndarray:
    """AUROC [concept] on validation tracks of the latent that is best on train tracks, among all
    latents of some SAEs; `graded`: `grades` of each."""
    on_train, on_validation = np.concatenate(graded, axis=2)
    # With few tracks several latents are equally good, but for rounding: the first of them is taken
    # on every machine.
    best = on_train.round(9).argmax(axis=1)[:, None]
    found: np.ndarray = np.take_along_axis(on_validation, best, axis=1)[:, 0]
    return found
