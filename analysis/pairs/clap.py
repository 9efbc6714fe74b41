"""Agreement of CLAP with listeners, clip by clip, from `steering.csv` beside the table.

That file is the run's `steering/NAME.effects.parquet` as CSV, with the columns `feature`,
`intervention`, `alpha`, `seed`, `label`, `label_similarity` and `label_similarity_plain`: CLAP's
cosine of a clip, and of the unsteered one of the same seed, to the label. CLAP chooses the clip
whose cosine to the label that was asked about is larger. A clip that the file does not have, or has
with several values (as with several random directions), is left out, and so is a pair of equal
cosines.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analysis.arrays import Floats
from analysis.estimates.descriptives import rating_share
from analysis.estimates.intervals import LEVEL
from analysis.estimates.results import Estimate
from analysis.pairs.trials import Arm, Pairs
from analysis.reading.companions import decimal, read_table

FILE = "steering.csv"
NEEDED = (
    "feature", "intervention", "alpha", "seed", "label", "label_similarity",
    "label_similarity_plain",
)  # fmt: skip
Clip = tuple[str, str, str, float, str]
"""Feature, label, intervention (empty: unsteered), α, seed."""


@dataclass(frozen=True)
class Cosines:
    """CLAP's cosine of each clip to its feature's label; NaN where the file has several."""

    of: dict[Clip, float]

    def arm(self, feature: str, label: str, arm: Arm, seed: str) -> float:
        """The cosine of a clip; NaN where the file does not say it."""
        plain = arm.role == "plain"
        name, alpha = ("", 0.0) if plain else (arm.intervention, arm.strength)
        return self.of.get((feature, label, name, alpha, seed), math.nan)


def read_cosines(folder: Path) -> Cosines | None:
    """The file beside the table; None without it."""
    rows = read_table(folder, FILE, NEEDED)
    if rows is None:
        return None
    found: dict[Clip, float] = {}
    for n, row in enumerate(rows, start=2):
        alpha = decimal(FILE, n, "alpha", row["alpha"])
        named = {
            "label_similarity": (row["intervention"], alpha),
            "label_similarity_plain": ("", 0.0),
        }
        for column, (intervention, dose) in named.items():
            if row[column] == "":
                continue
            value = decimal(FILE, n, column, row[column])
            clip = (row["feature"], row["label"], intervention, dose, row["seed"])
            found[clip] = value if found.get(clip, value) == value else math.nan
    return Cosines(found)


def describe_clap(
    pairs: Pairs, cosines: Cosines | None, method: str, level: float = LEVEL
) -> Iterator[Estimate]:
    """Over the pairs of which CLAP prefers a clip: how often listeners chose it too."""
    if cosines is None:
        return
    first, second = (_cosines(pairs, cosines, side) for side in (pairs.first, pairs.second))
    usable = np.isfinite(first) & np.isfinite(second) & (first != second) & pairs.decided
    if not usable.any():
        return
    own = pairs.only(usable)
    agrees = (own.answer == (first > second)[usable]).astype(np.float64)
    label = f"share of choices that are the clip whose CLAP cosine to the label is larger ({FILE})"
    yield from rating_share(own.ratings(method), agrees, "pair_clap_agrees", label, level)


def _cosines(pairs: Pairs, cosines: Cosines, side: tuple[Arm, ...]) -> Floats:
    frame = pairs.frame
    seeds = frame["steering_seed"] if "steering_seed" in frame.columns else [""] * len(frame)
    labels = frame["prompt"] if "prompt" in frame.columns else [""] * len(frame)
    found = (
        cosines.arm(feature, label, arm, seed)
        for feature, label, arm, seed in zip(frame["feature"], labels, side, seeds, strict=True)
    )
    return np.array(list(found), dtype=np.float64)
