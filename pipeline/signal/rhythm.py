"""Pulse, tempo, onsets and hits.

Two curves say where something begins, each a positive change averaged over bands (spectral flux:
Böck and Widmer, DAFx 2013, without their maximum filter). *Rises* are in decibels, so that a
quiet band counts like a loud one: for single onsets. *Loudness flux* is the change of power to
the 1/4, near to loudness, where strong beats weigh more: for the pulse.
"""

import numpy as np
import numpy.typing as npt

from pipeline.signal.frames import FINE_RATE, Array, Frames, band_edges, decibels

LAG = 2
"""Fine frames over which a level's rise is measured (16 ms)."""
FLUX_LAG = 4
"""Fine frames over which a loudness's rise is measured (32 ms)."""
BEATS = 8
"""Beats over which a period must hold."""
TEMPI = np.geomspace(45.0, 210.0, 500)
"""Tempi that are tried, beats a minute: so close that eight beats drift by less than a frame."""
PREFERRED_TEMPO, PREFERRED_OCTAVES = 110.0, 1.2
"""Centre and width of the preference among tempi an octave apart (after Ellis, JNMR 2007)."""
LOW_HZ, HIGH_HZ = 150.0, 4000.0
"""Bass drums sound under the first, cymbals over the second."""

ACTIVE_DB = 40.0
"""Bins further than this under the loudest say nothing of drums."""


def describe(frames: Frames) -> dict[str, float]:
    """The rhythm's descriptors of one track."""
    rises = onset_curves(frames.levels)
    centres = band_edges()[1:-1]
    curve = rises.mean(axis=1)
    pulse = pulse_of(autocorrelation(loudness_flux(frames.bands)))
    return {
        "tempo": pace(pulse),
        "beat_strength": beat(pulse)[1],
        "onset_rate": len(onsets(curve)) / (len(curve) / FINE_RATE),
        "attack": attack(frames),
        "low_hits": accent(rises[:, centres < LOW_HZ].mean(axis=1)),
        "high_hits": accent(rises[:, centres > HIGH_HZ].mean(axis=1)),
        "percussiveness": percussiveness(frames.fine),
        "repeats": repeats(frames.levels[:, frames.loud_bands]),
    }


def onset_curves(levels: Array) -> Array:
    """Rise of each band's level over `LAG` frames, decibels [frame, band], ≥ 0."""
    smooth = (levels[:-2] + levels[1:-1] + levels[2:]) / 3.0
    return np.asarray(np.maximum(smooth[LAG:] - smooth[:-LAG], 0.0), dtype=np.float32)


def loudness_flux(bands: Array) -> Array:
    """Rise of the bands' power [frame, band] to the 1/4 over `FLUX_LAG` frames [frame], ≥ 0."""
    loudness = np.sqrt(np.sqrt(bands))
    rise = np.maximum(loudness[FLUX_LAG:] - loudness[:-FLUX_LAG], 0.0)
    return np.asarray(rise.mean(axis=1), dtype=np.float32)


def autocorrelation(curve: Array) -> npt.NDArray[np.float64]:
    """Autocorrelation [lag] of a curve [frame] without its slow part; 1 at lag 0, unbiased."""
    from scipy.ndimage import uniform_filter1d

    exact = curve.astype(np.float64)
    centred = exact - uniform_filter1d(exact, int(FINE_RATE))
    size = len(centred)
    spectrum = np.fft.rfft(centred, 2 * size)
    raw = np.fft.irfft(np.abs(spectrum) ** 2)[:size] / np.arange(size, 0, -1)
    return np.asarray(raw / max(float(raw[0]), 1e-12))


