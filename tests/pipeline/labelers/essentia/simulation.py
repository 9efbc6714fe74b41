"""Simulated outputs of Essentia's heads, with a class planted in every feature's exemplars.

Heads of the real sizes: genres, instruments, moods and tags by sigmoid, whose classes are rare and
seldom likely, and four two-class softmaxes, whose winner is over 0.5 by construction. Every class
of a sigmoid head is in a few per cent of the tracks; a feature's class is in seven of its ten
exemplars. The probabilities lie in the run directory as `labels/essentia.safetensors`, so that
the labelers read them as they read their own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.config import config_from_dict
from pipeline.context import SaeContext, open_context
from pipeline.labelers.essentia import metadata
from pipeline.labelers.essentia.labeler import FILE, tracks_digest
from pipeline.progress import SilentProgress
from pipeline.store.records import table_of
from pipeline.store.run_directory import RunDirectory
from pipeline.store.tables import ExemplarRecord, FeatureRecord, TrackRecord
from tests.pipeline.tensors import safetensors_bytes

SAE = "layer0-n8-k2"
SIGMOID = {
    "genres": (400, -5.0),
    "instruments": (40, -3.0),
    "moods": (56, -3.0),
    "tags": (50, -2.5),
}
"""Head to its number of classes and their mean log-odds where a class is not there."""
PAIRS = {
    "voice": ("instrumental", "voice"), "dance": ("danceable", "not danceable"),
    "tonality": ("atonal", "tonal"), "timbre": ("bright", "dark"),
}  # fmt: skip
LIFT = 4.0
"""What a class that is there adds to its log-odds."""
TRACKS = 600
FEATURES = 300
EXEMPLARS = 10
WITH_CLASS = 7
SHARE = 0.04
"""Of the tracks that have a class."""


@dataclass(frozen=True)
class Simulation:
    """A run up to its exemplars, and the planted classes."""

    context: SaeContext
    planted: dict[str, str]
    """The planted class of each feature."""
    pairs: tuple[frozenset[str], ...] = tuple(frozenset(pair) for pair in PAIRS.values())


def simulate(folder: Path, seed: int = 0) -> Simulation:
    """Draw the corpus and write the run into `folder`."""
    rng = np.random.default_rng(seed)
    there, made = _probabilities(rng)
    names = [name for head in SIGMOID for name in classes_of(head)]
    chosen = rng.permutation(len(names))[:FEATURES]
    exemplars = [_exemplars(rng, feature, there[row]) for feature, row in enumerate(chosen)]
    context = _context(folder, made, [row for rows in exemplars for row in rows])
    planted = {f"{SAE}/{feature}": names[row] for feature, row in enumerate(chosen)}
    return Simulation(context, planted)


def classes_of(head: str) -> list[str]:
    """The texts of a head's classes."""
    if head in PAIRS:
        return list(PAIRS[head])
    return [f"{head} {number}" for number in range(SIGMOID[head][0])]


def _probabilities(rng: np.random.Generator) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Which track has which class [class, track], and probabilities [track, class] per head."""
    there, made = [], {}
    for head, (count, middle) in SIGMOID.items():
        has = rng.random((count, TRACKS)) < SHARE
        base = middle + rng.normal(scale=1.0, size=(count, 1))
        odds = base + rng.normal(scale=1.0, size=(count, TRACKS)) + LIFT * has
        made[head] = (1 / (1 + np.exp(-odds))).T.astype(np.float32)
        there.append(has)
    for head in PAIRS:
        odds = 1.5 + rng.normal(scale=2.0, size=TRACKS)
        first = (1 / (1 + np.exp(-odds))).astype(np.float32)
        made[head] = np.stack([first, 1 - first], axis=1)
    return np.concatenate(there), made


def _exemplars(rng: np.random.Generator, feature: int, has: np.ndarray) -> list[ExemplarRecord]:
    """Seven tracks that have the class and three of the others."""
    places = [*rng.permutation(np.flatnonzero(has))[:WITH_CLASS]]
    rest = rng.permutation(np.flatnonzero(~has))[: EXEMPLARS - len(places)]
    return [
        ExemplarRecord(
            feature=f"{SAE}/{feature}", rank=rank, track=f"t{place}", clip="", mean_activation=1.0,
            peak_seconds=0.0, start_seconds=0.0, seconds=10.0,
        )
        for rank, place in enumerate([*places, *rest], start=1)
    ]  # fmt: skip


def _context(
    folder: Path, made: dict[str, np.ndarray], exemplars: list[ExemplarRecord]
) -> SaeContext:
    models = folder / "models"
    models.mkdir(parents=True)
    _write_models(models)
    config = config_from_dict(
        {
            "corpus": {"path": str(folder)},
            "subject": {"model": str(folder), "hookpoints": ["decoder.layers.0.resid_post"]},
            "essentia": {"models": str(models), "heads": [*SIGMOID, *PAIRS]},
        }
    )
    directory = RunDirectory(folder / "run")
    directory.begin({"config": config.to_dict(), "key": "0" * 64})
    with directory.writer("exemplars") as writer:
        tracks = [_track(number) for number in range(TRACKS)]
        writer.write_table("corpus.parquet", table_of(TrackRecord, tracks))
        features = [_feature(number) for number in range(FEATURES)]
        writer.write_table(f"features/{SAE}.parquet", table_of(FeatureRecord, features))
        writer.write_table(f"exemplars/{SAE}.parquet", table_of(ExemplarRecord, exemplars))
    context = open_context(config, directory, SAE, progress=SilentProgress())
    stamp = {
        "models": metadata.fingerprint(config.essentia), "tracks": tracks_digest(context.tracks),
    }  # fmt: skip
    with directory.writer("labels") as writer:
        writer.write_bytes(FILE, safetensors_bytes(made, stamp))
    return context


def _write_models(folder: Path) -> None:
    """The JSON of each model; the graphs are never loaded."""
    base = {
        "schema": {
            "inputs": [{"name": "x"}],
            "outputs": [{"name": "y", "output_purpose": "embeddings"}],
        },
        "inference": {"algorithm": "TensorflowPredictMusiCNN", "sample_rate": 16_000},
    }
    _write(folder, "base", base)
    for head in (*SIGMOID, *PAIRS):
        kind = "Softmax" if head in PAIRS else "Sigmoid"
        outputs = [{"name": f"model/{kind}", "op": kind, "output_purpose": "predictions"}]
        facts = {
            "classes": classes_of(head),
            "schema": {"inputs": [{"name": "x"}], "outputs": outputs},
            "inference": {"embedding_model": {"model_name": "base"}},
        }
        _write(folder, head, facts)


def _write(folder: Path, name: str, facts: Mapping[str, object]) -> None:
    (folder / f"{name}.json").write_text(json.dumps(facts), encoding="utf-8")
    (folder / f"{name}.pb").write_bytes(b"never loaded")


def _track(number: int) -> TrackRecord:
    split = ("train", "validation", "test")[number % 3]
    return TrackRecord(
        track=f"t{number}", path=f"t{number}.flac", sha256="", seconds=10.0, start_seconds=0.0,
        sample_rate=32_000, artist="", split=split, tags=(), caption="", license="",
        status="ok", reason="",
    )  # fmt: skip


def _feature(number: int) -> FeatureRecord:
    return FeatureRecord(
        feature=f"{SAE}/{number}", sae=SAE, hookpoint="decoder.layers.0.resid_post", index=number,
        rate=0.1, firing_tracks=10, mean_activation=0.1, max_activation=5.0, kept=True, reason="",
    )  # fmt: skip
