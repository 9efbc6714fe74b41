"""Pitch, key and harmony, from the peaks of the coarse spectrum.

Peaks are summed by semitone, fixed shares are subtracted at their overtones, and the rest is folded
to a chroma. No fundamental is tracked, as YIN (de Cheveigné and Kawahara, 2002) or autocorrelation
would do: both assume a single voice, and most tracks have several.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from pipeline.signal.frames import COARSE_RATE, RATE, Array, Frames, coarse_hertz

# Krumhansl and Kessler's probe-tone ratings (1982), in semitones from the tonic upwards.
MAJOR_PROFILE = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
MINOR_PROFILE = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)
LOWEST_NOTE, NOTES = 28, 80
"""First MIDI note and number of notes of the note map: E1 (41 Hz) to B7 (3951 Hz)."""
CHROMA_NOTES = 68
"""Notes that enter the chroma: up to B6 (1976 Hz); higher ones are mostly overtones."""
OVERTONES = ((12, 0.36), (19, 0.3), (24, 0.24), (28, 0.21), (31, 0.18))
"""Semitones from a note to its partials 2 to 6, and the share of the note's magnitude that is
subtracted there."""
VIBRATO_HZ = (4.0, 8.0)
"""Rates of vibrato of voices and strings."""


def describe(frames: Frames) -> dict[str, float]:
    """One track's pitch descriptors; each function defines its own."""
    # 1) Magnitudes by semitone [frame, note], with and without overtones; 2) chroma [frame, 12].
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
    """The spectrum [frame, bin] with all but its local maxima over frequency set to 0; maxima more
    than 50 dB below the frame's largest are dropped too (side lobes, noise)."""
    middle = coarse[:, 1:-1]
    peak = (middle > coarse[:, :-2]) & (middle >= coarse[:, 2:])
    floor = coarse.max(axis=1, keepdims=True) * 10 ** (-50 / 20)
    kept = np.zeros_like(coarse)
    kept[:, 1:-1] = np.where(peak & (middle > floor), middle, 0.0)
    return kept


@lru_cache(maxsize=1)
def _bins_to_notes() -> Array:
    """1 where a coarse bin lies nearest to a semitone, [bin, note]: 69 + 12 log2(f / 440), rounded.

    A bin is 3.9 Hz wide, so below about 66 Hz (C2) it is wider than a semitone.
    """
    hertz = np.maximum(coarse_hertz(), 1.0).astype(np.float64)
    notes = np.round(69 + 12 * np.log2(hertz / 440.0)) - LOWEST_NOTE
    return np.asarray(notes[:, None] == np.arange(NOTES), dtype=np.float32)


def note_map(peaks: Array) -> Array:
    """Peak magnitudes [frame, bin] summed by semitone [frame, note]."""
    return np.asarray(peaks @ _bins_to_notes(), dtype=np.float32)


def without_overtones(notes: Array) -> Array:
    """The note map minus what overtones of lower notes may account for, [frame, note], ≥ 0."""
    left = notes.copy()
    for up, part in OVERTONES:
        left[:, up:] = np.maximum(left[:, up:] - np.float32(part) * notes[:, :-up], 0.0)
    return left


def fold(notes: Array) -> Array:
    """Chroma [frame, 12]: magnitudes summed over octaves, C first, each frame's sum 1 (0 in
    silence)."""
    low = notes[:, :CHROMA_NOTES]
    parts = [low[:, (c - LOWEST_NOTE) % 12 :: 12].sum(axis=1) for c in range(12)]
    chroma = np.stack(parts, axis=1)
    return np.asarray(chroma / np.maximum(chroma.sum(axis=1, keepdims=True), 1e-9))


def mode_and_clarity(chroma: Array) -> tuple[float, float]:
    """(best minor − best major correlation, best of both) of a chroma [12] with the key profiles.

    Krumhansl and Schmuckler's key finding (Krumhansl, 1990): Pearson's correlation with each of the
    24 rotated profiles.
    """
    major, minor = (
        max(_correlation(np.roll(np.asarray(profile), tonic), chroma) for tonic in range(12))
        for profile in (MAJOR_PROFILE, MINOR_PROFILE)
    )
    return minor - major, max(major, minor)


def _correlation(a: npt.NDArray[np.floating], b: npt.NDArray[np.floating]) -> float:
    """Pearson's, −1 to 1; 0 where one side is constant."""
    x, y = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / scale if scale > 1e-12 else 0.0


