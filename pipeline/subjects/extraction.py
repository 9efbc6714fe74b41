"""From the audio of tracks to the subject's activations at each hookpoint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.config import RunConfig
from pipeline.corpus import audio
from pipeline.parallel import map_in_threads
from pipeline.store.activations import ShardFacts
from pipeline.store.tables import TrackRecord
from pipeline.subjects.base import DELAY_MAPPING, ActivationSource, SubjectFacts

if TYPE_CHECKING:
    import numpy as np


SINCE = "since the stage corpus: "
"""Start of the reason for a track that could still be read in the stage corpus."""


SHARD_TRACKS = 64
"""Maximum number of tracks per shard."""


def shards_of(tracks: Sequence[TrackRecord], facts: SubjectFacts) -> list[list[TrackRecord]]:
    """Tracks in groups of equally many frames, `SHARD_TRACKS` at most, longest first, so that
    running out of memory shows at once."""
    by_frames: dict[int, list[TrackRecord]] = {}
    for track in tracks:
        by_frames.setdefault(frames_of(track.seconds, facts), []).append(track)
    return [
        group[start : start + SHARD_TRACKS]
        for _, group in sorted(by_frames.items(), reverse=True)
        for start in range(0, len(group), SHARD_TRACKS)
    ]


def frames_of(seconds: float, facts: SubjectFacts) -> int:
    """The number of frames that a sound fills, the last one perhaps in part."""
    samples = round(seconds * facts.sample_rate)
    return -(-samples // facts.frame_samples)


def is_padded(seconds: float, facts: SubjectFacts) -> bool:
    """Whether a sound of this length ends within a frame, which is then filled with silence."""
    return round(seconds * facts.sample_rate) % facts.frame_samples != 0


@dataclass(frozen=True)
class Extracted:
    """The activations of some tracks of equally many frames."""

    tracks: tuple[str, ...]
    arrays: dict[str, np.ndarray]
    """By hookpoint, [track, frame, d] float16, from `first_full_frame` on; empty if no track could
    be read."""
    reasons: dict[str, str]
    """For each track without activations, why."""


def extract_tracks(
    subject: ActivationSource,
    hookpoints: Sequence[str],
    corpus: Path,
    tracks: Sequence[TrackRecord],
    *,
    padded: bool = True,
) -> Extracted:
    """Activations of tracks of equally many frames at each hookpoint; tracks that cannot be read
    are reported with a reason.

    A track's last frame is filled with silence, whatever the lengths of the others, so that tracks
    whose lengths differ by less than a frame share a batch and a file. Without `padded` the tracks
    must have the same length: so earlier versions read them.
    """
    import numpy as np
    import torch

    # 1) Audio [track, sample].
    sounds, reasons = dict[str, "np.ndarray"](), dict[str, str]()
    for track in tracks:
        try:
            sound = _read(track, corpus, subject.facts.sample_rate)
            missing = -len(sound) % subject.facts.frame_samples if padded else 0
            sounds[track.track] = np.pad(sound, (0, missing))
        except (audio.AudioError, OSError) as error:
            reasons[track.track] = _reason(error, corpus / track.path)
    if not sounds:
        return Extracted((), {}, reasons)
    # 2) Codes [track, codebook, frame]; 3) the residual stream [track, frame, d], without the first
    #    frames, which saw special tokens. float16 halves the disk; SAEs compute in float32.
    codes = subject.encode(torch.from_numpy(np.stack(list(sounds.values()))))
    first = subject.facts.first_full_frame
    found = {
        name: hidden[:, first:].half().numpy()
        for name, hidden in subject.activations(codes, hookpoints).items()
    }
    return _without_overflow(tuple(sounds), found, reasons)


def extracted(
    subject: ActivationSource, config: RunConfig, tracks: Sequence[TrackRecord]
) -> Iterator[Extracted]:
    """The activations of the tracks of a shard, a batch at a time, in order."""
    size = config.machine.batch_tracks
    batches = [tracks[start : start + size] for start in range(0, len(tracks), size)]
    read = partial(extract_tracks, subject, config.subject.hookpoints, config.corpus.folder())
    return map_in_threads(read, batches, config.machine.workers)


def shard_arrays(parts: Sequence[Extracted]) -> dict[str, np.ndarray]:
    """What the activation files of a shard hold, by hookpoint; empty if it has no track."""
    import numpy as np

    whole = [part for part in parts if part.tracks]
    return {
        hookpoint: np.concatenate([part.arrays[hookpoint] for part in whole])
        for hookpoint in (whole[0].arrays if whole else ())
    }


def shard_facts(
    facts: SubjectFacts, hookpoint: str, tracks: Sequence[str], *, padded: bool
) -> ShardFacts:
    """The metadata of an activation file."""
    return ShardFacts(
        tracks=tuple(tracks),
        subject_fingerprint=facts.fingerprint,
        hookpoint=hookpoint,
        delay_mapping=DELAY_MAPPING,
        frame_rate=facts.frame_rate,
        first_frame=facts.first_full_frame,
        padded=padded,
    )


def _without_overflow(
    tracks: tuple[str, ...], found: dict[str, np.ndarray], reasons: dict[str, str]
) -> Extracted:
    """The tracks whose activations all fit float16; a reason for the others."""
    import numpy as np

    reasons = dict(reasons)
    # float16 ends at 65,504: larger activations have become infinite, NaN stays NaN.
    for name, array in found.items():
        fits = np.isfinite(array).all(axis=(1, 2))
        for row in np.flatnonzero(~fits):
            reasons.setdefault(
                tracks[row], f"its activations at {name} do not fit float16 (65,504)"
            )
    rows = [row for row, track in enumerate(tracks) if track not in reasons]
    if len(rows) == len(tracks):
        return Extracted(tracks, found, reasons)
    arrays = {name: array[rows] for name, array in found.items()} if rows else {}
    return Extracted(tuple(tracks[row] for row in rows), arrays, reasons)


def _reason(error: Exception, path: Path) -> str:
    """The reason without the file's path, so that equal reasons are counted together."""
    words = getattr(error, "strerror", None) or str(error)
    return f"{SINCE}{words.removeprefix(str(path)).strip()}"


def _read(track: TrackRecord, corpus: Path, sample_rate: int) -> np.ndarray:
    return audio.read_mono(
        corpus / track.path,
        sample_rate=sample_rate,
        start_seconds=track.start_seconds,
        seconds=track.seconds,
    )
