"""Stage `features`: summarises each latent per track, and decides which latents are kept.

Input: `activations/`, `sae/`, `corpus.parquet`. Parameters: `[features]`, and `[exemplars] count`
for the strongest tracks of each latent. Output per SAE, under `features/`: `NAME.parquet`,
`NAME.neighbours.parquet`, `NAME.columns.safetensors`. Where the corpus has planted concepts, the
columns of all latents that are active are stored, since `recovery` chooses among them; elsewhere
those of the kept ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pipeline.config import RunConfig
from pipeline.corpus.tracks import usable_tracks
from pipeline.features.columns import make_columns
from pipeline.features.filter import feature_records
from pipeline.features.neighbours import neighbours
from pipeline.parallel import torch_threads
from pipeline.progress import Progress
from pipeline.sae import checkpoint
from pipeline.sae.checkpoint import StoredSae
from pipeline.sae.specs import feature_key
from pipeline.store.run_directory import RunDirectory
from pipeline.store.tables import FeatureRecord, NeighbourRecord, table_of
from pipeline.store.writers import Writer


def run(config: RunConfig, directory: RunDirectory, *, progress: Progress) -> None:
    """Summarise activations, filter latents and list neighbours, for every SAE of the run."""
    with directory.writer("features") as writer, torch_threads(config.machine):
        for name in directory.sae_names():
            writer.summary[name] = of_sae(config, directory, writer, name, progress=progress)


def of_sae(
    config: RunConfig,
    directory: RunDirectory,
    writer: Writer,
    name: str,
    *,
    progress: Progress,
) -> dict[str, int]:
    """The files of one SAE; how many latents are kept, and dropped for which reason."""
    split = {track.track: track.split for track in usable_tracks(directory)}
    validation = frozenset(track for track in split if split[track] == "validation")
    stored = checkpoint.load(directory, name)
    stored.sae.to(config.machine.device)
    progress.start(f"features {name}", len(split), "track")
    statistics = make_columns(
        config, directory, stored, writer, validation,
        everything=directory.path_of("concepts.json").is_file(), progress=progress,
    )  # fmt: skip
    progress.finish()
    hookpoint = stored.facts.hookpoint
    records = feature_records(name, hookpoint, statistics, len(validation), config.features)
    _write(writer, stored, records, config.features.neighbours)
    counts = Counter(record.reason or "kept" for record in records)
    progress.note(f"{name}: {counts['kept']} of {len(records)} features kept")
    return dict(sorted(counts.items()))


def _write(
    writer: Writer, stored: StoredSae, records: Sequence[FeatureRecord], n_neighbours: int
) -> None:
    name = stored.name
    kept = [record.index for record in records if record.kept]
    directions = stored.sae.W_dec[kept].cpu().numpy()
    near = [
        NeighbourRecord(feature_key(name, latent), feature_key(name, other), rank, cosine)
        for latent, other, rank, cosine in neighbours(directions, kept, n_neighbours)
    ]
    writer.write_table(f"features/{name}.parquet", table_of(FeatureRecord, records))
    writer.write_table(f"features/{name}.neighbours.parquet", table_of(NeighbourRecord, near))
