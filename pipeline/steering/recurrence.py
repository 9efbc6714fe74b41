"""Does a motif come back, though transposed and on other instruments?

Two stretches of music are alike if a motif of the first returns in the second, and also if only
their texture is the same: instruments, chords, rhythm, density. To tell these apart, each stretch
becomes two maps of pitch over time that depend little on timbre: pitches that stand out, and their
attacks. The maps of both are correlated at every transposition and every lag. How high the best fit
is depends on the texture too, so it is compared with fits to the second stretch played backwards,
which has its instruments, pitches, chords and density, but not its motif.

Sources: the cross-correlation of pitch over time at every transposition is that of Ellis and
Poliner (2007), "Identifying 'Cover Songs' with Chroma Features and Dynamic Programming Beat
Tracking", ICASSP, on a logarithmic axis of frequency in place of chroma, so that octaves count, and
without their tracking of beats. The two maps and the null are ours. Motifs are found in the tempo
in which they were; `benchmarks/recurrence` measures how well.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from pipeline.errors import PipelineError

RATE = 16_000
"""Sample rate at which sounds are analysed, Hz."""
HOP = 320
"""Samples per frame: 20 ms."""
PER_SEMITONE = 3
"""Rows per semitone."""
LOWEST, SEMITONES = 36, 76
"""MIDI pitch of the lowest row, and the range of all rows."""
WINDOW_SECONDS = (0.046, 0.2)
"""The shortest window (for high pitches) and the longest. A longer one tells low pitches apart
better, but blurs quick notes."""
PERIODS = 34.0
"""Periods of a pitch in its window, which put the next semitone at the first zero of its
spectrum."""
CONTRAST = 100.0
"""Magnitudes are compressed as log(1 + `CONTRAST` x / the 95th percentile)."""
HARMONICS = ((0, 1.0), (12, 0.7), (19, 0.5), (24, 0.35), (28, 0.25))
"""Semitones above a fundamental, and the weights with which its overtones are added to it."""
ATTACK_FRAMES = 2.0
"""Standard deviation of the Gaussian with whose derivative attacks are found, frames."""
TRANSPOSITIONS = 12
"""Semitones, in either direction."""
SHORTEST = 1.0
"""Seconds that a stretch needs. A motif in so short a one has few notes."""
SILENCE = 1e-4
"""Peak of a sound that counts as silent (−80 dB)."""


@dataclass(frozen=True)
class Recurrence:
    """How far the best fit of a pair of stretches stands above fits to the second one played
    backwards, in standard deviations of the latter over lags."""

    held: float
    """By the pitches that stand out."""
    attacks: float
    """By the pitches that are struck."""

    @property
    def score(self) -> float:
        """Their sum, for their errors differ; docs/steering.md says which scores motifs that return
        reach."""
        return self.held + self.attacks


def recurrence(
    first: np.ndarray, second: np.ndarray, rate: int, *, within: float | None = None
) -> Recurrence:
    """How much a motif of `first` [sample] returns in `second` [sample], both mono at `rate` Hz.

    The shorter one may fit anywhere in the longer one. `within`: seconds by which the motif may be
    late or early, from the starts of both; without it any lag is tried, wrapping around the end.
    Raises `PipelineError` if one is silent or shorter than `SHORTEST`.
    """
    here = spectrum(_checked(first, rate, "first"))
    there = spectrum(_checked(second, rate, "second"))
    return Recurrence(
        held=_height(held(here), held(there), within),
        attacks=_height(attacks(here), attacks(there), within),
    )


def across(sound: np.ndarray, rate: int, at: float) -> Recurrence:
    """How much what is played before `at` seconds of a sound [sample] returns after it, such as
    before and after the end of an intervention."""
    middle = max(0, round(at * rate))
    return recurrence(sound[:middle], sound[middle:], rate)


def spectrum(sound: np.ndarray) -> np.ndarray:
    """Magnitudes [row, frame] of a sound [sample] at `RATE`, rows a third of a semitone apart."""
    windows = _windows()
    size = windows.shape[1]
    padded = np.pad(sound, size // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::HOP]
    return np.asarray(np.abs(windows @ frames.T))


def held(magnitudes: np.ndarray) -> np.ndarray:
    """Which pitches stand out [row, frame], whatever instrument has them."""
    from scipy.ndimage import gaussian_filter1d, maximum_filter1d

    found = _salience(_compressed(magnitudes))
    # Only the ridges, a row wide to either side: a broad one would fit at many transpositions.
    ridges = np.where(found >= maximum_filter1d(found, 5, axis=0), found, 0.0)
    return _changing(gaussian_filter1d(ridges, 1.0, axis=0), power=1)


def attacks(magnitudes: np.ndarray) -> np.ndarray:
    """Which pitches are struck [row, frame], so that held chords and reverberation count little."""
    from scipy.ndimage import gaussian_filter1d

    rise = gaussian_filter1d(_compressed(magnitudes), ATTACK_FRAMES, axis=1, order=1)
    return _changing(_salience(np.maximum(rise, 0.0)), power=2)


def _checked(sound: np.ndarray, rate: int, name: str) -> np.ndarray:
    """The sound at `RATE`."""
    import soxr

    seconds = len(sound) / rate
    if seconds < SHORTEST:
        raise PipelineError(
            f"the {name} stretch lasts {seconds:.2f} s; a motif is looked for in {SHORTEST:g} s or "
            "more: is its rate right?"
        )
    if np.abs(sound).max() < SILENCE:
        raise PipelineError(f"the {name} stretch is silent, so no motif can return in it")
    mono = np.ascontiguousarray(sound, dtype=np.float32)
    return np.asarray(soxr.resample(mono, rate, RATE) if rate != RATE else mono)


@cache
def _windows() -> np.ndarray:
    """Hann windows at the frequency of each row [row, sample], as long as a pitch needs."""
    shortest, longest = WINDOW_SECONDS
    size = int(longest * RATE) // 2 * 2
    seconds = (np.arange(size) - size / 2) / RATE
    pitches = LOWEST + np.arange(SEMITONES * PER_SEMITONE) / PER_SEMITONE
    hertz = 440.0 * 2.0 ** ((pitches[:, None] - 69) / 12)
    lengths = np.clip(PERIODS / hertz, shortest, longest)
    hann = np.where(np.abs(seconds) < lengths / 2, np.cos(np.pi * seconds / lengths) ** 2, 0.0)
    hann /= hann.sum(axis=1, keepdims=True)
    return np.asarray(hann * np.exp(-2j * np.pi * hertz * seconds), dtype=np.complex64)


def _compressed(magnitudes: np.ndarray) -> np.ndarray:
    return np.asarray(np.log1p(CONTRAST * magnitudes / (np.percentile(magnitudes, 95) + 1e-9)))


def _salience(level: np.ndarray) -> np.ndarray:
    """How far the level [row, frame] of a pitch and its overtones is above the mean of the octave
    around it."""
    from scipy.ndimage import uniform_filter1d

    above = HARMONICS[-1][0] * PER_SEMITONE
    padded = np.pad(level, ((0, above), (0, 0)))
    summed = np.zeros_like(level)
    for semitones, weight in HARMONICS:
        start = semitones * PER_SEMITONE
        summed += weight * padded[start : start + len(level)]
    octave = uniform_filter1d(summed, 13 * PER_SEMITONE, axis=0)
    return np.asarray(np.maximum(summed - octave, 0.0))


def _changing(salience: np.ndarray, power: int) -> np.ndarray:
    """What is above its own mean over time, so that drones do not count, with frames of about equal
    weight, so that loud notes do not count for more. Its rows have mean 0."""
    found = np.maximum(salience - salience.mean(axis=1, keepdims=True), 0.0) ** power
    sizes = np.linalg.norm(found, axis=0)
    found = found / (sizes + 0.5 * sizes.max() + 1e-9)
    return np.asarray(found - found.mean(axis=1, keepdims=True))


def _height(first: np.ndarray, second: np.ndarray, within: float | None) -> float:
    """The best fit of two maps, in standard deviations above the mean of fits to the second one
    backwards, over lags."""
    fits = _fits(first, second)
    if within is not None:
        most = round(within * RATE / HOP)
        fits = np.take(fits, range(-most, most + 1), mode="wrap")
    null = _fits(first, second[:, ::-1])
    spread = float(null.std())
    return (float(fits.max()) - float(null.mean())) / spread if spread > 0 else 0.0


def _fits(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The best correlation over transpositions at each lag [frame], wrapping around in time."""
    most = TRANSPOSITIONS * PER_SEMITONE
    # 1) More rows, of nothing, so that pitches do not wrap around; and as much nothing after the
    #    shorter map as makes both equally long.
    shape = len(first) + most, max(first.shape[1], second.shape[1])
    product = np.conj(np.fft.rfft2(first, shape)) * np.fft.rfft2(second, shape)
    surface = np.fft.irfft2(product, shape)
    # 2) [transposition, lag], from the lowest transposition up.
    return np.asarray(np.concatenate([surface[-most:], surface[: most + 1]]).max(axis=0))
