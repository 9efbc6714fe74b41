"""Pitch, key and harmony, from the peaks of the coarse spectrum."""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from pipeline.signal.frames import COARSE_RATE, RATE, Array, Frames, coarse_hertz

# Krumhansl and Kessler's probe-tone ratings (1982), from the tonic upwards.
MAJOR_PROFILE = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
MINOR_PROFILE = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)
LOWEST_NOTE, NOTES = 28, 80
"""MIDI notes of the pitch map: E1 (41 Hz) to the top of the analysed range."""
CHROMA_NOTES = 68
"""Notes that enter the chroma: up to B6; higher ones are mostly overtones."""
OVERTONES = ((12, 0.36), (19, 0.3), (24, 0.24), (28, 0.21), (31, 0.18))
"""Semitones over a note, and the share of its magnitude taken off there as an overtone of it."""
VIBRATO_HZ = (4.0, 8.0)
"""How often a second a voice or a string sways."""


def describe(frames: Frames) -> dict[str, float]:
    """The pitch descriptors of one track."""
    notes = note_map(peak_magnitudes(frames.coarse))
    played = without_overtones(notes)
    chroma = fold(played)
    minor, clarity = mode_and_clarity(chroma.mean(axis=0))
    return {
        "minor": minor,
        "key_clarity": clarity,
        "consonance": consonance(fold(notes)),
        "chord_change": chord_change(chroma),
        "register": register(played),
        "melody_motion": melody_motion(played),
        "polyphony": polyphony(notes),
        "vibrato": vibrato(frames.audio),
    }


def peak_magnitudes(coarse: Array) -> Array:
    """The spectrum [frame, bin] with everything but its local peaks set to 0."""
    middle = coarse[:, 1:-1]
    peak = (middle > coarse[:, :-2]) & (middle >= coarse[:, 2:])
    floor = coarse.max(axis=1, keepdims=True) * 10 ** (-50 / 20)
    kept = np.zeros_like(coarse)
    kept[:, 1:-1] = np.where(peak & (middle > floor), middle, 0.0)
    return kept


@lru_cache(maxsize=1)
def _bins_to_notes() -> Array:
    """1 where a coarse bin lies nearest to a semitone [bin, note]."""
    hertz = np.maximum(coarse_hertz(), 1.0).astype(np.float64)
    notes = np.round(69 + 12 * np.log2(hertz / 440.0)) - LOWEST_NOTE
    return np.asarray(notes[:, None] == np.arange(NOTES), dtype=np.float32)


def note_map(peaks: Array) -> Array:
    """Peak magnitudes [frame, bin] summed by semitone [frame, note]."""
    return np.asarray(peaks @ _bins_to_notes(), dtype=np.float32)


def without_overtones(notes: Array) -> Array:
    """The note map less what lower notes' overtones may account for [frame, note], ≥ 0."""
    left = notes.copy()
    for up, part in OVERTONES:
        left[:, up:] = np.maximum(left[:, up:] - np.float32(part) * notes[:, :-up], 0.0)
    return left


def fold(notes: Array) -> Array:
    """Chroma [frame, 12], C first, each frame's sum 1 (0 in silence)."""
    low = notes[:, :CHROMA_NOTES]
    parts = [low[:, (c - LOWEST_NOTE) % 12 :: 12].sum(axis=1) for c in range(12)]
    chroma = np.stack(parts, axis=1)
    return np.asarray(chroma / np.maximum(chroma.sum(axis=1, keepdims=True), 1e-9))


def mode_and_clarity(chroma: Array) -> tuple[float, float]:
    """(best minor − best major correlation, best of all) of a chroma [12] with the key profiles.

    Krumhansl and Schmuckler's key finding: Pearson correlation with each of the 24 rotations.
    """
    major, minor = (
        max(_correlation(np.roll(np.asarray(profile), tonic), chroma) for tonic in range(12))
        for profile in (MAJOR_PROFILE, MINOR_PROFILE)
    )
    return minor - major, max(major, minor)


