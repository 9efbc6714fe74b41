"""Synthesised sounds for checks, practice and catch trials. The same call gives the same bytes.

Headphone checks play three intervals, one of which is to be found:

- Huggins pitch (Milne et al., Behavior Research Methods 2021): white noise, the same in both ears,
  except that in one interval the phase of the right channel makes a full turn between 564 and
  636 Hz. Only over headphones is the difference between the ears heard, as a faint tone.
- Antiphase (Woods et al., Attention, Perception & Psychophysics 2017): three tones of 200 Hz; one
  is 6 dB softer, one of the others has its right channel inverted. Over loudspeakers the inverted
  one is partly cancelled and seems the softest.

Every function returns samples, float64, mono [n] or stereo [n, 2], at `SAMPLE_RATE`. The loudness
is set when the file is written. numpy is imported inside functions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float64]

SAMPLE_RATE = 32_000
INTERVAL_SECONDS = 1.0
GAP_SECONDS = 0.5
TRIAL_SECONDS = 3 * INTERVAL_SECONDS + 2 * GAP_SECONDS
REFERENCE_SECONDS = 6.0
TONES_SECONDS = 3.0
BEATS_SECONDS = 4.5
"""Of every number of beats: the length of the sound does not tell how many there are."""
HUGGINS_HZ = 600.0
HUGGINS_WIDTH = 0.06
"""Half the width of the band, as a share of its centre."""
ANTIPHASE_HZ = 200.0
SOFTER_DB = 6.0
TONE_HZ = 1000.0
TONE_BELOW_DB = 26.0
"""Level of the soft tones of the volume check below the reference, dB."""


def huggins(*, target: int, variant: int) -> Samples:
    """Three noises, the `target`-th (1 to 3) with Huggins pitch; variants are different noise."""
    rng = _rng("huggins", target, variant)
    count = round(INTERVAL_SECONDS * SAMPLE_RATE)
    intervals = [_noise(rng.standard_normal(count), turned=n == target) for n in (1, 2, 3)]
    return _in_turn(intervals)


def antiphase(*, target: int, inverted: int) -> Samples:
    """Three tones: the `target`-th is 6 dB softer, the `inverted`-th inverted on the right."""
    import numpy as np

    tone = np.sin(2 * np.pi * ANTIPHASE_HZ * _time(INTERVAL_SECONDS))
    intervals = []
    for number in (1, 2, 3):
        level = 10 ** (-SOFTER_DB / 20) if number == target else 1.0
        right = -tone if number == inverted else tone
        intervals.append(_ramped(level * np.stack([tone, right], axis=1), 0.1))
    return _in_turn(intervals)


def reference() -> Samples:
    """A slow broken chord lasting 6 s, by which participants set their volume."""
    notes = [220.0, 277.2, 329.6, 440.0, 329.6, 277.2] * 2
    return _melody(
        notes, each=REFERENCE_SECONDS / len(notes), partials=(1.0, 0.5, 0.25, 0.12), decay=2.5
    )


def soft_tones(*, count: int, variant: int, reference_rms: float) -> Samples:
    """`count` soft tones at uneven distances in 6 s, relative to the stored reference's RMS."""
    import numpy as np

    rng = _rng("tones", count, variant)
    sound = np.zeros(round(REFERENCE_SECONDS * SAMPLE_RATE))
    tone = np.sin(2 * np.pi * TONE_HZ * _time(0.25))
    tone = _ramped(tone, 0.03) * reference_rms * np.sqrt(2) * 10 ** (-TONE_BELOW_DB / 20)
    slot = (REFERENCE_SECONDS - 0.5) / count
    for number in range(count):
        at = round((0.25 + number * slot + rng.uniform(0, slot - 0.5)) * SAMPLE_RATE)
        sound[at : at + len(tone)] = tone
    return sound


