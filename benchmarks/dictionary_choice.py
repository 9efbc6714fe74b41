"""Which dictionaries find most? Every SAE of a run, and sets of them, on *validation* tracks.

For each concept the latent is chosen on train tracks and graded on validation tracks, so that a
choice made here leaves the test tracks, which `recovery` grades on, unseen.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.artifacts import RunDirectory
from pipeline.auroc import auroc_matrix
from pipeline.errors import PipelineError
from pipeline.recovery import ENOUGH_TRACKS, FOUND
from pipeline.recovery.planted import Planted, planted_concepts, split_mask
from pipeline.sae.checkpoint import load


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="directory of a run whose stage features is done")
    options = parser.parse_args()
    try:
        directory = RunDirectory(options.run)
        directory.read_json("run.json")  # Says so if this is no run.
        concepts = gradable(directory)
        graded = {name: grades(directory, name, concepts) for name in directory.sae_names()}
        sets = subsets(directory)
    except PipelineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"Of {len(concepts)} concepts on validation tracks, chosen on train tracks:\n")
    print(f"| dictionaries | latents | AUROC ≥ {FOUND} | ≥ {FOUND - 0.02:.2f} | mean |")
    print("|---|---|---|---|---|")
    for label, names in sets.items():
        print(line(label, [graded[name] for name in names]))
    return 0


def gradable(directory: RunDirectory) -> list[Planted]:
    """The concepts that enough validation tracks have and have not.

    Raises `PipelineError` if there is none.
    """
    found = [
        concept
        for concept in planted_concepts(directory)
        if concept.gradable()
        and min(concept.count("validation", present=is_there) for is_there in (True, False))
        >= ENOUGH_TRACKS
    ]
    if not found:
        raise PipelineError(
            f"no concept of {directory.path} has {ENOUGH_TRACKS} validation tracks with it and as "
            "many without: nothing can be graded"
        )
    return found


def grades(directory: RunDirectory, sae: str, concepts: Sequence[Planted]) -> np.ndarray:
    """AUROC of an SAE's latents on train and on validation tracks, [split, concept, latent]."""
    tensors, metadata = directory.read_tensors(f"features/{sae}.activations.safetensors")
    tracks = json.loads(metadata["tracks"])
    found = []
    for split in ("train", "validation"):
        inside = split_mask(directory, tracks, split)
        here = [track for track, is_inside in zip(tracks, inside, strict=True) if is_inside]
        positive = np.stack([concept.present(here, split) for concept in concepts], axis=1)
        found.append(auroc_matrix(tensors["mean"][inside], positive))
    return np.stack(found)


def subsets(directory: RunDirectory) -> dict[str, list[str]]:
    """Each SAE, then those that share a hookpoint, a number of latents or a k, then all."""
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


def line(label: str, graded: Sequence[np.ndarray]) -> str:
    """One set's row."""
    on_train, on_validation = np.concatenate(graded, axis=2)
    best = on_train.argmax(axis=1)[:, None]
    found = np.take_along_axis(on_validation, best, axis=1)[:, 0]
    cells = [label, str(on_train.shape[1])]
    cells += [str(int((found >= limit).sum())) for limit in (FOUND, FOUND - 0.02)]
    return f"| {' | '.join([*cells, f'{found.mean():.3f}'])} |"


if __name__ == "__main__":
    sys.exit(main())
