"""`clap`: how well a label fits the exemplars that it was made from, by CLAP.

With unit embeddings t of a text and c_1 … c_n of a feature's exemplars:

*Score*: (1/n) Σ t·c_i, the mean cosine, with Student's interval over exemplars. This is the CLAP
score of Singh, Cherep and Maes. The label was made from these clips, so the score does not validate
it: `held_out` is false.
*Contrast* (an addition): the score minus the mean score that all other features' labels, by the
same method, reach on these exemplars. A generic label that fits any clip has a contrast near 0.
*Retrieval rank*: 1 + the number of the method's distinct texts that score higher on them.

Everything is computed from embeddings, one block of features at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.clap.base import Floats32
from pipeline.clap.store import track_embeddings
from pipeline.context import SaeContext
from pipeline.scorers.similarities import ClapScorer, labelled
from pipeline.store.tables import ScoreRecord

BLOCK = 256
"""Features per block: 65,000 texts × 256 × 4 bytes is 67 MB."""


@dataclass(frozen=True)
class Fit:
    """Figures of labels, one entry per label [label]; see the module."""

    score: Floats32
    half: Floats32
    """Half the interval; NaN with fewer than two clips."""
    contrast: Floats32
    """NaN where no other feature has a label."""
    rank: npt.NDArray[np.int64]


class ClapFit(ClapScorer):
    """Mean cosine of label and exemplars."""

    def score(self, context: SaeContext, method: str) -> Iterator[ScoreRecord]:
        """One record for each label of `method`; see the module."""
        found = labelled(context, method)
        if found is None:
            return
        # 1) Features and texts by number; the arrays of `fit` are over these.
        names = list(dict.fromkeys(label.feature for label in found.labels))
        place = {name: number for number, name in enumerate(names)}
        row = found.row
        figures = fit(
            texts=found.embeddings,
            clips=track_embeddings(context),
            clips_of=[context.exemplar_places(name) for name in names],
            text_of=np.asarray([row[label.text] for label in found.labels]),
            feature_of=np.asarray([place[label.feature] for label in found.labels]),
            level=context.config.scores.interval_level,
        )
        # 2) One record per label.
        for number, label in enumerate(found.labels):
            count = len(context.exemplar_places(label.feature))
            yield _record(label.feature, label.rank, method, figures, number, count, len(row))


def fit(
    *,
    texts: Floats32,
    clips: Floats32,
    clips_of: Sequence[npt.NDArray[np.intp]],
    text_of: npt.NDArray[np.intp],
    feature_of: npt.NDArray[np.intp],
    level: float = 0.95,
) -> Fit:
    """The figures of labels from unit embeddings `texts` [text, width], `clips` [clip, width].

    `clips_of` [feature]: rows of each feature's exemplars in `clips`; `text_of`, `feature_of`
    [label]: each label's row in `texts`, and its feature.
    """
    # 1) Results, NaN where a figure cannot be computed.
    labels, features = len(text_of), len(clips_of)
    score, half, contrast = (np.full(labels, np.nan, dtype=np.float32) for _ in range(3))
    rank = np.zeros(labels, dtype=np.int64)
    # 2) Labels sorted by feature, so that each feature's are one slice: `bounds` [feature + 1].
    #    `given` [text]: how many labels have each text.
    given = np.bincount(text_of, minlength=len(texts)).astype(np.float32)
    by_feature = np.argsort(feature_of, kind="stable")
    bounds = np.searchsorted(feature_of[by_feature], np.arange(features + 1))
    # 3) The mean of cosines is the cosine with the mean: m = (1/n) Σ c_i, [feature, width].
    means = np.stack([_mean(clips, places) for places in clips_of])
    # 4) For the contrast, Σ over all labels of m·t, [feature]: the sum over other features' labels
    #    is this minus the feature's own, so no [feature, label] matrix is needed.
    total = means @ (given @ texts)
    for start in range(0, features, BLOCK):
        # 5) m·t of every text, [feature, text], so that a feature's cosines are contiguous: the
        #    ranks below read them once per label.
        block = means[start : start + BLOCK] @ texts.T
        for feature in range(start, min(start + BLOCK, features)):
            own = by_feature[bounds[feature] : bounds[feature + 1]]
            if not len(own) or not len(clips_of[feature]):
                continue
            cosines = block[feature - start]
            score[own] = cosines[text_of[own]]
            half[own] = _half(texts[text_of[own]] @ clips[clips_of[feature]].T, level)
            others = labels - len(own)
            if others:
                contrast[own] = score[own] - (total[feature] - score[own].sum()) / others
            rank[own] = _ranks(cosines, score[own])
    return Fit(score, half, contrast, rank)


def _mean(clips: Floats32, places: npt.NDArray[np.intp]) -> Floats32:
    """Mean [width] of some clips' embeddings, not normalised: a text's inner product with it is the
    text's mean cosine with them."""
    if not len(places):
        return np.zeros(clips.shape[1], dtype=np.float32)
    return np.asarray(clips[places].mean(axis=0), dtype=np.float32)


def _ranks(cosines: Floats32, scores: Floats32) -> npt.NDArray[np.int64]:
    """1 + the number of `cosines` [text] above each of `scores` [label]."""
    better = [np.count_nonzero(cosines > score) for score in scores]
    return 1 + np.asarray(better, dtype=np.int64)


def _half(cosines: Floats32, level: float) -> Floats32:
    """t_{n−1} s / √n, half of Student's interval of each row's mean, [label]; `cosines` [label,
    clip], s their sample standard deviation. NaN for a single clip."""
    from scipy.stats import t

    count = cosines.shape[1]
    if count < 2:
        return np.full(len(cosines), np.nan, dtype=np.float32)
    factor = float(t.ppf(0.5 + level / 2, count - 1)) / np.sqrt(count)
    return np.asarray(factor * cosines.std(axis=1, ddof=1), dtype=np.float32)


def _record(
    feature: str, rank: int, method: str, figures: Fit, number: int, clips: int, texts: int
) -> ScoreRecord:
    score, half = float(figures.score[number]), float(figures.half[number])
    contrast = float(figures.contrast[number])
    bounded = np.isfinite(half)
    return ScoreRecord(
        feature=feature,
        method=method,
        rank=rank,
        score=score,
        low=score - half if bounded else score,
        high=score + half if bounded else score,
        contrast=contrast if np.isfinite(contrast) else None,
        n_positive=clips,
        n_negative=0,
        comparable=True,
        held_out=False,
        interval="Student, over exemplars" if bounded else "none: one exemplar",
        retrieval_rank=int(figures.rank[number]),
        retrieval_of=texts,
    )