def three_tones(*, highest: int, variant: int) -> Samples:
    """Three tones, one of them higher than the others by five semitones or more."""
    rng = _rng("three tones", highest, variant)
    low = float(rng.uniform(196.0, 262.0))
    notes = [low, low * 2 ** (int(rng.integers(1, 4)) / 12)]
    notes.insert(highest - 1, low * 2 ** (int(rng.integers(8, 12)) / 12))
    return _melody(notes, each=TONES_SECONDS / 3, partials=(1.0, 0.4, 0.2), decay=2.0)


def beats(*, count: int, variant: int) -> Samples:
    """`count` beats of one drum, evenly spaced, then silence."""
    import numpy as np

    rng = _rng("beats", count, variant)
    each = float(rng.uniform(0.45, 0.6))
    strokes = _strokes([110.0] * count, each, ((1.0, 1.0), (1.59, 0.5), (2.14, 0.3)), 9.0)
    heard = _cut(strokes, min(each * count, BEATS_SECONDS))
    sound = np.zeros(round(BEATS_SECONDS * SAMPLE_RATE))
    sound[: len(heard)] = heard
    return sound


def bells(*, seconds: float, variant: int) -> Samples:
    """Single bell strokes: inharmonic partials, long decay."""
    notes = _notes("bells", variant, seconds, each=0.8, low=523.0)
    return _cut(
        _strokes(notes, 0.8, ((1.0, 1.0), (2.76, 0.6), (5.4, 0.35), (8.9, 0.2)), 2.2), seconds
    )


def drum_beat(*, seconds: float, variant: int) -> Samples:
    """Regular low thuds; each variant has its own tempo."""
    import numpy as np

    each = (0.5, 0.4, 0.6, 0.45)[variant]
    time = _time(each)
    pitch = 50 + 90 * np.exp(-time * 30)
    thud = np.sin(2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE) * np.exp(-time * 9)
    click = _rng("drum", variant).standard_normal(len(time)) * np.exp(-time * 80)
    return _cut(np.tile(thud + 0.15 * click, int(seconds / each) + 1), seconds)


def rising(*, seconds: float, variant: int) -> Samples:
    """A tone that glides upwards over the whole length."""
    import numpy as np

    time = _time(seconds)
    low, octaves = ((150.0, 2.5), (220.0, 2.0), (110.0, 3.0), (180.0, 2.2))[variant]
    pitch = low * 2 ** (octaves * time / seconds)
    phase = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE
    return np.asarray(sum(np.sin(k * phase) / k**1.5 for k in (1, 2, 3)), dtype=np.float64)


def hiss(*, seconds: float, variant: int) -> Samples:
    """Steady noise, like the sea or rain."""
    import numpy as np

    noise = _rng("hiss", variant).standard_normal(round(seconds * SAMPLE_RATE))
    swell = 1 + 0.5 * np.sin(2 * np.pi * (0.2 + 0.1 * variant) * _time(seconds))
    return np.asarray(noise * swell, dtype=np.float64)


def siren(*, seconds: float, variant: int) -> Samples:
    """A tone that keeps rising and falling; each variant has its own tempo."""
    import numpy as np

    time = _time(seconds)
    pitch = 700 + 350 * np.sin(2 * np.pi * (0.8, 1.0, 1.3, 1.15)[variant] * time)
    phase = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE
    return np.asarray(np.sin(phase) + 0.3 * np.sin(2 * phase), dtype=np.float64)


def clock(*, seconds: float, variant: int) -> Samples:
    """Short regular clicks, every second one lower."""
    import numpy as np

    each = round((0.5, 0.4, 0.3, 0.35)[variant] * SAMPLE_RATE)
    click_time = _time(0.1)
    sound = np.zeros(round(seconds * SAMPLE_RATE) + len(click_time))
    for number, start in enumerate(range(0, round(seconds * SAMPLE_RATE), each)):
        pitch = 2400.0 if number % 2 == 0 else 1800.0
        click = np.sin(2 * np.pi * pitch * click_time) * np.exp(-click_time * 45)
        sound[start : start + len(click)] += click
    return np.asarray(sound[: round(seconds * SAMPLE_RATE)], dtype=np.float64)


