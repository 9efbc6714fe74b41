"""Decoding sound files, refusing bad ones, and the contents of clips."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from pipeline.corpus.audio import AudioError, flac_bytes, levels_of, probe, read_clip, read_mono

RATE = 16_000


def sine(seconds: float, rate: int = RATE, hertz: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype("f4")


@pytest.mark.parametrize("name", ["x.wav", "x.flac", "x.ogg", "x.mp3"])
def test_a_sound_file_is_probed_to_its_end(tmp_path: Path, name: str) -> None:
    sf.write(tmp_path / name, sine(1.5), RATE)
    facts = probe(tmp_path / name)
    assert facts.sample_rate == RATE
    assert facts.seconds == pytest.approx(1.5, abs=0.1)
    assert facts.peak == pytest.approx(0.5, abs=0.05)


def test_a_missing_an_empty_and_a_foreign_file_are_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("not sound" * 100)
    sf.write(tmp_path / "headed.wav", np.zeros(0, dtype="f4"), RATE)
    reasons = {}
    for name in ("absent.wav", "empty.wav", "text.wav", "headed.wav"):
        with pytest.raises(AudioError) as caught:
            probe(tmp_path / name)
        reasons[name] = str(caught.value)
    assert reasons["absent.wav"] == "the file is missing"
    assert reasons["empty.wav"] == "the file is empty"
    assert reasons["text.wav"].startswith("cannot be decoded: ")
    assert reasons["headed.wav"] == "holds no sound"


@pytest.mark.parametrize("name", ["x.wav", "x.flac"])
def test_a_truncated_file_is_refused(tmp_path: Path, name: str) -> None:
    sf.write(tmp_path / name, sine(2.0) + 0.01 * np.random.default_rng(0).normal(size=32000), RATE)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: len(data) // 2])
    with pytest.raises(AudioError, match=r"truncated|cannot be decoded"):
        probe(tmp_path / name)


def test_samples_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    samples = sine(1.0)
    samples[100] = np.nan
    sf.write(tmp_path / "x.wav", samples, RATE, subtype="FLOAT")
    with pytest.raises(AudioError, match="not numbers"):
        probe(tmp_path / "x.wav")


def test_an_excerpt_is_cut_where_it_is_asked_for(tmp_path: Path) -> None:
    ramp = np.linspace(0, 0.9, 2 * RATE, dtype="f4")
    sf.write(tmp_path / "x.wav", ramp, RATE, subtype="FLOAT")
    samples, rate = read_clip(tmp_path / "x.wav", start_seconds=0.5, seconds=1.0)
    assert rate == RATE
    np.testing.assert_array_equal(samples, ramp[None, RATE // 2 : RATE // 2 + RATE])


@pytest.mark.parametrize("rate", [8_000, 44_100, 96_000])
def test_mono_has_the_length_asked_for_at_any_rate_and_keeps_the_pitch(
    tmp_path: Path, rate: int
) -> None:
    stereo = np.stack([sine(1.0, rate), sine(1.0, rate)], axis=1)
    sf.write(tmp_path / "x.wav", stereo, rate)
    mono = read_mono(tmp_path / "x.wav", sample_rate=RATE, seconds=1.0)
    assert mono.shape == (RATE,)
    assert int(np.abs(np.fft.rfft(mono)).argmax()) == 440


def test_a_clip_is_flac_without_tags_and_equal_sound_gives_equal_bytes() -> None:
    data = flac_bytes(sine(0.5)[None], RATE)
    assert data == flac_bytes(sine(0.5)[None], RATE)
    with sf.SoundFile(BytesIO(data)) as file:
        assert (file.format, file.subtype, file.frames) == ("FLAC", "PCM_16", RATE // 2)
        assert file.copy_metadata() == {}


def test_more_than_two_channels_become_one() -> None:
    six = np.stack([sine(0.2)] * 6)
    with sf.SoundFile(BytesIO(flac_bytes(six, RATE))) as file:
        assert file.channels == 1


@pytest.mark.parametrize(
    ("name", "codec"), [("x.m4a", "aac"), ("x.opus", "libopus"), ("x.webm", "libopus")]
)
def test_what_soundfile_does_not_know_is_decoded_by_pyav(
    tmp_path: Path, name: str, codec: str
) -> None:
    rate = 48_000
    encode(
        tmp_path / name,
        codec,
        np.concatenate([sine(1.0, rate, 440.0), sine(1.0, rate, 880.0)]),
        rate,
    )
    facts = probe(tmp_path / name)
    assert facts.sample_rate == rate
    assert facts.seconds == pytest.approx(2.0, abs=0.1)
    second = read_mono(tmp_path / name, sample_rate=RATE, start_seconds=1.25, seconds=0.5)
    assert second.shape == (RATE // 2,)
    assert int(np.abs(np.fft.rfft(second)).argmax()) == 440  # bins of 2 Hz
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: len(data) // 2])
    with pytest.raises(AudioError, match=r"truncated|cannot be decoded"):
        probe(tmp_path / name)


def encode(path: Path, codec: str, samples: np.ndarray, rate: int) -> None:
    """A mono sound encoded by FFmpeg."""
    import av

    with av.open(path, "w") as container:
        stream = container.add_stream(codec, rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.sample_rate = rate
        resampler = av.AudioResampler(
            format=stream.format, layout="mono", rate=rate, frame_size=stream.frame_size or 960
        )
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))


def test_loudness_is_that_of_the_standard() -> None:
    # ITU-R BS.1770: a full-scale 997 Hz sine in one channel reads -3.01 LUFS.
    tone = 2 * sine(2.0, 48_000, 997.0)
    levels = levels_of(tone[None], 48_000)
    assert levels.loudness_lufs == pytest.approx(-3.01, abs=0.05)
    assert levels_of(np.zeros((1, 48_000), "f4"), 48_000).loudness_lufs is None
    assert levels_of(np.stack([tone / 6] * 6), 48_000).loudness_lufs == pytest.approx(
        -18.57, abs=0.1
    )


def test_a_reason_is_without_the_files_name_and_a_message_has_it(tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_bytes(b"no sound at all")
    with pytest.raises(AudioError) as refused:
        read_clip(tmp_path / "x.wav", seconds=1.0)
    assert refused.value.reason.startswith("cannot be decoded: ")
    assert str(refused.value) == f"{tmp_path / 'x.wav'} {refused.value.reason}"
