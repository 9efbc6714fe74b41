"""Directions that no dictionary was trained for: neurons, principal components, random ones.

What they detect, a sparse autoencoder need not be trained for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.activation_files import read_shards
from pipeline.artifacts import RunDirectory
from pipeline.recovery.detection import Candidates
from pipeline.recovery.planted import split_mask
from pipeline.sae import checkpoint

KINDS = ("neurons", "principal components", "random directions", "random dictionary")


@dataclass(frozen=True)
class _Moments:
    """Of all train frames at one hookpoint."""

    mean: np.ndarray
    """[d] float64."""
    covariance: np.ndarray
    """[d, d] float64."""


def untrained(directory: RunDirectory, *, seed: int) -> dict[str, Candidates]:
    """Candidates of every kind in `KINDS`, over the hookpoints of the run's SAEs.

    Neurons and random directions are read as a track's mean along them (neurons with both
    signs); principal components as the mean of what is over the average, with both signs. The
    random dictionary has the SAEs' own size, centre and k, and directions that nobody trained.
    """
    found: dict[str, Candidates] = {}
    for number, name in enumerate(directory.sae_names()):
        for kind, here in _of_sae(directory, name, seed + number).items():
            found[kind] = found[kind].beside(here) if kind in found else here
    return found


def _of_sae(directory: RunDirectory, name: str, seed: int) -> dict[str, Candidates]:
    import torch

    from pipeline.sae.summary import summarise

    stored = checkpoint.load(directory, name)
    hookpoint, scale = stored.facts.hookpoint, stored.facts.activation_scale
    centre = stored.sae.centre.detach()
    generator = torch.Generator().manual_seed(seed)
    stored.sae.initialise(generator, centre)
    directions = stored.sae.decoder.detach().numpy()
    moments = _moments(directory, hookpoint)
    components = np.linalg.eigh(moments.covariance)[1].T.astype(np.float32)
    both = np.concatenate([components, -components])
    offset = moments.mean.astype(np.float32)
    tracks: list[str] = []
    rows: list[list[np.ndarray]] = []
    for names, batch in _batches(directory, hookpoint):
        tracks.extend(names)
        mean = batch.mean(axis=1)
        above = np.maximum((batch - offset) @ both.T, 0.0).mean(axis=1)
        fired, _ = summarise(stored.sae, torch.from_numpy(batch))
        rows.append(
            [np.concatenate([mean, -mean], axis=1), above, mean @ directions.T, fired.numpy()]
        )
    order = np.argsort(np.asarray(tracks, dtype=object), kind="stable")
    columns = [np.concatenate(column)[order] for column in zip(*rows, strict=True)]
    columns[3] = columns[3] / scale
    listed = [tracks[place] for place in order]
    return {
        kind: Candidates.split(
            directory, listed, [f"{name}: {kind} {i}" for i in range(scores.shape[1])], scores
        )
        for kind, scores in zip(KINDS, columns, strict=True)
    }


def _moments(directory: RunDirectory, hookpoint: str) -> _Moments:
    total, square, count = 0.0, 0.0, 0
    for names, batch in _batches(directory, hookpoint):
        frames = batch[split_mask(directory, names, "train")].reshape(-1, batch.shape[-1])
        total = total + frames.sum(axis=0, dtype=np.float64)
        square = square + (frames.T @ frames).astype(np.float64)
        count += len(frames)
    mean = np.asarray(total) / count
    return _Moments(mean, np.asarray(square) / count - np.outer(mean, mean))


def _batches(
    directory: RunDirectory, hookpoint: str, size: int = 4
) -> Iterator[tuple[Sequence[str], np.ndarray]]:
    """Names and float32 activations [track, frame, d] of a few tracks at a time."""
    for facts, array in read_shards(directory, hookpoint):
        for start in range(0, len(array), size):
            part = slice(start, start + size)
            yield facts.tracks[part], array[part].astype(np.float32)