def beeps(*, seconds: float, variant: int) -> Samples:
    """One steady high tone, on for about a quarter of a second and off for as long."""
    import numpy as np

    time = _time(seconds)
    pitch, rate = ((1000.0, 2.0), (1200.0, 2.5), (850.0, 1.6), (1100.0, 1.8))[variant]
    gate = np.clip(40 * np.sin(2 * np.pi * rate * time), 0.0, 1.0)
    return np.asarray(np.sin(2 * np.pi * pitch * time) * gate, dtype=np.float64)


def hum(*, seconds: float, variant: int) -> Samples:
    """One steady deep tone."""
    import numpy as np

    time, pitch = _time(seconds), (100.0, 120.0, 90.0, 110.0)[variant]
    partials = sum(np.sin(2 * np.pi * pitch * k * time) / k for k in (1, 2, 3, 4))
    return np.asarray(partials, dtype=np.float64)


def _rng(*names: object) -> np.random.Generator:
    import hashlib

    import numpy as np

    digest = hashlib.sha256(":".join(map(str, names)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


def _time(seconds: float) -> Samples:
    import numpy as np

    return np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE


def _noise(noise: Samples, *, turned: bool) -> Samples:
    """The noise in both ears; `turned` makes the right one's phase turn once in the band."""
    import numpy as np

    right = noise
    if turned:
        spectrum = np.fft.rfft(noise)
        hertz = np.fft.rfftfreq(len(noise), 1 / SAMPLE_RATE)
        low, high = HUGGINS_HZ * (1 - HUGGINS_WIDTH), HUGGINS_HZ * (1 + HUGGINS_WIDTH)
        turn = 2 * np.pi * np.clip((hertz - low) / (high - low), 0.0, 1.0)
        right = np.fft.irfft(spectrum * np.exp(1j * turn), len(noise))
    return _ramped(np.stack([noise, right], axis=1), 0.03)


def _ramped(samples: Samples, seconds: float) -> Samples:
    """Fade in and out by half a cosine."""
    import numpy as np

    count = round(seconds * SAMPLE_RATE)
    ramp = np.sin(np.linspace(0, np.pi / 2, count)) ** 2
    shaped = samples.copy()
    shaped[:count] *= ramp if samples.ndim == 1 else ramp[:, None]
    shaped[-count:] *= ramp[::-1] if samples.ndim == 1 else ramp[::-1, None]
    return shaped


def _in_turn(intervals: list[Samples]) -> Samples:
    """One after the other, with silence between them."""
    import numpy as np

    gap = np.zeros((round(GAP_SECONDS * SAMPLE_RATE), 2))
    first, second, third = intervals
    return np.concatenate([first, gap, second, gap, third])


def _notes(name: str, variant: int, seconds: float, *, each: float, low: float) -> list[float]:
    """Random notes of a pentatonic scale, hertz."""
    rng = _rng(name, variant)
    steps = rng.choice([0, 2, 4, 7, 9, 12], size=int(seconds / each) + 1)
    return [float(low * 2 ** (step / 12)) for step in steps]


def _strokes(
    notes: list[float], each: float, partials: tuple[tuple[float, float], ...], decay: float
) -> Samples:
    """Regular strokes that ring on over each other; `decay` per second."""
    import numpy as np

    step = round(each * SAMPLE_RATE)
    time = _time(3.0)
    sound = np.zeros(step * len(notes) + len(time))
    for number, note in enumerate(notes):
        stroke = sum(
            level * np.sin(2 * np.pi * note * ratio * time) * np.exp(-time * decay * ratio**0.5)
            for ratio, level in partials
        )
        sound[number * step : number * step + len(time)] += stroke
    return sound


def _melody(
    notes: list[float], *, each: float, partials: tuple[float, ...], decay: float
) -> Samples:
    """Notes with harmonic partials, cut where the last one ends."""
    ratios = tuple((float(k), level) for k, level in enumerate(partials, start=1))
    return _cut(_strokes(notes, each, ratios, decay), each * len(notes))


def _cut(samples: Samples, seconds: float) -> Samples:
    return samples[: round(seconds * SAMPLE_RATE)]
