"""Pulse, tempo, onsets and hits.

Two curves show where notes begin, each a positive change averaged over bands (spectral flux: Böck
and Widmer, DAFx 2013, without their maximum filter, which suppresses vibrato). *Rises* are in
decibels, so that a quiet band counts as much as a loud one: for single onsets. *Loudness flux* is
the change of power to the 1/4, close to perceived loudness, so that strong beats weigh more: for
the pulse.
"""

import numpy as np
import numpy.typing as npt

from pipeline.signal.frames import FINE_RATE, Array, Frames, band_edges, decibels

LAG = 2
"""Fine frames over which the rise of a level is measured (16 ms)."""
FLUX_LAG = 4
"""Fine frames over which the rise of loudness is measured (32 ms)."""
BEATS = 8
"""Number of beats over which a period must hold."""
TEMPI = np.geomspace(45.0, 210.0, 500)
"""Tempi that are tried, beats per minute, 0.3 % apart: eight beats at neighbouring tempi differ by
one (fast) to four (slow) fine frames."""
PREFERRED_TEMPO, PREFERRED_OCTAVES = 110.0, 1.2
"""Centre (beats per minute) and standard deviation (octaves) of the log-normal preference of tempi
(after Ellis, Journal of New Music Research 36, 2007)."""
LOW_HZ, HIGH_HZ = 150.0, 4000.0
"""Bass drums sound below the first, cymbals above the second."""

ACTIVE_DB = 40.0
"""Bins more than this below the loudest are not used by `percussiveness`."""


def describe(frames: Frames) -> dict[str, float]:
    """One track's rhythm descriptors; each function defines its own."""
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
    """max(0, L[t + LAG] − L[t]) of each band's level, dB [frame, band]; L is the mean of three
    neighbouring frames."""
    smooth = (levels[:-2] + levels[1:-1] + levels[2:]) / 3.0
    return np.asarray(np.maximum(smooth[LAG:] - smooth[:-LAG], 0.0), dtype=np.float32)


def loudness_flux(bands: Array) -> Array:
    """max(0, P[t + FLUX_LAG]^¼ − P[t]^¼), mean over bands, [frame]; `bands`: power P [frame,
    band]."""
    loudness = np.sqrt(np.sqrt(bands))
    rise = np.maximum(loudness[FLUX_LAG:] - loudness[:-FLUX_LAG], 0.0)
    return np.asarray(rise.mean(axis=1), dtype=np.float32)


def autocorrelation(curve: Array) -> npt.NDArray[np.float64]:
    """Unbiased autocorrelation [lag] of a curve [frame] minus its moving average over a second;
    1 at lag 0.

    r(l) = Σ_t c_t c_{t+l} / (N − l), by the Wiener–Khinchin theorem from |FFT|² in O(N log N).
    """
    from scipy.ndimage import uniform_filter1d

    exact = curve.astype(np.float64)
    centred = exact - uniform_filter1d(exact, int(FINE_RATE))
    size = len(centred)
    # Padded to twice the length, so that the correlation is not circular.
    spectrum = np.fft.rfft(centred, 2 * size)
    raw = np.fft.irfft(np.abs(spectrum) ** 2)[:size] / np.arange(size, 0, -1)
    return np.asarray(raw / max(float(raw[0]), 1e-12))


def pulse_of(periodicity: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """How well each of `TEMPI` fits, [tempo]: (1/B) Σ_{n=1..B} r(n × beat), B = `BEATS`, with r the
    autocorrelation `periodicity` [lag], interpolated.

    Lags beyond three quarters of the curve are means over too few products, and count 0.
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
    """The best tempo, beats per minute, and its fit (0 to about 1); `pulse` [tempo].

    The fit is weighted by exp(−½ (log2(tempo / 110) / 1.2)²), which decides between tempi an octave
    apart (Ellis, 2007). That choice is wrong too often for a label to depend on it: the descriptor
    `tempo` is `pace`.
    """
    octaves = np.log2(TEMPI / PREFERRED_TEMPO) / PREFERRED_OCTAVES
    best = int(np.argmax(pulse * np.exp(-0.5 * octaves**2)))
    return float(TEMPI[best]), float(max(pulse[best], 0.0))


def pace(pulse: npt.NDArray[np.float64]) -> float:
    """Geometric mean of all tempi, weighted by exp(standardised fit), beats per minute.

    No octave is chosen: in a slow piece only long periods fit, in a fast one short periods too.
    """
    weight = np.exp((pulse - pulse.mean()) / (pulse.std() + 1e-9))
    return float(np.exp((weight * np.log(TEMPI)).sum() / weight.sum()))


def onsets(curve: Array) -> npt.NDArray[np.intp]:
    """Frames at which `curve` [frame] is the maximum within ± 40 ms and more than its standard
    deviation above its mean over 0.3 s (peak picking after Böck, Krebs and Schedl, 2012)."""
    from scipy.ndimage import maximum_filter1d, uniform_filter1d

    around = uniform_filter1d(curve, int(0.3 * FINE_RATE))
    peak = curve == maximum_filter1d(curve, 2 * int(0.04 * FINE_RATE) + 1)
    return np.flatnonzero(peak & (curve > around + curve.std()))


def attack(frames: Frames) -> float:
    """Steepest rise minus steepest fall of a band's level within 128 ms (97th and 3rd percentile of
    the change), mean over bands, dB: above 0 where notes start suddenly and fade."""
    from scipy.ndimage import uniform_filter1d

    lag = round(0.128 * FINE_RATE)
    levels = decibels(uniform_filter1d(frames.bands[:, frames.loud_bands], 5, axis=0))
    change = levels[lag:] - levels[:-lag]
    rise, fall = np.percentile(change, 97, axis=0), -np.percentile(change, 3, axis=0)
    return float((rise - fall).mean())


def accent(curve: Array) -> float:
    """98th percentile minus mean of a curve of level increases [frame], dB: large where a few
    strong hits stand out."""
    return float(np.percentile(curve, 98) - curve.mean())


def percussiveness(fine: Array) -> float:
    """Spectral flatness (geometric over arithmetic mean) of the noisiest frames, dB, ≤ 0: a drum or
    a cymbal is noise while it sounds. `fine`: magnitudes [frame, bin].
    """
    # 1) Bins whose mean power is within `ACTIVE_DB` of the largest: a filter that removes one end
    #    of the spectrum then changes little.
    power = np.square(fine) + np.float32(1e-10)
    mean = power.mean(axis=0)
    active = power[:, mean > mean.max() * 10 ** (-ACTIVE_DB / 10)]
    # 2) The louder 70 % of the frames, 3) the 99th percentile of their flatness.
    level = power.sum(axis=1)
    sounding = active[level > np.percentile(level, 30)]
    if not len(sounding):
        sounding = active
    flatness = decibels(sounding).mean(axis=1) - decibels(sounding.mean(axis=1))
    return float(np.percentile(flatness, 99))


def repeats(levels: Array) -> float:
    """Power of a band's level modulation at 9 to 16 Hz over that at 0.5 to 25 Hz, mean over bands,
    0 to 1: fast repeated notes, trills, rolls. `levels`: dB [frame, band]."""
    window = np.hanning(len(levels))[:, None]
    power = np.abs(np.fft.rfft((levels - levels.mean(axis=0)) * window, axis=0)) ** 2
    hertz = np.fft.rfftfreq(len(levels), 1 / FINE_RATE)
    quick = power[(hertz >= 9) & (hertz <= 16)].sum(axis=0)
    every = power[(hertz > 0.5) & (hertz < 25)].sum(axis=0)
    return float((quick / np.maximum(every, 1e-9)).mean())
