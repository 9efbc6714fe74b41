from __future__ import annotations

import io
import struct

import numpy as np
import pytest
import soundfile

from studyapp.studies.services import flac


def encoded(seconds: float, *, level: float = 0.1, seed: int = 0) -> bytes:
    samples = level * np.random.default_rng(seed).standard_normal(round(seconds * 32_000))
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, 32_000, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


@pytest.mark.parametrize("seconds", [0.05, 0.6, 1.0, 25.0])
def test_the_sound_is_untouched(seconds: float) -> None:
    data = encoded(seconds)
    before, after = (soundfile.read(io.BytesIO(one))[0] for one in (data, flac.for_playing(data)))
    assert np.array_equal(before, after)


@pytest.mark.parametrize("seconds", [0.05, 0.6, 25.0])
def test_every_frame_but_the_last_three_has_its_point(seconds: float) -> None:
    data = flac.for_playing(encoded(seconds))
    size = int.from_bytes(data[43:46], "big")
    points = list(struct.iter_unpack(">QQH", data[46 : 46 + size]))
    frames = data[46 + size :]
    assert len(points) == max(1, -(-round(seconds * 32_000) // 4096) - 3)
    assert [sample for sample, _, _ in points] == [4096 * n for n in range(len(points))]
    assert all(frames[offset : offset + 2] == b"\xff\xf8" for _, offset, _ in points)


def test_a_file_that_is_not_flac_is_refused() -> None:
    with pytest.raises(ValueError, match="not a FLAC file"):
        flac.for_playing(b"RIFF" + bytes(100))
