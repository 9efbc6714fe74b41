"""What a CLAP backend does, and how a track of any length gets one reproducible embedding.

Deviation from both libraries: they crop a sound that is longer than the model's window at random,
so a score would differ from call to call. Here a track is first cut at fixed places into crops that
fit the window, and its embedding is their mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Floats32 = npt.NDArray[np.float32]


class Clap(Protocol):
    """A loaded model. Every embedding has norm 1."""

    sample_rate: int
    """Sample rate of its input, Hz."""
    window_seconds: float
    """Length of the longest sound that it embeds without cropping, seconds."""

    def embed_sounds(self, sounds: Sequence[Floats32]) -> Floats32:
        """[sound, width] of mono sounds [sample], none longer than the window.

        Each embedding depends on its own sound only, not on the rest of the batch.
        """

    def embed_texts(self, texts: Sequence[str]) -> Floats32:
        """[text, width]."""


def crop_starts(seconds: float, window: float) -> list[float]:
    """Where the crops of a sound begin, seconds: the fewest that cover it, n = ⌈seconds / window⌉,
    evenly spaced from its start to (end − window), so that they overlap."""
    if seconds <= window:
        return [0.0]
    count = ceil(seconds / window)
    return [place * (seconds - window) / (count - 1) for place in range(count)]


def crops(sound: Floats32, clap: Clap) -> list[Floats32]:
    """A sound [sample] as crops [sample], none longer than the window."""
    length = round(clap.window_seconds * clap.sample_rate)
    starts = crop_starts(len(sound) / clap.sample_rate, clap.window_seconds)
    first = [min(round(start * clap.sample_rate), max(0, len(sound) - length)) for start in starts]
    return [sound[start : start + length] for start in first]


def embed_whole(sound: Floats32, clap: Clap) -> Floats32:
    """[width]: the mean over the sound's crops, normalised again."""
    return whole(clap.embed_sounds(crops(sound, clap)))


def whole(embedded: Floats32) -> Floats32:
    """[width] of a sound from the embeddings [crop, width] of its crops."""
    mean = embedded.mean(axis=0, keepdims=True)
    return np.asarray(unit(mean)[0], dtype=np.float32)


def batches(items: Sequence[Any], size: int) -> list[Sequence[Any]]:
    """`items` in consecutive parts of `size`; the last may be shorter."""
    return [items[start : start + size] for start in range(0, len(items), size)]


def unit(rows: npt.NDArray[np.floating]) -> Floats32:
    """Rows [row, width] divided by their L2 norm; a row of zeros stays zeros."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(length > 0, length, 1.0), dtype=np.float32)
