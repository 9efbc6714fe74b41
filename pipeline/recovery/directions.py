"""Directions without a trained dictionary: neurons, principal components, random directions.

Concepts that these already detect do not need a sparse autoencoder.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.corpus.tracks import usable_tracks
from pipeline.progress import Progress
from pipeline.recovery.detection import Candidates
from pipeline.sae import checkpoint
from pipeline.sae.checkpoint import StoredSae
from pipeline.store.activations import read_shards
from pipeline.store.run_directory import RunDirectory

KINDS = ("neurons", "principal components", "random directions", "random dictionary")


@dataclass(frozen=True)
class _Moments:
    """Mean and covariance of all train frames at one hookpoint."""

    mean: np.ndarray
    """[d] float64."""
    covariance: np.ndarray
    """[d, d] float64."""


def untrained(directory: RunDirectory, *, seed: int, progress: Progress) -> dict[str, Candidates]:
    """Candidates of every kind in `KINDS`, over the hookpoints and the sizes of the run's SAEs.

    The score of a track with frames x_t (mean x̄_track; mean over train frames μ) is, for
    *neurons* ± x̄_track in each dimension; *principal components* v: mean over t of
    max(0, ± v·(x_t − μ)); *random directions* w: w·x̄_track, w the rows of an untrained W_dec;
    *random dictionary*: the mean activation of each latent of an SAE with the run's own n, k and
    b_dec, as it is before training.
    """
    import torch

    of_hookpoint: dict[str, list[StoredSae]] = defaultdict(list)
    for number, name in enumerate(directory.sae_names()):
        stored = checkpoint.load(directory, name)
        generator = torch.Generator().manual_seed(seed + number)
        stored.sae.initialise(generator, stored.sae.b_dec.detach())
        of_hookpoint[stored.facts.hookpoint].append(stored)
    found: dict[str, Candidates] = {}
    for hookpoint, dictionaries in of_hookpoint.items():
        for kind, here in _candidates_at(directory, hookpoint, dictionaries, progress).items():
            found[kind] = found[kind].joined_with(here) if kind in found else here
    return found


def _candidates_at(
    directory: RunDirectory, hookpoint: str, dictionaries: list[StoredSae], progress: Progress
) -> dict[str, Candidates]:
    """Candidates of every kind at one hookpoint; `dictionaries` are untrained."""
    import torch

    from pipeline.features.encoding import summarise

    usable = usable_tracks(directory)
    train = frozenset(t.track for t in usable if t.split == "train")
    # Each track is read twice: for the covariance, and for the scores.
    progress.start(f"untrained directions {hookpoint}", 2 * len(usable), "track")
    # 1) Principal components [d, d], as rows, from the covariance of train frames only.
    moments = _moments(directory, hookpoint, train, progress)
    components = np.linalg.eigh(moments.covariance)[1].T.astype(np.float32)
    both = np.concatenate([components, -components])
    directions = np.concatenate([one.sae.W_dec.detach().numpy() for one in dictionaries])
    offset = moments.mean.astype(np.float32)
    # 2) Scores of a few tracks at a time, one array [track, candidate] per kind.
    tracks: list[str] = []
    rows: list[list[np.ndarray]] = []
    for names, batch in _batches(directory, hookpoint):
        tracks.extend(names)
        # batch [track, frame, d]; mean [track, d]; above [track, 2 d].
        mean = batch.mean(axis=1)
        above = np.maximum((batch - offset) @ both.T, 0.0).mean(axis=1)
        frames = torch.from_numpy(batch)
        fired = [
            summarise(one.sae, frames).mean.numpy() / one.facts.activation_scale
            for one in dictionaries
        ]
        rows.append(
            [
                np.concatenate([mean, -mean], axis=1),
                above,
                mean @ directions.T,
                np.concatenate(fired, axis=1),
            ]
        )
        progress.advance(len(names))
    progress.finish()
    # 3) Sorted by track, as the SAEs' summaries are.
    order = np.argsort(np.asarray(tracks, dtype=object), kind="stable")
    columns = [np.concatenate(column)[order] for column in zip(*rows, strict=True)]
    listed = [tracks[place] for place in order]
    return {
        kind: Candidates.split(
            directory, listed, [f"{hookpoint}: {kind} {i}" for i in range(scores.shape[1])], scores
        )
        for kind, scores in zip(KINDS, columns, strict=True)
    }


def _moments(
    directory: RunDirectory, hookpoint: str, train: frozenset[str], progress: Progress
) -> _Moments:
    """μ = Σ x / N and C = Σ x xᵀ / N − μ μᵀ over the N train frames."""
    # Products in float32 per batch, sums over batches in float64.
    total, square, count = 0.0, 0.0, 0
    for names, batch in _batches(directory, hookpoint):
        inside = [place for place, name in enumerate(names) if name in train]
        frames = batch[inside].reshape(-1, batch.shape[-1])
        total = total + frames.sum(axis=0, dtype=np.float64)
        square = square + (frames.T @ frames).astype(np.float64)
        count += len(frames)
        progress.advance(len(names))
    mean = np.asarray(total) / count
    return _Moments(mean, np.asarray(square) / count - np.outer(mean, mean))


def _batches(
    directory: RunDirectory, hookpoint: str, size: int = 4
) -> Iterator[tuple[Sequence[str], np.ndarray]]:
    """Names and float32 activations [track, frame, d] of `size` tracks at a time."""
    for facts, array in read_shards(directory, hookpoint):
        for start in range(0, len(array), size):
            part = slice(start, start + size)
            yield facts.tracks[part], array[part].astype(np.float32)
