"""Activation profiles of kept features: a feature's mean activation in each of a set of tracks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.corpus.tracks import usable_in_table_order
from pipeline.features.summaries import open_summaries
from pipeline.paper.sweep import Sae

Floats32 = npt.NDArray[np.float32]

TRACKS = 512
"""Largest number of tracks in a profile, so that [feature, track] fits in memory at any size."""
FEATURES = 20_000
"""Largest number of features of one subject; more are drawn at random."""
SEED = 0


@dataclass(frozen=True)
class Profiles:
    """The profiles of one subject's kept features."""

    model: str
    tracks: tuple[str, ...]
    values: Floats32
    """[feature, track]: mean over the frames of the track, normalised."""
    layers: npt.NDArray[np.str_]
    """[feature]: the layer whose SAE found it."""


def profiles(model: str, saes: Sequence[Sae]) -> Profiles:
    """The profiles over test tracks, which neither the SAE nor the filter has seen.

    One SAE is read at a time, and one latent of it.
    """
    tracks = _tracks(saes)
    values = [_of(sae, tracks) for sae in saes]
    layers = np.repeat([sae.layer for sae in saes], [len(part) for part in values])
    stacked = np.concatenate([np.zeros((0, len(tracks)), np.float32), *values])
    if len(stacked) > FEATURES:
        chosen = np.sort(np.random.default_rng(SEED).choice(len(stacked), FEATURES, replace=False))
        stacked, layers = stacked[chosen], layers[chosen]
    return Profiles(model, tuple(tracks), stacked, layers.astype(np.str_))


def _tracks(saes: Sequence[Sae]) -> list[str]:
    """At most `TRACKS` test tracks that all of the SAEs' runs could read, sorted."""
    common: set[str] | None = None
    for run in {sae.run.directory.path: sae.run for sae in saes}.values():
        test = {t.track for t in usable_in_table_order(run.directory) if t.split == "test"}
        common = test if common is None else common & test
    names = sorted(common or ())
    if len(names) > TRACKS:
        chosen = np.random.default_rng(SEED).choice(len(names), TRACKS, replace=False)
        names = [names[place] for place in sorted(chosen)]
    return names


def _of(sae: Sae, tracks: Sequence[str]) -> Floats32:
    """[kept feature, track] of one SAE, one latent at a time."""
    index, passed = sae.columns(f"features/{sae.name}.parquet", "index", "kept")
    kept = index[passed]
    summaries = open_summaries(sae.run.directory, sae.name)
    wanted = np.isin(summaries.tracks, tracks)
    # The place of each stored track in the profile; both are sorted.
    place = np.cumsum(wanted) - 1
    found = np.zeros((len(kept), len(tracks)), dtype=np.float32)
    for row, latent in enumerate(kept):
        column = summaries.column(int(latent))
        here = wanted[column.tracks]
        found[row, place[column.tracks[here]]] = column.mean[here]
    return found