def pulse_of(periodicity: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """How well each of `TEMPI` fits: the mean autocorrelation after 1 to `BEATS` of its beats.

    What lies beyond three quarters of the curve rests on too little of it, and counts 0.
    """
    lags = np.arange(len(periodicity))
    usable = int(len(periodicity) * 0.75)
    beats = 60.0 * FINE_RATE / TEMPI
    found = [
        np.where(beats * n < usable, np.interp(beats * n, lags, periodicity), 0.0)
        for n in range(1, BEATS + 1)
    ]
    return np.asarray(np.mean(found, axis=0))


def beat(pulse: npt.NDArray[np.float64]) -> tuple[float, float]:
    """The best tempo, beats a minute, and its fit (0 to about 1).

    A log-normal preference decides between tempi an octave apart. It errs too often for words to
    be built on the tempo: `pace` chooses no octave.
    """
    octaves = np.log2(TEMPI / PREFERRED_TEMPO) / PREFERRED_OCTAVES
    best = int(np.argmax(pulse * np.exp(-0.5 * octaves**2)))
    return float(TEMPI[best]), float(max(pulse[best], 0.0))


def pace(pulse: npt.NDArray[np.float64]) -> float:
    """Geometric mean of all tempi, each weighted by exp(its standardised fit): beats a minute.

    No octave is chosen: a slow piece lets only slow periods fit, a fast one quick ones as well.
    """
    weight = np.exp((pulse - pulse.mean()) / (pulse.std() + 1e-9))
    return float(np.exp((weight * np.log(TEMPI)).sum() / weight.sum()))


def onsets(curve: Array) -> npt.NDArray[np.intp]:
    """Frames at which the curve peaks over its surroundings, at least 40 ms apart."""
    from scipy.ndimage import maximum_filter1d, uniform_filter1d

    around = uniform_filter1d(curve, int(0.3 * FINE_RATE))
    peak = curve == maximum_filter1d(curve, 2 * int(0.04 * FINE_RATE) + 1)
    return np.flatnonzero(peak & (curve > around + curve.std()))


def attack(frames: Frames) -> float:
    """How much more a band's level rises than it falls within 128 ms, at the steepest, dB."""
    from scipy.ndimage import uniform_filter1d

    lag = round(0.128 * FINE_RATE)
    levels = decibels(uniform_filter1d(frames.bands[:, frames.loud_bands], 5, axis=0))
    change = levels[lag:] - levels[:-lag]
    rise, fall = np.percentile(change, 97, axis=0), -np.percentile(change, 3, axis=0)
    return float((rise - fall).mean())


def accent(curve: Array) -> float:
    """How far a curve's strongest rises stand over its mean rise, decibels."""
    return float(np.percentile(curve, 98) - curve.mean())


def percussiveness(fine: Array) -> float:
    """Flatness of the noisiest moments, dB: a drum or a cymbal is noise while it sounds.

    Over the bins whose mean comes within `ACTIVE_DB` of the largest, so that a filter that takes
    one end of the spectrum away changes little; the 99th percentile of the frames that sound.
    """
    power = np.square(fine) + np.float32(1e-10)
    mean = power.mean(axis=0)
    active = power[:, mean > mean.max() * 10 ** (-ACTIVE_DB / 10)]
    level = power.sum(axis=1)
    sounding = active[level > np.percentile(level, 30)]
    if not len(sounding):
        sounding = active
    flatness = decibels(sounding).mean(axis=1) - decibels(sounding.mean(axis=1))
    return float(np.percentile(flatness, 99))


def repeats(levels: Array) -> float:
    """Share of a band's level changes (0.5 to 25 Hz) that come 9 to 16 times a second, averaged."""
    window = np.hanning(len(levels))[:, None]
    power = np.abs(np.fft.rfft((levels - levels.mean(axis=0)) * window, axis=0)) ** 2
    hertz = np.fft.rfftfreq(len(levels), 1 / FINE_RATE)
    quick = power[(hertz >= 9) & (hertz <= 16)].sum(axis=0)
    every = power[(hertz > 0.5) & (hertz < 25)].sum(axis=0)
    return float((quick / np.maximum(every, 1e-9)).mean())
