"""Colour: how the energy lies over the spectrum, and how steadily."""

import numpy as np
import numpy.typing as npt

from pipeline.signal.frames import Array, Frames, coarse_hertz

AUDIBLE_HZ = 25.0
"""Bins under this are left out: rumble and offset."""
SUB_HZ, BODY_HZ = 75.0, 700.0
"""Under the first lies the deep bass; under the second what a small speaker leaves out."""

Floats = npt.NDArray[np.float64]


def describe(frames: Frames) -> dict[str, float]:
    """The colour's descriptors of one track."""
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
    """Centroid of the magnitude spectrum on a logarithmic axis, octaves over 1 kHz."""
    weight = np.sqrt(power)
    return float((weight * np.log2(hertz / 1000.0)).sum() / weight.sum())


def rolloff(power: Floats, hertz: Floats) -> float:
    """Frequency under which 99 % of the energy lies, octaves over 1 kHz."""
    found = int(np.searchsorted(np.cumsum(power), 0.99 * power.sum()))
    return float(np.log2(hertz[min(found, len(hertz) - 1)] / 1000.0))


def bandwidth(power: Floats, hertz: Floats) -> float:
    """Standard deviation of the energy round its centroid, octaves."""
    octaves = np.log2(hertz)
    weight = power / power.sum()
    return float(np.sqrt(weight @ np.square(octaves - weight @ octaves)))


def part_under(power: Floats, hertz: Floats, limit: float) -> float:
    """Energy under `limit` Hz, dB relative to all."""
    return float(10 * np.log10(power[hertz < limit].sum() / power.sum() + 1e-6))


def flatness(cells: Array) -> float:
    """Geometric over arithmetic mean of each frame's power [frame, bin], dB, averaged."""
    logs = np.log(np.maximum(cells, 1e-14)).mean(axis=1)
    means = np.log(np.maximum(cells.mean(axis=1), 1e-14))
    return float((logs - means).mean() * 10 / np.log(10))


def noise_floor(cells: Array) -> float:
    """Level of the emptiest twentieth of the spectrum, in the quiet moments of each bin, dB.

    Music leaves gaps in frequency and in time; steady noise fills them all.
    """
    quiet = np.percentile(cells.T.copy(), 15, axis=1)  # a contiguous axis is twice as fast
    return float(10 * np.log10(np.percentile(quiet, 5) + 1e-14))


def steadiness(cells: Array) -> float:
    """Share of the energy that never stops: each bin's 30th percentile over its mean, pooled."""
    total = float(cells.mean(axis=0).sum())
    return float(np.percentile(cells.T.copy(), 30, axis=1).sum()) / max(total, 1e-12)
