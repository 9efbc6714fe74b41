"""Stage `features`: summarises each latent per track, and decides which latents are kept.

Input: `activations/`, `sae/`, `corpus.parquet`. Parameters: `[features]`, and `[exemplars] count`
for the strongest tracks of each latent. Output per SAE, under `features/`:
`NAME.parquet`, `NAME.neighbours.parquet`, `NAME.columns.safetensors`. Where the corpus has planted
concepts, the columns of all latents that are active are stored, since `recovery` chooses among
them; elsewhere those of the kept ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import groupby

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
from pipeline.store.records import table_of
from pipeline.store.run_directory import RunDirectory
from pipeline.store.tables import FeatureRecord, NeighbourRecord
from pipeline.store.writers import Piece, PieceWriter, StageWriter, Writer


class OfSaes:
    """The work of the stage, see `pipeline.pieces.Pieces`: one piece per SAE, or per hookpoint if
    its SAEs were trained together; then they also read its activations together."""

    stage = "features"
    made_from: tuple[str, ...] = ("corpus", "activations", "sae")
    unit = "track"

    def __init__(self, config: RunConfig, directory: RunDirectory) -> None:
        self._config, self._directory = config, directory
        self._groups = _groups(config, directory)
        # Each piece uses all of `machine.workers` for its tracks. But activations that are not
        # stored are computed once for all who read them at about the same time.
        self.at_once = len(self._groups) if config.machine.online else 1

    def sizes(self) -> Mapping[str, int]:
        """The number of tracks that each piece encodes, for all its SAEs."""
        tracks = len(usable_tracks(self._directory))
        return {piece: tracks * len(saes) for piece, saes in self._groups.items()}

    def needs(self, piece: str) -> Collection[str]:
        """None of the others."""
        return ()

    def do(self, piece: str, writer: PieceWriter, advance: Advance) -> None:
        """Summarise activations, filter latents and list neighbours of the SAEs of one piece."""
        saes = self._groups[piece]
        writer.facts.update(_of_saes(self._config, self._directory, writer, saes, advance))

    def is_whole(self, piece: Piece) -> bool:
        """Always: all activations are stored."""
        return True

    def close(self, pieces: Sequence[Piece], writer: StageWriter, progress: Progress) -> None:
        """The counts of each SAE."""
        counts = {name: found for piece in pieces for name, found in piece.facts.items()}
        for name in self._directory.sae_names():
            writer.summary[name] = counts[name]
            kept, n = counts[name].get("kept", 0), sum(counts[name].values())
            progress.note(f"{name}: {kept} of {n} features kept")


def _groups(config: RunConfig, directory: RunDirectory) -> dict[str, list[str]]:
    """The SAEs of each piece, in the run's order."""
    names = directory.sae_names()
    if not config.sae.together:
        return {name: [name] for name in names}
    found = groupby(names, key=lambda name: checkpoint.read_facts(directory, name).hookpoint)
    return {hookpoint: list(saes) for hookpoint, saes in found}


def _of_saes(
    config: RunConfig,
    directory: RunDirectory,
    writer: Writer,
    names: Sequence[str],
    advance: Advance,
) -> dict[str, dict[str, int]]:
    """The files of SAEs of one hookpoint; of each, how many latents are kept, and dropped for which
    reason."""
    split = {track.track: track.split for track in usable_tracks(directory)}
    validation = frozenset(track for track in split if split[track] == "validation")
    saes = [_encoder(config, directory, name) for name in names]
    statistics = make_columns(
        config, directory, saes, writer, validation,
        everything=directory.has("concepts.json"), advance=advance,
    )  # fmt: skip
    counts = {}
    for stored in saes:
        records = feature_records(
            stored.name, stored.facts.hookpoint, statistics[stored.name], len(validation),
            config.features,
        )  # fmt: skip
        _write(writer, directory, stored, records, config.features.neighbours)
        found = Counter(record.reason or "kept" for record in records)
        counts[stored.name] = dict(sorted(found.items()))
    return counts


def _encoder(config: RunConfig, directory: RunDirectory, name: str) -> StoredSae:
    """An SAE without its decoder, on the config's device."""
    stored = checkpoint.load(directory, name)
    stored.sae.release_decoder()
    stored.sae.to(config.machine.device)
    return stored


def _write(
    writer: Writer,
    directory: RunDirectory,
    stored: StoredSae,
    records: Sequence[FeatureRecord],
    n_neighbours: int,
) -> None:
    name = stored.name
    kept = [record.index for record in records if record.kept]
    directions = checkpoint.directions(directory, stored, kept)
    near = [
        NeighbourRecord(feature_key(name, latent), feature_key(name, other), rank, cosine)
        for latent, other, rank, cosine in neighbours(directions, kept, n_neighbours)
    ]
    writer.write_table(f"features/{name}.parquet", table_of(FeatureRecord, records))
    writer.write_table(f"features/{name}.neighbours.parquet", table_of(NeighbourRecord, near))
