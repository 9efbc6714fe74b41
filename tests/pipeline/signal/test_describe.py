"""Each descriptor on sounds whose truth is known."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from pipeline.signal.describe import DESCRIPTORS, describe
from pipeline.signal.frames import analyse
from pipeline.signal.rhythm import autocorrelation, beat, loudness_flux, pulse_of
from tests.pipeline.signal.sounds import (
    MAJOR_CHORDS,
    MINOR_CHORDS,
    RATE,
    Sound,
    chords,
    clicks,
    delayed,
    noise,
    note,
    pulsing,
    sine,
    wavering,
)


def of(sound: Sound) -> dict[str, float]:
    return describe(sound, RATE)


@cache
def melody(each: float, gate: float = 1.0) -> Sound:
    """Eight notes up and down, each sounding for `gate` of its time."""
    parts = []
    for midi in (60, 64, 67, 72, 67, 64, 60, 55):
        part = note(midi, each)
        part[round(gate * len(part)) :] = 0
        parts.append(part)
    return np.concatenate(parts)


def test_every_descriptor_is_there_in_order_and_finite_but_stereo_width() -> None:
    found = of(chords(MAJOR_CHORDS))
    assert tuple(found) == DESCRIPTORS
    assert [name for name, value in found.items() if not np.isfinite(value)] == ["stereo_width"]


@pytest.mark.parametrize("bpm", [80, 120, 150])
def test_a_click_track_has_its_tempo(bpm: int) -> None:
    pulse = pulse_of(autocorrelation(loudness_flux(analyse(clicks(bpm), RATE).bands)))
    tempo, strength = beat(pulse)
    assert tempo == pytest.approx(bpm, rel=0.02)
    assert strength > 0.5


def test_pace_follows_the_tempo_and_the_beat_is_stronger_than_that_of_noise() -> None:
    slow, fast = of(clicks(58)), of(clicks(176))
    assert slow["tempo"] < of(noise(8.0))["tempo"] < fast["tempo"]
    assert fast["beat_strength"] > 3 * of(noise(8.0))["beat_strength"]


def test_onsets_are_counted() -> None:
    assert of(clicks(120))["onset_rate"] == pytest.approx(2.0, abs=0.3)


def test_quick_repeats_are_told_from_slow_ones() -> None:
    assert of(pulsing(noise(), 13.0))["repeats"] > 3 * of(pulsing(noise(), 4.0))["repeats"]


def test_a_noisy_hit_is_more_percussive_than_a_note() -> None:
    tones = melody(0.5)
    hits = np.concatenate([noise(0.5)[:1600], np.zeros(RATE // 2 - 1600, np.float32)] * 8)
    drums = (tones + hits[: len(tones)]).astype(np.float32)
    assert of(drums)["percussiveness"] > of(tones)["percussiveness"] + 3


def test_major_and_relative_minor_are_told_apart() -> None:
    assert of(chords(MAJOR_CHORDS))["minor"] < 0 < of(chords(MINOR_CHORDS))["minor"]


def test_a_triad_is_consonant_and_in_a_key_and_a_cluster_is_neither() -> None:
    triad, cluster = of(chords(((60, 64, 67),) * 4)), of(chords(((60, 61, 62, 63),) * 4))
    assert triad["consonance"] > cluster["consonance"] + 0.2
    assert triad["key_clarity"] > cluster["key_clarity"]


def test_chord_changes_are_heard() -> None:
    held, moving = chords(((60, 64, 67),) * 4), chords(MAJOR_CHORDS)
    assert of(moving)["chord_change"] > of(held)["chord_change"] + 0.1


@pytest.mark.parametrize("midi", [45, 60, 81, 95])
def test_register_is_the_note_that_is_played(midi: int) -> None:
    assert of(note(midi, 2.0))["register"] == pytest.approx(midi, abs=1.0)


def test_a_high_sine_is_brighter_and_a_low_one_has_the_bass() -> None:
    high, low = of(sine(2000.0)), of(sine(60.0))
    assert high["register"] > low["register"] + 40
    assert high["brightness"] > low["brightness"] + 2
    assert high["rolloff"] == pytest.approx(1.0, abs=0.1)
    assert low["sub_bass"] > high["sub_bass"] + 20
    assert low["body"] > high["body"] + 20


def test_white_noise_is_flat_and_a_sine_is_not() -> None:
    # Expected flatness of white noise: exp(−γ), −2.51 dB.
    assert of(noise())["flatness"] == pytest.approx(-2.51, abs=0.3)
    assert of(sine(440.0))["flatness"] < -30


def test_hiss_fills_what_music_leaves_empty() -> None:
    clean = melody(0.5)
    hissing = (clean + 0.1 * noise(len(clean) / RATE)).astype(np.float32)
    assert of(hissing)["noise_floor"] > of(clean)["noise_floor"] + 10


def test_vibrato_is_a_sway_of_the_pitch_at_its_own_rate() -> None:
    swaying, steady = of(wavering(440, 6.0, 0.7)), of(wavering(440, 6.0, 0.0))
    assert swaying["vibrato"] > steady["vibrato"] + 2
    assert swaying["vibrato"] > of(wavering(440, 1.0, 0.7))["vibrato"] + 1


def test_a_pulse_of_six_a_second_is_tremolo_and_one_of_two_is_not() -> None:
    depth = of(pulsing(noise(), 6.0))["tremolo"]
    assert depth > 5
    assert depth > 3 * of(pulsing(noise(), 2.0, depth=0.5))["tremolo"]
    assert of(noise())["tremolo"] < 1


def test_an_echo_shows_in_the_cepstrum() -> None:
    dry = noise()
    assert of(delayed(dry, 0.33, 0.6))["echo"] > of(dry)["echo"] + 0.5
    assert of(delayed(dry, 0.33, 0.6))["echo"] > of(delayed(dry, 0.05, 0.6))["echo"] + 0.5


def test_short_notes_are_told_from_held_ones() -> None:
    short, held = of(melody(0.5, gate=0.2)), of(melody(0.5))
    assert short["loudness_range"] > held["loudness_range"] + 20
    assert short["sustain"] < held["sustain"]
    assert short["decay"] > held["decay"] + 5
    assert short["crest"] > held["crest"]


def test_a_plucked_note_has_an_attack_and_one_that_swells_has_none() -> None:
    plucked = melody(0.5)
    assert of(plucked)["attack"] > 1 > -1 > of(plucked[::-1].copy())["attack"]


def test_a_drone_never_stops() -> None:
    tune = melody(0.5, gate=0.5)
    assert of((tune + 0.5 * sine(110, 4.0)).astype(np.float32))["steadiness"] > 0.5
    assert of(tune)["steadiness"] < 0.1


def test_many_notes_at_once_are_told_from_one() -> None:
    one, many = note(60, 4.0), chords(((48, 52, 55, 59, 62, 66),), each=4.0)
    assert of(many)["polyphony"] > 1.5 * of(one)["polyphony"]
    assert of(melody(0.25))["melody_motion"] > 2 * of(melody(1.0))["melody_motion"]


def test_growth_is_the_last_third_over_the_first() -> None:
    ramp = np.repeat(np.array([0.1, 0.3, 1.0], np.float32), RATE)
    assert of(noise(3.0) * ramp)["growth"] == pytest.approx(20, abs=1)


def test_stereo_width_is_side_over_middle() -> None:
    left, right = noise(2.0, seed=1), noise(2.0, seed=2)
    assert describe(np.stack([left, right]), RATE)["stereo_width"] == pytest.approx(0, abs=0.3)
    assert describe(np.stack([left, left]), RATE)["stereo_width"] < -60


def test_level_and_sample_rate_change_nothing() -> None:
    import soxr

    sound = chords(MAJOR_CHORDS)
    whole, quiet = of(sound), of((sound * 0.05).astype(np.float32))
    other = describe(soxr.resample(sound, RATE, 2 * RATE), 2 * RATE)
    for name in ("tempo", "minor", "register", "body", "loudness_range", "tremolo", "decay"):
        assert quiet[name] == pytest.approx(whole[name], rel=1e-3, abs=1e-2)
        assert other[name] == pytest.approx(whole[name], rel=0.05, abs=0.3)


def test_the_same_sound_gives_the_same_bits() -> None:
    assert repr(of(chords(MINOR_CHORDS))) == repr(of(chords(MINOR_CHORDS)))


@pytest.mark.parametrize(
    ("sound", "complaint"),
    [
        (np.zeros(2 * RATE, np.float32), "silent"),
        (noise(0.5), "shorter than 1 s"),
        (np.full(2 * RATE, np.nan, np.float32), "not finite"),
    ],
)
def test_what_says_nothing_is_refused(sound: Sound, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        of(sound)
