"""`localisation`: does a label separate the pieces of a track where its feature fires?

Each of up to `CLIPS` held-out tracks where the feature fires is cut into pieces of
`[scores] window_seconds`; a piece fires if the feature exceeds τ in it. *Score*: the AUROC of
CLAP's cosine of label and piece within a track, averaged over the tracks that have pieces of both
kinds, so that similarity to the whole track cannot help; Student's interval over tracks.
*Contrast*: the score minus the mean score of other features' labels on the same pieces.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.auroc import auroc_matrix
from pipeline.clap.base import Floats32
from pipeline.clap.store import piece_embeddings
from pipeline.context import Floats, SaeContext
from pipeline.scorers.held_out import by_feature, firing_tracks, graded_tracks, tau_of
from pipeline.scorers.similarities import ClapScorer, labelled, rivals, rows_of
from pipeline.store.tables import LabelCandidate, ScoreRecord, TrackRecord

CLIPS = 20
"""Maximum number of tracks per feature, the strongest first."""
FEWEST = 3
"""Minimum number of tracks with pieces of both kinds for a score."""


@dataclass(frozen=True)
class Pieces:
    """One feature's graded pieces."""

    tracks: tuple[int, ...]
    """Rows among the test tracks."""
    fires: tuple[npt.NDArray[np.bool_], ...]
    """For each of these, which pieces fire, [piece]."""


class Localisation(ClapScorer):
    """AUROC of CLAP's similarity among the pieces of a track."""

    def shared(self) -> Mapping[str, Callable[[SaeContext], object]]:
        """CLAP's embeddings of the pieces of all test tracks."""
        return {"clap-pieces": _pieces_of_tracks}

    def score(self, context: SaeContext, method: str) -> Iterator[ScoreRecord]:
        """One record for each label of `method`; see the module."""
        found = labelled(context, method)
        if found is None:
            return
        # 1) Embeddings [test track, piece, width], and which pieces fire.
        sounds = _pieces_of_tracks(context)
        pieces = pieces_of(context, sounds.shape[1])
        for feature, own in by_feature(found.labels).items():
            graded = pieces[feature]
            if len(graded.tracks) < FEWEST:
                yield from (_failed(label, method, graded) for label in own)
                continue
            # 2) AUROC [text, track] of the feature's own labels, then of the others.
            others = rivals(context, found, feature)
            rows = [*rows_of(found, own), *others]
            areas = areas_within(found.embeddings[rows], sounds, graded)
            rival = float(areas[len(own) :].mean()) if len(others) else None
            for label, area in zip(own, areas, strict=False):
                yield _record(context, method, label, area, rival, graded)


def areas_within(texts: Floats32, sounds: Floats32, graded: Pieces) -> Floats:
    """AUROC [text, track] of each text among the pieces of each graded track, from the unit
    embeddings `texts` [text, width] and `sounds` [test track, piece, width]."""
    return np.stack(
        [
            auroc_matrix(sounds[track, : len(fires)] @ texts.T, fires[:, None])[0]
            for track, fires in zip(graded.tracks, graded.fires, strict=True)
        ],
        axis=1,
    )


def _pieces_of_tracks(context: SaeContext) -> Floats32:
    return piece_embeddings(context, context.config.scores.window_seconds)


def pieces_of(context: SaeContext, count: int) -> dict[str, Pieces]:
    """Each kept feature's graded pieces, `count` per track at most; made once per stage."""
    key = ("pieces", context.sae, count)
    if key not in context.tables.memo:
        context.tables.memo[key] = _pieces_of(context, count)
    made: dict[str, Pieces] = context.tables.memo[key]
    return made


def _pieces_of(context: SaeContext, count: int) -> dict[str, Pieces]:
    """Each kept feature's graded pieces, of tracks in which some pieces fire and some do not."""
    wanted = _wanted(context)
    fires = _firing_pieces(context, wanted, count)
    test = {track.track: place for place, track in enumerate(_test_tracks(context))}
    made = {}
    for place, record in enumerate(context.features):
        mixed = [
            (test[track], fires[track, place])
            for track, features in wanted.items()
            if place in features and 0 < fires[track, place].sum() < len(fires[track, place])
        ]
        made[record.feature] = Pieces(
            tuple(track for track, _ in mixed), tuple(which for _, which in mixed)
        )
    return made


