"""Which dictionaries detect most concepts? Every SAE of a run, and sets, on *validation* tracks.

For each concept, the latent is chosen on train tracks and evaluated on validation tracks. So
dictionaries can be chosen here without looking at the test tracks, on which `recovery` evaluates.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.corpus.planted import Planted, planted_concepts
from pipeline.errors import PipelineError
from pipeline.recovery.choice import grades, subsets, validation_aurocs
from pipeline.recovery.table import ENOUGH_TRACKS, FOUND
from pipeline.store.run_directory import RunDirectory


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="directory of a run whose stage features is done")
    options = parser.parse_args()
    try:
        directory = RunDirectory(options.run)
        directory.read_json("run.json")  # Raises `PipelineError` if this is not a run.
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
    """The concepts that enough validation tracks have, and enough lack.

    Raises `PipelineError` if there are none.
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
            "many without: nothing can be evaluated"
        )
    return found


def line(label: str, graded: Sequence[np.ndarray]) -> str:
    """The table's row for one set of dictionaries."""
    found = validation_aurocs(graded)
    cells = [label, str(sum(part.shape[2] for part in graded))]
    cells += [str(int((found >= limit).sum())) for limit in (FOUND, FOUND - 0.02)]
    return f"| {' | '.join([*cells, f'{found.mean():.3f}'])} |"


if __name__ == "__main__":
    sys.exit(main())
