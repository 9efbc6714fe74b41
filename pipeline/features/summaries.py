"""What each latent does in each track, computed shard by shard with flat memory."""

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
"""Tracks whose dense pre-activations are in memory together."""


class TrackSummary(NamedTuple):
    """Mean and largest activation of every latent over the frames of every track."""

    tracks: tuple[str, ...]
    mean: np.ndarray
    """[track, latent] float32, normalised."""
    max: np.ndarray
    """[track, latent] float32, normalised."""


def summarise(sae: TopKSae, activations: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and maximum over frames, [track, latent], for raw activations [track, frame, d].

    The sparse latents are added up where they belong; no dense [frame, latent] array is made.
    """
    n_tracks, n_frames, _ = activations.shape
    latents = sae.encode(activations.flatten(0, 1).float())
    row = torch.arange(n_tracks).repeat_interleave(n_frames)[:, None]
    place = (row * sae.n_latents + latents.indices).flatten()
    values = latents.values.flatten()
    empty = torch.zeros(n_tracks * sae.n_latents)
    mean = empty.index_add(0, place, values) / n_frames
    peak = empty.scatter_reduce(0, place, values, reduce="amax")
    shape = (n_tracks, sae.n_latents)
    return mean.view(shape), peak.view(shape)


def frames_of(sae: TopKSae, activations: Tensor, latents: Tensor) -> Tensor:
    """Activations [frame, latent] of the named `latents` in one track [frame, d], raw."""
    found: Latents = sae.encode(activations)
    return found.dense(sae.n_latents)[:, latents]


def track_summary(
    directory: RunDirectory, stored: StoredSae, *, workers: int, progress: Progress
) -> TrackSummary:
    """The summary of all tracks of a run, sorted by track; `workers` batches side by side."""
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
    scale = stored.facts.activation_scale
    return TrackSummary(
        tuple(tracks[place] for place in order),
        torch.cat(means).div_(scale).numpy()[order],
        torch.cat(peaks).div_(scale).numpy()[order],
    )
