"""Mean and largest activation of each latent in each track, shard by shard in bounded memory.

The mean ranks exemplars and detects concepts; the maximum, f_j(x), decides whether a latent fires
(`pipeline.features.firing`).
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from pipeline.parallel import map_in_threads
from pipeline.progress import Progress
from pipeline.sae.checkpoint import StoredSae
from pipeline.sae.frames import checked_shards
from pipeline.sae.model import Latents, TopKSae
from pipeline.store.run_directory import RunDirectory

TRACKS_AT_ONCE = 4
"""Tracks whose dense pre-activations [frame, n] are in memory together."""


class TrackSummary(NamedTuple):
    """Mean and largest activation of every latent over the frames of every track."""

    tracks: tuple[str, ...]
    mean: np.ndarray
    """[track, latent] float32, normalised."""
    max: np.ndarray
    """[track, latent] float32, normalised."""


def summarise(sae: TopKSae, activations: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and maximum over frames, [track, latent], for raw activations [track, frame, d], in the
    units that `sae` reads.

    The k values per frame are scattered into their track's sums: besides the pre-activations no
    dense [frame, n] array is made.
    """
    n_tracks, n_frames, _ = activations.shape
    latents = sae.encode(activations.flatten(0, 1).float())
    # 1) Where each of the [frame, k] values belongs in a flat [track × n] array.
    row = torch.arange(n_tracks).repeat_interleave(n_frames)[:, None]
    place = (row * sae.n_latents + latents.indices).flatten()
    values = latents.values.flatten()
    # 2) Sum and maximum per place. A latent that is not among a frame's k is 0 there, which the
    #    zeros that both start from already say. `index_add` on a GPU adds in no fixed order.
    empty = torch.zeros(n_tracks * sae.n_latents)
    mean = empty.index_add(0, place, values) / n_frames
    peak = empty.scatter_reduce(0, place, values, reduce="amax")
    shape = (n_tracks, sae.n_latents)
    return mean.view(shape), peak.view(shape)


def frames_of(sae: TopKSae, activations: Tensor, latents: Tensor) -> Tensor:
    """Activations [frame, latent] of the named `latents` in one track's raw activations [frame, d].

    TopK runs over all n latents first: a latent is 0 in frames where k others are larger.
    """
    found: Latents = sae.encode(activations)
    return found.dense(sae.n_latents)[:, latents]


def track_summary(
    directory: RunDirectory, stored: StoredSae, *, workers: int, progress: Progress
) -> TrackSummary:
    """The summary of all tracks of a run, sorted by track, normalised; `workers` batches run in
    parallel."""
    tracks: list[str] = []
    parts: list[tuple[Tensor, Tensor]] = []
    for facts, array in checked_shards(directory, stored):
        tracks.extend(facts.tracks)
        batches = torch.split(torch.from_numpy(array), TRACKS_AT_ONCE)
        for part in map_in_threads(partial(summarise, stored.sae), batches, workers):
            parts.append(part)
            progress.advance(len(part[0]))
    order = np.argsort(np.asarray(tracks, dtype=object), kind="stable")
    means, peaks = zip(*parts, strict=True)
    # The stored SAE works in raw units; see `pipeline.sae.checkpoint`.
    scale = stored.facts.activation_scale
    return TrackSummary(
        tuple(tracks[place] for place in order),
        torch.cat(means).div_(scale).numpy()[order],
        torch.cat(peaks).div_(scale).numpy()[order],
    )
