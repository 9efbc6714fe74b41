"""A hand-made run up to its exemplars: sounds with planted tags, features that fire on them."""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf

from pipeline.config import RunConfig, config_from_dict
from pipeline.context import SaeContext, open_context
from pipeline.corpus.audio import flac_bytes
from pipeline.labelers import LABELERS
from pipeline.labelers.study_responses import NEEDED
from pipeline.progress import SilentProgress
from pipeline.sae import checkpoint
from pipeline.sae.checkpoint import SaeFacts
from pipeline.stages import labels
from pipeline.store.activations import ShardFacts, shard_path
from pipeline.store.records import table_of
from pipeline.store.run_directory import RunDirectory
from pipeline.store.tables import ExemplarRecord, FeatureRecord, NeighbourRecord, TrackRecord
from tests.essentia import here
from tests.pipeline.labelers.essentia.frozen_graphs import HEADS
from tests.pipeline.labelers.gemini import server
from tests.pipeline.signal.sounds import RATE, Sound, noise, pulsing, sine

SAE = "layer0-n8-k2"
TRACKS = 48
SPLITS = ("train", "validation", "test")
TAGS = ("high", "low", "hiss", "pulsing", "rumble")
SECONDS = 1.6
CONCEPTS = ("high", "hiss", "pulsing")
"""The tags on which features 0, 1 and 2 fire; 3 never fires on test tracks, 4 has no exemplars."""
HOOKPOINT = "decoder.layers.0.resid_post"
FRAMES = round(50 * SECONDS)
HEARD_RUN = "0123456789ab"
"""The run that the earlier study was about."""
WINDOW = 0.4
"""Of `localisation`, seconds: a track has four."""


@dataclass(frozen=True)
class Outside:
    """Files that methods need besides a run."""

    clap: Path
    essentia: Path
    captioner: Path
    gemini_url: str
    responses: Path

    def config(self) -> dict[str, Any]:
        """Config sections with which every method and scorer works."""
        return {
            "labels": {"methods": here(LABELERS)},
            "scores": {"window_seconds": WINDOW},
            "clap": {"model": str(self.clap)},
            "essentia": {"models": str(self.essentia), "heads": list(HEADS)},
            "gemini": {
                "base_url": self.gemini_url, "requests_per_minute": 1e6, "timeout_seconds": 20.0,
            },
            "audio_chat": {
                "base_url": f"{self.gemini_url}/v1", "model": "listener",
                "prices": ["listener=0/0/0"], "requests_per_minute": 1e6, "timeout_seconds": 20.0,
            },
            "captioner": {"models": [str(self.captioner)], "max_tokens": 100},
            "free_text": {"responses": str(self.responses), "run": HEARD_RUN},
            "ensemble": {"methods": ["descriptors", "corpus-tags"]},
        }  # fmt: skip


def sound_of(tags: tuple[str, ...], number: int) -> Sound:
    """A tone with the properties that its tags name."""
    hertz = (900.0 if "high" in tags else 150.0) * 2 ** (number % 7 / 12)
    sound = sine(hertz, SECONDS) + 0.001 * noise(SECONDS, seed=number)
    if "rumble" in tags:
        sound = sound + 0.4 * sine(60.0, SECONDS)
    if "hiss" in tags:
        sound = sound + noise(SECONDS, seed=number)
    return pulsing(sound, 5.0) if "pulsing" in tags else sound.astype(np.float32)


