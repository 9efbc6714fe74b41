"""Stage `activations`: what the subject's inside does over time, for every usable track.

Input: `corpus.parquet`, the corpus's audio, the subject. Parameters: `[subject]`. Output:
`activations/HOOKPOINT/NNNNN.safetensors`. Each track is encoded once and all hookpoints are read
in one pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import audio
from pipeline.activation_files import ShardFacts, shard_path
from pipeline.artifacts import RunDirectory, StageWriter
from pipeline.config import RunConfig
from pipeline.errors import PipelineError
from pipeline.parallel import map_in_threads, torch_threads
from pipeline.progress import Progress
from pipeline.records import TrackRecord, records_from
from pipeline.subjects import load_subject
from pipeline.subjects.base import DELAY_MAPPING, Reading

if TYPE_CHECKING:
    import numpy as np

SHARD_TRACKS = 64
"""Tracks of a shard, at most."""


def run(config: RunConfig, directory: RunDirectory, *, progress: Progress) -> None:
    """Encode and extract; `summary` gets the subject's facts and the count of tracks."""
    corpus = _corpus_of(config)
    subject: Reading = load_subject(config.subject, device=config.machine.device)
    tracks = usable_tracks(directory)
    read = partial(extract_tracks, subject, config.subject.hookpoints, corpus)
    with directory.writer("activations") as writer, torch_threads(config.machine):
        progress.start("activations", len(tracks), "track")
        for number, shard in enumerate(shards_of(tracks, subject.facts.sample_rate)):
            parts = []
            batches = _batches(shard, config.machine.batch_tracks)
            for part in map_in_threads(read, batches, config.machine.workers):
                parts.append(part)
                progress.advance(len(part[config.subject.hookpoints[0]]))
            _write_shard(writer, number, shard, parts, subject)
        progress.finish()
        writer.summary.update({"tracks": len(tracks), "subject": asdict(subject.facts)})


def _corpus_of(config: RunConfig) -> Path:
    if config.corpus.path is None:
        raise PipelineError("no corpus is given: set [corpus] path, or use --corpus DIR")
    return config.corpus.path


def usable_tracks(directory: RunDirectory) -> list[TrackRecord]:
    """The tracks of `corpus.parquet` that were not set aside, sorted by name."""
    records = records_from(TrackRecord, directory.read_table("corpus.parquet"))
    return sorted((r for r in records if r.status == "ok"), key=lambda record: record.track)


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


def extract_tracks(
    subject: Reading, hookpoints: Sequence[str], corpus: Path, tracks: Sequence[TrackRecord]
) -> dict[str, np.ndarray]:
    """Activations [track, frame, d] float16 of tracks of equal length at each hookpoint, from
    the first frame on whose step holds no special token.

    Raises `PipelineError` if a value is too large for float16.
    """
    import numpy as np
    import torch

    sounds = np.stack([_read(track, corpus, subject.facts.sample_rate) for track in tracks])
    codes = subject.encode(torch.from_numpy(sounds))
    first = subject.facts.first_full_frame
    found = {
        name: hidden[:, first:].half().numpy()
        for name, hidden in subject.activations(codes, hookpoints).items()
    }
    for name, array in found.items():
        if not np.isfinite(array).all():
            names = ", ".join(track.track for track in tracks)
            raise PipelineError(f"activations of {names} at {name} do not fit float16 (65,504)")
    return found


def _write_shard(
    writer: StageWriter,
    number: int,
    tracks: Sequence[TrackRecord],
    parts: Sequence[dict[str, np.ndarray]],
    subject: Reading,
) -> None:
    """One file a hookpoint for these tracks."""
    import numpy as np

    for hookpoint in parts[0]:
        facts = ShardFacts(
            tracks=tuple(track.track for track in tracks),
            subject_fingerprint=subject.facts.fingerprint,
            hookpoint=hookpoint,
            delay_mapping=DELAY_MAPPING,
            frame_rate=subject.facts.frame_rate,
            first_frame=subject.facts.first_full_frame,
        )
        array = np.concatenate([part[hookpoint] for part in parts])
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
