"""Stage `features`: summarises each latent per track, and decides which latents are kept.

Input: `activations/`, `sae/`, `corpus.parquet`. Parameters: `[features]`, and `[exemplars] count`
for the strongest tracks of each latent. Output per SAE, a piece of the stage, under `features/`:
`NAME.parquet`, `NAME.neighbours.parquet`, `NAME.columns.safetensors`. Where the corpus has planted
concepts, the columns of all latents that are active are stored, since `recovery` chooses among
them; elsewhere those of the kept ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from pipeline.config import RunConfig
from pipeline.corpus.tracks import usable_tracks
from pipeline.features.columns import make_columns
from pipeline.features.filter import feature_records
from pipeline.features.neighbours import neighbours
from pipeline.parallel import Advance
from pipeline.progress import Progress
from pipeline.sae import checkpoint
from pipeline.sae.checkpoint import StoredSae
from pipeline.sae.specs import feature_key
from pipeline.store.run_directory import RunDirectory
from pipeline.store.tables import FeatureRecord, NeighbourRecord, table_of
from pipeline.store.writers import Piece, PieceWriter, StageWriter, Writer


class OfSaes:
    """The work of the stage, see `pipeline.pieces.Pieces`: one piece per SAE."""

    stage = "features"
    made_from: tuple[str, ...] = ("corpus", "activations", "sae")
    unit = "track"

    def __init__(self, config: RunConfig, directory: RunDirectory) -> None:
        self._config, self._directory = config, directory
        # Each SAE uses all of `machine.workers` for its tracks. But activations that are not stored
        # are computed once for all who read them at about the same time.
        self.at_once = len(directory.sae_names()) if config.machine.online else 1

    def sizes(self) -> Mapping[str, int]:
        """The number of tracks that each SAE reads."""
        tracks = len(usable_tracks(self._directory))
        return dict.fromkeys(self._directory.sae_names(), tracks)

    def do(self, piece: str, writer: PieceWriter, advance: Advance) -> None:
        """Summarise activations, filter latents and list neighbours of one SAE."""
        counts = _of_sae(self._config, self._directory, writer, piece, advance)
        writer.facts.update(counts=counts)

    def is_whole(self, piece: Piece) -> bool:
        """Always: all activations are stored."""
        return True

    def close(self, pieces: Sequence[Piece], writer: StageWriter, progress: Progress) -> None:
        """The counts of each SAE."""
        for piece in pieces:
            counts = writer.summary[piece.name] = piece.facts["counts"]
            kept, n = counts.get("kept", 0), sum(counts.values())
            progress.note(f"{piece.name}: {kept} of {n} features kept")


def _of_sae(
    config: RunConfig,
    directory: RunDirectory,
    writer: Writer,
    name: str,
    advance: Advance,
) -> dict[str, int]:
    """The files of one SAE; how many latents are kept, and dropped for which reason."""
    split = {track.track: track.split for track in usable_tracks(directory)}
    validation = frozenset(track for track in split if split[track] == "validation")
    stored = checkpoint.load(directory, name)
    stored.sae.to(config.machine.device)
    statistics = make_columns(
        config, directory, stored, writer, validation,
        everything=directory.path_of("concepts.json").is_file(), advance=advance,
    )  # fmt: skip
    hookpoint = stored.facts.hookpoint
    records = feature_records(name, hookpoint, statistics, len(validation), config.features)
    _write(writer, stored, records, config.features.neighbours)
    counts = Counter(record.reason or "kept" for record in records)
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