def tags_of(number: int) -> tuple[str, ...]:
    """Every combination once per split, so that no two tags are correlated."""
    bits = [bool(number // 3 >> place & 1) for place in range(4)]
    rest = [tag for tag, there in zip(TAGS[2:], bits[1:], strict=True) if there]
    return ("high" if bits[0] else "low", *rest)


def make_run(folder: Path, **sections: Any) -> tuple[RunConfig, RunDirectory]:
    """A run whose stages up to `exemplars` are done; `sections` are added to its config."""
    (folder / "corpus").mkdir(parents=True)
    tracks = [_track(folder / "corpus", number) for number in range(TRACKS)]
    config = config_from_dict(
        {
            "corpus": {"path": str(folder / "corpus")},
            "subject": {"model": str(folder), "hookpoints": ["decoder.layers.0.resid_post"]},
            "machine": {"workers": 1},
            **sections,
        }
    )
    directory = RunDirectory(folder / "run")
    directory.begin({"config": config.to_dict(), "key": "0" * 64})
    activations = _activations(tracks)
    with directory.writer("corpus") as writer:
        writer.write_table("corpus.parquet", table_of(TrackRecord, tracks))
    with directory.writer("activations") as writer:
        _write_frames(writer, tracks, activations)
    with directory.writer("sae") as writer:
        writer.summary["saes"] = [SAE]
        _write_sae(writer)
    with directory.writer("features") as writer:
        features = table_of(FeatureRecord, _features(activations))
        writer.write_table(f"features/{SAE}.parquet", features)
        near = table_of(NeighbourRecord, _neighbours())
        writer.write_table(f"features/{SAE}.neighbours.parquet", near)
        # As earlier versions stored them; such runs are still read.
        writer.write_tensors(
            f"features/{SAE}.activations.safetensors",
            {"mean": activations / 10, "max": activations},
            {"tracks": json.dumps([track.track for track in tracks])},
        )
    with directory.writer("exemplars") as writer:
        clips = {track.track: _store_clip(writer, folder / "corpus", track) for track in tracks}
        exemplars = table_of(ExemplarRecord, _exemplars(tracks, activations, clips))
        writer.write_table(f"exemplars/{SAE}.parquet", exemplars)
    return config, directory


def make_context(folder: Path, outside: Outside) -> SaeContext:
    """A context on a run that every method has labelled."""
    server.name(outside.gemini_url)
    config, directory = make_run(folder, **outside.config())
    labels.run(config, directory, progress=SilentProgress())
    return open_context(config, directory, SAE, progress=SilentProgress())


def write_responses(path: Path, features: int = 4) -> Path:
    """An earlier study's answers: six listeners' own words for each feature, methods chosen."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        rows = csv.DictWriter(stream, [*NEEDED, "trial"])
        rows.writeheader()
        for feature in range(features):
            for person in range(8):
                rows.writerow(_response(feature, person))
    return path


def _response(feature: int, person: int) -> dict[str, object]:
    texts = ("a tone", "Tones", "hissing", "wobble", "beeping", "far away", "", "tone!")
    return {
        "participation": f"p{person}", "method": ("descriptors", "corpus-tags")[person % 2],
        "run": HEARD_RUN, "feature": f"{SAE}/{feature}", "kind": "main",
        "participation_status": "complete", "confidence": 1 + person % 5,
        "chosen_rank": 1 + person % 3, "free_text": texts[(person + feature) % len(texts)],
        "trial": feature + 1,
    }  # fmt: skip


def _write_frames(writer: Any, tracks: list[TrackRecord], activations: np.ndarray) -> None:
    """Every latent is a dimension, strong only in the second half of a track. Two shards, every
    other track in each, so that what reads them cannot rely on the order of the tracks."""
    envelope = np.where(np.arange(FRAMES) < FRAMES // 2, 0.1, 1.0)
    frames = (activations[:, None, :] * envelope[None, :, None]).astype(np.float16)
    for number in (0, 1):
        names = tuple(track.track for track in tracks[number::2])
        facts = ShardFacts(names, "s", HOOKPOINT, "d", 50.0, 0)
        here = {"activations": frames[number::2]}
        writer.write_tensors(shard_path(HOOKPOINT, number), here, facts.to_metadata())


def _write_sae(writer: Any) -> None:
    """The SAE whose latents are the dimensions."""
    import torch

    from pipeline.sae.model import TopKSae

    sae = TopKSae(8, 8, 8)
    with torch.no_grad():
        sae.W_enc.copy_(torch.eye(8))
        sae.W_dec.copy_(torch.eye(8))
    checkpoint.save(writer, SAE, sae, SaeFacts(HOOKPOINT, "s", "d", 50.0, 0, 1.0, 1.0))


def _neighbours() -> list[NeighbourRecord]:
    """All kept features are neighbours of each other, in the order of their numbers."""
    rows = []
    for one in range(5):
        others = [other for other in range(5) if other != one]
        for rank, other in enumerate(others, start=1):
            rows.append(NeighbourRecord(f"{SAE}/{one}", f"{SAE}/{other}", rank, 0.1))
    return rows


def _store_clip(writer: Any, corpus: Path, track: TrackRecord) -> str:
    samples, rate = sf.read(corpus / track.path, dtype="float32", always_2d=True)
    data = flac_bytes(samples.T, rate)
    clip = hashlib.sha256(data).hexdigest()
    writer.write_bytes(f"exemplars/{SAE}/clips/{clip}.flac", data)
    return clip


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
    """Maximum activation [track, latent]: above τ = 3 where the concept is present."""
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


def _exemplars(
    tracks: list[TrackRecord], activations: np.ndarray, clips: dict[str, str]
) -> list[ExemplarRecord]:
    """The eight strongest validation tracks of the first four features."""
    rows = []
    for latent in range(4):
        places = [i for i, track in enumerate(tracks) if track.split == "validation"]
        places.sort(key=lambda i: -activations[i, latent])
        for rank, place in enumerate(places[:8], start=1):
            rows.append(
                ExemplarRecord(
                    feature=f"{SAE}/{latent}", rank=rank, track=tracks[place].track,
                    clip=clips[tracks[place].track],
                    mean_activation=float(activations[place, latent]) / 10,
                    max_activation=float(activations[place, latent]), peak_seconds=0.0,
                    start_seconds=0.0, seconds=SECONDS,
                )
            )  # fmt: skip
    return rows
