"""The two short-time spectra that all descriptors share.

Conventions: mono float32 at `RATE`, RMS 1; time is the first axis; a *fine* frame is short (32 ms
every 8 ms, for onsets and levels), a *coarse* frame is long (256 ms every 64 ms, for pitch and
timbre; 3.9 Hz per bin).
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

RATE = 16_000
"""Sample rate of the analysed audio, Hz."""
FINE, FINE_HOP = 512, 128
"""Window and hop of a fine frame, samples."""
COARSE, COARSE_HOP = 4096, 1024
"""Window and hop of a coarse frame, samples."""
FINE_RATE = RATE / FINE_HOP
"""Fine frames per second: 125."""
COARSE_RATE = RATE / COARSE_HOP
"""Coarse frames per second: 15.6."""
BANDS = 32
"""Bands of the fine spectrum, equally wide on the mel scale from 30 Hz to 8 kHz."""
FLOOR_DB = -60.0
"""Lower limit of levels, dB relative to the track's loudest band and frame."""
MIN_SECONDS = 1.0
"""Shorter recordings are refused: most descriptors would rest on a few frames."""


@dataclass(frozen=True)
class Frames:
    """A track at RMS 1, and its spectra, each computed once."""

    audio: Array
    """[sample] at `RATE`, RMS 1."""

    @cached_property
    def fine(self) -> Array:
        """Magnitudes [frame, bin] of the fine spectrum."""
        return _magnitudes(self.audio, FINE, FINE_HOP)

    @cached_property
    def coarse(self) -> Array:
        """Magnitudes [frame, bin] of the coarse spectrum."""
        return _magnitudes(self.audio, COARSE, COARSE_HOP)

    @cached_property
    def bands(self) -> Array:
        """Power [fine frame, mel band]."""
        return np.asarray(np.square(self.fine) @ _filterbank(BANDS, FINE), dtype=np.float32)

    @cached_property
    def levels(self) -> Array:
        """Band levels [fine frame, band], dB relative to the loudest, ≤ 0 and ≥ `FLOOR_DB`."""
        return _below_loudest(self.bands)

    @cached_property
    def loudness(self) -> Array:
        """Level of all bands together [fine frame], dB relative to the loudest frame, ≤ 0 and ≥
        `FLOOR_DB`."""
        return _below_loudest(self.bands.sum(axis=1))

    @cached_property
    def loud_bands(self) -> npt.NDArray[np.bool_]:
        """Bands [band] bool whose loud moments (95th percentile) are within 40 dB of the loudest;
        at least one, since the threshold is never above the loudest band."""
        loud = np.percentile(self.levels, 95, axis=0)
        return np.asarray(loud > min(-40.0, float(loud.max()) - 1e-3))

    @cached_property
    def spectrum(self) -> Array:
        """Mean power over the track, [coarse bin]."""
        return np.asarray(np.square(self.coarse).mean(axis=0), dtype=np.float32)


def analyse(audio: npt.NDArray[np.floating], rate: int) -> Frames:
    """Mix to mono, resample to `RATE`, bring to RMS 1.

    `audio`: [sample] or [channel, sample] at `rate` Hz. Raises `ValueError` if the track is shorter
    than `MIN_SECONDS`, silent, or not finite.
    """
    mono = np.asarray(audio, dtype=np.float32)
    if mono.ndim == 2:
        mono = mono.mean(axis=0)
    if len(mono) < MIN_SECONDS * rate:
        raise ValueError(f"{len(mono) / rate:.2f} s is shorter than {MIN_SECONDS:g} s")
    if not np.isfinite(mono).all():
        raise ValueError("samples are not finite")
    level = float(np.sqrt(np.mean(np.square(mono, dtype=np.float64))))
    if level < 1e-6:
        raise ValueError("the track is silent")
    return Frames(audio=(resampled(mono, rate) / level).astype(np.float32))


def resampled(audio: Array, rate: int) -> Array:
    """Mono audio [sample] from `rate` Hz to `RATE`."""
    if rate == RATE:
        return audio
    import soxr

    return np.asarray(soxr.resample(audio, rate, RATE, quality="MQ"), dtype=np.float32)


def _magnitudes(audio: Array, size: int, hop: int) -> Array:
    """|STFT| [frame, bin] with a Hann window w, divided by Σw: a sine of amplitude 1 peaks at 0.5.

    Frame i is centred on sample i × hop; half a window of zeros is added at either end.
    """
    import scipy.fft

    padded = np.pad(audio, size // 2)
    window = np.hanning(size).astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop] * window
    return np.asarray(np.abs(scipy.fft.rfft(frames, axis=1)) / window.sum(), dtype=np.float32)


def _below_loudest(power: Array) -> Array:
    """10 log10 (power / its maximum), dB, at least `FLOOR_DB`."""
    relative = power / max(float(power.max()), 1e-12)
    levels = np.maximum(10.0 * np.log10(relative + 1e-12), FLOOR_DB)
    return np.asarray(levels, dtype=np.float32)


def coarse_hertz() -> Array:
    """Centre of each coarse bin, Hz."""
    return np.fft.rfftfreq(COARSE, 1 / RATE).astype(np.float32)


@lru_cache(maxsize=4)
def _filterbank(bands: int, size: int) -> Array:
    """Triangular filters [bin, band] of height 1, equally spaced on the mel scale
    m = 2595 log10(1 + f / 700) (O'Shaughnessy, 1987; HTK), not Slaney's, and not area-normalised.
    """
    hertz = np.fft.rfftfreq(size, 1 / RATE)
    edges = band_edges(bands)
    low, mid, high = edges[:-2], edges[1:-1], edges[2:]
    rising = (hertz[:, None] - low) / (mid - low)
    falling = (high - hertz[:, None]) / (high - mid)
    weights = np.clip(np.minimum(rising, falling), 0.0, None)
    # The lowest triangles are narrower than a bin (31 Hz) and might contain none: each gets at
    # least the bin nearest to its centre.
    nearest = np.abs(hertz[:, None] - mid).argmin(axis=0)
    weights[nearest, np.arange(bands)] = np.maximum(weights[nearest, np.arange(bands)], 0.5)
    return weights.astype(np.float32)


def band_edges(bands: int = BANDS) -> npt.NDArray[np.float64]:
    """Edges of the triangles [bands + 2], Hz: triangle b rises from edge b to its centre at edge
    b + 1 and falls to edge b + 2."""
    top = 2595.0 * np.log10(1 + RATE / 2 / 700.0)
    bottom = 2595.0 * np.log10(1 + 30.0 / 700.0)
    return np.asarray(700.0 * (10 ** (np.linspace(bottom, top, bands + 2) / 2595.0) - 1))


def decibels(power: Array) -> Array:
    """10 log10 (power + 1e-9): the sum keeps silence finite, at −90 dB."""
    return np.asarray(10.0 * np.log10(power + 1e-9), dtype=np.float32)
