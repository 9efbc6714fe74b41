"""A run of any size whose stages up to `sae` are made up, so that the later ones can be measured.

Activations: each track is one of `GROUPS` kinds, with a direction of its kind, one of its own, and
noise in each frame, so that a track's frames share latents as those of music do. The SAE is random;
its encoder biases are spread, so that rates range from never to nearly always. All tracks share one
sound. CLAP's embeddings of tracks are random, its text encoder is the nano model's.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf
import torch

from pipeline.cache import SharedTables
from pipeline.clap import store
from pipeline.config import RunConfig, config_from_dict
from pipeline.context import SaeContext
from pipeline.corpus.tracks import usable_in_table_order
from pipeline.progress import SilentProgress
from pipeline.sae import checkpoint
from pipeline.sae.model import TopKSae
from pipeline.sae.specs import SaeSpec
from pipeline.store.activations import ShardFacts, shard_path
from pipeline.store.records import table_of
from pipeline.store.run_directory import RunDirectory
from pipeline.store.tables import TrackRecord
from pipeline.store.writers import StageWriter

HOOKPOINT = "decoder.layers.3.resid_post"
GROUPS, TAGS = 40, 30
SHARD_TRACKS, RATE, SECONDS = 64, 8000, 1.0
SPLITS = ("train", "train", "validation", "test")
CLAP = Path(__file__).parents[2] / "fixtures" / "nano" / "clap-nano"
SPREAD = 0.6
"""Standard deviation of the encoder's biases, in units of the pre-activations'."""


def make_run(
    folder: Path, *, tracks: int, latents: int, width: int, frames: int, k: int
) -> RunDirectory:
    """Write the run, with everything that the stage `features` and those after it read."""
    directory = RunDirectory(folder / "run")
    directory.begin({"config": config_of(folder).to_dict(), "key": "made up"})
    (folder / "corpus").mkdir()
    sound = 0.1 * np.random.default_rng(1).normal(size=int(RATE * SECONDS))
    sf.write(folder / "corpus" / "sound.flac", sound, RATE)
    with directory.writer("corpus") as writer:
        writer.write_table("corpus.parquet", table_of(TrackRecord, list(map(track, range(tracks)))))
    with directory.writer("activations") as writer:
        _write_activations(writer, tracks, width, frames)
        writer.summary["tracks"] = tracks
    with directory.writer("sae") as writer:
        spec = SaeSpec(f"layer3-n{latents}-k{k}", HOOKPOINT, latents, k)
        _write_sae(writer, spec, width)
        writer.summary["saes"] = [spec.name]
    return directory


def config_of(folder: Path) -> RunConfig:
    """The run's config."""
    settings: dict[str, Any] = {
        "corpus": {"path": str(folder / "corpus"), "clip_seconds": SECONDS},
        "subject": {"model": str(folder), "hookpoints": [HOOKPOINT]},
        # A narrow band of rates, so that a few of many latents are kept, as in the paper.
        "features": {"preset": "paper", "min_rate": 0.1, "max_rate": 0.12, "min_tracks": 1},
        "labels": {"methods": ["corpus-tags", "random-label"], "candidates": 3},
        "scores": {"scorers": ["reading", "clap", "detection", "intruder"]},
        "clap": {"model": str(CLAP)},
    }
    return config_from_dict(settings)


def embed_tracks(config: RunConfig, directory: RunDirectory) -> None:
    """Put random embeddings where the stage `scores` looks for CLAP's."""
    tables = SharedTables(directory)
    context = SaeContext(
        directory, "", tuple(usable_in_table_order(directory)), (), {}, config, SilentProgress(),
        tables,
    )  # fmt: skip
    width = store.text_embeddings(context, ["a sound"]).shape[1]
    drawn = np.random.default_rng(2).normal(size=(len(context.tracks), width)).astype(np.float32)
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    with directory.writer("scores") as writer:
        writer.write_tensors(store.TRACKS_FILE, {"tracks": drawn}, store.track_stamp(context))
    # Not `forget`, which would delete the file: it waits for the stage, as after a kill.
    manifest = directory.manifest()
    del manifest["stages"]["scores"]
    directory.path_of("manifest.json").write_text(json.dumps(manifest))


def track(number: int) -> TrackRecord:
    """One track of the corpus."""
    kind = number % GROUPS
    return TrackRecord(
        track=f"t{number:06d}", path="sound.flac", sha256="", seconds=SECONDS, start_seconds=0.0,
        sample_rate=RATE, artist="", split=SPLITS[(number + number // GROUPS) % 4],
        tags=tuple(sorted({f"tag {kind % TAGS}", f"tag {(kind * 7 + 3) % TAGS}"})), caption="",
        license="", status="ok", reason="",
    )  # fmt: skip


def _write_activations(writer: StageWriter, tracks: int, width: int, frames: int) -> None:
    kinds = np.random.default_rng(0).normal(size=(GROUPS, 1, width))
    for number, start in enumerate(range(0, tracks, SHARD_TRACKS)):
        here = np.arange(start, min(start + SHARD_TRACKS, tracks))
        generator = np.random.default_rng([3, number])
        own = generator.normal(size=(len(here), 1, width))
        noise = generator.normal(size=(len(here), frames, width)).astype(np.float32)
        array = (kinds[here % GROUPS] + 0.7 * own + 0.5 * noise).astype(np.float16)
        names = tuple(f"t{track:06d}" for track in here)
        facts = ShardFacts(names, "s", HOOKPOINT, "d", 50.0, 0)
        path = shard_path(HOOKPOINT, number)
        writer.write_tensors(path, {"activations": array}, facts.to_metadata())


def _write_sae(writer: StageWriter, spec: SaeSpec, width: int) -> None:
    sae = TopKSae(width, spec.n_latents, spec.k)
    generator = torch.Generator().manual_seed(0)
    sae.initialise(generator, torch.zeros(width))
    with torch.no_grad():
        # Pre-activations have a standard deviation of about 1.3: the rows of W_enc are units.
        sae.b_enc.normal_(-0.5, 1.3 * SPREAD, generator=generator)
    facts = checkpoint.SaeFacts(HOOKPOINT, "s", "d", 50.0, 0, 1.0, 1.0)
    checkpoint.save(writer, spec.name, sae, facts)
