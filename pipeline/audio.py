"""Sound files in, arrays out, and clips written: soundfile or PyAV decodes, soxr resamples.

Arrays are float32, full scale at ±1, shape [channel, sample] or, mono, [sample]. soundfile comes
first; what it does not know (m4a, webm, Opus at other rates, …) PyAV decodes. A path may lead into
a tar shard, see `pipeline.sounds`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import sounds
from pipeline.errors import PipelineError

if TYPE_CHECKING:
    import numpy as np

BLOCK_FRAMES = 1 << 18
"""Frames decoded at once when a file is checked: memory stays flat for any length."""
LARGEST_OGG_PAGE = 65_307
SLACK_SECONDS = 0.2
"""What a lossy container may state over what it holds: encoders pad and prime."""


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


@dataclass(frozen=True)
class Levels:
    """How loud an excerpt is."""

    peak: float
    """Largest absolute sample, 1.0 is full scale."""
    loudness_lufs: float | None
    """Integrated loudness, ITU-R BS.1770; None for silence or under 0.4 s."""
    clipped_share: float
    """Samples at full scale or over it, of all."""


def probe(path: Path) -> AudioFacts:
    """Decode all of a file, keeping nothing of it.

    Raises `AudioError` if it is missing, empty, truncated, or not sound that a decoder knows.
    """
    import numpy as np

    _check_there(path)
    peak, frames = 0.0, 0
    with _decoded(path) as sound:
        for block in sound.blocks():
            frames += len(block)
            peak = float(np.maximum(peak, np.abs(block).max()))  # hands a NaN on
        stated, sample_rate = sound.stated_frames, sound.sample_rate
    if frames == 0:
        raise AudioError("holds no sound")
    if frames < stated or _is_cut_riff(path) or _is_cut_ogg(path):
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
    _check_there(path)
    try:
        with _decoded(path) as sound:
            start = round(start_seconds * sound.sample_rate)
            frames = None if seconds is None else round(seconds * sound.sample_rate)
            return sound.part(start, frames).T, sound.sample_rate
    except AudioError as error:
        raise AudioError(f"{path} {error}") from error


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


def levels_of(samples: np.ndarray, sample_rate: int) -> Levels:
    """How loud an excerpt [channel, sample] is; more than two channels are measured as one."""
    import numpy as np
    import pyloudnorm

    peak = float(np.abs(samples).max(initial=0.0))
    clipped = float((np.abs(samples) >= 1.0 - 2**-15).mean()) if samples.size else 0.0
    if samples.shape[0] > 2:
        samples = samples.mean(axis=0, keepdims=True)
    loudness = None
    if peak > 0 and samples.shape[1] >= 0.4 * sample_rate:
        measured = float(pyloudnorm.Meter(sample_rate).integrated_loudness(samples.T))
        loudness = measured if np.isfinite(measured) else None
    return Levels(peak, loudness, clipped)


def flac_bytes(samples: np.ndarray, sample_rate: int) -> bytes:
    """[channel, sample] as a 16-bit FLAC file without tags; more than two channels become one."""
    import soundfile as sf

    if samples.shape[0] > 2:
        samples = samples.mean(axis=0, keepdims=True)
    stream = BytesIO()
    sf.write(stream, samples.T, sample_rate, format="FLAC", subtype="PCM_16")
    return stream.getvalue()


class _BySoundfile:
    """An opened file that libsndfile knows."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.sample_rate: int = file.samplerate
        self.stated_frames: int = file.frames

    def blocks(self) -> Iterator[np.ndarray]:
        """All of it, [frame, channel] a time."""
        while len(block := self._file.read(BLOCK_FRAMES, dtype="float32", always_2d=True)):
            yield block

    def part(self, start: int, frames: int | None) -> np.ndarray:
        """[frame, channel] from frame `start` on."""
        self._file.seek(start)
        found: np.ndarray = self._file.read(
            -1 if frames is None else frames, dtype="float32", always_2d=True
        )
        return found


