"""Timbre: how the energy is distributed over the spectrum, and how steadily.

The spectral shape descriptors follow Peeters (2004), "A large set of audio features", with these
deviations: frequencies are in octaves, since pitch and brightness are heard on that scale, and they
are computed once from the track's mean spectrum and not frame by frame.
"""

import numpy as np
import numpy.typing as npt

from pipeline.signal.frames import Array, Frames, coarse_hertz

AUDIBLE_HZ = 25.0
"""Bins below this are left out: rumble and offset."""
SUB_HZ, BODY_HZ = 75.0, 700.0
"""Below the first lies the deep bass; below the second what a small speaker does not play."""

Floats = npt.NDArray[np.float64]


def describe(frames: Frames) -> dict[str, float]:
    """One track's timbre descriptors; each function defines its own."""
    # Mean power [bin] and its frequencies; power [frame, bin] without the padded ends.
    heard = coarse_hertz() >= AUDIBLE_HZ
    hertz = coarse_hertz()[heard].astype(np.float64)
    power = frames.spectrum[heard].astype(np.float64)
    cells = np.square(frames.coarse[2:-2])
    return {
        "brightness": brightness(power, hertz),
        "rolloff": rolloff(power, hertz),
        "bandwidth": bandwidth(power, hertz),
        "sub_bass": part_under(power, hertz, SUB_HZ),
        "body": part_under(power, hertz, BODY_HZ),
        "flatness": flatness(cells[:, heard]),
        "noise_floor": noise_floor(cells),
        "steadiness": steadiness(cells),
    }


def brightness(power: Floats, hertz: Floats) -> float:
    """Spectral centroid Σ m log2(f / 1 kHz) / Σ m of the magnitudes m = √power, octaves above
    1 kHz."""
    weight = np.sqrt(power)
    return float((weight * np.log2(hertz / 1000.0)).sum() / weight.sum())


def rolloff(power: Floats, hertz: Floats) -> float:
    """Frequency below which 99 % of the energy lies, octaves above 1 kHz."""
    found = int(np.searchsorted(np.cumsum(power), 0.99 * power.sum()))
    return float(np.log2(hertz[min(found, len(hertz) - 1)] / 1000.0))


def bandwidth(power: Floats, hertz: Floats) -> float:
    """Spectral spread: the standard deviation of log2 f, weighted by power, octaves."""
    octaves = np.log2(hertz)
    weight = power / power.sum()
    return float(np.sqrt(weight @ np.square(octaves - weight @ octaves)))


def part_under(power: Floats, hertz: Floats, limit: float) -> float:
    """Energy below `limit` Hz over all energy, dB, ≥ −60."""
    return float(10 * np.log10(power[hertz < limit].sum() / power.sum() + 1e-6))


def flatness(cells: Array) -> float:
    """Spectral flatness (Wiener entropy): geometric over arithmetic mean of a frame's power, dB,
    mean over frames; `cells` [frame, bin]. Near 0 for white noise, far below for tones."""
    logs = np.log(np.maximum(cells, 1e-14)).mean(axis=1)
    means = np.log(np.maximum(cells.mean(axis=1), 1e-14))
    return float((logs - means).mean() * 10 / np.log(10))


def noise_floor(cells: Array) -> float:
    """5th percentile over bins of each bin's quiet level (15th percentile over time), dB.

    Music leaves gaps in frequency and in time; steady noise fills them all. `cells`: power [frame,
    bin].
    """
    quiet = np.percentile(cells.T.copy(), 15, axis=1)  # a contiguous axis is twice as fast
    return float(10 * np.log10(np.percentile(quiet, 5) + 1e-14))


def steadiness(cells: Array) -> float:
    """Σ over bins of the 30th percentile over time, over Σ of the mean: the share of the energy
    that is there nearly all the time, 0 to 1. `cells`: power [frame, bin]."""
    total = float(cells.mean(axis=0).sum())
    return float(np.percentile(cells.T.copy(), 30, axis=1).sum()) / max(total, 1e-12)
