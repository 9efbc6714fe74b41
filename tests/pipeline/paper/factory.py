"""A sweep of two subjects, written table by table: nothing is trained, every number is known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from pipeline.config import config_from_dict
from pipeline.sae import checkpoint
from pipeline.sae.checkpoint import SaeFacts
from pipeline.sae.model import TopKSae
from pipeline.store.records import table_of
from pipeline.store.run_directory import RunDirectory, StageWriter
from pipeline.store.tables import ExemplarRecord, FeatureRecord, ScoreRecord, TrackRecord

WIDTH = 6
LAYERS = (1, 4)
EXPANSIONS = (2, 4)
KS = (2, 3)
SPLITS = ("train", "validation", "validation", "test", "test")
TRACKS = 100
METHODS = ("descriptors", "gemini", "captioner@other", "random-label")
REASONS = ("", "", "", "r = 0", "r > 0.25", "r < 0.01", "fires in fewer than 5 tracks", "")
"""Of each latent in turn; empty where it is kept."""
FILTER = {"threshold": 0.0, "min_rate": 0.01, "max_rate": 0.25, "min_tracks": 5}


def make_run(
    folder: Path,
    *,
    control: str = "none",
    heard_by: str = "tiny 1",
    clip_seconds: float = 10.0,
    layers: tuple[int, ...] = LAYERS,
) -> Path:
    """A run whose stages are done as far as the tables need them."""
    config = config_from_dict(
        {
            "subject": {
                "model": "facebook/musicgen-tiny", "control": control,
                "hookpoints": [f"decoder.layers.{layer}.resid_post" for layer in layers],
            },
            "corpus": {"path": str(folder.parent / f"corpus of {folder.name}"),
                       "clip_seconds": clip_seconds},
            "sae": {"expansions": list(EXPANSIONS), "ks": list(KS)},
            "features": FILTER,
        }
    )  # fmt: skip
    directory = RunDirectory(folder)
    directory.begin(
        {
            "config": config.to_dict(), "key": f"{control:0<64}", "corpus_fingerprint": "same",
            "identity": {}, "subject_fingerprint": control,
        }
    )  # fmt: skip
    names = {
        f"layer{layer}-n{expansion * WIDTH}-k{k}": (layer, expansion * WIDTH, k)
        for layer in layers
        for expansion in EXPANSIONS
        for k in KS
    }
    tracks = [_track(number) for number in range(TRACKS)]
    generator = np.random.default_rng(len(control))
    with directory.writer("corpus") as writer:
        writer.summary["usable"] = {split: SPLITS.count(split) * 20 for split in set(SPLITS)}
        writer.write_table("corpus.parquet", table_of(TrackRecord, tracks))
    with directory.writer("sae") as writer:
        writer.summary["saes"] = list(names)
        for name, (layer, n, k) in names.items():
            facts = SaeFacts(f"decoder.layers.{layer}.resid_post", "s", "d", 50.0, 0, 1.0, 1.0)
            checkpoint.save(writer, name, TopKSae(WIDTH, n, k), facts)
    with directory.writer("features") as features, directory.writer("exemplars") as exemplars:
        for name, (layer, n, _) in names.items():
            found = _features(features, name, layer, n, tracks, generator)
            _exemplars(exemplars, name, found, tracks, generator)
    with directory.writer("scores") as writer:
        for name, (_, n, _) in names.items():
            _scores(writer, name, n, generator, heard_by)
    return folder


def _track(number: int) -> TrackRecord:
    return TrackRecord(
        track=f"t{number:03d}", path="", sha256="", seconds=10.0, start_seconds=0.0,
        sample_rate=32000, artist="", split=SPLITS[number % len(SPLITS)], tags=(), caption="",
        license="", status="ok", reason="",
    )  # fmt: skip


def _features(
    writer: StageWriter,
    name: str,
    layer: int,
    n: int,
    tracks: list[TrackRecord],
    generator: np.random.Generator,
) -> list[FeatureRecord]:
    mean = generator.exponential(size=(len(tracks), n)).astype(np.float32)
    # Features of one layer are active in its own half of the tracks.
    mean[np.arange(len(tracks)) % 2 == (layer == LAYERS[0])] *= 0.2
    rows = [
        FeatureRecord(
            feature=f"{name}/{index}", sae=name, hookpoint=f"decoder.layers.{layer}.resid_post",
            index=index, rate=0.0 if reason == "r = 0" else float(generator.uniform(0.01, 0.5)),
            firing_tracks=9, mean_activation=float(mean[:, index].mean()),
            max_activation=0.0 if reason == "r = 0" else float(mean[:, index].max()),
            kept=not reason, reason=reason,
        )
        for index, reason in ((i, REASONS[i % len(REASONS)]) for i in range(n))
    ]  # fmt: skip
    writer.write_table(f"features/{name}.parquet", table_of(FeatureRecord, rows))
    writer.write_tensors(
        f"features/{name}.activations.safetensors",
        {"mean": mean, "max": mean * 2},
        {"tracks": json.dumps([track.track for track in tracks])},
    )
    return rows


def _exemplars(
    writer: StageWriter,
    name: str,
    features: list[FeatureRecord],
    tracks: list[TrackRecord],
    generator: np.random.Generator,
) -> None:
    validation = [track.track for track in tracks if track.split == "validation"]
    rows = [
        ExemplarRecord(
            feature=feature.feature, rank=rank, track=track, clip="", mean_activation=1.0,
            max_activation=2.0, peak_seconds=0.0, start_seconds=0.0, seconds=10.0,
        )
        for feature in features
        if feature.kept
        for rank, track in enumerate(generator.choice(validation, 4, replace=False), start=1)
    ]  # fmt: skip
    writer.write_table(f"exemplars/{name}.parquet", table_of(ExemplarRecord, rows))


def _scores(
    writer: StageWriter, name: str, n: int, generator: np.random.Generator, heard_by: str
) -> None:
    """One to three labels per kept feature; now and then one without a score."""
    rows = []
    for method in METHODS:
        for index in (i for i in range(n) if not REASONS[i % len(REASONS)]):
            for rank in range(1, 2 + int(generator.integers(3))):
                failed = generator.random() < 0.1
                rows.append(
                    ScoreRecord(
                        feature=f"{name}/{index}", method=method, rank=rank,
                        score=None if failed else float(generator.normal(0.3, 0.1)), low=None,
                        high=None, contrast=None, n_positive=4, n_negative=0, comparable=True,
                        status="failed" if failed else "ok", heard_by=heard_by,
                    )
                )  # fmt: skip
    writer.write_table(f"scores/{name}/clap.parquet", table_of(ScoreRecord, rows))