class _ByAv:
    """An opened container that FFmpeg knows; it is decoded from its start, so cuts are exact."""

    def __init__(self, container: Any) -> None:
        self._container = container
        self._stream = container.streams.audio[0]
        self.sample_rate: int = self._stream.codec_context.sample_rate
        seconds = (container.duration or 0) / 1_000_000
        self.stated_frames = int(max(0.0, seconds - SLACK_SECONDS) * self.sample_rate)

    def blocks(self) -> Iterator[np.ndarray]:
        """All of it, [frame, channel] a time."""
        from av import AudioResampler

        plain = AudioResampler(format="fltp", rate=self.sample_rate)
        for frame in self._container.decode(self._stream):
            for one in plain.resample(frame):
                yield one.to_ndarray().T
        for one in plain.resample(None):
            yield one.to_ndarray().T

    def part(self, start: int, frames: int | None) -> np.ndarray:
        """[frame, channel] from frame `start` on."""
        import numpy as np

        end = None if frames is None else start + frames
        kept, place = [], 0
        for block in self.blocks():
            kept.append(block[max(0, start - place) : None if end is None else max(0, end - place)])
            place += len(block)
            if end is not None and place >= end:
                break
        channels = kept[0].shape[1] if kept else 1
        return np.concatenate(kept) if kept else np.zeros((0, channels), dtype=np.float32)


@contextmanager
def _decoded(path: Path) -> Iterator[_BySoundfile | _ByAv]:
    """The sound, opened by the first decoder that knows it.

    Raises `AudioError` if none does, with the words of each.
    """
    import soundfile as sf

    # A plain file goes by its name: the decoders read it faster than through Python.
    with ExitStack() as stack:
        plain = path.is_file()
        source: Any = str(path) if plain else stack.enter_context(sounds.opened(path))
        try:
            file = sf.SoundFile(source)
        except (sf.LibsndfileError, RuntimeError) as error:
            reason = _reason(error)
        else:
            with file, _named_errors(sf.LibsndfileError, RuntimeError):
                yield _BySoundfile(file)
            return
        if not plain:
            source.seek(0)
        with _av_container(source, reason) as container:
            yield _ByAv(container)


@contextmanager
def _av_container(stream: Any, reason: str) -> Iterator[Any]:
    """FFmpeg's view of a stream that soundfile refused for `reason`."""
    try:
        import av
    except ImportError as error:
        raise AudioError(f"cannot be decoded: {reason} (and PyAV is not installed)") from error
    try:
        container = av.open(stream)
    except (av.FFmpegError, ValueError) as error:
        raise AudioError(f"cannot be decoded: {reason}") from error
    with container, _named_errors(av.FFmpegError):
        if not container.streams.audio:
            raise AudioError("cannot be decoded: it has no sound track")
        yield container


@contextmanager
def _named_errors(*kinds: type[Exception]) -> Iterator[None]:
    """A decoder's own errors as the reason a track is set aside."""
    try:
        yield
    except kinds as error:
        raise AudioError(f"cannot be decoded: {_reason(error)}") from error


def _is_cut_ogg(path: Path) -> bool:
    """Whether an Ogg file ends in the middle of a page; its decoders stop there silently."""
    with sounds.opened(path) as stream:
        if stream.read(4) != b"OggS":
            return False
        stream.seek(max(0, sounds.size_of(path) - LARGEST_OGG_PAGE))
        tail = stream.read()
    page = tail[tail.rfind(b"OggS") :]
    # RFC 3533: byte 26 counts the segments, whose lengths follow it.
    lengths = page[27 : 27 + page[26]] if len(page) > 26 else b""
    return len(page) < 27 + len(lengths) + sum(lengths) or not lengths


def _reason(error: Exception) -> str:
    """The decoder's own words, without the file's path."""
    words = getattr(error, "error_string", None) or getattr(error, "strerror", None) or str(error)
    return words.rstrip(".")


def _check_there(path: Path) -> None:
    if not sounds.exists(path):
        raise AudioError("the file is missing")
    if sounds.size_of(path) == 0:
        raise AudioError("the file is empty")


def _is_cut_riff(path: Path) -> bool:
    """Whether a WAV file is shorter than its header says; libsndfile reads such a file silently."""
    with sounds.opened(path) as stream:
        head = stream.read(8)
    stated = int.from_bytes(head[4:8], "little")
    # Streaming writers leave 0 or all ones where they could not know the size.
    unknown = stated in (0, 0xFFFFFFFF)
    return head[:4] == b"RIFF" and not unknown and stated + 8 > sounds.size_of(path)