def _wanted(context: SaeContext) -> dict[str, set[int]]:
    """For each test track the features (by place) that are graded on it."""
    wanted: dict[str, set[int]] = {track.track: set() for track in _test_tracks(context)}
    for place, drawn in enumerate(graded_tracks(context)):
        found = firing_tracks(context, place)
        maxima = found.max[np.searchsorted(found.tracks, drawn.positive)]
        strongest = drawn.positive[np.argsort(-maxima, kind="stable")][:CLIPS]
        for row in strongest:
            wanted[context.tracks[row].track].add(place)
    return wanted


def _firing_pieces(
    context: SaeContext, wanted: dict[str, set[int]], count: int
) -> dict[tuple[str, int], npt.NDArray[np.bool_]]:
    """Which pieces fire, [piece] bool, for each (track, feature's place) of `wanted`, from the
    activations of single frames. `count`: the number of pieces of the longest track."""
    import torch

    from pipeline.features.encoding import frames_of
    from pipeline.sae import checkpoint
    from pipeline.sae.frames import TrackReader

    # τ in the raw units in which the stored SAE works, [feature].
    stored = checkpoint.load(context.directory, context.sae)
    tau = tau_of(context) * stored.facts.activation_scale
    seconds = context.config.scores.window_seconds
    whole = {r.track: max(1, int(r.seconds / seconds + 1e-6)) for r in _test_tracks(context)}
    reader, found = TrackReader(context.directory, stored), {}
    for track in reader.in_file_order(track for track in wanted if wanted[track]):
        places = sorted(wanted[track])
        latents = torch.tensor([context.features[place].index for place in places])
        # 1) Activations [frame, feature] and the piece that the middle of each frame lies in;
        #    frames after the last piece go to one more, which is dropped.
        facts, activations = reader.read(track)
        frames = frames_of(stored.sae, activations, latents).numpy()
        times = (facts.first_frame + np.arange(len(frames)) + 0.5) / facts.frame_rate
        piece = np.minimum((times / seconds).astype(np.intp), count)
        # 2) A piece fires if any of its frames exceeds τ. `logical_or.at` since a plain indexed
        #    assignment would keep only a piece's last frame.
        for column, place in enumerate(places):
            fires = np.zeros(count + 1, dtype=bool)
            np.logical_or.at(fires, piece, frames[:, column] > tau[place])
            found[track, place] = fires[: min(count, whole[track])]
    return found


def _test_tracks(context: SaeContext) -> list[TrackRecord]:
    return [record for record in context.tracks if record.split == "test"]


def _failed(label: LabelCandidate, method: str, graded: Pieces) -> ScoreRecord:
    return ScoreRecord(
        feature=label.feature, method=method, rank=label.rank, score=None, low=None, high=None,
        contrast=None, n_positive=len(graded.tracks), n_negative=0, comparable=True,
        status="failed",
        reason=f"not estimable: fires in a part of {len(graded.tracks)} test tracks; "
        f"{FEWEST} are needed",
    )  # fmt: skip


def _record(
    context: SaeContext,
    method: str,
    label: LabelCandidate,
    areas: Floats,
    rival: float | None,
    graded: Pieces,
) -> ScoreRecord:
    """One label's figures from its AUROC in each track [track]: mean and Student's interval."""
    from scipy.stats import t

    value, count = float(areas.mean()), len(areas)
    factor = float(t.ppf(0.5 + context.config.scores.interval_level / 2, count - 1))
    half = factor * float(areas.std(ddof=1)) / np.sqrt(count)
    return ScoreRecord(
        feature=label.feature,
        method=method,
        rank=label.rank,
        score=value,
        low=max(0.0, value - half),
        high=min(1.0, value + half),
        contrast=None if rival is None else value - rival,
        n_positive=sum(int(which.sum()) for which in graded.fires),
        n_negative=sum(int((~which).sum()) for which in graded.fires),
        comparable=True,
        interval="Student, over tracks",
    )
