"""What a CLAP backend answers, and how a track of any length is read the same way twice.

Both libraries crop a longer sound at random, so a score would not be the same twice. Here a track
is cut beforehand into crops at fixed places that no library needs to cut again.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Protocol

import numpy as np
import numpy.typing as npt

Floats32 = npt.NDArray[np.float32]


class Clap(Protocol):
    """A loaded model. Every embedding has norm 1."""

    sample_rate: int
    """Of the sounds that it takes, Hz."""
    window_seconds: float
    """The longest sound that it takes whole, seconds."""

    def embed_sounds(self, sounds: Sequence[Floats32]) -> Floats32:
        """[sound, width] of mono sounds [sample], none longer than the window.

        Each is embedded as if alone: what else is in the call changes nothing.
        """

    def embed_texts(self, texts: Sequence[str]) -> Floats32:
        """[text, width]."""


def crop_starts(seconds: float, window: float) -> list[float]:
    """Where the crops of a sound begin, seconds: evenly, from its start to its end, the fewest
    that leave nothing unheard."""
    if seconds <= window:
        return [0.0]
    count = ceil(seconds / window)
    return [place * (seconds - window) / (count - 1) for place in range(count)]


def crops(sound: Floats32, clap: Clap) -> list[Floats32]:
    """A sound [sample] as crops of at most the window."""
    length = round(clap.window_seconds * clap.sample_rate)
    starts = crop_starts(len(sound) / clap.sample_rate, clap.window_seconds)
    first = [min(round(start * clap.sample_rate), max(0, len(sound) - length)) for start in starts]
    return [sound[start : start + length] for start in first]


def embed_whole(sound: Floats32, clap: Clap) -> Floats32:
    """[width]: the mean over the sound's crops, of norm 1."""
    mean = clap.embed_sounds(crops(sound, clap)).mean(axis=0, keepdims=True)
    return np.asarray(unit(mean)[0], dtype=np.float32)


def unit(rows: npt.NDArray[np.floating]) -> Floats32:
    """Rows [row, width] at norm 1; a row of zeros stays one."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(length > 0, length, 1.0), dtype=np.float32)
