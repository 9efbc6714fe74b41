"""Sounds whose truth is known, mono float32 [sample] at `RATE`."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

RATE = 16_000
Sound = npt.NDArray[np.float32]

MAJOR_CHORDS = ((60, 64, 67), (65, 69, 72), (67, 71, 74), (60, 64, 67))
"""C F G C."""
MINOR_CHORDS = ((57, 60, 64), (62, 65, 69), (64, 67, 71), (57, 60, 64))
"""a d e a: the same seven notes as C major."""


def seconds_of(seconds: float) -> npt.NDArray[np.float64]:
    return np.arange(round(seconds * RATE)) / RATE


def sine(hertz: float, seconds: float = 4.0) -> Sound:
    return (0.5 * np.sin(2 * np.pi * hertz * seconds_of(seconds))).astype(np.float32)


def noise(seconds: float = 4.0, seed: int = 0) -> Sound:
    generator = np.random.default_rng(seed)
    return generator.normal(scale=0.1, size=round(seconds * RATE)).astype(np.float32)


def clicks(bpm: float, seconds: float = 8.0) -> Sound:
    """Short noise bursts, `bpm` a minute, over a faint hum."""
    time = seconds_of(seconds)
    burst = np.exp(-(time % (60 / bpm)) * 120) * noise(seconds)
    return (burst + 1e-3 * sine(220.0, seconds)).astype(np.float32)


def note(midi: float, seconds: float) -> Sound:
    """A tone with five overtones that die away."""
    time = seconds_of(seconds)
    hertz = 440 * 2 ** ((midi - 69) / 12)
    partials = [0.5**k * np.sin(2 * np.pi * hertz * (k + 1) * time) for k in range(6)]
    return (0.2 * np.sum(partials, axis=0) * np.exp(-1.5 * time)).astype(np.float32)


def chords(sequence: tuple[tuple[int, ...], ...], each: float = 1.0) -> Sound:
    bars = [np.sum([note(midi, each) for midi in chord], axis=0) for chord in sequence]
    return np.concatenate(bars).astype(np.float32)


def pulsing(sound: Sound, hertz: float, depth: float = 0.9) -> Sound:
    time = np.arange(len(sound)) / RATE
    return (sound * (1 + depth * np.cos(2 * np.pi * hertz * time)) / 2).astype(np.float32)


def wavering(hertz: float, rate: float, semitones: float, seconds: float = 4.0) -> Sound:
    """A harmonic tone whose pitch sways `rate` times a second."""
    time = seconds_of(seconds)
    frequency = hertz * 2 ** (semitones / 12 * np.sin(2 * np.pi * rate * time))
    phase = 2 * np.pi * np.cumsum(frequency) / RATE
    return np.sum([0.5**k * np.sin((k + 1) * phase) for k in range(6)], axis=0).astype(np.float32)


def delayed(sound: Sound, seconds: float, level: float) -> Sound:
    """The sound and one repeat of it."""
    repeat = np.zeros_like(sound)
    step = round(seconds * RATE)
    repeat[step:] = sound[:-step] * level
    return (sound + repeat).astype(np.float32)
