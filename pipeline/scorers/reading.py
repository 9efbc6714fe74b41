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

from pipeline.auroc import Auroc, auroc, auroc_matrix
from pipeline.context import Floats, SaeContext
from pipeline.labelers import labeler
from pipeline.scorers.base import CONTRAST_RANKS, Scorer
from pipeline.scorers.held_out import by_feature, firing_tracks
from pipeline.store.tables import LabelCandidate, ScoreRecord


class Reading(Scorer):
    """AUROC of the method's own scores of each label on test tracks."""

    def score(self, context: SaeContext, method: str) -> Iterator[ScoreRecord]:
        """One record for each label of `method`; see the module."""
        labels = [label for label in context.labels(method) if label.status == "ok"]
        if not labels:
            return
        texts = sorted({label.text for label in labels})
        test = context.in_split("test")
        # 1) The method's own scores [text, track], cut to test tracks.
        scored = labeler(method).reading(context, texts)
        if scored is None:
            yield from (without_reading(label, method) for label in labels)
            return
        readings = scored[:, test]
        # 2) AUROC [text, feature] of every text on every feature, for the contrast.
        fires = firing_tracks(context)[test]
        areas = auroc_matrix(readings.T, fires).T
        column = {record.feature: place for place, record in enumerate(context.features)}
        row = {text: place for place, text in enumerate(texts)}
        rivals = mean_of_others(areas, labels, row, column)
        # 3) Each feature's own labels, with intervals.
        for feature, own in by_feature(labels).items():
            place = column[feature]
            chosen = readings[[row[label.text] for label in own]]
            yield from _records(context, method, own, chosen, fires[:, place], rivals[place])


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


def _records(
    context: SaeContext,
    method: str,
    labels: Sequence[LabelCandidate],
    readings: Floats,
    fires: npt.NDArray[np.bool_],
    rival: float,
) -> Iterator[ScoreRecord]:
    """The records of one feature's labels; `readings` [label, test track], `fires` [test track]."""
    n_positive, n_negative = int(fires.sum()), int((~fires).sum())
    needed = max(2, context.config.scores.min_tracks)
    if min(n_positive, n_negative) < needed:
        reason = (
            f"not estimable: fires in {n_positive} of {len(fires)} test tracks; "
            f"{needed} that fire and {needed} that do not are needed"
        )
        for label in labels:
            yield _record(label, method, (n_positive, n_negative), reason=reason)
        return
    for label, reading in zip(labels, readings, strict=True):
        found = auroc(reading, fires, level=context.config.scores.interval_level)
        yield _record(label, method, (n_positive, n_negative), found, rival)


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