def _correlation(a: npt.NDArray[np.floating], b: npt.NDArray[np.floating]) -> float:
    x, y = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / scale if scale > 1e-12 else 0.0


def consonance(chroma: Array) -> float:
    """Largest share of a frame's chroma that one major or minor triad holds, averaged."""
    best = np.zeros(len(chroma), dtype=np.float32)
    for third in (3, 4):
        for root in range(12):
            triad = chroma[:, [root, (root + third) % 12, (root + 7) % 12]].sum(axis=1)
            best = np.maximum(best, triad)
    return float(best.mean())


def chord_change(chroma: Array) -> float:
    """Cosine distance between the chroma of half a second ago and now, averaged."""
    lag = round(0.5 * COARSE_RATE)
    a, b = chroma[:-lag], chroma[lag:]
    scale = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return float(1.0 - ((a * b).sum(axis=1) / np.maximum(scale, 1e-9)).mean())


def register(played: Array) -> float:
    """The MIDI note under which half the peaks' magnitude lies, overtones left out."""
    below = np.cumsum(played.sum(axis=0, dtype=np.float64))
    return float(np.interp(0.5 * below[-1], below, np.arange(NOTES))) + LOWEST_NOTE


def melody_motion(played: Array) -> float:
    """How often the strongest note changes, times a second."""
    strongest = np.argmax(played, axis=1)
    return float(np.mean(np.diff(strongest) != 0) * COARSE_RATE)


def polyphony(notes: Array) -> float:
    """Effective number of semitones that sound at once: the exponential of their entropy."""
    total = notes.sum(axis=1, keepdims=True)
    weights = notes / np.maximum(total, 1e-9)
    entropy = -(weights * np.log(np.maximum(weights, 1e-9))).sum(axis=1)
    return float(np.exp(entropy.mean()))


def vibrato(audio: Array) -> float:
    """How strongly the whole pitch sways at `VIBRATO_HZ`: log of the largest modulation there.

    The shift, in steps of a third of a semitone, that best maps the spectrum onto the one 48 ms
    later (softly chosen by correlation), as a curve over time; then its spectrum's peak.
    """
    spectra, rate = _log_spectra(audio)
    lag, steps = 3, np.arange(-4, 5)
    inner = spectra[:-lag, 4:-4]
    width = spectra.shape[1]
    fits = np.stack(
        [(inner * spectra[lag:, 4 + s : width - 4 + s]).sum(axis=1) for s in steps], axis=1
    )
    # Softmax of fits in units of their spread: one clear shift counts, a flat row gives 0.
    scaled = fits / (fits.std(axis=1, keepdims=True) + 1e-9)
    weight = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    shift = (weight * steps).sum(axis=1) / weight.sum(axis=1)
    power = np.abs(np.fft.rfft((shift - shift.mean()) * np.hanning(len(shift)))) ** 2
    hertz = np.fft.rfftfreq(len(shift), 1 / rate)
    inside = (hertz > VIBRATO_HZ[0]) & (hertz < VIBRATO_HZ[1])
    return float(np.log(power[inside].max() + 1e-6))


def _log_spectra(audio: Array) -> tuple[Array, float]:
    """Whitened log magnitudes [frame, third of a semitone], 300 Hz to 4.8 kHz; frames a second."""
    import scipy.fft
    from scipy.ndimage import uniform_filter1d

    size, hop = 2048, 256
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(audio, size // 2), size)[::hop]
    spectra = np.abs(scipy.fft.rfft(frames * np.hanning(size).astype(np.float32), axis=1))
    place = 300.0 * 2 ** (np.arange(36 * 4) / 36.0) * size / RATE
    below = place.astype(np.intp)
    part = (place - below).astype(np.float32)
    grid = np.log(spectra[:, below] * (1 - part) + spectra[:, below + 1] * part + 1e-3)
    return np.asarray(grid - uniform_filter1d(grid, 15, axis=1), dtype=np.float32), RATE / hop
