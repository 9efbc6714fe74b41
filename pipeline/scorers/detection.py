"""`detection`: does a label separate held-out tracks where its feature fires from others? By CLAP.

The detector is the cosine of label and track, the same for all methods, so scores may be compared.
Graded on the draw of `held_out`: test tracks, which no label was made from. (After the detection
score of Bills et al., 2023, and EleutherAI's delphi for text, where a language model judges; here
CLAP does.)

*Score*: AUROC over positives and all negatives, with the interval of `pipeline.auroc`.
*Hard score*: the same against hard negatives only. *Contrast*: the score minus the mean AUROC of
other features' labels on the same tracks. *Balanced accuracy*: (sensitivity + specificity) / 2 at
the threshold that is best on validation tracks without the exemplars, so that no graded track
influences it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from pipeline.auroc import auroc, auroc_matrix
from pipeline.clap.base import Floats32
from pipeline.context import SaeContext
from pipeline.scorers.held_out import (
    GradedTracks,
    by_feature,
    firing_tracks,
    graded_tracks,
    not_graded,
)
from pipeline.scorers.similarities import (
    ClapScorer,
    Labelled,
    cosines,
    labelled,
    rivals,
    rows_of,
)
from pipeline.store.tables import LabelCandidate, ScoreRecord


class Detection(ClapScorer):
    """AUROC of CLAP's similarity on held-out tracks."""

    def score(self, context: SaeContext, method: str) -> Iterator[ScoreRecord]:
        """One record for each label of `method`; see the module."""
        found = labelled(context, method)
        if found is None:
            return
        drawn = graded_tracks(context)
        validation = context.in_split("validation")
        needed = max(2, context.config.scores.min_tracks)
        # Each feature's labels on the same graded tracks; the threshold from validation tracks.
        for feature, own in by_feature(found.labels).items():
            place = context.column_of[feature]
            reason = drawn[place].shortage(needed)
            if reason:
                yield from (not_graded(label, method, drawn[place], reason) for label in own)
                continue
            # 1) Cosines [text, track] of the feature's own texts with the tracks that it needs, and
            #    the mean AUROC of other features' texts.
            fit = _validation(context, feature, validation)
            rows = rows_of(found, own)
            fitted = cosines(context, found, rows, fit)
            seen = cosines(context, found, rows, drawn[place].all)
            rival = _rival_mean(context, found, feature, drawn[place])
            # 2) The threshold, and the label's figures.
            truth = np.isin(fit, firing_tracks(context, place).tracks)
            for label, similar, on_fit in zip(own, seen, fitted, strict=True):
                level = threshold(on_fit, truth)
                yield _record(context, method, label, similar, drawn[place], level, rival)


def threshold(similar: Floats32, truth: npt.NDArray[np.bool_]) -> float:
    """The similarity from which a track counts as positive for the largest balanced accuracy; NaN
    if a class is missing.

    `similar` [track], `truth` [track]: whether the feature fires. The result lies midway between
    two neighbouring values, so that no track lies on it; of equally good ones the highest.
    """
    if truth.all() or not truth.any():
        return float("nan")
    # 1) Lower the threshold past one track after another: true minus false positive rate (Youden's
    #    J), which is 2 × balanced accuracy − 1, after each.
    order = np.argsort(-similar, kind="stable")
    values, right = similar[order].astype(np.float64), truth[order]
    accuracy = np.cumsum(right) / right.sum() - np.cumsum(~right) / (~right).sum()
    # 2) Only the last of equal values is a possible threshold.
    ends = np.flatnonzero(np.append(np.diff(values) != 0, True))
    best = int(ends[np.argmax(accuracy[ends])])
    return float(values[best] if best + 1 == len(values) else (values[best] + values[best + 1]) / 2)


def balanced_accuracy(
    similar: Floats32, truth: npt.NDArray[np.bool_], level: float
) -> float | None:
    """Mean of the share of positives at or above `level` and the share of negatives below it."""
    if np.isnan(level):
        return None
    predicted = similar >= level
    return float((predicted[truth].mean() + (~predicted[~truth]).mean()) / 2)


def _validation(
    context: SaeContext, feature: str, validation: npt.NDArray[np.bool_]
) -> npt.NDArray[np.intp]:
    """Rows of the `validation` tracks, [track] bool, that are not exemplars of the feature."""
    return np.setdiff1d(np.flatnonzero(validation), context.exemplar_places(feature))


def _rival_mean(context: SaeContext, found: Labelled, feature: str, graded: GradedTracks) -> float:
    """Mean AUROC of other features' labels on this feature's graded tracks; NaN if there are no
    other labels."""
    rows = rivals(context, found, feature)
    if not len(rows):
        return float("nan")
    # A text that several features have is ranked once and counts as often as they have it.
    distinct, place = np.unique(rows, return_inverse=True)
    similar = cosines(context, found, distinct, graded.all)
    areas = auroc_matrix(similar.T, graded.truth[:, None])
    return float(areas[:, place].mean())


def _record(
    context: SaeContext,
    method: str,
    label: LabelCandidate,
    seen: Floats32,
    graded: GradedTracks,
    level: float,
    rival: float,
) -> ScoreRecord:
    """One label's figures from its cosines `seen` [graded track]; `level`: its threshold, `rival`:
    the mean AUROC of other features' labels."""
    area = auroc(seen, graded.truth, level=context.config.scores.interval_level)
    hard = graded.without_easy
    hard_area = auroc_matrix(seen[hard][:, None], graded.truth[hard][:, None])[0, 0]
    return ScoreRecord(
        feature=label.feature,
        method=method,
        rank=label.rank,
        score=area.value,
        low=area.low,
        high=area.high,
        contrast=None if np.isnan(rival) else area.value - rival,
        n_positive=area.n_positive,
        n_negative=area.n_negative,
        comparable=True,
        interval=area.interval,
        balanced_accuracy=balanced_accuracy(seen, graded.truth, level),
        hard_score=None if np.isnan(hard_area) else float(hard_area),
    )
