"""Sound files in, arrays out, and clips written: soundfile decodes, soxr resamples.

Arrays are float32 in [-1, 1], shape [channel, sample] or, mono, [sample].
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import PipelineError

if TYPE_CHECKING:
    import numpy as np

BLOCK_FRAMES = 1 << 18
"""Frames decoded at once when a file is checked: memory stays flat for any length."""


class AudioError(PipelineError):
    """A sound file that cannot be used; the message is the reason a track is set aside."""


@dataclass(frozen=True)
class AudioFacts:
    """What decoding a whole file showed."""

    seconds: float
    sample_rate: int
    """Hz."""
    peak: float
    """Largest absolute sample, 1.0 is full scale."""


def probe(path: Path) -> AudioFacts:
    """Decode all of a file, keeping nothing of it.

    Raises `AudioError` if it is missing, empty, truncated, or not sound that libsndfile knows.
    """
    import numpy as np
    import soundfile as sf

    _check_there(path)
    peak, frames = 0.0, 0
    try:
        with sf.SoundFile(path) as file:
            stated, sample_rate = file.frames, file.samplerate
            while len(block := file.read(BLOCK_FRAMES, dtype="float32", always_2d=True)):
                frames += len(block)
                peak = float(np.maximum(peak, np.abs(block).max()))  # hands a NaN on
    except (sf.LibsndfileError, RuntimeError) as error:
        raise AudioError(f"cannot be decoded: {_reason(error)}") from error
    if frames == 0:
        raise AudioError("holds no sound")
    if frames < stated or _is_cut_riff(path):
        raise AudioError(f"is truncated after {frames / sample_rate:.2f} s")
    if not np.isfinite(peak):
        raise AudioError("has samples that are not numbers")
    return AudioFacts(seconds=frames / sample_rate, sample_rate=sample_rate, peak=peak)


def read_clip(
    path: Path, *, start_seconds: float = 0.0, seconds: float | None = None
) -> tuple[np.ndarray, int]:
    """An excerpt [channel, sample] at the file's own rate, and that rate in Hz.

    Raises `AudioError` if the file cannot be decoded.
    """
    import soundfile as sf

    _check_there(path)
    try:
        with sf.SoundFile(path) as file:
            file.seek(round(start_seconds * file.samplerate))
            frames = -1 if seconds is None else round(seconds * file.samplerate)
            samples = file.read(frames, dtype="float32", always_2d=True)
            return samples.T, file.samplerate
    except (sf.LibsndfileError, RuntimeError) as error:
        raise AudioError(f"{path} cannot be decoded: {_reason(error)}") from error


def read_mono(
    path: Path, *, sample_rate: int, start_seconds: float = 0.0, seconds: float | None = None
) -> np.ndarray:
    """An excerpt as mono [sample] at `sample_rate` Hz; the mean over channels.

    With `seconds` given the length is `round(seconds * sample_rate)` to the sample, so that
    excerpts of equal length can be stacked.
    """
    import numpy as np
    import soxr

    samples, rate = read_clip(path, start_seconds=start_seconds, seconds=seconds)
    mono = samples.mean(axis=0)
    if rate != sample_rate:
        mono = soxr.resample(mono, rate, sample_rate)
    if seconds is not None:
        wanted = round(seconds * sample_rate)
        # Rounding in the resampler may leave a sample too few or too many.
        mono = np.pad(mono[:wanted], (0, max(0, wanted - len(mono))))
    return np.ascontiguousarray(mono, dtype=np.float32)


def flac_bytes(samples: np.ndarray, sample_rate: int) -> bytes:
    """[channel, sample] as a 16-bit FLAC file without tags; more than two channels become one."""
    import soundfile as sf

    if samples.shape[0] > 2:
        samples = samples.mean(axis=0, keepdims=True)
    stream = BytesIO()
    sf.write(stream, samples.T, sample_rate, format="FLAC", subtype="PCM_16")
    return stream.getvalue()


def _check_there(path: Path) -> None:
    if not path.is_file():
        raise AudioError("the file is missing")
    if path.stat().st_size == 0:
        raise AudioError("the file is empty")


def _is_cut_riff(path: Path) -> bool:
    """Whether a WAV file is shorter than its header says; libsndfile reads such a file silently."""
    with path.open("rb") as stream:
        head = stream.read(8)
    stated = int.from_bytes(head[4:8], "little")
    # Streaming writers leave 0 or all ones where they could not know the size.
    unknown = stated in (0, 0xFFFFFFFF)
    return head[:4] == b"RIFF" and not unknown and stated + 8 > path.stat().st_size


def _reason(error: Exception) -> str:
    """The decoder's own words, without the file's path."""
    return str(getattr(error, "error_string", error)).rstrip(".")
