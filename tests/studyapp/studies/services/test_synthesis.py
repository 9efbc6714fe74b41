"""The sounds of the checks are as the papers describe them."""

from __future__ import annotations

import numpy as np
import pytest

from studyapp.studies.services import synthesis
from studyapp.studies.services.synthesis import SAMPLE_RATE

STEP = round((synthesis.INTERVAL_SECONDS + synthesis.GAP_SECONDS) * SAMPLE_RATE)
LENGTH = round(synthesis.INTERVAL_SECONDS * SAMPLE_RATE)


def intervals(sound: synthesis.Samples) -> list[synthesis.Samples]:
    return [sound[n * STEP : n * STEP + LENGTH] for n in range(3)]


@pytest.mark.parametrize("target", [1, 2, 3])
def test_huggins_pitch_is_a_difference_between_the_ears_only_near_600_hz(target: int) -> None:
    found = intervals(synthesis.huggins(target=target, variant=0))
    differing = [n for n, one in enumerate(found, 1) if np.abs(one[:, 0] - one[:, 1]).max() > 1e-9]
    assert differing == [target]
    hertz = np.fft.rfftfreq(LENGTH, 1 / SAMPLE_RATE)
    difference = np.abs(np.fft.rfft(found[target - 1][:, 0] - found[target - 1][:, 1])) ** 2
    inside = (hertz > 540) & (hertz < 660)
    assert difference[inside].sum() > 0.99 * difference.sum()
    # One ear alone hears noise: as loud in the band as beside it.
    power = np.abs(np.fft.rfft(found[target - 1][:, 1])) ** 2
    assert 0.6 < power[inside].mean() / power[(hertz > 700) & (hertz < 1500)].mean() < 1.6


def test_the_inverted_tone_cancels_over_loudspeakers_and_the_target_is_6_db_softer() -> None:
    found = intervals(synthesis.antiphase(target=2, inverted=3))
    heard = [float(np.sqrt(np.mean(one[:, 0] ** 2))) for one in found]
    assert 20 * np.log10(heard[1] / heard[0]) == pytest.approx(-6.0, abs=0.01)
    assert heard[2] == pytest.approx(heard[0])
    mixed = [float(np.abs(one.sum(axis=1)).max()) for one in found]
    assert mixed[2] == 0.0
    assert mixed[0] > mixed[1] > 0.5


@pytest.mark.parametrize("count", [2, 5])
def test_soft_tones_can_be_counted_and_are_26_db_under_the_reference(count: int) -> None:
    sound = synthesis.soft_tones(count=count, variant=1, reference_rms=0.1)
    active = np.abs(sound) > 1e-9
    starts = np.flatnonzero(np.diff(np.convolve(active, np.ones(400), "same") > 0) == 1)
    assert len(starts) in (count, count * 2)  # rises and falls
    level = 20 * np.log10(np.abs(sound).max() / np.sqrt(2) / 0.1)
    assert level == pytest.approx(-26.0, abs=0.1)


def test_the_same_call_gives_the_same_sound_and_variants_differ() -> None:
    for make in (synthesis.bells, synthesis.drum_beat, synthesis.rising, synthesis.hiss):
        first, again = make(seconds=1.0, variant=0), make(seconds=1.0, variant=0)
        assert np.array_equal(first, again)
        assert len(first) == SAMPLE_RATE
        assert not np.array_equal(first, make(seconds=1.0, variant=1))
