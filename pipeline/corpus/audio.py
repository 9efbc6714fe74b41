"""Decodes audio files to arrays, and encodes clips: soundfile or PyAV decodes, soxr resamples.

Arrays are float32, full scale at ±1, shape [channel, sample] or, for mono, [sample]. soundfile is
tried first. Formats that it does not know (m4a, webm, Opus at other rates, …), and files that it
fails to open, seek or read, are decoded by PyAV from the start. A file that decodes to its end
without an error is complete, whatever length its header states; `pipeline.corpus.file_ends` detects
truncated files that decoders accept. A path may lead into a tar shard, see
`pipeline.corpus.audio_source`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import BytesIO
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pipeline.corpus import audio_source, file_ends
from pipeline.errors import PipelineError

if TYPE_CHECKING:
    import numpy as np

BLOCK_FRAMES = 1 << 18
"""Frames decoded at a time when a file is checked, so that memory does not grow with its length."""

Result = TypeVar("Result")


class AudioError(PipelineError):
    """A sound file that cannot be used; `reason` is why a track is excluded."""

    def __init__(self, reason: str, path: Path | None = None) -> None:
        super().__init__(reason if path is None else f"{path} {reason}")
        self.reason = reason
        """The reason in words that are the same for every file, without its name."""


@dataclass(frozen=True)
class AudioFacts:
    """What is known about a file after decoding it completely."""

    seconds: float
    sample_rate: int
    """Hz."""
    peak: float
    """Largest absolute sample, 1.0 is full scale."""


@dataclass(frozen=True)
class Levels:
    """Peak and loudness of an excerpt."""

    peak: float
    """Largest absolute sample, 1.0 is full scale."""
    loudness_lufs: float | None
    """Integrated loudness, ITU-R BS.1770; None for silence and for less than 0.4 s."""
    clipped_share: float
    """Share of samples at or above full scale."""


def probe(path: Path) -> AudioFacts:
    """Length, sample rate and peak of a file, from decoding it completely, block by block.

    Raises `AudioError` if it is missing, empty, truncated, or in no format that a decoder knows.
    """
    _require_readable(path)
    facts = _by_either_decoder(path, _facts_of, enough=lambda facts: facts.seconds > 0)
    if facts.seconds == 0:
        raise AudioError("holds no sound")
    if file_ends.is_cut(path):
        raise AudioError(f"is truncated after {facts.seconds:.2f} s")
    if not isfinite(facts.peak):
        raise AudioError("has samples that are not numbers")
    return facts


def read_clip(
    path: Path, *, start_seconds: float = 0.0, seconds: float | None = None
) -> tuple[np.ndarray, int]:
    """An excerpt [channel, sample] at the file's own rate, and that rate in Hz.

    Raises `AudioError` if the file cannot be decoded.
    """

    def part(sound: Sound) -> tuple[np.ndarray, int]:
        start = round(start_seconds * sound.sample_rate)
        frames = None if seconds is None else round(seconds * sound.sample_rate)
        return sound.part(start, frames).T, sound.sample_rate

    def enough(found: tuple[np.ndarray, int]) -> bool:
        # Rounding start and length may ask for one sample more than there is.
        samples, rate = found
        return seconds is None or len(samples[0]) + 1 >= round(seconds * rate)

    _require_readable(path)
    try:
        return _by_either_decoder(path, part, enough=enough)
    except AudioError as error:
        raise AudioError(error.reason, path) from error


def read_mono(
    path: Path, *, sample_rate: int, start_seconds: float = 0.0, seconds: float | None = None
) -> np.ndarray:
    """An excerpt as mono [sample] at `sample_rate` Hz, the mean over channels.

    If `seconds` is given, the result has exactly `round(seconds * sample_rate)` samples, so that
    excerpts of equal length can be stacked. Raises `AudioError` if the file cannot be decoded.
    """
    import numpy as np
    import soxr

    samples, rate = read_clip(path, start_seconds=start_seconds, seconds=seconds)
    mono = samples.mean(axis=0)
    if rate != sample_rate:
        with _as_audio_errors(ValueError, RuntimeError, MemoryError):
            mono = soxr.resample(mono, rate, sample_rate)
    if seconds is not None:
        wanted = round(seconds * sample_rate)
        # Rounding in the resampler may give a sample too few or too many.
        mono = np.pad(mono[:wanted], (0, max(0, wanted - len(mono))))
    return np.ascontiguousarray(mono, dtype=np.float32)


def levels_of(samples: np.ndarray, sample_rate: int) -> Levels:
    """Peak and loudness of an excerpt [channel, sample]; more than two channels are averaged."""
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
    """[channel, sample] as a 16-bit FLAC file without tags; more than two channels are averaged."""
    return file_bytes(samples, sample_rate, "FLAC")


def file_bytes(samples: np.ndarray, sample_rate: int, kind: str) -> bytes:
    """[channel, sample] as a 16-bit file of that kind, such as FLAC or WAV, without tags; more than
    two channels are averaged."""
    import soundfile as sf

    if samples.shape[0] > 2:
        samples = samples.mean(axis=0, keepdims=True)
    stream = BytesIO()
    sf.write(stream, samples.T, sample_rate, format=kind, subtype="PCM_16")
    return stream.getvalue()


class _BySoundfile:
    """An open file that libsndfile can decode."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.sample_rate: int = file.samplerate
        if file.subtype.startswith("DWVW"):
            # libsndfile claims that such a file is seekable, which is wrong, and soundfile seeks
            # at every read.
            file.seekable = lambda: False

    def blocks(self) -> Iterator[np.ndarray]:
        """The whole sound, in blocks of [frame, channel]."""
        while len(block := self._file.read(BLOCK_FRAMES, dtype="float32", always_2d=True)):
            yield block

    def part(self, start: int, frames: int | None) -> np.ndarray:
        """[frame, channel] from frame `start` on."""
        if not self._file.seekable():
            return _part_of(self.blocks(), start, frames)
        self._file.seek(start)
        found: np.ndarray = self._file.read(
            -1 if frames is None else frames, dtype="float32", always_2d=True
        )
        return found


