"""From frames to what each latent does in each track.

The mean over a track's frames ranks exemplars and detects concepts; the maximum, f_j(x), decides
whether a latent fires (`pipeline.features.firing`); its frame says where in the track to listen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from pipeline.config import MachineConfig
from pipeline.parallel import map_in_threads
from pipeline.sae.checkpoint import StoredSae
from pipeline.sae.frames import checked_shards
from pipeline.sae.model import Latents, TopKSae
from pipeline.store.run_directory import RunDirectory

TRACKS_AT_ONCE = 4
"""Tracks whose dense pre-activations [frame, n] are in memory together, for each worker."""
CELLS_AT_ONCE = 1 << 26
"""Fewer tracks than that where they have more pre-activations than this, 256 MiB. It depends on the
SAE and the tracks only: products of other shapes can differ in the last bit."""

ENTRY = np.dtype(
    [("latent", "<i4"), ("track", "<i4"), ("mean", "<f4"), ("max", "<f4"), ("frame", "<i4")]
)
"""A latent that is active in a track: its mean and largest activation over the track's frames,
normalised, and the first frame that reaches the largest, as a row of the activation file."""


class TrackLatents(NamedTuple):
    """What every latent does in every track, dense: for a few tracks only."""

    mean: Tensor
    """[track, latent], in the units that the SAE reads."""
    max: Tensor
    """[track, latent], in the same units."""
    frame: Tensor
    """[track, latent] int32, the first frame that reaches `max`; no meaning where that is 0."""


def summarise(sae: TopKSae, activations: Tensor) -> TrackLatents:
    """Mean and maximum over frames, for raw activations [track, frame, d].

    The k values per frame are scattered into their track's sums: besides the pre-activations no
    dense [frame, n] array is made.
    """
    n_tracks, n_frames, _ = activations.shape
    latents = sae.encode(activations.flatten(0, 1).to(sae.W_dec.device, torch.float32))
    # 1) Where each of the [frame, k] values belongs in a flat [track × n] array. Summed on the CPU:
    #    on a GPU `index_add` adds in no fixed order, and the sums are the smaller part by far.
    indices, values = latents.indices.cpu(), latents.values.cpu().flatten()
    row = torch.arange(n_tracks).repeat_interleave(n_frames)[:, None]
    place = (row * sae.n_latents + indices).flatten()
    # 2) Sum and maximum per place. A latent that is not among a frame's k is 0 there, which the
    #    zeros that both start from already say.
    empty = torch.zeros(n_tracks * sae.n_latents)
    mean = empty.index_add(0, place, values) / n_frames
    peak = empty.scatter_reduce(0, place, values, reduce="amax")
    # 3) Of the frames that reach the maximum the first.
    frame = torch.arange(n_frames, dtype=torch.int32).repeat(n_tracks)[:, None]
    frames = frame.expand_as(indices).flatten()
    reached = values == peak[place]
    first = torch.full_like(empty, n_frames, dtype=torch.int32).scatter_reduce(
        0, place[reached], frames[reached], reduce="amin"
    )
    shape = (n_tracks, sae.n_latents)
    return TrackLatents(mean.view(shape), peak.view(shape), first.view(shape))


def frames_of(sae: TopKSae, activations: Tensor, latents: Tensor) -> Tensor:
    """Activations [frame, latent] of the named `latents` in one track's raw activations [frame, d].

    TopK runs over all n latents first: a latent is 0 in frames where k others are larger.
    """
    found: Latents = sae.encode(activations)
    return found.dense(sae.n_latents)[:, latents]


def entries_of(stored: StoredSae, activations: Tensor) -> np.ndarray:
    """The latents that are active in some tracks, as `ENTRY` [entry], by latent and then by track;
    tracks counted from 0, for raw activations [track, frame, d]."""
    found = summarise(stored.sae, activations)
    latent, track = found.max.T.nonzero(as_tuple=True)
    entries = np.empty(len(latent), dtype=ENTRY)
    entries["latent"], entries["track"] = latent.numpy(), track.numpy()
    # The stored SAE works in raw units; see `pipeline.sae.checkpoint`.
    scale = stored.facts.activation_scale
    entries["mean"] = found.mean[track, latent].div_(scale).numpy()
    entries["max"] = found.max[track, latent].div_(scale).numpy()
    entries["frame"] = found.frame[track, latent].numpy()
    return entries


def tracks_at_once(frames: int, n_latents: int) -> int:
    """Tracks of so many frames that are encoded together."""
    return max(1, min(TRACKS_AT_ONCE, CELLS_AT_ONCE // (frames * n_latents)))


def entries_of_run(
    directory: RunDirectory, saes: Sequence[StoredSae], machine: MachineConfig
) -> Iterator[tuple[str, tuple[str, ...], np.ndarray]]:
    """The entries of all tracks of a run under SAEs of one hookpoint, whose files are read once.

    Yields an SAE's name, a few tracks and their entries; for each SAE in the order of the
    activation files, whatever the number of workers.
    """
    for facts, array in checked_shards(directory, saes):
        for stored in saes:
            size = tracks_at_once(array.shape[1], stored.sae.n_latents)
            batches = torch.split(torch.from_numpy(array), size)
            encoded = map_in_threads(partial(entries_of, stored), batches, machine.workers)
            for number, entries in enumerate(encoded):
                yield stored.name, facts.tracks[number * size : (number + 1) * size], entries
