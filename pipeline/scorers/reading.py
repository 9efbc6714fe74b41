"""`reading`: does a label, applied to tracks by its own method, tell where its feature fires?

Graded on test tracks, which neither feature nor label was made from. A feature fires in a track if
its largest activation there exceeds the run's τ, as in the stage `features`. The detector is the
method's own score of a label in a track (a descriptor's normal score, a tag's presence), so it
differs between methods, and scores of different methods are marked as not comparable. A method that
cannot score tracks (Gemini, listeners) has no such score.

*Score*: the AUROC with the interval of `pipeline.auroc` at the config's level.
*Contrast*: the score minus the mean AUROC that labels of rank 1 to `CONTRAST_RANKS` of the SAE's
other features, by the same method, reach on this feature. A label that fits every feature has a
contrast near 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from pipeline.auroc import Auroc, auroc
from pipeline.context import Floats, SaeContext
from pipeline.labelers import labeler
from pipeline.scorers.base import CONTRAST_RANKS, Scorer
from pipeline.scorers.held_out import firing_tracks
from pipeline.store.tables import LabelCandidate, ScoreRecord

CELLS = 1 << 24
"""Scores [text, track] that are in memory together: 128 MiB."""


class Reading(Scorer):
    """AUROC of the method's own scores of each label on test tracks."""

    def score(self, context: SaeContext, method: str) -> Iterator[ScoreRecord]:
        """One record for each label of `method`; see the module."""
        labels = [label for label in context.labels(method) if label.status == "ok"]
        if not labels:
            return
        texts = sorted({label.text for label in labels})
        row = {text: place for place, text in enumerate(texts)}
        test = context.in_split("test")
        firing = _firing_among(context, test)
        areas = np.full((len(texts), len(context.features)), np.nan)
        found: dict[tuple[str, int], Auroc] = {}
        # A part of the texts at a time: [text, track] of all of them may not fit into memory.
        for part in _parts(texts, len(context.tracks)):
            # 1) The method's own scores [text, track], cut to test tracks.
            scored = labeler(method).reading(context, part)
            if scored is None:
                yield from (without_reading(label, method) for label in labels)
                return
            readings = dict(zip(part, scored[:, test], strict=True))
            # 2) AUROC [text, feature] of every text on every feature, for the contrast.
            first = row[part[0]]
            areas[first : first + len(part)] = areas_of(scored[:, test], firing)
            # 3) The AUROC of each label on its own feature, with its interval.
            for label in (label for label in labels if label.text in readings):
                fires = _mask(firing[context.column_of[label.feature]], int(test.sum()))
                if not _shortage(context, fires):
                    level = context.config.scores.interval_level
                    graded = auroc(readings[label.text], fires, level=level)
                    found[label.feature, label.rank] = graded
        rivals = mean_of_others(areas, labels, row, context.column_of)
        for label in labels:
            place = context.column_of[label.feature]
            fires = _mask(firing[place], int(test.sum()))
            counts = int(fires.sum()), int((~fires).sum())
            graded_label = found.get((label.feature, label.rank))
            reason = _shortage(context, fires)
            yield _record(label, method, counts, graded_label, rivals[place], reason)


def _parts(texts: list[str], tracks: int) -> Iterator[list[str]]:
    """The texts, as many at a time as have `CELLS` scores of tracks."""
    size = max(1, CELLS // max(1, tracks))
    for start in range(0, len(texts), size):
        yield texts[start : start + size]


def _firing_among(context: SaeContext, test: npt.NDArray[np.bool_]) -> list[npt.NDArray[np.intp]]:
    """For each kept feature the places among the `test` tracks in which it fires, ascending."""
    place = np.cumsum(test) - 1
    found = (firing_tracks(context, feature).tracks for feature in range(len(context.features)))
    return [place[tracks[test[tracks]]] for tracks in found]


def _mask(places: npt.NDArray[np.intp], count: int) -> npt.NDArray[np.bool_]:
    fires = np.zeros(count, dtype=bool)
    fires[places] = True
    return fires


def areas_of(readings: Floats, firing: Sequence[npt.NDArray[np.intp]]) -> Floats:
    """AUROC [text, feature] of `readings` [text, test track] for the tracks in which each feature
    fires; as `auroc_matrix`, without a dense [track, feature] array. NaN where a class is empty."""
    from scipy.stats import rankdata

    ranks = rankdata(readings, axis=1)
    areas = np.full((len(readings), len(firing)), np.nan)
    for column, places in enumerate(firing):
        m, n = len(places), readings.shape[1] - len(places)
        if m and n:
            areas[:, column] = (ranks[:, places].sum(axis=1) - m * (m + 1) / 2) / (m * n)
    return areas


def mean_of_others(
    areas: Floats,
    labels: Sequence[LabelCandidate],
    row: dict[str, int],
    column: dict[str, int],
) -> Floats:
    """Mean AUROC on each feature [feature] of other features' labels of rank ≤ `CONTRAST_RANKS`.

    `areas` [text, feature]: AUROC of each text on each feature; `row`, `column`: where texts and
    features are in it. A text counts as often as other features have it. NaN where no other feature
    has a label.
    """
    # 1) given [text, feature]: how often each feature has each text among its labels.
    given = np.zeros(areas.shape)
    for label in labels:
        if label.rank <= CONTRAST_RANKS:
            given[row[label.text], column[label.feature]] += 1.0
    # 2) For each feature, how often all others have the text; the mean weighted by that.
    others = given.sum(axis=1, keepdims=True) - given
    number = others.sum(axis=0)
    return np.asarray((others * areas).sum(axis=0) / np.where(number > 0, number, np.nan))


def without_reading(label: LabelCandidate, method: str) -> ScoreRecord:
    """The record of a label whose method cannot score tracks."""
    return ScoreRecord(
        feature=label.feature, method=method, rank=label.rank, score=None, low=None, high=None,
        contrast=None, n_positive=0, n_negative=0, comparable=False, status="failed",
        reason=f"{method} reads no tracks of its own",
    )  # fmt: skip


def _shortage(context: SaeContext, fires: npt.NDArray[np.bool_]) -> str:
    """Why labels of a feature that `fires` [test track] cannot be graded; empty if they can."""
    needed, n_positive = max(2, context.config.scores.min_tracks), int(fires.sum())
    if min(n_positive, len(fires) - n_positive) >= needed:
        return ""
    return (
        f"not estimable: fires in {n_positive} of {len(fires)} test tracks; "
        f"{needed} that fire and {needed} that do not are needed"
    )


def _record(
    label: LabelCandidate,
    method: str,
    counts: tuple[int, int],
    found: Auroc | None = None,
    rival: float = float("nan"),
    reason: str = "",
) -> ScoreRecord:
    """A label's record; `reason` says why there is no AUROC."""
    return ScoreRecord(
        feature=label.feature,
        method=method,
        rank=label.rank,
        score=found.value if found else None,
        low=found.low if found else None,
        high=found.high if found else None,
        contrast=found.value - rival if found and np.isfinite(rival) else None,
        n_positive=counts[0],
        n_negative=counts[1],
        comparable=False,
        status="failed" if reason else "ok",
        reason=reason,
        interval=found.interval if found else "",
    )
