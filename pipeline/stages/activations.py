"""Stage `activations`: what the subject's inside does over time, for every usable track.

Input: `corpus.parquet`, the corpus's audio, the subject. Parameters: `[subject]`. Output:
`activations/HOOKPOINT/NNNNN.safetensors`. Each track is encoded once and all hookpoints are read
in one pass. A track whose file has gone or become unreadable since the stage `corpus`, or whose
activations do not fit float16, is set aside with its reason in `activations/set_aside.parquet`,
counted and shown; for all later stages it is no usable track. If more than a few can no longer be
read, the corpus has gone, not its odd files: the stage ends, and without it nothing goes on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.config import RunConfig
from pipeline.corpus import audio
from pipeline.corpus.reasons import by_kind
from pipeline.errors import PipelineError
from pipeline.parallel import map_in_threads, torch_threads
from pipeline.progress import Progress
from pipeline.store.activations import ShardFacts, shard_path
from pipeline.store.run_directory import RunDirectory, StageWriter
from pipeline.store.tables import SetAsideRecord, TrackRecord, records_from, table_of
from pipeline.subjects import load_subject
from pipeline.subjects.base import DELAY_MAPPING, Reading

if TYPE_CHECKING:
    import numpy as np

SET_ASIDE = "activations/set_aside.parquet"
SINCE = "since the stage corpus: "
"""Begins the reason of a track that could be read then."""
FEW_GONE = 10
SHARE_GONE = 0.01
"""Of all tracks, so many may have gone, or `FEW_GONE` of a small corpus."""
SHARD_TRACKS = 64
"""Tracks of a shard, at most."""


def run(config: RunConfig, directory: RunDirectory, *, progress: Progress) -> None:
    """Encode and extract; `summary` gets the subject's facts and the count of tracks."""
    corpus = _corpus_of(config)
    subject: Reading = load_subject(config.subject, device=config.machine.device)
    extract(subject, corpus, config, directory, progress=progress)


def extract(
    subject: Reading, corpus: Path, config: RunConfig, directory: RunDirectory, *,
    progress: Progress,
) -> None:  # fmt: skip
    """The stage with a subject that is loaded already."""
    tracks = usable_tracks(directory)
    read = partial(extract_tracks, subject, config.subject.hookpoints, corpus)
    with directory.writer("activations") as writer, torch_threads(config.machine):
        progress.start("activations", len(tracks), "track")
        number, reasons = 0, dict[str, str]()
        for shard in shards_of(tracks, subject.facts.sample_rate):
            parts = []
            batches = _batches(shard, config.machine.batch_tracks)
            for part in map_in_threads(read, batches, config.machine.workers):
                parts.append(part)
                progress.advance(len(part.tracks) + len(part.reasons))
                reasons |= part.reasons
                _require_corpus(len(tracks), reasons)
            whole = [part for part in parts if part.tracks]
            if whole:
                _write_shard(writer, number, whole, subject)
                number += 1
        progress.finish()
        used = [track for track in tracks if track.track not in reasons]
        _require_every_split(tracks, used, reasons)
        writer.summary.update({"tracks": len(used), "subject": asdict(subject.facts)})
        if reasons:
            writer.write_table(SET_ASIDE, table_of(SetAsideRecord, _aside(reasons)))
            writer.summary["set_aside"] = by_kind(reasons.values())
            for reason, n in writer.summary["set_aside"].items():
                progress.note(f"excluded: {n} × {reason}")


def _aside(reasons: dict[str, str]) -> list[SetAsideRecord]:
    return [SetAsideRecord(track, reason) for track, reason in sorted(reasons.items())]


def _require_corpus(total: int, reasons: dict[str, str]) -> None:
    """Raise `PipelineError` if more tracks can no longer be read than a corpus loses by chance."""
    gone = [reason for reason in reasons.values() if reason.startswith(SINCE)]
    if len(gone) > max(FEW_GONE, SHARE_GONE * total):
        raise PipelineError(
            f"{len(gone)} of {total} tracks, and perhaps more, can no longer be read ({gone[0]}); "
            "is the corpus still where it was?"
        )


def _require_every_split(
    tracks: Sequence[TrackRecord], used: Sequence[TrackRecord], reasons: dict[str, str]
) -> None:
    """Raise `PipelineError` if the tracks excluded here leave a split with none."""
    before, after = (Counter(track.split for track in some) for some in (tracks, used))
    empty = sorted(split for split in before if not after[split])
    if empty:
        why = "; ".join(f"{n} × {reason}" for reason, n in by_kind(reasons.values()).items())
        raise PipelineError(
            f"no track of the split {', '.join(empty)} could be read: {len(reasons)} of "
            f"{len(tracks)} tracks were excluded ({why}); is the corpus still where it was?"
        )


