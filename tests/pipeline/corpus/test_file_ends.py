"""Distinguishing truncated files from files whose header states a wrong length."""

from __future__ import annotations

import struct
import wave
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from pipeline.corpus.audio import AudioError, probe, read_clip

RATE = 48_000
SOUND = (
    0.3 * np.sin(2 * np.pi * 440 * np.arange(2 * RATE) / RATE)
    + np.random.default_rng(0).normal(scale=0.05, size=2 * RATE)
).astype("f4")
PCM = (SOUND * 32_767).astype("<i2").tobytes()
UNKNOWN = 0xFFFF_FFFF


def wav(riff: int, data: int, body: bytes = PCM) -> bytes:
    """A WAV file whose header states these sizes."""
    head = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE, 2 * RATE, 2, 16)
    return (
        struct.pack("<4sI4s", b"RIFF", riff, b"WAVE")
        + head
        + struct.pack("<4sI", b"data", data)
        + body
    )


def through_ffmpeg(path: Path, codec: str, form: str | None = None, **options: str) -> None:
    import av

    with av.open(path, "w", format=form, options=options) as container:
        stream = container.add_stream(codec, rate=RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(SOUND[None], format="fltp", layout="mono")
        frame.sample_rate = RATE
        resampler = av.AudioResampler(
            format=stream.format, layout="mono", rate=RATE, frame_size=stream.frame_size or 960
        )
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))


SIZE = len(PCM)
STATED = {
    "right": (36 + SIZE, SIZE),
    "RIFF counts its own header": (44 + SIZE, SIZE),
    "RIFF is odd": (37 + SIZE, SIZE),
    "RIFF is far too large": (10 * SIZE, SIZE),
    "RIFF is too small": (100, SIZE),
    "both are 0": (0, 0),
    "data is 0": (36 + SIZE, 0),
    "both are unknown": (UNKNOWN, UNKNOWN),
    "unknown, less the header": (UNKNOWN, UNKNOWN - 36),
    "the largest signed number": (0x7FFF_FFFF, 0x7FFF_FFFF - 36),
    "SoX to a pipe": (0x7FFF_F024, 0x7FFF_F000),
    "data counts the header": (36 + SIZE, 44 + SIZE),
    "data is odd": (37 + SIZE, SIZE + 1),
}


