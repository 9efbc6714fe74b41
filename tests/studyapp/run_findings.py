"""A finished run with enough latents, methods and scores that its figures are worth recomputing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pipeline.store.records import table_of
from pipeline.store.run_directory import RunDirectory
from pipeline.store.tables import (
    ExemplarRecord,
    FeatureRecord,
    LabelCandidate,
    NeighbourRecord,
    QualityRecord,
    ScoreRecord,
    TrackRecord,
    TrainingRecord,
)
from tests.studyapp.run_directories import write_clip

SAES = {
    "layer2-n96-k4": "decoder.layers.2.resid_post",
    "layer5-n96-k8": "decoder.layers.5.resid_post",
}
METHODS = ("descriptors", "corpus-tags", "random-label")
SCORERS = ("detection", "reading")
FILTER = {
    "threshold": 3.0,
    "threshold_unit": "normalised",
    "min_rate": 0.01,
    "max_rate": 0.25,
    "min_tracks": 10,
}
LATENTS, TRACKS, STEPS = 96, 200, 300
DENSITIES = (1, 2, 10, 40, 20, 11)


def make(path: Path, *, seed: int = 0) -> RunDirectory:
    """Every stage done, with random figures; the control's scores are the highest of all.

    Another seed stands for another CLAP too.
    """
    rng = np.random.default_rng(seed)
    directory = RunDirectory(path)
    subject = {"model": "nowhere", "hookpoints": [*SAES.values()]}
    directory.begin({"config": {"subject": subject, "features": FILTER}, "key": f"{seed:064d}"})
    with directory.writer("corpus") as writer:
        writer.write_table("corpus.parquet", table_of(TrackRecord, []))
        writer.summary.update({"usable": {"validation": TRACKS}, "set_aside": {}})
    with directory.writer("activations"):
        pass
    with directory.writer("sae") as writer:
        writer.summary.update({"saes": [*SAES], "validation": {}})
        for sae in SAES:
            writer.write_table(f"sae/{sae}/training.parquet", table_of(TrainingRecord, _curve(rng)))
            figures = {
                "frames": 999,
                "fvu": rng.uniform(0.1, 0.5),
                "l0": 4.0,
                "dead_share": rng.uniform(),
            }
            # Those of the second SAE are as runs of earlier versions have them.
            if not writer.summary["validation"]:
                figures |= {"dense_share": 0.125, "cosine": 0.9, "densities": DENSITIES}
            writer.summary["validation"][sae] = figures
            writer.write_json(f"sae/{sae}/cfg.json", {"d_sae": LATENTS})
    features = {sae: _features(rng, sae) for sae in SAES}
    with directory.writer("features") as writer:
        for sae, rows in features.items():
            writer.write_table(f"features/{sae}.parquet", table_of(FeatureRecord, rows))
            writer.write_table(f"features/{sae}.neighbours.parquet", table_of(NeighbourRecord, []))
    kept = {sae: [row.feature for row in rows if row.kept] for sae, rows in features.items()}
    with directory.writer("exemplars") as writer:
        for sae, names in kept.items():
            # Few files: each is flushed to the disk.
            clips = [
                write_clip(writer, sae, 0.1 * rng.standard_normal(400), sample_rate=8000)
                for _ in range(6)
            ]
            shown = [
                _exemplar(name, rank, clips[rng.integers(6)]) for name in names for rank in (2, 1)
            ]
            writer.write_table(f"exemplars/{sae}.parquet", table_of(ExemplarRecord, shown))
    with directory.writer("labels") as writer:
        for sae, names in kept.items():
            for method in METHODS:
                texts = [_label(method, name, rank) for name in names for rank in (1, 2)]
                writer.write_table(
                    f"labels/{sae}/{method}.parquet", table_of(LabelCandidate, texts)
                )
    with directory.writer("scores") as writer:
        for sae, names in kept.items():
            for scorer in SCORERS:
                ear = f"CLAP {seed}" if scorer == "detection" else ""
                graded = [
                    _score(rng, ear, method, name, rank)
                    for method in METHODS for name in names for rank in (1, 2)
                ]  # fmt: skip
                writer.write_table(f"scores/{sae}/{scorer}.parquet", table_of(ScoreRecord, graded))
    return directory


def measure(directory: RunDirectory, recovered: float, densities: tuple[int, ...]) -> None:
    """`quality.parquet` as the command writes it; the second SAE's losses were not measured."""
    rows = [
        QualityRecord(
            sae=sae, hookpoint=hookpoint, n_latents=LATENTS, k=8, frames=999, fvu=0.2, l0=7.5,
            dead_share=0.0, dense_share=0.01, cosine=0.9, densities=densities,
            loss_tracks=0 if place else 16, loss=(), loss_reconstructed=(), loss_mean=(),
            loss_zero=(), loss_recovered=None if place else recovered,
            loss_recovered_from_zero=None,
        )
        for place, (sae, hookpoint) in enumerate(SAES.items())
    ]  # fmt: skip
    with directory.writer("quality") as writer:
        writer.write_table("quality.parquet", table_of(QualityRecord, rows))


def _curve(rng: Any) -> list[TrainingRecord]:
    shares = 0.8 - 0.7 * np.exp(-np.arange(STEPS) / 60) + 0.01 * rng.standard_normal(STEPS)
    return [
        TrainingRecord(10 * (at + 1), 1 - share, share, 0.0)
        for at, share in enumerate(shares.tolist())
    ]


def _features(rng: Any, sae: str) -> list[FeatureRecord]:
    rows = []
    for index in range(LATENTS):
        firing = int(min(TRACKS, rng.geometric(0.05) - 1))
        rate = firing / TRACKS
        reason = (
            "r = 0" if firing == 0 else "r < 0.01" if rate < 0.01 else "r > 0.25" if rate > 0.25
            else "fires in fewer than 10 tracks" if firing < 10 else ""
        )  # fmt: skip
        strength = float(rng.lognormal(1.5, 0.4))
        rows.append(
            FeatureRecord(
                feature=f"{sae}/{index}", sae=sae, hookpoint=SAES[sae], index=index, rate=rate,
                firing_tracks=firing, mean_activation=0.1, max_activation=strength,
                kept=not reason, reason=reason,
            )
        )  # fmt: skip
    return rows


def _exemplar(feature: str, rank: int, clip: str) -> ExemplarRecord:
    return ExemplarRecord(
        feature=feature, rank=rank, track=f"t{rank}", clip=clip, mean_activation=1 / rank,
        max_activation=4 / rank, peak_seconds=0.01, start_seconds=0, seconds=0.05,
    )  # fmt: skip


def _label(method: str, feature: str, rank: int) -> LabelCandidate:
    return LabelCandidate(feature, rank, f"{method} {rank} of {feature}", 1 / rank, "")


def _score(rng: Any, ear: str, method: str, feature: str, rank: int) -> ScoreRecord:
    low = {"random-label": 0.9, "descriptors": 0.6}.get(method, 0.5)
    value = float(rng.uniform(low, low + 0.1)) if rng.uniform() < 0.9 else None
    status = "failed" if value is None else "ok"
    return ScoreRecord(
        feature, method, rank, value, None, None, None, 20, 20, ear != "", status, "", heard_by=ear
    )
