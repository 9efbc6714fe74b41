"""Stage `features`: summarises each latent per track, and decides which latents are kept.

Input: `activations/`, `sae/`, `corpus.parquet`. Parameters: `[features]`. Output per SAE, under
`features/`: `NAME.parquet`, `NAME.neighbours.parquet`, `NAME.activations.safetensors`.
"""

from __future__ import annotations

import json
from collections import Counter

import numpy as np

from pipeline.config import RunConfig
from pipeline.corpus.tracks import usable_tracks
from pipeline.features.filter import feature_records
from pipeline.features.neighbours import neighbours
from pipeline.features.summaries import TrackSummary, track_summary
from pipeline.parallel import torch_threads
from pipeline.progress import Progress
from pipeline.sae import checkpoint
from pipeline.sae.checkpoint import StoredSae
from pipeline.sae.specs import feature_key
from pipeline.store.run_directory import RunDirectory
from pipeline.store.tables import FeatureRecord, NeighbourRecord, table_of
from pipeline.store.writers import StageWriter


def run(config: RunConfig, directory: RunDirectory, *, progress: Progress) -> None:
    """Summarise activations, filter latents and list neighbours, for every SAE of the run."""
    split = {track.track: track.split for track in usable_tracks(directory)}
    with directory.writer("features") as writer, torch_threads(config.machine):
        for name in directory.sae_names():
            stored = checkpoint.load(directory, name)
            progress.start(f"features {name}", len(split), "track")
            summary = track_summary(
                directory, stored, workers=config.machine.workers, progress=progress
            )
            progress.finish()
            validation = np.array([split[t] == "validation" for t in summary.tracks])
            records = feature_records(stored, summary, validation, config.features)
            _write(writer, stored, summary, records, config.features.neighbours)
            counts = Counter(record.reason or "kept" for record in records)
            writer.summary[name] = dict(sorted(counts.items()))
            progress.note(f"{name}: {counts['kept']} of {len(records)} features kept")


def _write(
    writer: StageWriter,
    stored: StoredSae,
    summary: TrackSummary,
    records: list[FeatureRecord],
    n_neighbours: int,
) -> None:
    name = stored.name
    kept = [record.index for record in records if record.kept]
    near = [
        NeighbourRecord(feature_key(name, latent), feature_key(name, other), rank, cosine)
        for latent, other, rank, cosine in neighbours(stored.sae.W_dec.numpy(), kept, n_neighbours)
    ]
    writer.write_table(f"features/{name}.parquet", table_of(FeatureRecord, records))
    writer.write_table(f"features/{name}.neighbours.parquet", table_of(NeighbourRecord, near))
    writer.write_tensors(
        f"features/{name}.activations.safetensors",
        {"mean": summary.mean, "max": summary.max},
        {"tracks": json.dumps(summary.tracks)},
    )