class _ByAv:
    """An open container that FFmpeg can decode; always decoded from the start, for exact cuts."""

    def __init__(self, container: Any) -> None:
        self._container = container
        if not container.streams.audio:
            raise AudioError("cannot be decoded: it has no sound track")
        self._stream = container.streams.audio[0]
        if self._stream.codec_context is None:
            raise AudioError("cannot be decoded: no decoder here knows its codec")
        self.sample_rate: int = self._stream.codec_context.sample_rate or 0
        if self.sample_rate <= 0:
            raise AudioError("cannot be decoded: its sample rate is not stated")

    def blocks(self) -> Iterator[np.ndarray]:
        """The whole sound, in blocks of [frame, channel]."""
        from av import AudioResampler

        plain = AudioResampler(format="fltp", rate=self.sample_rate)
        for frame in self._container.decode(self._stream):
            for one in plain.resample(frame):
                yield one.to_ndarray().T
        for one in plain.resample(None):
            yield one.to_ndarray().T

    def part(self, start: int, frames: int | None) -> np.ndarray:
        """[frame, channel] from frame `start` on."""
        return _part_of(self.blocks(), start, frames)


def _part_of(blocks: Iterator[np.ndarray], start: int, frames: int | None) -> np.ndarray:
    """[frame, channel] from frame `start` on, of a sound that is decoded from its beginning."""
    import numpy as np

    end = None if frames is None else start + frames
    kept, place = [], 0
    for block in blocks:
        # Copy: a view would keep in memory everything that was decoded before the part.
        part = block[max(0, start - place) : None if end is None else max(0, end - place)]
        kept.append(part.copy())
        place += len(block)
        if end is not None and place >= end:
            break
    channels = kept[0].shape[1] if kept else 1
    return np.concatenate(kept) if kept else np.zeros((0, channels), dtype=np.float32)


Sound = _BySoundfile | _ByAv


def _facts_of(sound: Sound) -> AudioFacts:
    """Length, sample rate and peak of the whole sound."""
    import numpy as np

    peak, frames = 0.0, 0
    for block in sound.blocks():
        frames += len(block)
        peak = float(np.maximum(peak, np.abs(block).max()))  # propagates NaN
    return AudioFacts(seconds=frames / sound.sample_rate, sample_rate=sound.sample_rate, peak=peak)


def _by_either_decoder(
    path: Path, question: Callable[[Sound], Result], *, enough: Callable[[Result], bool]
) -> Result:
    """`question` asked of soundfile, or of PyAV if soundfile fails or the answer is not `enough`.

    If PyAV fails too, soundfile's answer is used if there is one; else an `AudioError` with
    soundfile's message is raised.
    """
    found: list[Result] = []
    try:
        with _soundfile(path) as sound:
            found.append(question(sound))
        if enough(found[0]):
            return found[0]
        reason = "it ends early"
    except AudioError as error:
        reason = str(error)
    try:
        with _av(path, reason) as other:
            return question(other)
    except AudioError:
        if found:
            return found[0]
        raise


@contextmanager
def _soundfile(path: Path) -> Iterator[_BySoundfile]:
    """The sound opened with libsndfile, whose errors become `AudioError`s."""
    import soundfile as sf

    with ExitStack() as stack:
        stack.enter_context(_as_audio_errors(sf.LibsndfileError, RuntimeError, ValueError, OSError))
        yield _BySoundfile(stack.enter_context(sf.SoundFile(_source(path, stack))))


@contextmanager
def _av(path: Path, reason: str) -> Iterator[_ByAv]:
    """The sound opened with FFmpeg, after soundfile failed for `reason`."""
    try:
        import av
    except ImportError as error:
        raise AudioError(f"{reason} (and PyAV is not installed)") from error
    with ExitStack() as stack:
        try:
            # Tags in unknown encodings do not matter for decoding.
            container = av.open(_source(path, stack), metadata_errors="replace")
        except (av.FFmpegError, ValueError, OSError) as error:
            raise AudioError(reason) from error
        stack.enter_context(
            _as_audio_errors(av.FFmpegError, ValueError, RuntimeError, LookupError, OSError)
        )
        yield _ByAv(stack.enter_context(container))


def _source(path: Path, stack: ExitStack) -> Any:
    """What a decoder should open: for a plain file its name, which is faster than a stream."""
    return str(path) if path.is_file() else stack.enter_context(audio_source.opened(path))


@contextmanager
def _as_audio_errors(*kinds: type[Exception]) -> Iterator[None]:
    """Turn a decoder's errors into an `AudioError` with the reason why a track is excluded."""
    try:
        yield
    except AudioError:
        raise
    except kinds as error:
        raise AudioError(f"cannot be decoded: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """The decoder's message, without the file's path."""
    words = getattr(error, "error_string", None) or getattr(error, "strerror", None) or str(error)
    return " ".join(str(words).split()).rstrip(".") or type(error).__name__


def _require_readable(path: Path) -> None:
    fault = audio_source.fault_of(path)
    if fault:
        raise AudioError(fault)
    if audio_source.size_of(path) == 0:
        raise AudioError("the file is empty")
