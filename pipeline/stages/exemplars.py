"""Stage `exemplars`: chooses the tracks that represent each kept feature, and cuts their clips.

Input: `features/`, `activations/`, `sae/`, `corpus.parquet`, the corpus's audio. Parameters:
`[exemplars]`. Output per SAE: `exemplars/NAME.parquet` and `exemplars/NAME/clips/SHA.flac`; a clip
that several features share is stored once, one that several SAEs share as links to one file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from pipeline.config import RunConfig
from pipeline.corpus import audio
from pipeline.corpus.tracks import usable_tracks
from pipeline.features.exemplars import choose, exemplar_records, peak_seconds
from pipeline.parallel import map_in_threads, torch_threads
from pipeline.progress import Progress
from pipeline.store.run_directory import RunDirectory
from pipeline.store.tables import ExemplarRecord, TrackRecord, table_of
from pipeline.store.writers import Writer


def run(config: RunConfig, directory: RunDirectory, *, progress: Progress) -> None:
    """Choose the exemplars of every SAE, cut and store their clips, and find their peaks."""
    known: dict[str, Path] = {}
    with directory.writer("exemplars") as writer, torch_threads(config.machine):
        for name in directory.sae_names():
            writer.summary[name] = of_sae(
                config, directory, writer, name, known=known, progress=progress
            )


def of_sae(
    config: RunConfig,
    directory: RunDirectory,
    writer: Writer,
    name: str,
    *,
    known: dict[str, Path],
    progress: Progress,
) -> dict[str, int]:
    """The files of one SAE; the number of features and clips. `known`: the clips of tracks that
    were cut for other SAEs, to which this SAE's are added."""
    tracks = {track.track: track for track in usable_tracks(directory)}
    chosen = choose(directory, name, tracks, config)
    used = sorted({row.track for rows in chosen.values() for row in rows})
    progress.start(f"exemplars {name}", len(used), "clip")
    clips, saes = {}, directory.sae_names()
    cut = partial(_cut, config.corpus.folder(), known)
    excerpts = map_in_threads(cut, (tracks[track] for track in used), config.machine.workers)
    for track, data in zip(used, excerpts, strict=True):
        clips[track] = hashlib.sha256(data).hexdigest()
        twins = (directory.files.target(_path(sae, clips[track])) for sae in saes)
        known[track] = writer.write_shared(_path(name, clips[track]), data, twins)
        progress.advance()
    progress.finish()
    peaks = peak_seconds(directory, name, chosen)
    records = exemplar_records(name, chosen, tracks, clips, peaks)
    writer.write_table(f"exemplars/{name}.parquet", table_of(ExemplarRecord, records))
    return {"features": len(chosen), "clips": len(set(clips.values()))}


def _path(sae: str, clip: str) -> str:
    return f"exemplars/{sae}/clips/{clip}.flac"


def _cut(corpus: Path, known: Mapping[str, Path], track: TrackRecord) -> bytes:
    """A track's excerpt as FLAC, from the file `known` for it if there is one."""
    if track.track in known:
        return known[track.track].read_bytes()
    samples, rate = audio.read_clip(
        corpus / track.path, start_seconds=track.start_seconds, seconds=track.seconds
    )
    return audio.flac_bytes(samples, rate)
