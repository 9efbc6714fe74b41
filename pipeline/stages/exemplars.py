"""Stage `exemplars`: the tracks that stand for each kept feature, cut to clips.

Input: `features/`, `activations/`, `sae/`, `corpus.parquet`, the corpus's audio. Parameters:
`[exemplars]`. Output, for each SAE: `exemplars/NAME.parquet` and `exemplars/NAME/clips/SHA.flac`,
a clip that several features share stored once.
"""

from __future__ import annotations

import hashlib
import json
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from pipeline.config import RunConfig
from pipeline.corpus import audio
from pipeline.errors import PipelineError
from pipeline.features.firing import fires, thresholds
from pipeline.features.summaries import checked_shards, frames_of
from pipeline.parallel import map_in_threads, torch_threads
from pipeline.progress import Progress
from pipeline.sae import checkpoint
from pipeline.sae.checkpoint import StoredSae
from pipeline.sae.specs import feature_key
from pipeline.stages.activations import usable_tracks
from pipeline.store.run_directory import RunDirectory
from pipeline.store.tables import ExemplarRecord, FeatureRecord, TrackRecord, records_from, table_of


class Chosen(NamedTuple):
    """A track in which a latent fires, with its activations there, normalised."""

    track: str
    mean: float
    max: float


Choice = dict[int, list[Chosen]]
"""Latent to its tracks, largest mean activation first."""


def run(config: RunConfig, directory: RunDirectory, *, progress: Progress) -> None:
    """Choose, cut and time the exemplars of every SAE."""
    if config.corpus.path is None:
        raise PipelineError("no corpus is given: set [corpus] path, or use --corpus DIR")
    tracks = {track.track: track for track in usable_tracks(directory)}
    with directory.writer("exemplars") as writer, torch_threads(config.machine):
        for name in directory.sae_names():
            chosen = choose(directory, name, tracks, config)
            stored = checkpoint.load(directory, name)
            names = sorted({row.track for rows in chosen.values() for row in rows})
            progress.start(f"exemplars {name}", len(names), "clip")
            clips = {}
            cut = partial(_cut, config.corpus.path)
            excerpts = map_in_threads(
                cut, (tracks[track] for track in names), config.machine.workers
            )
            for track, data in zip(names, excerpts, strict=True):
                clips[track] = hashlib.sha256(data).hexdigest()
                writer.write_bytes(f"exemplars/{name}/clips/{clips[track]}.flac", data)
                progress.advance()
            progress.finish()
            peaks = peak_seconds(directory, stored, chosen)
            records = _records(name, chosen, tracks, clips, peaks)
            writer.write_table(f"exemplars/{name}.parquet", table_of(ExemplarRecord, records))
            writer.summary[name] = {"features": len(chosen), "clips": len(set(clips.values()))}


def choose(
    directory: RunDirectory, name: str, tracks: dict[str, TrackRecord], config: RunConfig
) -> Choice:
    """Of the validation tracks in which a kept feature fires, those with its largest means.

    They are ranked by mean activation, `[exemplars] count` at most, ties by track. A track where
    the mean is large although no frame exceeds τ counts as a negative everywhere else (rate, held
    out tracks of the scorers), so it is no exemplar: E_j = {x | f_j(x) > τ} in Singh, Cherep and
    Maes, section 3.4.
    """
    features = records_from(FeatureRecord, directory.read_table(f"features/{name}.parquet"))
    tensors, metadata = directory.read_tensors(f"features/{name}.activations.safetensors")
    names = np.array(json.loads(metadata["tracks"]))
    validation = np.array([tracks[track].split == "validation" for track in names])
    names, mean, peak = (array[validation] for array in (names, tensors["mean"], tensors["max"]))
    firing = fires(peak, thresholds(config.features, peak.max(axis=0)))
    chosen: Choice = {}
    for latent in (feature.index for feature in features if feature.kept):
        places = np.flatnonzero(firing[:, latent])
        order = np.argsort(-mean[places, latent], kind="stable")[: config.exemplars.count]
        chosen[latent] = [
            Chosen(str(names[i]), float(mean[i, latent]), float(peak[i, latent]))
            for i in places[order]
        ]
    return chosen


def peak_seconds(
    directory: RunDirectory, stored: StoredSae, chosen: Choice
) -> dict[tuple[int, str], float]:
    """Where in a track's excerpt a latent is strongest, seconds: the middle of that frame.

    Rows of an activation file are audio frames already (the delay is undone when they are
    written), the first of them frame `first_frame`.
    """
    wanted: dict[str, list[int]] = {}
    for latent, rows in chosen.items():
        for row in rows:
            wanted.setdefault(row.track, []).append(latent)
    peaks: dict[tuple[int, str], float] = {}
    for facts, array in checked_shards(directory, stored):
        for place, track in enumerate(facts.tracks):
            if track not in wanted:
                continue
            latents = torch.tensor(wanted[track])
            found = frames_of(stored.sae, torch.from_numpy(array[place]).float(), latents)
            for latent, frame in zip(wanted[track], found.argmax(dim=0).tolist(), strict=True):
                seconds = (facts.first_frame + frame + 0.5) / facts.frame_rate
                peaks[latent, track] = round(seconds, 6)
    return peaks


def _cut(corpus: Path, track: TrackRecord) -> bytes:
    """A track's excerpt as FLAC."""
    samples, rate = audio.read_clip(
        corpus / track.path, start_seconds=track.start_seconds, seconds=track.seconds
    )
    return audio.flac_bytes(samples, rate)


def _records(
    name: str,
    chosen: Choice,
    tracks: dict[str, TrackRecord],
    clips: dict[str, str],
    peaks: dict[tuple[int, str], float],
) -> list[ExemplarRecord]:
    return [
        ExemplarRecord(
            feature=feature_key(name, latent),
            rank=rank,
            track=row.track,
            clip=clips[row.track],
            mean_activation=row.mean,
            max_activation=row.max,
            peak_seconds=peaks[latent, row.track],
            start_seconds=tracks[row.track].start_seconds,
            seconds=tracks[row.track].seconds,
        )
        for latent, rows in chosen.items()
        for rank, row in enumerate(rows, start=1)
    ]
