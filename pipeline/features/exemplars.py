"""The tracks that stand for a kept feature: which they are, and where in each it peaks."""

from __future__ import annotations

import json
from typing import NamedTuple

import numpy as np
import torch

from pipeline.config import RunConfig
from pipeline.features.firing import fires, thresholds
from pipeline.features.summaries import frames_of
from pipeline.sae.checkpoint import StoredSae
from pipeline.sae.frames import checked_shards
from pipeline.sae.specs import feature_key
from pipeline.store.run_directory import RunDirectory
from pipeline.store.tables import ExemplarRecord, FeatureRecord, TrackRecord, records_from


class Chosen(NamedTuple):
    """A track in which a latent fires, with its activations there, normalised."""

    track: str
    mean: float
    max: float


Choice = dict[int, list[Chosen]]
"""Latent to its tracks, largest mean activation first."""


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


def exemplar_records(
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
