"""Stage `exemplars`: chooses the tracks that represent each kept feature, and cuts their clips.

Input: `features/`, `activations/`, `sae/`, `corpus.parquet`, the corpus's audio. Parameters:
`[exemplars]`. Output per SAE: `exemplars/NAME.parquet` and `exemplars/NAME/clips/SHA.flac`; a clip
that several features share is stored once, one that several SAEs share as links to one file, unless
two processes write it at the same moment. A piece of the stage is an SAE.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path

from pipeline.config import RunConfig
from pipeline.corpus import audio
from pipeline.corpus.tracks import usable_tracks
from pipeline.features.exemplars import choose, exemplar_records, peak_seconds
from pipeline.parallel import Advance, map_in_threads
from pipeline.progress import PieceSteps, Progress
from pipeline.stages.per_feature import PerFeature
from pipeline.store.records import table_of
from pipeline.store.run_directory import RunDirectory
from pipeline.store.tables import ExemplarRecord, TrackRecord
from pipeline.store.writers import Piece, PieceWriter, StageWriter


class OfSaes(PerFeature):
    """The work of the stage, see `pipeline.pieces.Pieces`."""

    stage = "exemplars"
    made_from: tuple[str, ...] = ("corpus", "activations", "sae", "features")
    unit = "clip"

    def __init__(self, config: RunConfig, directory: RunDirectory) -> None:
        super().__init__(config, directory, ())
        self._known: dict[str, Path] = {}
        """The clips of tracks that this process has cut."""

    def sizes(self) -> Mapping[str, int]:
        """The number of clips of each SAE, at most."""
        count = self._config.exemplars.count
        return {sae: min(kept * count, self._tracks) for sae, kept in self._kept.items()}

    def needs(self, piece: str) -> Collection[str]:
        """None of the others."""
        return ()

    def do(self, piece: str, writer: PieceWriter, advance: Advance) -> None:
        """Choose an SAE's exemplars, cut and store their clips, and find their peaks."""
        steps = PieceSteps(advance, self.sizes()[piece])
        tracks = {track.track: track for track in usable_tracks(self._directory)}
        chosen = choose(self._directory, piece, tracks, self._config)
        used = sorted({row.track for rows in chosen.values() for row in rows})
        clips = self._store(piece, [tracks[track] for track in used], writer, steps)
        peaks = peak_seconds(self._directory, piece, chosen)
        records = exemplar_records(piece, chosen, tracks, clips, peaks)
        writer.write_table(f"exemplars/{piece}.parquet", table_of(ExemplarRecord, records))
        writer.facts |= {"features": len(chosen), "clips": len(set(clips.values()))}
        steps.complete()

    def is_whole(self, piece: Piece) -> bool:
        """Always: a clip that cannot be cut is an error."""
        return True

    def close(self, pieces: Sequence[Piece], writer: StageWriter, progress: Progress) -> None:
        """The counts of each SAE."""
        writer.summary |= {piece.name: piece.facts for piece in pieces}

    def _store(
        self, sae: str, tracks: Sequence[TrackRecord], writer: PieceWriter, steps: PieceSteps
    ) -> dict[str, str]:
        """Write the clips, and return the SHA-256 of each track's."""
        cut = partial(_cut, self._config.corpus.folder(), self._known)
        excerpts = map_in_threads(cut, tracks, self._config.machine.workers)
        clips = {}
        for track, data in zip(tracks, excerpts, strict=True):
            clip = clips[track.track] = hashlib.sha256(data).hexdigest()
            others = (one for one in self._saes if one != sae)
            twins = (self._directory.files.target(_path(one, clip)) for one in others)
            self._known[track.track] = writer.write_shared(_path(sae, clip), data, twins)
            steps.advance()
        return clips


def _path(sae: str, clip: str) -> str:
    return f"exemplars/{sae}/clips/{clip}.flac"


def _cut(corpus: Path, known: Mapping[str, Path], track: TrackRecord) -> bytes:
    """A track's excerpt as FLAC, from the file `known` for it if there is one."""
    if track.track in known and known[track.track].is_file():
        return known[track.track].read_bytes()
    samples, rate = audio.read_clip(
        corpus / track.path, start_seconds=track.start_seconds, seconds=track.seconds
    )
    return audio.flac_bytes(samples, rate)
