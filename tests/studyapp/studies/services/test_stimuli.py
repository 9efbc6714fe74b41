from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import pyloudnorm
import pytest
import soundfile
from django.conf import settings

from studyapp.core.errors import StudyError
from studyapp.models import Clip, Stimulus
from studyapp.studies.services import stimuli
from tests.studyapp.factories import SAMPLE_RATE, make_clip, make_run

pytestmark = pytest.mark.django_db


def write(clip: Clip, samples: np.ndarray, rate: int = SAMPLE_RATE) -> Clip:
    """Replace the samples in the clip's file."""
    soundfile.write(Path(settings.DATA) / clip.run.directory / clip.path, samples, rate)
    return clip


def made(clip: Clip, seconds: float | None = None) -> Stimulus:
    return stimuli.make_stimulus(clip=clip, loudness_lufs=-23.0, seconds=seconds)


def stored(stimulus: Stimulus) -> bytes:
    return (Path(settings.DATA) / stimulus.path).read_bytes()


def decoded(stimulus: Stimulus) -> np.ndarray:
    return soundfile.read(io.BytesIO(stored(stimulus)), dtype="float64")[0]


def noise(seconds: float = 1.0, level: float = 0.1, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return level * rng.standard_normal(round(seconds * SAMPLE_RATE)).clip(-3, 3) / 3


@pytest.fixture
def clip() -> Clip:
    return make_clip(make_run(clips=0))


@pytest.mark.parametrize("level", [0.003, 0.1, 0.9])
@pytest.mark.parametrize("target", [-23.0, -30.0])
def test_stored_bytes_have_the_target_loudness(clip: Clip, level: float, target: float) -> None:
    write(clip, noise(level=level))
    stimulus = stimuli.make_stimulus(clip=clip, loudness_lufs=target)
    measured = pyloudnorm.Meter(SAMPLE_RATE).integrated_loudness(decoded(stimulus))
    assert measured == pytest.approx(target, abs=0.1)
    assert stimulus.loudness_lufs == pytest.approx(measured, abs=1e-6)


def test_a_peak_over_the_ceiling_is_limited_and_the_loudness_kept(clip: Clip) -> None:
    samples = noise(level=0.01)
    samples[::8000] = 0.9  # clicks: 39 dB over the rest
    stimulus = stimuli.make_stimulus(clip=write(clip, samples), loudness_lufs=-20.0)
    assert np.abs(decoded(stimulus)).max() <= 10 ** (-1 / 20) + 1e-4
    assert stimulus.loudness_lufs == pytest.approx(-20.0, abs=0.1)


def test_the_file_is_mono_32_khz_16_bit_flac(clip: Clip) -> None:
    stereo = np.stack([noise(seed=1), noise(seed=2)], axis=1)
    stimulus = made(write(clip, stereo))
    info = soundfile.info(io.BytesIO(stored(stimulus)))
    assert (info.channels, info.samplerate, info.format, info.subtype) == (
        1, 32_000, "FLAC", "PCM_16"
    )  # fmt: skip


def test_the_file_has_only_the_metadata_that_playing_needs(clip: Clip) -> None:
    path = Path(settings.DATA) / clip.run.directory / clip.path
    with soundfile.SoundFile(path, "w", SAMPLE_RATE, 1, format="FLAC") as file:
        file.title, file.artist, file.comment = "Secret title", "Secret artist", "method x"
        file.write(noise())
    data = stored(made(clip))
    assert data[:4] == b"fLaC"
    assert data[4] == 0  # STREAMINFO, 34 bytes
    assert data[42] == 0x83  # a seek table, and the last block
    for word in (b"Secret", b"method", b"reference", b"libFLAC", b"Lavf"):
        assert word not in data


def test_another_rate_is_resampled(clip: Clip) -> None:
    time = np.arange(44_100) / 44_100
    write(clip, 0.3 * np.sin(2 * np.pi * 1000 * time), 44_100)
    samples = decoded(made(clip))
    assert len(samples) == 32_000
    assert np.abs(np.fft.rfft(samples)).argmax() == 1000


@pytest.mark.parametrize("seconds", [0.8, 1.0, 1.25])
def test_the_length_is_as_requested_with_faded_ends(clip: Clip, seconds: float) -> None:
    stimulus = made(write(clip, noise()), seconds=seconds)
    samples = decoded(stimulus)
    assert len(samples) == round(seconds * SAMPLE_RATE)
    assert stimulus.seconds == pytest.approx(seconds)
    assert samples[0] == 0
    assert abs(samples[min(len(samples), SAMPLE_RATE) - 1]) < 1e-3


def test_the_name_is_the_hash_of_the_bytes_and_the_same_clip_gives_the_same(clip: Clip) -> None:
    first, again = made(clip), made(clip)
    assert first == again
    assert first.sha256 == hashlib.sha256(stored(first)).hexdigest()
    assert first.path == f"stimuli/{first.sha256}.flac"


def test_the_same_audio_in_two_runs_is_two_rows_and_one_file(clip: Clip) -> None:
    other = make_clip(make_run(clips=0))
    write(clip, noise())
    write(other, noise())
    first, second = made(clip), made(other)
    assert first.sha256 == second.sha256
    assert (first.clip, second.clip) == (clip, other)


def test_the_outline_has_sixty_bars_scaled_to_the_largest(clip: Clip) -> None:
    samples = noise()
    samples[: len(samples) // 2] *= 0.1
    peaks = made(write(clip, samples)).peaks
    assert len(peaks) == 60
    assert max(peaks) == 100
    assert max(peaks[:29]) < 20


def test_a_silent_clip_is_refused(clip: Clip) -> None:
    with pytest.raises(StudyError, match="is silent"):
        made(write(clip, np.zeros(SAMPLE_RATE)))
    assert not Stimulus.objects.exists()


def test_a_broken_file_is_refused(clip: Clip) -> None:
    (Path(settings.DATA) / clip.run.directory / clip.path).write_bytes(b"no audio")
    with pytest.raises(StudyError, match="cannot be read"):
        made(clip)


def test_nothing_half_written_stays(clip: Clip) -> None:
    made(clip)
    names = [path.suffix for path in (Path(settings.DATA) / "stimuli").iterdir()]
    assert set(names) == {".flac"}


@pytest.mark.parametrize(
    ("lengths", "common"),
    [([10.0, 10.0, 10.0], 10.0), ([10.0, 9.0, 8.5], 8.5), ([10.0, 10.0, 2.0], 10.0)],
)
def test_one_stray_short_clip_does_not_cut_all_others(lengths: list[float], common: float) -> None:
    assert stimuli.common_length(lengths) == common