def _corpus_of(config: RunConfig) -> Path:
    if config.corpus.path is None:
        raise PipelineError("no corpus is given: set [corpus] path, or use --corpus DIR")
    return config.corpus.path


def usable_tracks(directory: RunDirectory) -> list[TrackRecord]:
    """The tracks of `corpus.parquet` that no stage has set aside, sorted by name."""
    records = records_from(TrackRecord, directory.read_table("corpus.parquet"))
    aside = set()
    # A file that the manifest does not list is left over from an attempt that was stopped.
    if SET_ASIDE in directory.manifest()["stages"].get("activations", {}).get("files", {}):
        aside = {row.track for row in records_from(SetAsideRecord, directory.read_table(SET_ASIDE))}
    usable = (r for r in records if r.status == "ok" and r.track not in aside)
    return sorted(usable, key=lambda record: record.track)


def shards_of(tracks: Sequence[TrackRecord], sample_rate: int) -> list[list[TrackRecord]]:
    """Tracks in groups of equally many samples, `SHARD_TRACKS` at most, longest first."""
    by_length: dict[int, list[TrackRecord]] = {}
    for track in tracks:
        by_length.setdefault(round(track.seconds * sample_rate), []).append(track)
    return [
        group[start : start + SHARD_TRACKS]
        for _, group in sorted(by_length.items(), reverse=True)
        for start in range(0, len(group), SHARD_TRACKS)
    ]


@dataclass(frozen=True)
class Extracted:
    """What some tracks of equal length gave."""

    tracks: tuple[str, ...]
    arrays: dict[str, np.ndarray]
    """Of each hookpoint [track, frame, d] float16, from the first frame on whose step holds no
    special token; empty if no track could be read."""
    reasons: dict[str, str]
    """Of each track that gave nothing, why."""


def extract_tracks(
    subject: Reading, hookpoints: Sequence[str], corpus: Path, tracks: Sequence[TrackRecord]
) -> Extracted:
    """Activations of tracks of equal length at each hookpoint, of as many as can be read."""
    import numpy as np
    import torch

    sounds, reasons = dict[str, "np.ndarray"](), dict[str, str]()
    for track in tracks:
        try:
            sounds[track.track] = _read(track, corpus, subject.facts.sample_rate)
        except (audio.AudioError, OSError) as error:
            reasons[track.track] = _reason(error, corpus / track.path)
    if not sounds:
        return Extracted((), {}, reasons)
    codes = subject.encode(torch.from_numpy(np.stack(list(sounds.values()))))
    first = subject.facts.first_full_frame
    found = {
        name: hidden[:, first:].half().numpy()
        for name, hidden in subject.activations(codes, hookpoints).items()
    }
    return _without_overflow(tuple(sounds), found, reasons)


def _without_overflow(
    tracks: tuple[str, ...], found: dict[str, np.ndarray], reasons: dict[str, str]
) -> Extracted:
    """The tracks whose every activation is a float16; the others with where they are none."""
    import numpy as np

    reasons = dict(reasons)
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
    """A reason without the file's path, so that equal ones are counted together."""
    words = getattr(error, "strerror", None) or str(error)
    return f"{SINCE}{words.removeprefix(str(path)).strip()}"


def _write_shard(
    writer: StageWriter, number: int, parts: Sequence[Extracted], subject: Reading
) -> None:
    """One file a hookpoint for these tracks."""
    import numpy as np

    for hookpoint in parts[0].arrays:
        facts = ShardFacts(
            tracks=tuple(track for part in parts for track in part.tracks),
            subject_fingerprint=subject.facts.fingerprint,
            hookpoint=hookpoint,
            delay_mapping=DELAY_MAPPING,
            frame_rate=subject.facts.frame_rate,
            first_frame=subject.facts.first_full_frame,
        )
        array = np.concatenate([part.arrays[hookpoint] for part in parts])
        path = shard_path(hookpoint, number)
        writer.write_tensors(path, {"activations": array}, facts.to_metadata())


def _batches(tracks: list[TrackRecord], size: int) -> list[list[TrackRecord]]:
    return [tracks[start : start + size] for start in range(0, len(tracks), size)]


def _read(track: TrackRecord, corpus: Path, sample_rate: int) -> np.ndarray:
    return audio.read_mono(
        corpus / track.path,
        sample_rate=sample_rate,
        start_seconds=track.start_seconds,
        seconds=track.seconds,
    )