@pytest.mark.parametrize("stated", STATED.values(), ids=STATED)
def test_a_wav_is_as_long_as_its_samples_whatever_its_header_states(
    tmp_path: Path, stated: tuple[int, int]
) -> None:
    (tmp_path / "x.wav").write_bytes(wav(*stated))
    assert probe(tmp_path / "x.wav").seconds == pytest.approx(2.0, abs=0.001)
    samples, _ = read_clip(tmp_path / "x.wav", start_seconds=1.5, seconds=0.5)
    assert samples.shape == (1, RATE // 2)


def test_an_aiff_and_an_au_of_unknown_length_are_whole(tmp_path: Path) -> None:
    for name, place in {"x.aiff": None, "x.au": 8}.items():
        sf.write(tmp_path / name, SOUND, RATE)
        data = bytearray((tmp_path / name).read_bytes())
        place = place if place is not None else 4
        data[place : place + 4] = struct.pack(">I", UNKNOWN)
        (tmp_path / name).write_bytes(data)
        assert probe(tmp_path / name).seconds == pytest.approx(2.0)


def test_a_flac_that_states_another_number_of_samples_is_whole(tmp_path: Path) -> None:
    sf.write(tmp_path / "x.flac", SOUND, RATE)
    data = bytearray((tmp_path / "x.flac").read_bytes())
    for stated in (0, 2 * len(SOUND)):
        # STREAMINFO begins at byte 8; the low four bytes of the count of samples are its 14th on.
        data[8 + 14 : 8 + 18] = struct.pack(">I", stated)
        (tmp_path / "x.flac").write_bytes(data)
        assert probe(tmp_path / "x.flac").seconds == pytest.approx(2.0)
        assert read_clip(tmp_path / "x.flac", start_seconds=1.0, seconds=1.0)[0].shape == (1, RATE)


MADE: dict[str, tuple[str, str | None, dict[str, str]]] = {
    "x.m4a": ("aac", "ipod", {"movflags": "faststart"}),
    "x.mp4": ("aac", "mp4", {"movflags": "frag_keyframe+empty_moov"}),
    "x.aac": ("aac", "adts", {}),
    "x.mka": ("aac", "matroska", {}),
    "x.webm": ("libopus", "webm", {}),
    "x.opus": ("libopus", "opus", {}),
    "x.mp3": ("libmp3lame", "mp3", {}),
    "x.flac": ("flac", "flac", {}),
    "x.caf": ("pcm_s16le", "caf", {}),
    "x.aiff": ("pcm_s16be", "aiff", {}),
    "x.au": ("pcm_s16be", "au", {}),
    "x.wav": ("pcm_s16le", "wav", {}),
    "x.ogg": ("libopus", "ogg", {}),
    "x.w64": ("pcm_s16le", "w64", {}),
    "rf64.wav": ("pcm_s16le", "wav", {"rf64": "always"}),
    "x.avi": ("pcm_s16le", "avi", {}),
    "live.webm": ("libopus", "webm", {"live": "1"}),
    "x.mp2": ("mp2", "mp2", {}),
    "x.ac3": ("ac3", "ac3", {}),
    "x.eac3": ("eac3", "eac3", {}),
    "x.ts": ("mp2", "mpegts", {}),
    "x.voc": ("pcm_s16le", "voc", {}),
    "x.flv": ("aac", "flv", {}),
    "x.nut": ("aac", "nut", {}),
    "cmaf.mp4": ("libopus", "mp4", {"movflags": "cmaf+empty_moov", "frag_duration": "300000"}),
}


@pytest.mark.parametrize("name", MADE)
def test_each_form_is_whole_when_it_is_and_set_aside_when_it_is_cut(
    tmp_path: Path, name: str
) -> None:
    codec, form, options = MADE[name]
    path = tmp_path / name
    through_ffmpeg(path, codec, form, **options)
    assert probe(path).seconds == pytest.approx(2.0, abs=0.05)
    data = path.read_bytes()
    for share in (0.31, 0.6, 0.9):
        path.write_bytes(data[: int(share * len(data))])
        with pytest.raises(AudioError, match=r"is truncated after|cannot be decoded"):
            probe(path)


def test_an_mp3_without_an_info_tag_is_as_long_as_it_decodes(tmp_path: Path) -> None:
    path = tmp_path / "x.mp3"
    through_ffmpeg(path, "libmp3lame", "mp3", write_xing="0")
    whole = probe(path).seconds
    assert whole == pytest.approx(2.04, abs=0.03)
    # A recorded stream ends anywhere, and nothing in it states what it should hold.
    data = path.read_bytes()
    path.write_bytes(data[: int(0.6 * len(data))])
    assert probe(path).seconds == pytest.approx(0.6 * whole, abs=0.06)


def test_an_mp3_cut_between_frames_is_whole_though_its_tag_states_more(tmp_path: Path) -> None:
    from pipeline.corpus.file_ends import _frame_bytes

    path = tmp_path / "x.mp3"
    through_ffmpeg(path, "libmp3lame", "mp3", id3v2_version="0")
    data = path.read_bytes()
    place = 0
    while place < len(data) // 2:
        place += _frame_bytes(data[place : place + 4])
    path.write_bytes(data[:place])
    assert probe(path).seconds == pytest.approx(1.0, abs=0.1)


def test_a_picture_longer_than_the_sound_is_nothing_to_it(tmp_path: Path) -> None:
    import av

    path = tmp_path / "x.mkv"
    with av.open(path, "w") as container:
        film = container.add_stream("mpeg4", rate=10)
        film.width = film.height = 32
        film.pix_fmt = "yuv420p"
        sound = container.add_stream("aac", rate=RATE, layout="mono")
        for number in range(40):
            picture = av.VideoFrame.from_ndarray(np.full((32, 32, 3), number, "u1"), format="rgb24")
            picture.pts = number
            container.mux(film.encode(picture))
        container.mux(film.encode(None))
        frame = av.AudioFrame.from_ndarray(SOUND[None], format="fltp", layout="mono")
        frame.sample_rate = RATE
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    assert probe(path).seconds == pytest.approx(2.0, abs=0.05)


def test_odd_tags_are_nothing_to_a_decoder(tmp_path: Path) -> None:
    path = tmp_path / "x.m4a"
    through_ffmpeg(path, "aac", "ipod", movflags="faststart")
    data = path.read_bytes()
    assert b"Lavf" in data
    path.write_bytes(data.replace(b"Lavf", b"\xff\xfe\x80\xe0"))
    assert probe(path).seconds == pytest.approx(2.0, abs=0.05)


def test_a_wave_of_the_standard_library_is_whole(tmp_path: Path) -> None:
    stream = BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(RATE)
        file.writeframes(bytes(range(256)) * 100 + b"\x80")  # an odd number of bytes
    (tmp_path / "x.wav").write_bytes(stream.getvalue())
    assert probe(tmp_path / "x.wav").seconds == pytest.approx(25_601 / RATE)


@pytest.mark.parametrize("rate", [32_000, 44_100, 48_000])
def test_an_ac3_of_any_rate_is_whole(tmp_path: Path, rate: int) -> None:
    import av

    path = tmp_path / "x.ac3"
    with av.open(path, "w") as container:
        stream = container.add_stream("ac3", rate=rate, layout="mono")
        stream.bit_rate = 96_000
        for start in range(0, 20 * 1536, 1536):
            frame = av.AudioFrame.from_ndarray(
                SOUND[None, start : start + 1536], format="fltp", layout="mono"
            )
            frame.sample_rate = rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert probe(path).seconds == pytest.approx(20 * 1536 / rate, abs=0.1)
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(AudioError, match=r"is truncated after"):
        probe(path)


@pytest.mark.parametrize(
    ("name", "subtype"), [("x.wav", "NMS_ADPCM_16"), ("x.aiff", "DWVW_16"), ("x.aiff", "DWVW_24")]
)
def test_an_excerpt_is_cut_where_libsndfile_cannot_seek(
    tmp_path: Path, name: str, subtype: str
) -> None:
    sf.write(tmp_path / name, SOUND, RATE, subtype=subtype)
    assert probe(tmp_path / name).seconds == pytest.approx(2.0, abs=0.01)
    samples, _ = read_clip(tmp_path / name, start_seconds=1.5, seconds=0.25)
    assert samples.shape == (1, RATE // 4)
    cut = SOUND[int(1.5 * RATE) : int(1.75 * RATE)]
    assert np.corrcoef(samples[0], cut)[0, 1] > 0.9