def consonance(chroma: Array) -> float:
    """Largest share of a frame's chroma in any one of the 24 major and minor triads, mean over
    frames, 0 to 1. `chroma`: [frame, 12]."""
    best = np.zeros(len(chroma), dtype=np.float32)
    for third in (3, 4):
        for root in range(12):
            triad = chroma[:, [root, (root + third) % 12, (root + 7) % 12]].sum(axis=1)
            best = np.maximum(best, triad)
    return float(best.mean())


def chord_change(chroma: Array) -> float:
    """1 − cosine of each frame's chroma with that half a second earlier, mean over frames, 0 to 1;
    `chroma`: [frame, 12]."""
    lag = round(0.5 * COARSE_RATE)
    a, b = chroma[:-lag], chroma[lag:]
    scale = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return float(1.0 - ((a * b).sum(axis=1) / np.maximum(scale, 1e-9)).mean())


def register(played: Array) -> float:
    """The MIDI note below which half of the magnitude lies (a median, interpolated); `played`
    [frame, note], without overtones."""
    below = np.cumsum(played.sum(axis=0, dtype=np.float64))
    return float(np.interp(0.5 * below[-1], below, np.arange(NOTES))) + LOWEST_NOTE


def melody_motion(played: Array) -> float:
    """Changes of the strongest note per second; `played` [frame, note], without overtones."""
    strongest = np.argmax(played, axis=1)
    return float(np.mean(np.diff(strongest) != 0) * COARSE_RATE)


def polyphony(notes: Array) -> float:
    """exp H, H the entropy (nats) of a frame's shares by note, averaged over frames first: the
    effective number of semitones that sound at once (Hill number of order 1). `notes`: [frame,
    note], overtones included."""
    total = notes.sum(axis=1, keepdims=True)
    weights = notes / np.maximum(total, 1e-9)
    entropy = -(weights * np.log(np.maximum(weights, 1e-9))).sum(axis=1)
    return float(np.exp(entropy.mean()))


def vibrato(audio: Array) -> float:
    """ln of the strongest periodic movement of pitch at `VIBRATO_HZ`.

    On a logarithmic frequency axis a change of pitch is a shift of the whole spectrum, whatever the
    notes; so no fundamental has to be found.
    """
    # 1) Correlation of each frame with the frame 48 ms later, shifted by s thirds of a semitone:
    #    [frame, shift].
    spectra, rate = _log_spectra(audio)
    lag, steps = 3, np.arange(-4, 5)
    inner = spectra[:-lag, 4:-4]
    width = spectra.shape[1]
    fits = np.stack(
        [(inner * spectra[lag:, 4 + s : width - 4 + s]).sum(axis=1) for s in steps], axis=1
    )
    # 2) Expected shift per frame under a softmax of the standardised correlations [frame]: one
    #    clear maximum decides, a flat row gives 0.
    scaled = fits / (fits.std(axis=1, keepdims=True) + 1e-9)
    weight = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    shift = (weight * steps).sum(axis=1) / weight.sum(axis=1)
    # 3) The largest power of that curve's spectrum within the band.
    power = np.abs(np.fft.rfft((shift - shift.mean()) * np.hanning(len(shift)))) ** 2
    hertz = np.fft.rfftfreq(len(shift), 1 / rate)
    inside = (hertz > VIBRATO_HZ[0]) & (hertz < VIBRATO_HZ[1])
    return float(np.log(power[inside].max() + 1e-6))


def _log_spectra(audio: Array) -> tuple[Array, float]:
    """Log magnitudes without their envelope [frame, third of a semitone], from 300 Hz over four
    octaves to 4.8 kHz, and the number of frames per second (62.5)."""
    import scipy.fft
    from scipy.ndimage import uniform_filter1d

    size, hop = 2048, 256
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(audio, size // 2), size)[::hop]
    spectra = np.abs(scipy.fft.rfft(frames * np.hanning(size).astype(np.float32), axis=1))
    # Linear interpolation between bins at logarithmically spaced frequencies; the moving average
    # over five semitones is the envelope, whose fixed formants would pull every shift towards 0.
    place = 300.0 * 2 ** (np.arange(36 * 4) / 36.0) * size / RATE
    below = place.astype(np.intp)
    part = (place - below).astype(np.float32)
    grid = np.log(spectra[:, below] * (1 - part) + spectra[:, below + 1] * part + 1e-3)
    return np.asarray(grid - uniform_filter1d(grid, 15, axis=1), dtype=np.float32), RATE / hop
