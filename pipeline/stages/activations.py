"""Stage `activations`: the subject's activations at each hookpoint, for every usable track.

Input: `corpus.parquet`, the corpus's audio, the subject. Parameters: `[subject]`. Output:
`activations/HOOKPOINT/NNNNN.safetensors`. Each track is encoded once, and all hookpoints are read
in one forward pass. A track whose file is missing or unreadable since the stage `corpus`, or whose
activations do not fit into float16, is set aside with its reason in
`activations/set_aside.parquet`, counted and reported; later stages do not use it. If more than a
few tracks can no longer be read, the corpus as a whole has probably moved, and the stage fails.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from pipeline.config import RunConfig
from pipeline.corpus.reasons import by_kind
from pipeline.corpus.tracks import SET_ASIDE, usable_tracks
from pipeline.errors import PipelineError
from pipeline.parallel import map_in_threads, torch_threads
from pipeline.progress import Progress
from pipeline.store.activations import ShardFacts, shard_path
from pipeline.store.run_directory import RunDirectory, StageWriter
from pipeline.store.tables import SetAsideRecord, TrackRecord, table_of
from pipeline.subjects import load_subject
from pipeline.subjects.base import DELAY_MAPPING, ActivationSource
from pipeline.subjects.extraction import SINCE, Extracted, extract_tracks, shards_of

FEW_GONE = 10
SHARE_GONE = 0.01
"""Share of all tracks that may be missing; in a small corpus, `FEW_GONE` tracks may be."""


def run(config: RunConfig, directory: RunDirectory, *, progress: Progress) -> None:
    """Extract the activations; the stage's summary holds the subject's facts and the track count.

    Raises `PipelineError` if too many tracks are missing or a split is left without tracks.
    """
    corpus = config.corpus.folder()
    subject: ActivationSource = load_subject(config.subject, device=config.machine.device)
    extract(subject, corpus, config, directory, progress=progress)


def extract(
    subject: ActivationSource, corpus: Path, config: RunConfig, directory: RunDirectory, *,
    progress: Progress,
) -> None:  # fmt: skip
    """The stage `activations` with a subject that is already loaded."""
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
    """Raise `PipelineError` if more tracks are missing than `SHARE_GONE` and `FEW_GONE` allow."""
    gone = [reason for reason in reasons.values() if reason.startswith(SINCE)]
    if len(gone) > max(FEW_GONE, SHARE_GONE * total):
        raise PipelineError(
            f"{len(gone)} of {total} tracks, and perhaps more, can no longer be read ({gone[0]}); "
            "is the corpus still where it was?"
        )


def _require_every_split(
    tracks: Sequence[TrackRecord], used: Sequence[TrackRecord], reasons: dict[str, str]
) -> None:
    """Raise `PipelineError` if no tracks of a split are left."""
    before, after = (Counter(track.split for track in some) for some in (tracks, used))
    empty = sorted(split for split in before if not after[split])
    if empty:
        why = "; ".join(f"{n} × {reason}" for reason, n in by_kind(reasons.values()).items())
        raise PipelineError(
            f"no track of the split {', '.join(empty)} could be read: {len(reasons)} of "
            f"{len(tracks)} tracks were excluded ({why}); is the corpus still where it was?"
        )


def _write_shard(
    writer: StageWriter, number: int, parts: Sequence[Extracted], subject: ActivationSource
) -> None:
    """Write one file per hookpoint for these tracks."""
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
