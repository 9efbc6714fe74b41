"""A run up to its exemplars, made by hand: sounds with planted tags, features that fire on them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import soundfile as sf

from pipeline.artifacts import RunDirectory
from pipeline.config import RunConfig, config_from_dict
from pipeline.labelers.base import LabelingContext, SharedTables, open_context
from pipeline.progress import SilentProgress
from pipeline.records import ExemplarRecord, FeatureRecord, TrackRecord, table_of
from tests.pipeline.signal.sounds import RATE, Sound, noise, pulsing, sine

SAE = "layer0-n8-k2"
TRACKS = 48
SPLITS = ("train", "validation", "test")
TAGS = ("high", "low", "hiss", "pulsing", "rumble")
SECONDS = 1.6
CONCEPTS = ("high", "hiss", "pulsing")
"""What features 0, 1 and 2 fire on; 3 fires nowhere in test, 4 has no exemplars."""


def sound_of(tags: tuple[str, ...], number: int) -> Sound:
    """A tone with what its tags say."""
    hertz = (900.0 if "high" in tags else 150.0) * 2 ** (number % 7 / 12)
    sound = sine(hertz, SECONDS) + 0.001 * noise(SECONDS, seed=number)
    if "rumble" in tags:
        sound = sound + 0.4 * sine(60.0, SECONDS)
    if "hiss" in tags:
        sound = sound + noise(SECONDS, seed=number)
    return pulsing(sound, 5.0) if "pulsing" in tags else sound.astype(np.float32)


def tags_of(number: int) -> tuple[str, ...]:
    """Every combination once a split, so that no two tags go together."""
    bits = [bool(number // 3 >> place & 1) for place in range(4)]
    rest = [tag for tag, there in zip(TAGS[2:], bits[1:], strict=True) if there]
    return ("high" if bits[0] else "low", *rest)


def make_run(folder: Path) -> tuple[RunConfig, RunDirectory]:
    """A run whose stages up to `exemplars` are done."""
    (folder / "corpus").mkdir(parents=True)
    tracks = [_track(folder / "corpus", number) for number in range(TRACKS)]
    config = config_from_dict(
        {
            "corpus": {"path": str(folder / "corpus")},
            "subject": {"model": str(folder), "hookpoints": ["decoder.layers.0.resid_post"]},
            "machine": {"workers": 1},
        }
    )
    directory = RunDirectory(folder / "run")
    directory.begin({"config": config.to_dict()})
    activations = _activations(tracks)
    with directory.writer("corpus") as writer:
        writer.write_table("corpus.parquet", table_of(TrackRecord, tracks))
    with directory.writer("sae") as writer:
        writer.summary["saes"] = [SAE]
    with directory.writer("features") as writer:
        features = table_of(FeatureRecord, _features(activations))
        writer.write_table(f"features/{SAE}.parquet", features)
        writer.write_tensors(
            f"features/{SAE}.activations.safetensors",
            {"mean": activations / 10, "max": activations},
            {"tracks": json.dumps([track.track for track in tracks])},
        )
    with directory.writer("exemplars") as writer:
        exemplars = table_of(ExemplarRecord, _exemplars(tracks, activations))
        writer.write_table(f"exemplars/{SAE}.parquet", exemplars)
    return config, directory


def make_context(folder: Path) -> LabelingContext:
    """A context that can make the tables it shares, on a run of its own."""
    config, directory = make_run(folder)
    writer = directory.writer("labels").__enter__()
    tables = SharedTables(directory, writer)
    return open_context(config, directory, SAE, progress=SilentProgress(), tables=tables)


def _track(folder: Path, number: int) -> TrackRecord:
    tags = tags_of(number)
    name = f"t{number:02d}"
    sf.write(folder / f"{name}.flac", sound_of(tags, number), RATE)
    return TrackRecord(
        track=name, path=f"{name}.flac", sha256="", seconds=SECONDS, start_seconds=0.0,
        sample_rate=RATE, artist="", split=SPLITS[number % 3], tags=tags, caption="", license="",
        status="ok", reason="",
    )  # fmt: skip


def _activations(tracks: list[TrackRecord]) -> np.ndarray:
    """Largest activation [track, latent]: over τ = 3 where the concept is."""
    rest = np.random.default_rng(5).random((len(tracks), 8)).astype(np.float32)
    for latent, concept in enumerate(CONCEPTS):
        rest[:, latent] += [4.0 * (concept in track.tags) for track in tracks]
    rest[:, 3] += [4.0 * (track.split != "test") for track in tracks]
    return rest


def _features(activations: np.ndarray) -> list[FeatureRecord]:
    return [
        FeatureRecord(
            feature=f"{SAE}/{index}", sae=SAE, hookpoint="decoder.layers.0.resid_post",
            index=index, rate=0.4, firing_tracks=6, mean_activation=0.1,
            max_activation=float(activations[:, index].max()), kept=index < 5, reason="",
        )
        for index in range(activations.shape[1])
    ]  # fmt: skip


def _exemplars(tracks: list[TrackRecord], activations: np.ndarray) -> list[ExemplarRecord]:
    """The eight strongest validation tracks of the first four features."""
    rows = []
    for latent in range(4):
        places = [i for i, track in enumerate(tracks) if track.split == "validation"]
        places.sort(key=lambda i: -activations[i, latent])
        for rank, place in enumerate(places[:8], start=1):
            rows.append(
                ExemplarRecord(
                    feature=f"{SAE}/{latent}", rank=rank, track=tracks[place].track, clip="",
                    mean_activation=float(activations[place, latent]), peak_seconds=0.0,
                    start_seconds=0.0, seconds=SECONDS,
                )
            )  # fmt: skip
    return rows
