"""Stimuli: clips as participants hear them.

Mono, 32 kHz, 16-bit FLAC without metadata except the stream's own and a seek table; one length per
study, faded in and out, matched in integrated loudness (ITU-R BS.1770-4). A clip whose peaks would
exceed −1 dBFS is not made softer: a look-ahead limiter lowers the peaks. Each file is named by the
SHA-256 of its bytes. numpy, soundfile, soxr and pyloudnorm are imported inside functions, since the
web process never needs them.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings

from studyapp.core.errors import StudyError
from studyapp.core.storage import write_atomically
from studyapp.models import Clip, Stimulus
from studyapp.runs.services.folders import file_of
from studyapp.studies.services import flac
from studyapp.studies.services.synthesis import SAMPLE_RATE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float64]

FADE_SECONDS = 0.010
PEAK_DBFS = -1.0
BARS = 60
"""Bars of the waveform outline."""
LIMITER_SECONDS = 0.005
LOUDNESS_TOLERANCE = 0.1
"""How far the stored sound may be from the target, LU."""


def make_stimulus(
    *, clip: Clip, loudness_lufs: float, seconds: float | None = None, equal_size: bool = False
) -> Stimulus:
    """The stimulus of a clip at that loudness and length (default: the clip's own).

    With `equal_size` its file has as many bytes as any other of that length. A second call returns
    the same row. Raises `StudyError` if the clip's file is missing, unreadable or silent.
    """
    samples = _fit(_read(clip), seconds if seconds is not None else clip.seconds)
    name = f"clip {clip.sha256[:12]} of {clip.run}"
    return _stimulus(samples, loudness_lufs, clip, name, equal_size)


def make_synthetic_stimulus(
    *, samples: Samples, loudness_lufs: float, seconds: float, name: str, equal_size: bool = False
) -> Stimulus:
    """The stimulus of a synthesised sound (mono, at `SAMPLE_RATE`), made as for a clip.

    A second call returns the same row. `name` is for the error about a silent one (`StudyError`).
    """
    return _stimulus(_fit(samples, seconds), loudness_lufs, None, name, equal_size)


def store_sound(
    *, samples: Samples, loudness_lufs: float | None, name: str, equal_size: bool = False
) -> str:
    """Write a check's sound, mono or stereo, as FLAC; return its path in `EARWITNESS_DATA`.

    It gets that integrated loudness; None leaves it unchanged. With `equal_size` all sounds of one
    length have the same number of bytes.
    """
    data = _flac(samples) if loudness_lufs is None else _encode_at(samples, loudness_lufs, name)[0]
    if equal_size:
        data = flac.padded(data, _largest(len(samples)))
    path = Path("stimuli") / f"{hashlib.sha256(data).hexdigest()}.flac"
    _store(Path(settings.DATA) / path, data)
    return str(path)


def rms_of(path: str) -> float:
    """Root mean square of a stored sound; 1 is full scale."""
    import numpy as np

    return float(np.sqrt(np.mean(_decode((Path(settings.DATA) / path).read_bytes()) ** 2)))


def _stimulus(
    samples: Samples, loudness_lufs: float, clip: Clip | None, name: str, equal_size: bool
) -> Stimulus:
    """The row of these samples, its file written first."""
    data, loudness = _encode_at(samples, loudness_lufs, name)
    if equal_size:
        data = flac.padded(data, _largest(len(samples)))
    sha256 = hashlib.sha256(data).hexdigest()
    path = Path("stimuli") / f"{sha256}.flac"
    _store(Path(settings.DATA) / path, data)
    stimulus, _ = Stimulus.objects.get_or_create(
        clip=clip,
        sha256=sha256,
        defaults={
            "path": str(path),
            "seconds": len(samples) / SAMPLE_RATE,
            "loudness_lufs": loudness,
            "peaks": _outline(samples),
        },
    )
    return stimulus


def _largest(samples: int) -> int:
    """Bytes that no FLAC file of that many samples reaches: uncompressed, with room for headers."""
    return 2 * samples + samples // 32 + 8192


def common_length(lengths: list[float]) -> float:
    """Length of every stimulus of a study, seconds: the shortest clip that has at least 0.8 of the
    median.

    Longer clips are cut at their end, shorter ones padded with silence, so that one unusually short
    clip does not shorten all the others.
    """
    if not lengths:
        raise StudyError("no clips to take a common length from")
    ordered = sorted(lengths)
    return min(length for length in ordered if length >= 0.8 * ordered[len(ordered) // 2])


def _read(clip: Clip) -> Samples:
    """The clip's samples, mono, at `SAMPLE_RATE`."""
    import numpy as np
    import soundfile
    import soxr

    path = file_of(clip.run, clip.path)
    try:
        samples, rate = soundfile.read(path, dtype="float64", always_2d=True)
    except (OSError, soundfile.LibsndfileError) as error:
        name = f"clip {clip.sha256[:12]} of {clip.run}"
        raise StudyError(f"{name} cannot be read: {error}") from error
    mono = samples.mean(axis=1)
    if rate != SAMPLE_RATE:
        mono = soxr.resample(mono, rate, SAMPLE_RATE)
    return np.asarray(mono, dtype=np.float64)


def _fit(samples: Samples, seconds: float) -> Samples:
    """Cut or pad to the length, and fade both ends of the sound itself."""
    import numpy as np

    length = round(seconds * SAMPLE_RATE)
    kept = samples[:length].copy()
    fade = min(round(FADE_SECONDS * SAMPLE_RATE), len(kept) // 2)
    if fade:
        ramp = np.sin(np.linspace(0.0, np.pi / 2, fade)) ** 2
        kept[:fade] *= ramp
        kept[-fade:] *= ramp[::-1]
    return np.pad(kept, (0, length - len(kept)))


def _encode_at(samples: Samples, target: float, name: str) -> tuple[bytes, float]:
    """FLAC bytes at the target loudness, and the loudness measured on them, LUFS.

    The limiter after the gain can lower the loudness. So the decoded bytes are measured and the
    gain is corrected by the difference until it is within the tolerance, at most five times.
    """
    loudness = _loudness(samples)
    if loudness < -70.0:
        raise StudyError(f"{name} is silent")
    gain = target - loudness
    for _ in range(5):
        data = _flac(_limit(samples * 10 ** (gain / 20)))
        loudness = _loudness(_decode(data))
        if abs(loudness - target) <= LOUDNESS_TOLERANCE:
            break
        gain += target - loudness
    return data, loudness


def _loudness(samples: Samples) -> float:
    import pyloudnorm

    # The standard's block is 0.4 s; a shorter sound is measured as one block.
    block = min(0.4, len(samples) / SAMPLE_RATE)
    return float(pyloudnorm.Meter(SAMPLE_RATE, block_size=block).integrated_loudness(samples))


def _limit(samples: Samples) -> Samples:
    """Keep peaks under `PEAK_DBFS`: the smallest gain in a window around each sample, smoothed."""
    import numpy as np

    ceiling = 10 ** (PEAK_DBFS / 20)
    if samples.ndim == 2 or np.abs(samples).max() <= ceiling:
        return samples  # Stereo sounds belong to checks; a limiter must not change their levels.
    wanted = np.minimum(1.0, ceiling / np.maximum(np.abs(samples), ceiling))
    half = round(LIMITER_SECONDS * SAMPLE_RATE)
    padded = np.pad(wanted, 2 * half, constant_values=1.0)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1)
    window = np.hanning(2 * half + 3)[1:-1]
    # A minimum over the window, then a mean over the same window: no gain exceeds what is needed.
    smooth = np.convolve(windows.min(axis=1), window / window.sum(), mode="valid")
    return np.asarray(samples * smooth, dtype=np.float64)


def _flac(samples: Samples) -> bytes:
    import numpy as np
    import soundfile

    buffer = io.BytesIO()
    whole = np.clip(np.round(samples * 32768.0), -32768, 32767).astype(np.int16)
    soundfile.write(buffer, whole, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return flac.for_playing(buffer.getvalue())


def _decode(data: bytes) -> Samples:
    import soundfile

    samples: Any = soundfile.read(io.BytesIO(data), dtype="float64")[0]
    return samples  # type: ignore[no-any-return]


def _outline(samples: Samples) -> list[int]:
    """`BARS` numbers, 0–100: the peak in each part of the sound, the largest being 100."""
    import numpy as np

    peaks = np.array([np.abs(part).max(initial=0.0) for part in np.array_split(samples, BARS)])
    return [int(value) for value in np.round(100 * peaks / max(peaks.max(), 1e-9))]


def _store(path: Path, data: bytes) -> None:
    """Write the file unless it exists: the name is the hash of the content."""
    if not path.exists():
        write_atomically(path, data, mode=0o644)
