"""Finished run directories without running the pipeline: the real writer, invented figures."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from pipeline.store.records import table_of
from pipeline.store.run_directory import RunDirectory
from pipeline.store.tables import (
    ExemplarRecord,
    FeatureRecord,
    LabelCandidate,
    NeighbourRecord,
    ScoreRecord,
    TrackRecord,
)
from pipeline.store.writers import StageWriter

SAE = "layer2-n64-k4"
HOOKPOINT = "decoder.layers.2.resid_post"
METHODS = ("corpus-tags", "descriptors")
CONFIG: dict[str, Any] = {"subject": {"model": "nowhere", "hookpoints": [HOOKPOINT]}}


def make(path: Path | str, *, features: int = 3, tracks: int = 10) -> RunDirectory:
    """Every stage done: `features` kept, one dropped; every track is an exemplar of each."""
    directory = RunDirectory(path)
    directory.begin({"config": CONFIG, "key": "k" * 64})
    names = [f"{SAE}/{index}" for index in range(features)]
    with directory.writer("corpus") as writer:
        rows = [_track(number) for number in range(tracks)]
        writer.write_table("corpus.parquet", table_of(TrackRecord, rows))
        writer.summary.update({"tracks": tracks, "set_aside": {"silent": 2}})
    for stage in ("activations", "sae"):
        with directory.writer(stage) as writer:
            writer.summary["saes"] = [SAE]
    with directory.writer("features") as writer:
        rows_f = [_feature(index, kept=index < features) for index in range(features + 1)]
        writer.write_table(f"features/{SAE}.parquet", table_of(FeatureRecord, rows_f))
        near = [NeighbourRecord(n, o, r, 0.5) for n in names for r, o in _others(names, n)]
        writer.write_table(f"features/{SAE}.neighbours.parquet", table_of(NeighbourRecord, near))
    with directory.writer("exemplars") as writer:
        clips = [_write_noise(writer, number) for number in range(tracks)]
        shown = [_exemplar(n, rank, clip) for n in names for rank, clip in enumerate(clips, 1)]
        writer.write_table(f"exemplars/{SAE}.parquet", table_of(ExemplarRecord, shown))
    with directory.writer("labels") as writer:
        for method in METHODS:
            texts = [_label(n, rank) for n in names for rank in range(1, 6)]
            too_long = LabelCandidate(names[0], 6, "x" * 301, 0, "")
            table = table_of(LabelCandidate, [*texts, too_long])
            writer.write_table(f"labels/{SAE}/{method}.parquet", table)
    with directory.writer("scores") as writer:
        graded = [_score(n, method, rank) for n in names for method in METHODS for rank in (1, 2)]
        writer.write_table(f"scores/{SAE}/detection.parquet", table_of(ScoreRecord, graded))
    return directory


def _track(number: int) -> TrackRecord:
    return TrackRecord(
        track=f"t{number}", path=f"{number}.flac", sha256="0" * 64, seconds=0.5, start_seconds=0,
        sample_rate=32000, artist="", split="validation", tags=("low", f"tag {number}"), caption="",
        license="CC0", status="ok", reason="",
    )  # fmt: skip


def _feature(index: int, *, kept: bool) -> FeatureRecord:
    return FeatureRecord(
        feature=f"{SAE}/{index}", sae=SAE, hookpoint=HOOKPOINT, index=index, rate=0.1,
        firing_tracks=12, mean_activation=0.5, max_activation=4.0, kept=kept,
        reason="" if kept else "never fires",
    )  # fmt: skip


def _others(names: list[str], name: str) -> list[tuple[int, str]]:
    return list(enumerate([other for other in names if other != name], 1))


def write_clip(writer: StageWriter, sae: str, samples: Any, *, sample_rate: int) -> str:
    """Store an exemplar's sound, and return its SHA-256."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, sample_rate, format="FLAC")
    digest = hashlib.sha256(buffer.getvalue()).hexdigest()
    writer.write_bytes(f"exemplars/{sae}/clips/{digest}.flac", buffer.getvalue())
    return digest


def _write_noise(writer: StageWriter, number: int) -> str:
    samples = 0.1 * np.random.default_rng(number).standard_normal(16_000)
    return write_clip(writer, SAE, samples, sample_rate=32_000)


def _exemplar(feature: str, rank: int, clip: str) -> ExemplarRecord:
    return ExemplarRecord(
        feature=feature, rank=rank, track=f"t{rank - 1}", clip=clip, mean_activation=1 / rank,
        max_activation=4 / rank, peak_seconds=0.1, start_seconds=0, seconds=0.5,
    )  # fmt: skip


def _label(feature: str, rank: int) -> LabelCandidate:
    return LabelCandidate(feature, rank, f"name {rank} of {feature}", 1 / rank, "said at length")


def _score(feature: str, method: str, rank: int) -> ScoreRecord:
    value = 0.8 if rank == 1 else None
    status = "ok" if rank == 1 else "failed"
    return ScoreRecord(feature, method, rank, value, None, None, None, 20, 20, False, status, "")
