"""Loudness over time: range, length of notes, decay, tremolo, echoes."""

import numpy as np
import numpy.typing as npt

from pipeline.signal.frames import FINE_RATE, RATE, Array, Frames, decibels

TREMOLO_HZ = (3.5, 8.5)
"""How often a second a volume pulses that is heard as pulsing."""
ECHO_SECONDS = (0.12, 0.8)
"""Delays that are heard as a repeat, not as colour."""


def describe(frames: Frames) -> dict[str, float]:
    """The dynamics' descriptors of one track."""
    loudness = frames.loudness
    return {
        "loudness_range": float(np.percentile(loudness, 95) - np.percentile(loudness, 10)),
        "crest": crest(frames.audio),
        "sustain": sustain(frames.levels[:, frames.loud_bands]),
        "decay": decay(frames),
        "growth": growth(frames.bands),
        "tremolo": tremolo(frames.levels),
        "echo": echo(frames.audio),
    }


def crest(audio: Array) -> float:
    """Peak (99.9th percentile) over RMS, dB."""
    return float(20 * np.log10(np.percentile(np.abs(audio), 99.9) + 1e-9))


def sustain(levels: Array) -> float:
    """Share of time that a band [frame, band] stays within 12 dB of its own loud level."""
    return float(np.mean(levels > np.percentile(levels, 95, axis=0) - 12))


def decay(frames: Frames) -> float:
    """How far bands fall in 160 ms when they fall fastest, dB: a long reverberation forbids it."""
    from scipy.ndimage import uniform_filter1d

    lag = round(0.16 * FINE_RATE)
    levels = decibels(uniform_filter1d(frames.bands[:, frames.loud_bands], 5, axis=0))
    return float(np.percentile(levels[:-lag] - levels[lag:], 99, axis=0).mean())


def growth(bands: Array) -> float:
    """Power of the last third over that of the first, dB: what grows louder is over 0."""
    power, third = bands.sum(axis=1).astype(np.float64), len(bands) // 3
    return float(10 * np.log10((power[-third:].mean() + 1e-9) / (power[:third].mean() + 1e-9)))


def tremolo(levels: Array) -> float:
    """Depth of the strongest steady modulation at `TREMOLO_HZ`, dB.

    Of the level averaged over bands, so that only what moves all bands together counts.
    """
    curve = levels.mean(axis=1).astype(np.float64)
    window = np.hanning(len(curve))
    size = np.abs(np.fft.rfft((curve - curve.mean()) * window)) * 4 / window.sum()
    hertz = np.fft.rfftfreq(len(curve), 1 / FINE_RATE)
    return float(size[(hertz >= TREMOLO_HZ[0]) & (hertz <= TREMOLO_HZ[1])].max())


def echo(audio: Array) -> float:
    """Log of the power cepstrum's peak at `ECHO_SECONDS` over its median there.

    The cepstrum was made for echoes (Bogert, Healy and Tukey, 1963): a repeat of the whole sound
    ripples the logarithm of its spectrum.
    """
    import scipy.fft

    size = scipy.fft.next_fast_len(2 * len(audio), real=True)
    power = np.abs(scipy.fft.rfft(audio, size)) ** 2
    cepstrum: npt.NDArray[np.floating] = scipy.fft.irfft(np.log(power + 1e-3), size)
    part = np.abs(cepstrum[int(ECHO_SECONDS[0] * RATE) : int(ECHO_SECONDS[1] * RATE)])
    return float(np.log(part.max() / max(float(np.median(part)), 1e-12)))
