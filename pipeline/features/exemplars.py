"""The exemplars of a kept feature: which tracks they are, and where in each the feature peaks."""

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
    """A track in which a latent fires, with its mean and largest activation, normalised."""

    track: str
    mean: float
    max: float


Choice = dict[int, list[Chosen]]
"""Each latent's exemplars, the one of the largest mean activation first."""


def choose(
    directory: RunDirectory, name: str, tracks: dict[str, TrackRecord], config: RunConfig
) -> Choice:
    """For each kept feature the validation tracks in which it fires with the largest mean
    activations, `[exemplars] count` at most, ties by track.

    Singh, Cherep and Maes, section 3.4: exemplars are drawn from E_j = {x | f_j(x) > τ}. A track
    with a large mean but no frame over τ is excluded, since it counts as a negative everywhere else
    (the rate, the scorers' held-out tracks). Ranked by mean activation, as in the paper, so that
    the feature is heard for much of the clip and not in one frame.
    """
    features = records_from(FeatureRecord, directory.read_table(f"features/{name}.parquet"))
    tensors, metadata = directory.read_tensors(f"features/{name}.activations.safetensors")
    names = np.array(json.loads(metadata["tracks"]))
    # 1) Validation tracks only, [track, latent] each.
    validation = np.array([tracks[track].split == "validation" for track in names])
    names, mean, peak = (array[validation] for array in (names, tensors["mean"], tensors["max"]))
    # 2) E_j of each latent, [track, latent] bool.
    firing = fires(peak, thresholds(config.features, peak.max(axis=0)))
    # 3) Rank E_j by mean. A stable sort keeps the order of tracks among equals.
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
    """argmax over frames of a latent's activation, as seconds from the start of the track's
    excerpt, at the middle of the frame: (first_frame + row + 1/2) / frame_rate.

    Rows of an activation file are audio frames (the delay pattern is undone when they are
    written); row 0 is frame `first_frame`.
    """
    # 1) Which latents to look at in which track: a track can be an exemplar of several.
    wanted: dict[str, list[int]] = {}
    for latent, rows in chosen.items():
        for row in rows:
            wanted.setdefault(row.track, []).append(latent)
    # 2) Encode these tracks again, one at a time: summaries keep no frames. [frame, latent].
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
