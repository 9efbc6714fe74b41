"""Loudness over time: range, length of notes, decay, tremolo, echoes.

Levels are plain powers in dB, not loudness after ITU-R BS.1770: a difference of levels within one
track needs no weighting of frequencies or gating.
"""

import numpy as np
import numpy.typing as npt

from pipeline.signal.frames import FINE_RATE, RATE, Array, Frames, decibels

TREMOLO_HZ = (3.5, 8.5)
"""Rates at which a change of volume is heard as tremolo."""
ECHO_SECONDS = (0.12, 0.8)
"""Delays that are heard as a repetition and not as a change of timbre."""


def describe(frames: Frames) -> dict[str, float]:
    """One track's dynamics descriptors; each function defines its own."""
    # 95th minus 10th percentile of the level over time, dB.
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
    """Crest factor, 20 log10 (peak / RMS), dB; the 99.9th percentile of |x| for the peak, so that
    one click does not decide. The audio's RMS is 1."""
    return float(20 * np.log10(np.percentile(np.abs(audio), 99.9) + 1e-9))


def sustain(levels: Array) -> float:
    """Share of time in which a band is within 12 dB of its own loud level (its 95th percentile),
    over all bands; `levels` [frame, band] in dB."""
    return float(np.mean(levels > np.percentile(levels, 95, axis=0) - 12))


def decay(frames: Frames) -> float:
    """How far bands fall within 160 ms at their steepest (99th percentile over time), mean over
    bands, dB. Under a long reverberation no band can fall quickly, so the value is small."""
    from scipy.ndimage import uniform_filter1d

    # Power smoothed over 5 fine frames (40 ms) before the logarithm.
    lag = round(0.16 * FINE_RATE)
    levels = decibels(uniform_filter1d(frames.bands[:, frames.loud_bands], 5, axis=0))
    return float(np.percentile(levels[:-lag] - levels[lag:], 99, axis=0).mean())


def growth(bands: Array) -> float:
    """Mean power of the last third over that of the first, dB; above 0 where a track gets
    louder. `bands`: power [frame, band]."""
    power, third = bands.sum(axis=1).astype(np.float64), len(bands) // 3
    return float(10 * np.log10((power[-third:].mean() + 1e-9) / (power[:third].mean() + 1e-9)))


def tremolo(levels: Array) -> float:
    """Peak-to-peak depth of the strongest sinusoidal modulation of level at `TREMOLO_HZ`, dB.

    The level is averaged over bands, so that only what moves all bands together counts.
    """
    # A sine of amplitude A peaks in its Hann-windowed spectrum at A Σw / 2: × 4 / Σw gives 2 A.
    curve = levels.mean(axis=1).astype(np.float64)
    window = np.hanning(len(curve))
    size = np.abs(np.fft.rfft((curve - curve.mean()) * window)) * 4 / window.sum()
    hertz = np.fft.rfftfreq(len(curve), 1 / FINE_RATE)
    return float(size[(hertz >= TREMOLO_HZ[0]) & (hertz <= TREMOLO_HZ[1])].max())


def echo(audio: Array) -> float:
    """ln (peak / median) of the magnitude of the power cepstrum at `ECHO_SECONDS`.

    Bogert, Healy and Tukey (1963): an echo, x(t) + a x(t − τ), multiplies the power spectrum by
    1 + a² + 2 a cos ωτ; the logarithm makes the product a sum, and the inverse transform of that
    ripple is a peak at quefrency τ.
    """
    import scipy.fft

    # Zero-padded to twice the length: the echo must not wrap around.
    size = scipy.fft.next_fast_len(2 * len(audio), real=True)
    power = np.abs(scipy.fft.rfft(audio, size)) ** 2
    cepstrum: npt.NDArray[np.floating] = scipy.fft.irfft(np.log(power + 1e-3), size)
    part = np.abs(cepstrum[int(ECHO_SECONDS[0] * RATE) : int(ECHO_SECONDS[1] * RATE)])
    return float(np.log(part.max() / max(float(np.median(part)), 1e-12)))
