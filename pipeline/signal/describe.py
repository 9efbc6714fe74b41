"""One track's descriptors, and their names."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.signal import dynamics, pitch, rhythm, timbre
from pipeline.signal.frames import analyse

DESCRIPTORS: tuple[str, ...] = (
    "tempo", "beat_strength", "onset_rate", "repeats", "attack", "low_hits", "high_hits",
    "percussiveness", "minor", "key_clarity", "consonance", "chord_change", "register",
    "melody_motion", "polyphony", "vibrato", "brightness", "rolloff", "bandwidth", "sub_bass",
    "body", "flatness", "noise_floor", "steadiness", "loudness_range", "crest", "sustain",
    "decay", "growth", "tremolo", "echo", "stereo_width",
)  # fmt: skip
"""Every descriptor; the function that computes it says what it is and its unit."""


def describe(audio: npt.NDArray[np.floating], rate: int) -> dict[str, float]:
    """`DESCRIPTORS` of [sample] or [channel, sample] audio at `rate` Hz.

    A descriptor that does not apply to the track is NaN. Raises `ValueError` if the track is too
    short, silent, or not finite.
    """
    frames = analyse(audio, rate)
    found = {
        **rhythm.describe(frames),
        **pitch.describe(frames),
        **timbre.describe(frames),
        **dynamics.describe(frames),
        "stereo_width": stereo_width(audio),
    }
    return {name: float(found[name]) for name in DESCRIPTORS}


def stereo_width(audio: npt.NDArray[np.floating]) -> float:
    """10 log10 (Σ (l − r)² / Σ (l + r)²): side over mid energy, dB; NaN unless stereo."""
    if audio.ndim != 2 or audio.shape[0] != 2:
        return float("nan")
    left, right = np.asarray(audio, dtype=np.float64)
    side, middle = float(np.square(left - right).sum()), float(np.square(left + right).sum())
    return float(10 * np.log10((side + 1e-9) / (middle + 1e-9)))
