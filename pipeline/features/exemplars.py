"""The exemplars of a kept feature: which tracks they are, and where in each the feature peaks."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
import torch

from pipeline.config import RunConfig
from pipeline.features.encoding import frames_of
from pipeline.features.firing import fires, thresholds
from pipeline.features.summaries import open_summaries
from pipeline.sae import checkpoint
from pipeline.sae.frames import TrackReader
from pipeline.sae.specs import feature_key
from pipeline.store.records import records_from
from pipeline.store.run_directory import RunDirectory
from pipeline.store.tables import ExemplarRecord, FeatureRecord, TrackRecord


class Chosen(NamedTuple):
    """A track in which a latent fires, with its mean and largest activation, normalised."""

    track: str
    mean: float
    max: float
    frame: int | None
    """Where it peaks, as a row of the activation file; None in runs of earlier versions."""


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
    summaries = open_summaries(directory, name)
    validation = np.array([tracks[track].split == "validation" for track in summaries.tracks])
    tau = thresholds(config.features, np.array([feature.max_activation for feature in features]))
    chosen: Choice = {}
    for feature in (feature for feature in features if feature.kept):
        column = summaries.column(feature.index)
        # 1) E_j.
        firing = fires(column.max, tau[feature.index])
        places = np.flatnonzero(validation[column.tracks] & firing)
        # 2) Ranked by mean. A stable sort keeps the order of tracks among equals.
        order = np.argsort(-column.mean[places], kind="stable")[: config.exemplars.count]
        chosen[feature.index] = [
            Chosen(
                summaries.tracks[column.tracks[i]],
                float(column.mean[i]),
                float(column.max[i]),
                None if column.frame is None else int(column.frame[i]),
            )
            for i in places[order]
        ]
    return chosen


def peak_seconds(
    directory: RunDirectory, name: str, chosen: Choice
) -> dict[tuple[int, str], float]:
    """argmax over frames of a latent's activation, as seconds from the start of the track's
    excerpt, at the middle of the frame: (first_frame + row + 1/2) / frame_rate.

    Rows of an activation file are audio frames (the delay pattern is undone when they are
    written); row 0 is frame `first_frame`.
    """
    facts = checkpoint.read_facts(directory, name)
    frames = {(latent, row.track): row.frame for latent, rows in chosen.items() for row in rows}
    if None in frames.values():
        frames.update(_frames_again(directory, name, frames))
    return {
        key: round((facts.first_frame + frame + 0.5) / facts.frame_rate, 6)
        for key, frame in frames.items()
        if frame is not None
    }


def _frames_again(
    directory: RunDirectory, name: str, wanted: Collection[tuple[int, str]]
) -> dict[tuple[int, str], int]:
    """The frame of the peak of each latent and track, by encoding the tracks again: earlier
    versions did not store it."""
    stored = checkpoint.load(directory, name)
    reader = TrackReader(directory, stored)
    latents: dict[str, list[int]] = {}
    for latent, track in wanted:
        latents.setdefault(track, []).append(latent)
    found: dict[tuple[int, str], int] = {}
    for track, here in latents.items():
        frames = frames_of(stored.sae, reader.read(track)[1], torch.tensor(here))
        found |= {(n, track): at for n, at in zip(here, frames.argmax(0).tolist(), strict=True)}
    return found


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
